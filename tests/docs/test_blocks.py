"""Every block of the pages that is no Python: executed here, by another test, or said why not.

Python, and the text that it prints, is executed by test_examples.py; the blocks of a console by
test_tutorial.py.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "courier" / "README.md",
    # Those of each name are made by `./dev docs`, of docstrings.
    *sorted(set(ROOT.glob("docs/**/*.md")) - set(ROOT.glob("docs/reference/names/*.md"))),
]
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)    \S.*\n(?:    .*\n|\n(?=    ))*")
# Executed elsewhere, by their kind; a text is what the Python above it prints.
ELSEWHERE = {"python", "console", "text"}
# Text of programs that is compared with the files it is of.
COMPARED = {
    "docs/how-to/write-a-flavour.md": "tests/examples/test_own_flavour.py",
    "docs/reference/hooks.md": "tests/docs/test_reference.py",
}

# By page and first line: the test that does, or prints, what is shown, and what is to be found in
# it. Where a page has numbers and names of a suite that is not there, the test has others.
SHOWN_BY = {
    "README.md: ./dev demo": ("tests/examples/test_demo.py", "def test_"),
    "README.md: ./dev test": (
        "tests/architecture/test_project.py",
        "test_the_readme_has_the_two_commands_and_they_exist",
    ),
    "examples/courier/README.md: pytest                  # more than three minutes": (
        "tests/examples/test_demo.py",
        "def test_",
    ),
    "examples/courier/README.md: pytest tests_simulated": (
        "tests/examples/test_demo.py",
        "tests_simulated",
    ),
    'CONTRIBUTING.md: warn_deprecated(travel, "0.3", instead="Simulation.move_wall()", issue=17)': (
        "tests/release/test_deprecation.py",
        "warn_deprecated(",
    ),
    "docs/explanation/event-loop.md: def pytest_asyncio_loop_factories(config, item):": (
        "tests/asyncplugins/test_pytest_asyncio.py",
        "def pytest_asyncio_loop_factories(config, item):",
    ),
    "docs/how-to/async-tests.md: @pytest.mark.asyncio": (
        "tests/asyncplugins/test_pytest_asyncio.py",
        "@pytest.mark.asyncio",
    ),
    "docs/how-to/async-tests.md: ERROR: tests/test_api.py::test_get: the marker "
    "asyncio(loop_scope='module') keeps an event loop from test to test, and this test has a "
    "simulation, and so a clock, of its own": (
        "tests/plugin/test_async_plugins.py",
        "keeps an event loop from test to test, and this test has a simulation, and so a",
    ),
    "docs/how-to/property-test-schedules.md: state = CounterMachine()": (
        "tests/hypothesis/test_machines.py",
        "state.begin(schedule=Deviations((0, 1, 1)))",
    ),
    "docs/how-to/read-a-failure.md: "
    "----------------------------------- simclock -----------------------------------": (
        "tests/plugin/test_reporting.py",
        "again: pytest",
    ),
    "docs/how-to/read-a-timeline.md: "
    "timeline: .pytest_cache/d/simclock-timelines/test-bank-py--test-transfers-1f0c7a52.html": (
        "tests/plugin/test_timelines.py",
        r"timeline: pages/test-suite-py--test-fails-[0-9a-f]{8}\.html",
    ),
    "docs/how-to/run-an-existing-suite.md: "
    "simclock: 412 tests in simulated time, 3 h 12 min of it in 9.41 s of real time": (
        "tests/plugin/test_timeouts.py",
        "simclock: 2 tests in simulated time, 1 h 0 min of it in *",
    ),
    "docs/how-to/run-an-existing-suite.md: the fixture 'server' of session scope runs threads in "
    "the suite's simulation, for tests/test_api.py::test_get: server-1": (
        "tests/plugin/test_scopes.py",
        "runs threads ",
    ),
    "docs/how-to/libraries-that-wait-in-c.md: Escape: escape: worker (0.1), calls "
    "uvloop.Loop.run_until_complete at app.py:12, at virtual +0 s, which waits in C, outside the "
    "simulated clock": ("tests/libraries/test_libraries.py", "uvloop.Loop.run_until_complete"),
    "docs/how-to/search-for-long.md: simclock: campaign of test_shop.py::test_sale": (
        "tests/plugin/test_campaigns.py",
        "simclock: campaign of",
    ),
    "docs/how-to/search-for-long.md: inconclusive: no failure in 300 of 400 runs, in 3 parts": (
        "tests/plugin/test_campaigns.py",
        "  inconclusive: no failure in 200 of 300 runs, in 2 parts",
    ),
    'docs/how-to/search-for-long.md: with distributed.Client("scheduler:8786") as client:': (
        "tests/explore/test_campaigns.py",
        "client.get_executor()",
    ),
    "docs/how-to/search-schedules.md: simclock: 1 test searched, 1000 runs, 504 different": (
        "tests/plugin/test_searching.py",
        "*inconclusive: test_suite.py::test: *foreign thread*",
    ),
    "docs/how-to/state-what-must-hold.md: simclock: 12 tests searched, 9000 runs, 4123 different": (
        "tests/plugin/test_statements.py",
        "simclock: stated, and not seen in any of these searches",
    ),
}
NOT_EXECUTED = {
    "CONTRIBUTING.md: ./dev setup": "it makes a venv and builds; CI begins with it on a fresh clone",
    "docs/tutorial/1-first-test.md: ./dev setup": "the same",
    "docs/decisions/0024-no-reduction-no-spurious-wake-ups.md: "
    "thread 1: with a: pass         thread 2: x = 1": "a sketch of two threads, no program",
    "docs/decisions/README.md: # NNNN: what was decided, as a sentence": "the form of a page",
}


class Block(NamedTuple):
    kind: str
    text: str


def blocks_of(page):
    text = page.read_text("utf-8")
    found = [Block(*match.groups()) for match in FENCED.finditer(text)]
    rest = FENCED.sub("", text)
    return found + [Block("", textwrap.dedent(block)) for block in INDENTED.findall(rest)]


def all_blocks():
    """Return the blocks that other tests do not know of, by page and first line."""
    found = {}
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for block in blocks_of(page):
            if block.kind in ELSEWHERE or (block.kind == "py" and name in COMPARED):
                continue
            # More than one line of TOML is needed to tell its tables apart.
            first = block.text.strip().splitlines()
            lines = 2 if block.kind == "toml" else 1
            found[f"{name}: {' '.join(first[:lines]).strip()}"] = block
    return found


BLOCKS = all_blocks()
EXECUTED = {}


def executes(*places):
    """Note that a test executes these blocks; it gets one of them."""
    EXECUTED.update(dict.fromkeys(places))
    return pytest.mark.parametrize("text", [BLOCKS[place].text for place in places], ids=places)


def test_each_block_is_executed_or_said_why_not():
    known = [*SHOWN_BY, *NOT_EXECUTED, *EXECUTED]

    assert sorted(BLOCKS) == sorted(known)


@pytest.mark.parametrize("place", SHOWN_BY)
def test_there_is_a_test_that_shows_it(place):
    file, part = SHOWN_BY[place]

    assert part in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize("place", COMPARED)
def test_there_is_a_test_that_compares_it(place):
    assert Path(place).stem in (ROOT / COMPARED[place]).read_text("utf-8")


def test_text_stands_below_the_python_that_prints_it():
    for page in PAGES:
        kinds = [block.kind for block in blocks_of(page) if block.kind]
        for before, kind in zip([None, *kinds], kinds, strict=False):
            assert kind != "text" or before == "python", page


# ----------------------------------------------------------------- settings of pytest


CI = "docs/how-to/run-in-ci.md: "
SUITE = "docs/how-to/run-an-existing-suite.md: "
LONG = "docs/how-to/search-for-long.md: "
RACE = """
    import threading
    import time

    import pytest

    class Stock:
        items = 1

    @pytest.mark.simclock
    def test_sale():
        stock = Stock()

        def take():
            if stock.items > 0:
                time.sleep(0)
                stock.items -= 1

        buyers = [threading.Thread(target=take) for _ in range(2)]
        for each in buyers:
            each.start()
        for each in buyers:
            each.join()
        assert stock.items == 0
"""


def with_settings(pytester, text, *options):
    (pytester.path / "pyproject.toml").write_text(text)
    return pytester.runpytest_subprocess("-p", "no:xdist", "--strict-config", *options, timeout=60)


@executes(SUITE + "[tool.pytest.ini_options] simclock = true")
def test_the_ini_file_makes_a_suite_simulated(pytester, text):
    pytester.makepyfile("import time\ndef test(): time.sleep(3600)")

    done = with_settings(pytester, text)

    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines("simclock: 1 test in simulated time, 1 h 0 min of it in *")


@executes(CI + '[tool.pytest.ini_options] simclock_corpus = "tests/schedules"')
def test_the_ini_file_says_where_the_corpus_is(pytester, text):
    pytester.makepyfile(RACE)

    first = with_settings(pytester, text, "--simclock-runs=100")
    again = with_settings(pytester, text, "--simclock-runs=100")

    first.stdout.fnmatch_lines("run * of at most 100 failed, by strategy portfolio*")
    assert len([*(pytester.path / "tests" / "schedules").rglob("*.json")]) == 1
    again.stdout.fnmatch_lines("a schedule that an earlier search has found failed again; *")


@executes(
    "docs/how-to/libraries-that-wait-in-c.md: "
    '[tool.pytest.ini_options] simclock_real_packages = ["grpc", "boto3"]'
)
def test_the_ini_file_names_real_packages(pytester, text):
    pytester.mkpydir("boto3")
    (pytester.path / "boto3" / "__init__.py").write_text(
        "import subprocess, sys\n"
        "def call():\n"
        "    return subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.2)'])\n"
    )
    pytester.makepyfile(
        """
        import threading, time
        import boto3

        def test_a_call_holds_the_clock(sim):
            ticks = []
            ticker = threading.Thread(target=lambda: (time.sleep(60), ticks.append(sim.elapsed)))
            ticker.start()
            boto3.call()
            assert ticks == []
            ticker.join()
        """
    )

    with_settings(pytester, text).assert_outcomes(passed=1)


@executes(
    SUITE + "pytest --simclock",
    CI + "pytest --simclock -n auto",
    CI + "pytest -n auto --simclock-runs=100                                # with each change",
    CI + "pytest --simclock-runs=100 --simclock-timeline-dir=artifacts "
    "--simclock-corpus=artifacts/schedules",
    LONG + "$ pytest --simclock-runs=100000 --simclock-campaign=campaign -n 8",
)
def test_a_command_of_pytest_is_taken(pytester, text):
    # There is nothing to choose in it, so that a search of any length is soon over.
    pytester.makepyfile("def test(sim): assert sim.elapsed == 0")

    for shown in text.removeprefix("$ ").splitlines():
        # A thousand parts would be as many items that are skipped, and workers take long to start.
        line = re.sub(r"-n (auto|8)", "-n 2", shown.replace("100000", "300"))
        name, *arguments = shlex.split(line, comments=True)
        assert name == "pytest"
        done = pytester.runpytest_subprocess(*arguments, timeout=100)
        assert done.ret == 0
        assert {"passed"} <= done.parseoutcomes().keys() <= {"passed", "skipped"}


# ----------------------------------------------------------------- entry points


@executes('docs/how-to/write-a-plugin.md: [project.entry-points.simclock] slow-disk = "slow_disk"')
def test_what_is_announced_is_found(pytester, text):
    name, value = re.search(r'^([\w-]+) = "(\w+)"$', text, re.MULTILINE).groups()
    pytester.makepyfile(
        **{
            value: """
            import simclock
            from simclock.lowlevel import Row

            @simclock.hookimpl
            def simclock_boundary_rows():
                return [Row("posix.getuid", "simulated", "made up", lambda: 42)]
            """
        }
    )
    info = pytester.mkdir("slow_disk-1.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-disk\nVersion: 1.0\n")
    group = re.search(r"entry-points\.(\w+)", text)[1]
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")

    done = pytester.runpython_c("import os, simclock\nprint(simclock.run(os.getuid))")

    assert done.outlines == ["42"]


# ----------------------------------------------------------------- commands of the systems


class Shell:
    """Runs commands in a folder, as a shell there would."""

    def __init__(self, folder):
        self._folder = folder
        # Settings of this machine are not wanted.
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("PYNENC__")}

    def export(self, setting):
        name, _, value = setting.partition("=")
        self._environment[name] = value

    def _talk(self, process, interrupted_after):
        printed = ""
        while not all(words in printed for words in interrupted_after):
            line = process.stdout.readline()
            assert line, printed
            printed += line
        if interrupted_after:
            process.send_signal(signal.SIGINT)
        return printed + process.communicate(timeout=60)[0]

    def run(self, command, *interrupted_after):
        """Return the exit code and what was printed; SIGINT ends what has printed these words."""
        name, *arguments = shlex.split(command)
        assert name == "python"
        process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            patience = threading.Timer(60, process.kill)
            patience.start()
            try:
                printed = self._talk(process, interrupted_after)
            finally:
                process.kill()  # if it has not ended by itself
                patience.cancel()
                patience.join()
        return process.returncode, printed


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def module_of(page, name):
    """Return the block of Python of a page that is this module."""
    pattern = rf"^```python\n(# {name}\.py\n.*?)^```$"
    return re.search(pattern, (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)[1]


RUNNERS = "docs/how-to/run-task-runners.md"
# What ends by a signal only, and the words by which it is under way.
UNTIL_A_SIGNAL = {"runner start": (" runs",), "--watch": ("\n",)}


@executes(f"{RUNNERS}: export PYNENC__STORAGE_URL=sqlite:////var/lib/shop/tasks.db")
def test_the_commands_of_the_runners(shell, tmp_path, text):
    (tmp_path / "shop.py").write_text(module_of(RUNNERS, "shop"))
    export, *commands = text.replace("/var/lib/shop", str(tmp_path)).splitlines()
    shell.export(export.removeprefix("export "))

    for command in commands:
        words = [words for part, words in UNTIL_A_SIGNAL.items() if part in command]
        code, printed = shell.run(command, *(words[0] if words else ()))
        assert code == 0, f"{command}\n{printed}"
    assert (tmp_path / "tasks.db").exists()
    assert len(commands) == 5


SERVICES = "docs/how-to/run-services.md: "
STATION = {
    "readers": """
        @service(flavour=threading)
        class Reads:
            def run(self):
                print("reads")
                stop_token().wait()
    """,
    "writers": """
        @service(flavour=threading)
        class Writes:
            def __init__(self, folder, *, interval):
                self.told = f"writes to {folder} each {interval} s"

            def run(self):
                print(self.told)
                stop_token().wait()
    """,
}


@pytest.fixture
def station(tmp_path):
    (tmp_path / "station").mkdir()
    for name, text in STATION.items():
        head = "import threading\nfrom simclock.systems.services import service, stop_token\n"
        (tmp_path / "station" / f"{name}.py").write_text(head + textwrap.dedent(text))
    return tmp_path


@executes(SERVICES + '[[services]] class = "station.readers:Reads"')
def test_a_configuration_of_services(shell, station, text):
    (station / "CONFIG.toml").write_text(text)

    code, printed = shell.run(
        "python -m simclock.systems.services CONFIG.toml",
        # They print at once: the ends of their lines may come together.
        "reads",
        "writes to /var/log/station each 5.0 s",
    )

    assert code == 0, printed


@executes(SERVICES + "python -m simclock.systems.services CONFIG.py")
def test_the_commands_of_the_services(shell, station, text):
    (station / "CONFIG.py").write_text("from station.readers import Reads\nreads = Reads()\n")
    (station / "CONFIG.toml").write_text('[[services]]\nclass = "station.readers:Reads"\n')

    for command in text.splitlines():
        code, printed = shell.run(command, "reads\n")
        assert code == 0, printed
