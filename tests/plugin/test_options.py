"""The command line, the ini file and the marker: what they say, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

NAMES = [
    "seed",
    "epoch",
    "external",
    "max-time",
    "max-steps",
    "max-steps-per-instant",
    "watchdog",
    "drain",
    "step-cost",
    "wall-clock",
    "processes",
    "real-packages",
    "lines",
    "opcodes",
    "faults",
    "leaks",
    "runs",
    "strategy",
    "fidelity",
    "latency",
    "budget",
]
OWN = "import random, time, pytest, simclock\n"


def test_every_option_is_documented_and_has_a_line_in_the_ini_file(pytester):
    help_ = pytester.runpytest_inprocess("--help").stdout

    for name in NAMES:
        help_.fnmatch_lines([f"  --simclock-{name}=*", f"  simclock_{name.replace('-', '_')} (*"])
    help_.fnmatch_lines(["  --simclock *", "  --no-simclock *", "  simclock (bool)*"])


def test_the_reference_has_each_option():
    page = Path(__file__).parents[2].joinpath("docs/reference/options.md").read_text()

    for name in [*NAMES, "replay", "replay-mode"]:
        assert f"\n| `--simclock-{name}=" in page
    for name in ("simclock", "no-simclock", "simclock-check"):
        assert f"\n| `--{name}` |" in page


def test_the_marker_is_documented_with_every_option(pytester):
    line = next(
        line
        for line in pytester.runpytest_inprocess("--markers").stdout.lines
        if line.startswith("@pytest.mark.simclock(")
    )

    for name in NAMES:
        assert name.replace("-", "_") in line


def test_without_the_plugin_there_is_no_option(pytester):
    pytester.makepyfile("def test(): pass")

    pytester.runpytest_inprocess("-p", "no:simclock").assert_outcomes(passed=1)
    refused = pytester.runpytest_inprocess("-p", "no:simclock", "--simclock")

    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines("*unrecognized arguments: --simclock*")


# ------------------------------------------------------------- who has the last word


def test_the_marker_goes_before_the_command_line_and_that_before_the_ini_file(suite, pytester):
    pytester.makeini("[pytest]\nsimclock_epoch = 1\nsimclock_max_time = 10")
    text = """
        def test_ini(sim):
            assert time.time() == {by_option}
            time.sleep(10)

        @pytest.mark.simclock(epoch=3, max_time=20)
        def test_marker():
            assert time.time() == 3.0
            time.sleep(20)
        """

    suite(text.format(by_option=1.0), setup=OWN).assert_outcomes(passed=2)
    both = suite(text.format(by_option=2.0), "--simclock-epoch=2", setup=OWN)
    both.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("text", "posix"),
    [
        ("86400", 86400.0),
        ("-1.5", -1.5),
        ("2024-02-29T12:00:00+00:00", 1709208000.0),
        ("2024-02-29T12:00:00Z", 1709208000.0),
        ("2024-02-29 14:30:00+02:30", 1709208000.0),
    ],
)
def test_an_epoch_is_given_as_posix_seconds_or_as_a_date_and_time(suite, text, posix):
    result = suite(
        f"def test(sim):\n    assert time.time() == {posix}", f"--simclock-epoch={text}", setup=OWN
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_epoch_can_be_the_real_time_the_same_in_all_workers(suite, workers):
    result = suite(
        """
        import os

        @pytest.mark.parametrize("number", range(4))
        def test(sim, number, record_testsuite_property):
            print("EPOCH", time.time_ns())
            now = time.time()
            with sim.real_time():
                assert abs(time.time() - now) < 600
            assert False
        """,
        "--simclock-epoch=now",
        workers,
        setup=OWN,
    )
    epochs = {line for line in result.stdout.lines if line.startswith("EPOCH")}

    result.assert_outcomes(failed=4)
    assert len(epochs) == 1


def test_the_policy_for_what_is_outside_reaches_the_simulation(suite):
    text = """
        import threading

        lock = threading.Lock()

        @pytest.fixture(scope="module")
        def owned_outside():
            release = threading.Event()
            def own():
                with lock:
                    release.wait()
            thread = threading.Thread(target=own)
            thread.start()
            yield
            release.set()
            thread.join()

        def test(sim, owned_outside):
            assert not lock.acquire(timeout=5)
        """

    suite(text, "--simclock-external=ignore", setup=OWN).assert_outcomes(passed=1)
    strict = suite(text, "--simclock-external=strict", setup=OWN)
    strict.assert_outcomes(failed=1)
    strict.stdout.fnmatch_lines("*Escape: escape: a simulated thread waits on something outside*")


@pytest.mark.parametrize(
    ("ini", "arguments", "expected"),
    [
        ("", [], []),
        ("simclock_real_packages = one two", [], ["one", "two"]),
        ("simclock_real_packages =\n    one\n    two", [], ["one", "two"]),
        ("simclock_real_packages = one, two", [], ["one", "two"]),
        ("simclock_real_packages = one", ["--simclock-real-packages=two,three"], ["three", "two"]),
    ],
)
def test_packages_in_real_time_are_a_list(suite, pytester, ini, arguments, expected):
    pytester.makeini(f"[pytest]\n{ini}")
    text = f"""
        def test(sim):
            assert sorted(sim._real_packages) == {expected}

        @pytest.mark.simclock(real_packages=["four"])
        def test_marker():
            assert simclock.active()._real_packages == {{"four"}}
        """

    suite(text, *arguments, setup=OWN).assert_outcomes(passed=2)


def test_packages_in_real_time_may_be_a_list_in_toml(suite, pytester):
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nsimclock_real_packages = ["one", "two"]')

    result = suite("def test(sim): assert sorted(sim._real_packages) == ['one', 'two']", setup=OWN)

    result.assert_outcomes(passed=1)


# --------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("seed=one", ["*not a whole number: 'one'", "give one such as 1000"]),
        ("epoch=yesterday", ["*not an instant: 'yesterday'", "give now, POSIX seconds, or a date*"]),
        ("epoch=2024-02-29T12:00:00", ["*not an instant: '2024-02-29T12:00:00'", "*its offset*"]),
        ("external=maybe", ["*unknown choice: 'maybe'", "choose one of hold, strict, ignore"]),
        ("leaks=maybe", ["*unknown choice: 'maybe'", "choose one of fail, warn"]),
        ("max-time=long", ["*not a number: 'long'", "give one such as 30 or 1e-6"]),
        ("max-time=-1", ["*max_time is out of range: -1.0", "give a number, more than 0*"]),
        ("real-packages=grpc.aio", ["*no top-level name of a package: 'grpc.aio'", "give a list of names*"]),
        ("step-cost=-1", ["*step_cost is out of range: -1.0", "*"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["command line", "ini file"])
def test_a_bad_value_ends_the_session_with_what_is_wrong(pytester, option, said, place):
    pytester.makepyfile("def test(): pass")
    arguments = [f"--simclock-{option}"]
    if place == "ini file":
        name, _, value = option.partition("=")
        pytester.makeini(f"[pytest]\nsimclock_{name.replace('-', '_')} = {value}")
        arguments = []

    result = pytester.runpytest_inprocess(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(said)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("simclock(wall_clock='sundial')", "simclock: unknown wall clock: 'sundial'"),
        ("simclock(processes='cloned')", "simclock: unknown process model: 'cloned'"),
        ("simclock(processes=None)", "simclock: processes must be a name: None"),
        ("simclock(sede=1)", ["simclock: the marker has no option 'sede'", "did you mean 'seed'? choose one of seed, *"]),
        ("simclock(run=1000)", ["simclock: the marker has no option 'run'", "did you mean 'runs'? choose one of seed, *"]),
        ("simclock(zzz=1)", ["simclock: the marker has no option 'zzz'", "choose one of seed, epoch, *"]),
        ("simclock(max_time=-1)", "simclock: max_time is out of range: -1"),
        ("simclock(real_packages=['a b'])", "simclock: this is no top-level name of a package: 'a b'"),
        ("simclock(real_packages='grpc')", "simclock: real_packages is no list of names: 'grpc'"),
        ("simclock(leaks='maybe')", "simclock: unknown choice: 'maybe'"),
    ],
)  # fmt: skip
def test_a_marker_with_a_bad_option_is_an_error_of_that_test(suite, marker, said):
    result = suite(
        f"""
        import pytest

        @pytest.mark.{marker}
        def test():
            pass

        def test_after(sim):
            pass
        """
    )

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(said)


@pytest.mark.parametrize("arguments", ["1", "'fast'", "True, False"])
def test_a_marker_with_a_strange_argument_ends_the_session(suite, arguments):
    result = suite(f"import pytest\n@pytest.mark.simclock({arguments})\ndef test(): pass")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: test_suite.py::test: the simclock marker takes True or False, and options by name: *",
            "write @pytest.mark.simclock, or @pytest.mark.simclock(seed=1)",
        ]
    )


# --------------------------------------------------------------------------- off


def test_no_simclock_runs_everything_in_real_time_and_skips_what_needs_sim(suite):
    result = suite(
        """
        @pytest.mark.simclock
        def test_marked():
            assert simclock.active() is None

        def test_with_sim(sim):
            pass

        def test_plain():
            assert simclock.active() is None
        """,
        "--no-simclock",
        "-rs",
        setup=OWN,
    )

    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines("SKIPPED*needs simulated time, which --no-simclock switches off")
