"""What the pytest plugin does with a test that has a simulation of its own."""

from __future__ import annotations

import pytest

LOCKED_FOR_EVER = """
    import threading

    def wait_for_ever():
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
"""


# ----------------------------------------------------------- what is simulated


def test_a_marked_test_runs_in_simulated_time(suite):
    result = suite(
        """
        import time, pytest

        @pytest.mark.simclock
        def test():
            assert time.monotonic() == 1000.0
            time.sleep(3600)
            assert time.monotonic() == 4600.0
        """
    )

    result.assert_outcomes(passed=1)


def test_the_sim_fixture_is_enough(suite):
    result = suite(
        """
        import time, simclock

        def test(sim):
            time.sleep(3600)
            assert sim.elapsed == 3600.0
            assert simclock.active() is sim
        """
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("marker", ["simclock(False)", "simclock(enabled=False)"])
def test_a_marker_can_except_a_test(suite, marker):
    result = suite(
        f"""
        import pytest, simclock

        @pytest.mark.{marker}
        def test_real():
            assert simclock.active() is None

        def test_simulated():
            assert simclock.active() is not None
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)


def test_a_marker_can_include_a_test_again(suite):
    result = suite(
        """
        import pytest, simclock

        pytestmark = pytest.mark.simclock(False)

        @pytest.mark.simclock(True)
        def test_simulated():
            assert simclock.active() is not None

        def test_real():
            assert simclock.active() is None
        """
    )

    result.assert_outcomes(passed=2)


def test_a_plain_test_beside_simulated_ones_sees_real_time(suite):
    result = suite(
        """
        import threading, time, simclock

        def test_simulated(sim):
            time.sleep(3600)

        def test_plain():
            assert simclock.active() is None
            before = time.monotonic()
            time.sleep(0.01)
            assert 0.01 <= time.monotonic() - before < 3600
            assert time.gmtime().tm_year > 2020
        """
    )

    result.assert_outcomes(passed=2)


def test_a_suite_without_simulated_tests_never_imports_simclock(pytester):
    pytester.makepyfile(
        """
        import sys

        def test():
            assert "pytest_simclock.plugin" in sys.modules
            assert not {"simclock", "pytest_simclock.running"} & set(sys.modules)
        """
    )

    pytester.runpytest_subprocess().assert_outcomes(passed=1)


# -------------------------------------------------------------------- options


def test_a_marker_gives_the_options_of_the_simulation(suite):
    result = suite(
        """
        import random, time, pytest
        from simclock import LimitReached

        @pytest.mark.simclock(epoch=86400.0)
        def test_epoch():
            assert time.time() == 86400.0

        drawn = []

        SEEDS = [pytest.param(s, marks=pytest.mark.simclock(seed=s)) for s in (1, 2)]

        @pytest.mark.parametrize("seed", SEEDS)
        @pytest.mark.parametrize("again", [1, 2])
        def test_seed(seed, again):
            drawn.append((seed, random.random()))

        def test_drawn():
            assert len(drawn) == 4
            assert len(set(drawn)) == 2

        @pytest.mark.simclock(max_time=10)
        def test_limit():
            with pytest.raises(LimitReached, match="10 virtual seconds"):
                time.sleep(11)
        """
    )

    # The limit fails its test although that expects it: the kernel has found an error.
    result.assert_outcomes(passed=6, failed=1)


def test_a_class_or_a_module_can_be_marked_too(suite):
    result = suite(
        """
        import time, pytest

        pytestmark = pytest.mark.simclock(epoch=1.0)

        def test_module():
            assert time.time() == 1.0

        @pytest.mark.simclock(epoch=2.0)
        class TestClass:
            def test_method(self):
                assert time.time() == 2.0
        """
    )

    result.assert_outcomes(passed=2)


def test_an_option_that_does_not_exist_is_an_error_of_the_set_up(suite):
    result = suite(
        """
        import pytest

        @pytest.mark.simclock(sede=1)
        def test():
            pass

        def test_after(sim):
            pass
        """
    )

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines("simclock: the marker has no option 'sede'")


def test_the_sim_fixture_says_that_a_test_is_not_simulated(suite):
    result = suite(
        """
        def test_dynamic(request):
            request.getfixturevalue("sim")
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the sim fixture is for simulated tests: this one is not simulated",
            "mark it with @pytest.mark.simclock, or take sim as an argument of the test",
        ]
    )


def test_a_fixture_of_the_users_that_is_called_sim_is_theirs(suite):
    result = suite(
        """
        import pytest, simclock

        @pytest.fixture
        def sim():
            return "a card in a telephone"

        def test(sim):
            assert sim == "a card in a telephone"
            assert simclock.active() is None
        """
    )

    result.assert_outcomes(passed=1)


def test_a_fixture_that_uses_sim_makes_the_test_simulated(suite):
    result = suite(
        """
        import time, pytest, simclock

        @pytest.fixture
        def sim(sim):
            time.sleep(5)
            return sim

        @pytest.fixture
        def started(sim):
            return sim.elapsed

        def test(started):
            assert started == 5.0
            assert simclock.active().elapsed == 5.0
        """
    )

    result.assert_outcomes(passed=1)


# ---------------------------------------------------------------------- phases


def test_set_up_and_teardown_of_fixtures_are_in_the_simulation(suite):
    result = suite(
        """
        import threading, time, pytest

        log = []

        def note(what):
            log.append((time.monotonic() - 1000, what))

        @pytest.fixture
        def server():
            stop = threading.Event()

            def serve():
                while not stop.wait(10):
                    note("tick")
                note("stopped")

            thread = threading.Thread(target=serve)
            thread.start()
            time.sleep(1)
            note("set up")
            yield
            note("tear down")
            stop.set()
            thread.join()

        def test(server, sim):
            note("test")
            time.sleep(20)

        def test_log():
            assert log == [
                (1.0, "set up"), (1.0, "test"), (10.0, "tick"), (20.0, "tick"),
                (21.0, "tear down"), (21.0, "stopped"),
            ]
        """
    )

    result.assert_outcomes(passed=2)


def test_durations_and_starts_in_the_reports_are_real(pytester):
    pytester.makepyfile(
        """
        import time

        def test(sim):
            time.sleep(1_000_000)
        """
    )
    reports = pytester.inline_run().getreports("pytest_runtest_logreport")

    assert [report.when for report in reports] == ["setup", "call", "teardown"]
    assert all(report.duration < 1_000_000 for report in reports)
    # Not the year 2000, where a simulation's wall clock starts.
    assert all(report.start > 1_600_000_000 for report in reports)


def test_each_test_has_a_simulation_of_its_own(suite):
    result = suite(
        """
        import threading, time, pytest

        @pytest.mark.parametrize("number", range(3))
        def test(sim, number):
            assert sim.elapsed == 0
            assert threading.Thread().name == "Thread-1"
            time.sleep(number)
        """
    )

    result.assert_outcomes(passed=3)


def test_a_test_can_open_a_simulation_inside_its_own(suite):
    result = suite(
        """
        import time, simclock

        def test(sim):
            time.sleep(1)
            assert simclock.run(lambda: (time.sleep(5), simclock.active().elapsed)[1]) == 5.0
            assert sim.elapsed == 1.0
        """
    )

    result.assert_outcomes(passed=1)


def test_skipped_and_expected_failures_are_what_they_were(suite):
    result = suite(
        """
        import pytest

        @pytest.mark.skip
        def test_skipped(): pass

        def test_skips():
            pytest.skip("inside")

        @pytest.mark.xfail
        def test_expected():
            assert False

        @pytest.mark.xfail(strict=False)
        def test_unexpected(): pass

        @pytest.fixture
        def skips():
            pytest.skip("in set-up")

        def test_skipped_by_a_fixture(skips): pass
        """,
        "--simclock",
    )

    result.assert_outcomes(skipped=3, xfailed=1, xpassed=1)


# -------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    "statement", ["assert 1 == 2", "raise OSError('no')", "raise SystemExit(3)"]
)
def test_a_failure_is_reported_once_and_its_leftovers_are_not(suite, statement):
    result = suite(
        f"""
        import threading

        def test(sim):
            threading.Thread(target=threading.Event().wait).start()
            {statement}
        """
    )

    result.assert_outcomes(failed=1)


def test_a_deadlock_is_reported_once_with_its_evidence(suite):
    result = suite("def test(sim):\n    wait_for_ever()", setup=LOCKED_FOR_EVER)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Deadlock: deadlock: 1 thread can never run again, at virtual +0 s*", "*owned by itself*"]
    )


@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
def test_a_deadlock_that_is_swallowed_fails_the_test_all_the_same(suite, caught):
    result = suite(
        f"""
        def test(sim):
            try:
                wait_for_ever()
            except {caught}:
                pass
        """,
        setup=LOCKED_FOR_EVER,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*Deadlock*")


def test_a_failure_that_follows_from_a_deadlock_shows_both(suite):
    result = suite(
        """
        def test(sim):
            try:
                wait_for_ever()
            except RuntimeError:
                raise ValueError("consequence")
        """,
        setup=LOCKED_FOR_EVER,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Deadlock*", "*ValueError: consequence*"])


def test_a_swallowed_deadlock_is_told_beside_an_unrelated_failure(suite):
    result = suite(
        """
        def test(sim):
            try:
                wait_for_ever()
            except RuntimeError:
                pass
            assert 1 == 2
        """,
        setup=LOCKED_FOR_EVER,
    )

    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*Deadlock*", "*assert 1 == 2*"])


@pytest.mark.parametrize(
    ("set_up", "tear_down"), [("wait_for_ever()", ""), ("", "wait_for_ever()")]
)
@pytest.mark.parametrize("swallow", [False, True])
def test_a_deadlock_in_a_fixture_is_an_error_of_that_phase(suite, set_up, tear_down, swallow):
    result = suite(
        f"""
        import contextlib, pytest

        quietly = contextlib.suppress(RuntimeError if {swallow} else ())

        @pytest.fixture
        def resource():
            with quietly:
                {set_up or "pass"}
            yield
            with quietly:
                {tear_down or "pass"}

        def test(sim, resource):
            pass

        def test_after(sim):
            assert sim.elapsed == 0
        """,
        setup=LOCKED_FOR_EVER,
    )

    result.assert_outcomes(errors=1, passed=1 if set_up else 2)
    when = "setup" if set_up else "teardown"
    result.stdout.fnmatch_lines([f"*ERROR at {when} of test*", "*Deadlock*"])


def test_an_exception_in_a_thread_is_pytests_warning_as_ever(suite):
    result = suite(
        """
        import threading

        def fail():
            raise ValueError("in a thread")

        def test(sim):
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
        """,
        "-Wdefault",
    )

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines("*PytestUnhandledThreadExceptionWarning*")


# ----------------------------------------------------------------------- leaks

LEAKS = """
    import threading

    def test({argument}):
        threading.Thread(target=threading.Event().wait, name="forgotten").start()
"""


def test_a_leak_fails_a_test_that_asked_for_simulation(suite):
    result = suite(LEAKS.format(argument="sim"))

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("*a non-daemon thread that would never have ended: forgotten*")


@pytest.mark.parametrize(
    ("argument", "marker"), [("--simclock-leaks=warn", ""), ("-v", "leaks='warn'")]
)
def test_a_leak_can_be_a_warning(suite, argument, marker):
    text = LEAKS.format(argument="").replace("def", f"@pytest.mark.simclock({marker})\n    def")

    # A suite whose warnings are errors must not fail by one of ours either.
    result = suite(text, argument, "-Werror", setup="import pytest")

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["test_suite.py::test", "*Leak: the simulation*", "*forgotten*"])


def test_a_daemon_thread_is_no_leak(suite):
    result = suite(
        """
        import threading

        def test(sim):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        """
    )

    result.assert_outcomes(passed=1)


# ------------------------------------------------------------------ the session


@pytest.mark.parametrize("statement", ["raise KeyboardInterrupt", "pytest.exit('enough')"])
@pytest.mark.parametrize("place", ["set_up", "test", "tear_down"])
def test_a_session_that_is_given_up_leaves_no_simulation(pytester, statement, place):
    doing = {
        name: statement if name == place else "pass" for name in ("set_up", "test", "tear_down")
    }
    pytester.makepyfile(
        f"""
        import threading, pytest

        @pytest.fixture
        def resource():
            {doing["set_up"]}
            yield
            {doing["tear_down"]}

        def test(sim, resource):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            {doing["test"]}
        """
    )

    result = pytester.inline_run(no_reraise_ctrlc=True)

    # The suite's own guard looks at the rest: nothing redirected, no simulation open.
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_stopping_at_the_first_failure_tears_down(suite):
    result = suite(
        """
        def test_one(sim):
            assert False

        def test_two(sim):
            pass
        """,
        "-x",
    )

    result.assert_outcomes(failed=1)
