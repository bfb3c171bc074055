"""What a user reads above, between and below the tests."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from datetime import datetime, timezone

import pytest

FAILING = """
    import time

    def test_fails({argument}):
        time.sleep(90)
        assert False
"""


# ----------------------------------------------------------------- the header


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--simclock-seed=7"], "simclock: simulated time for marked tests, seed 7"),
        (
            [
                "--simclock",
                "--simclock-epoch=0",
                "--simclock-external=strict",
                "--simclock-max-time=5",
            ],
            (
                "simclock: simulated time for the whole suite, seed 0,"
                " epoch 1970-01-01T00:00:00+00:00, external strict, max-time 5.0"
            ),
        ),
        (["--no-simclock"], "simclock: off, everything runs in real time"),
    ],
)
def test_the_header_says_what_is_on(suite, arguments, line):
    assert line in suite("def test(): pass", *arguments).stdout.lines


def test_a_whole_suites_wall_clock_starts_at_the_real_time_which_is_shown(suite):
    before = int(time.time())
    result = suite(
        """
        import time

        def test():
            print("EPOCH", int(time.time()))
            assert False
        """,
        "--simclock",
    )
    (epoch,) = (int(line.split()[1]) for line in result.stdout.lines if line.startswith("EPOCH"))

    assert before <= epoch <= time.time()
    when = datetime.fromtimestamp(epoch, timezone.utc).isoformat()
    assert f"simclock: simulated time for the whole suite, seed 0, epoch {when}" in result.outlines
    again = "again: pytest test_suite.py::test --simclock --simclock-seed=0 --simclock-epoch="
    assert again + when in result.outlines


def test_there_is_no_header_and_no_summary_where_nothing_is_on(suite):
    result = suite("def test(): pass")

    assert not [line for line in result.stdout.lines if line.startswith("simclock")]


NONE = "simclock: none of these tests is simulated, they run in real time"
MARK = "  add --simclock, or mark those that shall be with @pytest.mark.simclock"


@pytest.mark.parametrize(
    "asked", ["--simclock-runs=1000", "--simclock-check", "--simclock-max-time=5"]
)
def test_what_is_asked_for_tests_that_are_not_simulated_is_said_before_they_run(suite, asked):
    lines = suite("def test(): pass", asked).stdout.lines

    assert [line for line in lines if line in {NONE, MARK}] == [NONE, MARK]
    assert lines.index(NONE) < next(n for n, line in enumerate(lines) if "[100%]" in line)


def test_with_workers_it_is_said_at_the_end_since_only_they_collect(suite):
    lines = suite("def test(): pass", "--simclock-runs=1000", "-n2").stdout.lines

    assert [line for line in lines if line in {NONE, MARK}] == [NONE, MARK]


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("def test(sim): pass", ["--simclock-runs=2"]),
        ("def test(sim): pass", ["--simclock-runs=2", "-n2"]),
        ("def test(): pass", ["--simclock", "--simclock-runs=2"]),
        ("def test(): pass", ["--no-simclock", "--simclock-runs=2"]),
        ("", ["--simclock-runs=2"]),
    ],
)
def test_it_is_not_said_where_it_is_not_so(suite, code, arguments):
    assert NONE not in suite(code, *arguments).stdout.lines


# ---------------------------------------------------------------- the summary


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ([0.25], "1 test in simulated time, 0.25 s of it in"),
        ([30, 60], "2 tests in simulated time, 1 min 30 s of it in"),
        ([3600, 1800], "2 tests in simulated time, 1 h 30 min of it in"),
        ([86400 * 3, 3600 * 5], "2 tests in simulated time, 3 d 5 h of it in"),
    ],
)
@pytest.mark.parametrize("mode", ["own", "suite"])
def test_the_summary_says_how_much_time_passed(suite, seconds, said, mode):
    result = suite(
        f"""
        import time, pytest

        @pytest.fixture
        def half(seconds):
            time.sleep(seconds / 2)
            yield seconds / 2

        @pytest.mark.simclock({mode == "own"})
        @pytest.mark.parametrize("seconds", {seconds})
        def test(half):
            time.sleep(half)
        """.replace("@pytest.mark.simclock(False)", ""),
        *(["--simclock"] if mode == "suite" else []),
    )

    result.assert_outcomes(passed=len(seconds))
    result.stdout.re_match_lines([rf"simclock: {said} \d+\.\d\d s of real time$"])


def test_a_quiet_run_has_no_summary(suite):
    result = suite("def test(): pass", "--simclock", "-q")

    assert not [line for line in result.stdout.lines if line.startswith("simclock")]


# ---------------------------------------------------------------- a failure


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("sim", []),
        ("sim", ["--simclock-seed=5", "--simclock-max-time=100"]),
        ("sim", ["--simclock"]),
        ("", ["--simclock", "--simclock-epoch=0"]),
        ("", ["--simclock", "--simclock-seed=5", "--simclock-epoch=0"]),
    ],
)
@pytest.mark.parametrize("style", ["auto", "short", "line", "native"])
def test_a_failure_says_its_seed_and_how_to_run_it_again(suite, argument, options, style):
    result = suite(FAILING.format(argument=argument), *options, f"--tb={style}")

    again = ["--simclock-seed=0"] if "--simclock-seed=5" not in options else []
    if argument:
        # A simulation of its own is the same with the option for the suite and without.
        again += [option for option in options if option != "--simclock"]
    else:
        again = ["--simclock", *again, *options[1:-1], "--simclock-epoch=1970-01-01T00:00:00+00:00"]
    if style == "line":
        return  # it has room for one line only
    result.stdout.re_match_lines(
        [
            r"failed at virtual \+90 s, with its own seed \d+$",
            re.escape(f"again: pytest test_suite.py::test_fails {' '.join(again)}") + r"(\.0)?$",
        ]
    )


def seed(result):
    (found,) = re.findall(r"^failed at .* seed (\d+)$", str(result.stdout), re.MULTILINE)
    return int(found)


def test_a_tests_seed_comes_from_the_runs_seed_and_its_name(suite):
    text = FAILING.format(argument="sim")
    seeds = [seed(suite(text, f"--simclock-seed={n}")) for n in (0, 1, 0)]
    among_others = suite(text + "\n    def test_more(sim): pass", "--simclock-seed=0")

    assert seeds[0] == seeds[2] != seeds[1]
    assert seed(among_others) == seeds[0]
    assert seed(suite(text.replace("test_fails", "test_other"))) != seeds[0]


def test_a_seed_in_the_marker_is_the_tests_seed(suite):
    result = suite(
        """
        import pytest

        @pytest.mark.simclock(seed=11)
        def test(sim):
            assert sim.seed == 11
            assert False, "shown"
        """
    )

    result.stdout.fnmatch_lines(
        ["*AssertionError: shown", "failed at virtual +0 s, with its own seed 11"]
    )


def test_an_error_of_the_kernel_ends_in_the_users_line(suite):
    result = suite(
        """
        import threading

        def wait_for_ever():
            threading.Event().wait()

        def test(sim):
            wait_for_ever()
        """
    )
    shown = [line for line in result.stdout.lines if re.match(r"\S+\.py:\d+: ", line)]

    assert [line.split(":")[0].rpartition("/")[2] for line in shown] == [
        "test_suite.py",
        "test_suite.py",
        "threading.py",
        "threading.py",
    ]


def test_a_full_traceback_has_our_lines_too(suite):
    result = suite("import threading\ndef test(sim):\n    threading.Event().wait()", "--full-trace")

    result.stdout.fnmatch_lines("*kernel.py:*: Deadlock")


# ------------------------------------------------------------------- JUnit


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_junit_has_the_seed_and_the_virtual_time_and_real_durations(suite, pytester, workers):
    suite(
        """
        import time

        def test(sim):
            time.sleep(3600)
            print("seed", sim.seed)

        def test_real(): pass
        """,
        "--junitxml=out.xml",
        workers,
    )
    root = ET.parse(pytester.path / "out.xml").getroot()
    cases = {case.get("name"): case for case in root.iter("testcase")}
    properties = {p.get("name"): p.get("value") for p in cases["test"].iter("property")}

    assert properties["simclock_seconds"] == "3600.0"
    assert int(properties["simclock_seed"]) > 0
    assert float(cases["test"].get("time")) < 3600
    assert not list(cases["test_real"].iter("property"))


def test_recorded_properties_are_kept(suite, pytester):
    suite(
        """
        def test(sim, record_property):
            record_property("colour", "green")
        """,
        "--junitxml=out.xml",
        "-ojunit_family=xunit1",
    )
    root = ET.parse(pytester.path / "out.xml").getroot()

    assert {p.get("name") for p in root.iter("property")} == {
        "colour",
        "simclock_seed",
        "simclock_seconds",
    }
