"""Run a published project's own tests for real, then in simulated time, and compare the two.

The tests are those of dogpile.cache, a caching library whose point is that many threads ask and
only one computes. They come with its source distribution, which is fetched by pip, pinned by its
hash, and run as published: nothing in them is changed and nothing in them knows of simclock.

    python examples/published_suite.py          # about a minute of real waiting
    python examples/published_suite.py --all    # more than three minutes of it

The exit status is 0 if every test had the same outcome in both runs and none failed, 1 if not,
2 if the comparison could not be made. Downloads are kept in ``.cache/published_suite``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "published_suite"
FOR_REAL = ("-p", "no:simclock")
SIMULATED = ("--simclock",)
# Six times what the longest run takes: it ends a run that hangs and does not judge a slow machine.
LONGEST_RUN_S = 1200


@dataclass(frozen=True)
class Project:
    """A published source distribution and what of its tests is run.

    Every requirement is pinned with its hash, so that the same bytes are run everywhere.
    """

    name: str
    version: str
    license: str
    archive: str
    sha256: str
    #: What the tests import besides the project and pytest, as a requirements file.
    requirements: str
    files: tuple[str, ...]
    #: Tests that are run with ``--all`` only.
    slow: tuple[str, ...]
    #: Tests that are never run, with the reason.
    left_out: dict[str, str]

    @property
    def label(self) -> str:
        """The project as its users write it."""
        return f"{self.name} {self.version}"


DOGPILE = Project(
    name="dogpile.cache",
    version="1.5.0",
    license="MIT",
    archive="dogpile_cache-1.5.0.tar.gz",
    sha256="849c5573c9a38f155cd4173103c702b637ede0361c12e864876877d0cd125eec",
    requirements=(
        "decorator==5.3.1 \\\n"
        "    --hash=sha256:f47fe6fdbd2edd623ecfe36875d37aba411624e2670dd395dddae1358689bb3c\n"
        # 5.8 is the last that runs on every Python supported here.
        "stevedore==5.8.0 \\\n"
        "    --hash=sha256:88eede9e66ca80e34085b9174e2327da2c61ac91f24f70e41c3ad76e4bb4872b\n"
    ),
    # Those with threads that need neither a server nor file locks. The project's tests of expiry in
    # tests/cache/test_region.py and test_decorator.py are not for a simulated clock: 14 of them
    # expect two readings of the clock, with no wait between, to differ.
    files=(
        "tests/test_lock.py",
        "tests/test_backgrounding.py",
        "tests/cache/test_memory_backend.py",
    ),
    slow=(
        "tests/test_lock.py::ConcurrencyTest::test_slow",
        "tests/test_lock.py::ConcurrencyTest::test_return_while_in_progress",
        "tests/test_lock.py::ConcurrencyTest::test_get_value_plus_created_registry_unsafe_cache",
        "tests/test_lock.py::ConcurrencyTest::test_get_value_plus_created_registry_safe_cache_slow",
    ),
    left_out={
        "tests/test_lock.py::ConcurrencyTest::test_get_value_plus_created_long_create": (
            "it bounds its run time on the strength of real sleeps being late: with exact ones\n"
            "one of its ten threads meets every expiry first and does all the slow work alone"
        ),
    },
)


@dataclass(frozen=True)
class Run:
    """One run of the tests: an outcome for each, and the real time from start to exit."""

    seconds: float
    outcomes: dict[str, str]
    output: str = field(repr=False)

    @property
    def failures(self) -> list[str]:
        """The tests that ended in a failure or an error."""
        return [test for test, outcome in self.outcomes.items() if outcome in {"failed", "error"}]


class CannotCompareError(Exception):
    """The comparison cannot be made; the message says why and what to do."""


def check_environment() -> None:
    """Refuse an interpreter that lacks what both runs need."""
    plugins = {point.name for point in importlib.metadata.entry_points(group="pytest11")}
    if "simclock" not in plugins:
        raise CannotCompareError(
            f"simclock's pytest plugin is not installed in: {sys.executable}\n"
            "install it with: python -m pip install --editable '.[pytest]'"
        )


def prepare_cache(cache: Path) -> None:
    """Make the folder for downloads, invisible to version control."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(project: Project, cache: Path) -> Path:
    """Return the project's source distribution, downloading it only once."""
    archive = cache / project.archive
    if not archive.exists():
        download(project, archive)
    found = sha256_of(archive)
    if found != project.sha256:
        raise CannotCompareError(
            f"hash mismatch: {archive}\n"
            f"  pinned: {project.sha256}\n"
            f"  found:  {found}\n"
            "delete the file and run again"
        )
    return archive


def download(project: Project, archive: Path) -> None:
    """Let pip fetch the pinned source distribution to *archive*.

    Not by ``urllib``: pip knows the user's index, proxy and certificates. The price is that pip
    asks the project's build backend for metadata, in an environment of its own.
    """
    say(f"fetching {project.label} ...")
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        pip(
            "download",
            "--no-deps",
            f"--no-binary={project.name}",
            f"--dest={scratch}",
            requirements=f"{project.name}=={project.version} --hash=sha256:{project.sha256}\n",
        )
        (Path(scratch) / project.archive).replace(archive)


def install_requirements(project: Project, cache: Path) -> Path:
    """Return a folder with what the tests import, installing it only once.

    A folder of its own, so that the environment of whoever runs this stays as it is.
    """
    site = cache / f"site-{hashlib.sha256(project.requirements.encode()).hexdigest()[:12]}"
    if not site.exists():
        say("fetching what its tests need ...")
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            target = Path(scratch) / "site"
            pip(
                "install",
                "--no-deps",
                "--only-binary=:all:",
                f"--target={target}",
                requirements=project.requirements,
            )
            move_unless_there(target, site)
    return site


def move_unless_there(source: Path, target: Path) -> None:
    """Rename a folder, unless another process has just put the same one there."""
    try:
        source.rename(target)
    except OSError:
        if not target.exists():
            raise


def pip(*arguments: str, requirements: str) -> None:
    """Run a pip command on pinned *requirements*, refusing any that lacks its hash."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(requirements, encoding="utf-8")
        command = [sys.executable, "-m", "pip", *arguments, "--require-hashes", "--retries=2"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--quiet", f"--requirement={listed}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise CannotCompareError(explain_pip(done.stderr))


def explain_pip(stderr: str) -> str:
    """Return an error message for what pip said."""
    evidence = tail(stderr, 8)
    if "DO NOT MATCH THE HASHES" in stderr:
        return (
            f"hash mismatch: the index offers another file than the pinned one\n{evidence}\n"
            "do not use it; ask the index's maintainer, or try another index"
        )
    if "No module named pip" in stderr:
        return f"pip is not installed in: {sys.executable}\ninstall it with: python -m ensurepip"
    return (
        f"pip could not fetch a pinned file:\n{evidence}\n"
        "check the network and the index (python -m pip config list), then run again"
    )


def unpack(archive: Path, into: Path) -> Path:
    """Unpack a source distribution and return its one top folder.

    Only plain files and folders below *into* are accepted, also where ``tarfile`` has no filters.
    """
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            path = Path(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise CannotCompareError(
                    f"unsafe member in {archive}: {member.name}\nreport it to the project"
                )
        if hasattr(tarfile, "data_filter"):
            packed.extractall(into, filter="data")
        else:
            packed.extractall(into)
    (top,) = into.iterdir()
    return top


def selection(project: Project, *, everything: bool) -> list[str]:
    """Return pytest's arguments that name the tests to run."""
    deselected = [*project.left_out, *(() if everything else project.slow)]
    return [*project.files, *(f"--deselect={test}" for test in deselected)]


def run_suite(archive: Path, site: Path, arguments: list[str]) -> Run:
    """Run pytest with *arguments* in a fresh copy of the source tree."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        tree = unpack(archive, Path(scratch))
        report = tree.with_name("report.xml")
        started = time.perf_counter()
        done = run_pytest(tree, site, [*arguments, f"--junitxml={report}"])
        seconds = time.perf_counter() - started
        if done.returncode not in {0, 1}:  # 1: tests failed, and the report says which
            raise CannotCompareError(
                f"pytest ended with exit status {done.returncode}:\n{tail(done.stdout, 30)}\n"
                f"it was started with: {' '.join(arguments)}"
            )
        return Run(seconds, read_outcomes(report), done.stdout)


def run_pytest(tree: Path, site: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Start pytest in *tree*, with nothing of this shell's pytest settings, and wait for it."""
    settings = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    environment["PYTHONPATH"] = str(site)
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST_RUN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        raise CannotCompareError(
            f"pytest did not end within {LONGEST_RUN_S} s: {' '.join(arguments)}\n"
            "run it by hand with pytest's -v to see in which test it hangs"
        ) from hung


def read_outcomes(report: Path) -> dict[str, str]:
    """Return the outcome of each test in a JUnit report of pytest."""
    outcomes: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        # A failing teardown is a second entry of the same test; the first bad news counts.
        if outcomes.get(test, "passed") == "passed":
            outcomes[test] = outcome_of(case)
    return outcomes


def outcome_of(case: ET.Element) -> str:
    """Return what happened to one test of a JUnit report."""
    for tag, outcome in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        if case.find(tag) is not None:
            return outcome
    return "passed"


def differences(real: Run, simulated: Run) -> list[str]:
    """Return a line for each test whose outcomes differ."""
    tests = dict.fromkeys([*real.outcomes, *simulated.outcomes])
    pairs = [(real.outcomes.get(t, "absent"), simulated.outcomes.get(t, "absent")) for t in tests]
    return [f"{t}: {a} -> {b}" for t, (a, b) in zip(tests, pairs, strict=True) if a != b]


def table(project: Project, real: Run, simulated: Run, differing: int) -> str:
    """Return the comparison as a line of headings and a line of figures."""
    tests = len(dict.fromkeys([*real.outcomes, *simulated.outcomes]))
    cells = {
        "project": project.label,
        "tests": str(tests),
        "same": str(tests - differing),
        "different": str(differing),
        "real run": f"{real.seconds:.2f} s",
        "simulated run": f"{simulated.seconds:.2f} s",
        "ratio": f"{real.seconds / simulated.seconds:.0f}x",
    }
    widths = [max(len(heading), len(cell)) for heading, cell in cells.items()]
    lines = (cells.keys(), cells.values())
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def compare(project: Project, *, everything: bool) -> bool:
    """Run the tests twice, print what came out, and return whether all is well."""
    check_environment()
    prepare_cache(CACHE)
    archive = fetch(project, CACHE)
    site = install_requirements(project, CACHE)
    chosen = selection(project, everything=everything)

    say(f"running the tests of {project.label} ({project.license}) for real ...")
    real = run_suite(archive, site, [*FOR_REAL, *chosen])
    say("running them again in simulated time ...")
    simulated = run_suite(archive, site, [*SIMULATED, *chosen])

    differing = differences(real, simulated)
    say(f"\n{table(project, real, simulated, len(differing))}\n")
    say_left_out(project, everything=everything)
    return report_problems({"real": real, "simulated": simulated}, differing)


def say_left_out(project: Project, *, everything: bool) -> None:
    """Print which tests of the chosen files were not run, and why."""
    if not everything:
        say(f"left out: {len(project.slow)} tests that wait longest (run them too with --all)")
    for test, reason in project.left_out.items():
        say(f"left out: {test.rpartition('::')[2]}\n{indent(reason)}")


def report_problems(runs: dict[str, Run], differing: list[str]) -> bool:
    """Print what differs and what failed; return whether there was nothing to print."""
    if differing:
        complain("the outcomes differ (real -> simulated):\n" + indent("\n".join(differing)))
    for name, run in runs.items():
        if not run.outcomes:
            complain(f"the {name} run ran no test:\n{tail(run.output, 30)}")
        if run.failures:
            complain(f"{len(run.failures)} failed in the {name} run:\n{tail(run.output, 60)}")
    return not differing and all(run.outcomes and not run.failures for run in runs.values())


def tail(text: str, lines: int) -> str:
    """Return the last *lines* lines of *text*, indented."""
    return indent("\n".join(text.strip().splitlines()[-lines:]))


def indent(text: str) -> str:
    """Return *text* with each line moved right, as evidence is shown."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def say(text: str) -> None:
    """Print at once: a reader waits for a minute after some of these lines."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print an error, after everything said so far."""
    print(f"published_suite: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="run the tests that wait longest too")
    try:
        return 0 if compare(DOGPILE, everything=parser.parse_args().all) else 1
    except CannotCompareError as error:
        complain(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
