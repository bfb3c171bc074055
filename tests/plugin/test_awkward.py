"""Tests that do uncommon things with threads, worlds and endings: nothing hangs, nothing is lost."""

from __future__ import annotations

from textwrap import dedent

import pytest

MODES = pytest.mark.parametrize("option", ["--simclock", "-v"], ids=["suite", "own"])


HEAD = "import pytest, simclock, threading, time\n"
OWN = "pytestmark = pytest.mark.simclock\n"


@pytest.fixture
def run(suite):
    """Return a function that runs a suite, with a simulation for each test if without option."""

    def run(text, option, **kwargs):
        return suite(text, option, setup=HEAD + (OWN if option == "-v" else ""), **kwargs)

    return run


@pytest.fixture
def run_apart(pytester):
    """Return a function that does the same in a child process, which an interrupt may end."""

    def run(text, option):
        head = HEAD + (OWN if option == "-v" else "")
        pytester.makepyfile(test_suite=head + dedent(text))
        return pytester.runpytest_subprocess(
            "-p", "no:random-order", "-p", "no:cacheprovider", "-s", option, timeout=60
        )

    return run


# --------------------------------------------------------------- other threads report


@MODES
@pytest.mark.parametrize("kind", ["subTest", "subtests"])
def test_a_thread_may_report_a_subtest(run, option, kind):
    result = run(
        """
        import unittest

        class TestCase(unittest.TestCase):
            def test(self):
                def work():
                    with self.subTest(number=1):
                        time.sleep(1)

                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
        """
        if kind == "subTest"
        else """
        def test(subtests):
            def work():
                with subtests.test("one"):
                    time.sleep(1)

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert simclock.active().elapsed == pytest.approx(1, abs=0.001)
        """,
        option,
    )

    assert result.ret == 0
    assert result.parseoutcomes()["passed"] >= 1


@MODES
def test_a_thread_may_ask_for_a_wide_fixture_first(run, option):
    result = run(
        """
        @pytest.fixture(scope="module")
        def wide():
            time.sleep(0.01)
            yield 7

        def test(request):
            found = []
            thread = threading.Thread(target=lambda: found.append(request.getfixturevalue("wide")))
            thread.start()
            thread.join()
            assert found == [7]

        def test_after():
            assert simclock.active().elapsed == 0
        """,
        option,
    )

    result.assert_outcomes(passed=2)


# ---------------------------------------------------------------- the session ends early


@MODES
@pytest.mark.parametrize("statement", ["raise KeyboardInterrupt", "pytest.exit('enough')"])
def test_a_session_that_is_given_up_tears_down_in_the_tests_world(run_apart, option, statement):
    result = run_apart(
        f"""
        @pytest.fixture
        def worker():
            stop = threading.Event()

            def work():
                while not stop.wait(10):
                    pass

            thread = threading.Thread(target=work)
            thread.start()
            yield
            stop.set()
            thread.join(5)
            print("TORN DOWN", simclock.active() is not None, thread.is_alive())

        def test(worker):
            time.sleep(25)
            {statement}
        """,
        option,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines("*TORN DOWN True False*")


def test_an_interrupt_is_shown_at_the_users_line(run_apart):
    result = run_apart(
        """
        import os, signal

        def test():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        """,
        "-v",
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines("*test_suite.py:*: KeyboardInterrupt")


# ------------------------------------------------- simulations and blocks inside a test


@MODES
def test_a_fixture_may_hold_a_simulation_open(run, option):
    result = run(
        """
        @pytest.fixture
        def inner():
            with simclock.Simulation() as inner:
                yield inner

        def test(inner):
            time.sleep(7)
            assert simclock.active() is inner
            assert inner.elapsed == 7.0

        def test_after():
            assert simclock.active().elapsed == 0
        """,
        option,
    )

    result.assert_outcomes(passed=2)


@MODES
@pytest.mark.parametrize("scope", ["function", "module"])
def test_a_fixture_may_hold_real_time(run, option, scope):
    result = run(
        f"""
        @pytest.fixture
        def in_real_time():
            with simclock.active().real_time():
                yield

        @pytest.fixture(scope="{scope}")
        def wide():
            yield

        def test(in_real_time, wide, subtests):
            assert simclock.active() is None
            with subtests.test("one"):
                pass

        def test_after(wide):
            time.sleep(3)
            assert simclock.active().elapsed == pytest.approx(3, abs=0.001)
        """,
        option,
    )

    assert result.ret == 0


@MODES
def test_a_wide_fixture_may_be_asked_for_in_a_block_of_real_time(run, option):
    result = run(
        """
        @pytest.fixture(scope="module")
        def wide():
            yield

        def test(request):
            with simclock.active().real_time():
                request.getfixturevalue("wide")
            time.sleep(3)
            assert simclock.active().elapsed == pytest.approx(3, abs=0.001)

        @pytest.mark.simclock(False)
        def test_real():
            assert time.gmtime().tm_year > 2020
        """,
        option,
    )

    result.assert_outcomes(passed=2)


@MODES
@pytest.mark.parametrize(
    "opens", ["simclock.Simulation().__enter__()", "simclock.active().real_time().__enter__()"]
)
@pytest.mark.parametrize("place", ["test", "teardown"])
def test_what_is_left_open_is_an_error_of_that_test_alone(run, option, opens, place):
    result = run(
        f"""
        @pytest.fixture
        def resource():
            yield
            {opens if place == "teardown" else "pass"}

        def test(resource):
            {opens if place == "test" else "pass"}

        @pytest.mark.simclock(False)
        def test_real():
            assert simclock.active() is None
            assert time.gmtime().tm_year > 2020

        def test_after():
            time.sleep(1)
            assert simclock.active().elapsed == pytest.approx(1, abs=0.001)
        """,
        option,
    )

    counted = {"failed": 1, "passed": 2} if place == "test" else {"errors": 1, "passed": 3}
    result.assert_outcomes(**counted)
    result.stdout.fnmatch_lines("*the test has opened a simulation, or a block of real time, *")


@MODES
def test_real_time_code_may_open_a_simulation_while_another_one_waits(run, option):
    result = run(
        """
        @pytest.fixture(scope="session")
        def computed():
            return simclock.run(lambda: (time.sleep(5), simclock.active().elapsed)[1])

        def test(computed):
            assert computed == 5.0
            time.sleep(1)

        @pytest.mark.simclock(False)
        def test_real():
            assert simclock.run(lambda: (time.sleep(5), simclock.active().elapsed)[1]) == 5.0

        def test_in_a_block():
            with simclock.active().real_time():
                assert simclock.run(lambda: (time.sleep(5), simclock.active().elapsed)[1]) == 5.0
                assert simclock.active() is None
            lock = threading.Lock()
            lock.acquire()
            threading.Timer(2, lock.release).start()
            lock.acquire()
            assert simclock.active().elapsed == pytest.approx(2, abs=0.001)
        """,
        option,
    )

    result.assert_outcomes(passed=3)


# ------------------------------------------------------------- wide fixtures' endings


@pytest.mark.parametrize("node", ["request.node", "request.session"])
def test_a_finalizer_of_a_node_runs_in_the_suites_simulation(run, node):
    result = run(
        f"""
        @pytest.fixture(scope="module")
        def worker(request):
            stop = threading.Event()

            def work():
                while not stop.wait(10):
                    pass

            thread = threading.Thread(target=work)
            thread.start()
            {node}.addfinalizer(lambda: (stop.set(), thread.join()))

        def test(worker):
            time.sleep(25)

        @pytest.mark.simclock(False)
        def test_real(request):
            request.addfinalizer(lambda: print("REAL", time.gmtime().tm_year > 2020))
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)


def test_tests_of_both_kinds_may_share_a_fixture_with_parameters(run):
    result = run(
        """
        log = []

        @pytest.fixture(scope="module")
        def numbered(request):
            world = simclock.active()
            yield request.param
            log.append((request.param, simclock.active() is world))

        @pytest.mark.parametrize("numbered", [1], indirect=True)
        def test_of_the_suite(numbered): pass

        @pytest.mark.simclock
        @pytest.mark.parametrize("numbered", [2], indirect=True)
        def test_own(numbered): pass

        @pytest.mark.parametrize("numbered", [3], indirect=True)
        def test_of_the_suite_again(numbered): pass

        def test_log():
            assert log == [(1, True), (2, True)]
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=4)


def test_a_refusal_is_told_by_workers_of_xdist_too(suite):
    result = suite(
        """
        import pytest

        @pytest.mark.simclock(False)
        def test(sim):
            pass

        def test_after(sim):
            pass
        """,
        "-n2",
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("the fixture 'sim' needs simulated time, and simclock(False) *")


# ---------------------------------------------------------------------- leftovers


@pytest.mark.parametrize("verdict", ["warn", "fail"])
def test_a_hold_that_a_test_of_the_suite_forgets_does_not_hold_the_next(suite, verdict):
    result = suite(
        """
        import time, simclock

        def test():
            simclock.active().hold("a forgotten one")

        def test_after():
            time.sleep(3600)
        """,
        "--simclock",
        f"--simclock-leaks={verdict}",
        "-Werror",
    )

    result.assert_outcomes(passed=2, errors=int(verdict == "fail"), warnings=int(verdict == "warn"))
    result.stdout.fnmatch_lines("*a hold that was never released: a forgotten one")


def test_the_hold_of_a_wide_fixture_is_kept(suite):
    result = suite(
        """
        import pytest, time, threading, simclock

        @pytest.fixture(scope="module")
        def held():
            with simclock.active().hold("a fixture") as hold:
                yield hold

        def test(held): pass

        def test_again(held):
            with simclock.active().real_time():
                begin = time.monotonic()
            with simclock.active().real_time():
                threading.Timer(0.2, held.release).start()
            time.sleep(5)
            with simclock.active().real_time():
                assert time.monotonic() - begin >= 0.19
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)


def test_a_leak_is_told_without_our_lines(suite):
    result = suite(
        """
        import threading

        def test(sim):
            threading.Thread(target=threading.Event().wait, name="forgotten").start()
        """
    )
    start = result.outlines.index(
        next(line for line in result.outlines if "ERROR at teardown of test" in line)
    )

    assert result.outlines[start + 1].startswith("Leak: the simulation left something behind")


def test_a_stall_is_told_once(suite):
    result = suite(
        """
        import pytest

        @pytest.mark.simclock(watchdog=0.5)
        def test():
            while True:
                pass
        """
    )

    result.assert_outcomes(failed=1)


# ----------------------------------------------------------------------- processes


def test_a_child_that_is_forked_between_tests_has_worlds_of_its_own(suite):
    result = suite(
        """
        import os, time, simclock

        def test_first():
            time.sleep(100)

        def test_in_a_child():
            time.sleep(50)
            assert simclock.active() is not None
        """,
        "--simclock",
        conftest="""
        import os, pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            if item.name != "test_in_a_child":
                return None
            child = os.fork()
            if child == 0:
                reports = runtestprotocol(item, log=False, nextitem=nextitem)
                os._exit(17 if all(report.passed for report in reports) else 18)
            _, status = os.waitpid(child, 0)
            print("CHILD", os.waitstatus_to_exitcode(status))
            return True
        """,
    )

    result.stdout.fnmatch_lines("*CHILD 17*")


# ----------------------------------------------------------------- what is put back


def test_pytests_own_clocks_are_put_back(suite):
    from _pytest import timing

    before = timing.time, timing.perf_counter

    suite("def test(): pass", "--simclock").assert_outcomes(passed=1)

    assert (timing.time, timing.perf_counter) == before


def test_the_end_of_the_suite_does_not_tell_an_error_again(suite):
    result = suite("import threading\ndef test():\n    threading.Event().wait()", "--simclock")

    result.assert_outcomes(failed=1, warnings=0)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_a_simulation_in_a_fixture_of_ones_own_has_durations_in_real_time(suite, scope):
    result = suite(
        f"""
        import time
        import pytest, simclock

        @pytest.fixture(scope="{scope}")
        def mine():
            with simclock.Simulation() as sim:
                time.sleep(1000)
                yield sim
                time.sleep(1000)

        def test_sleeps(mine):
            time.sleep(1000)

        def test_sleeps_again(mine):
            time.sleep(1000)
        """,
        "--durations=0",
        "--durations-min=500",
        "-vv",
    )

    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*00s call*")
    result.stdout.no_fnmatch_line("*00s setup*")
    result.stdout.no_fnmatch_line("*00s teardown*")
    result.stdout.re_match_lines(r".*2 passed in \d{1,2}\.\d+s.*")
