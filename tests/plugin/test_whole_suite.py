"""What ``--simclock`` does with a suite that knows nothing of it."""

from __future__ import annotations

import pytest

from pytest_simclock.options import SUITE_MAX_STEPS

# Readings of a clock take time there, as everywhere outside.
APPROX = "import pytest\napprox = lambda x: pytest.approx(x, abs=0.001)\n"
# The epoch of a test's own simulation: that of a suite's is the real time.
EPOCH = "--simclock-epoch=2000-01-01T00:00:00+00:00"


def test_every_kind_of_test_is_simulated(suite):
    result = suite(
        '''
        import time, unittest, pytest, simclock

        def test_function():
            time.sleep(100)
            assert simclock.active().elapsed == approx(100)

        class TestClass:
            def setup_method(self):
                time.sleep(1)

            @pytest.mark.parametrize("seconds", [1, 2])
            def test_method(self, seconds):
                time.sleep(seconds)
                assert simclock.active().elapsed == approx(1 + seconds)

        class TestCase(unittest.TestCase):
            def setUp(self):
                time.sleep(5)

            def test_case(self):
                self.assertEqual(simclock.active().elapsed, approx(5))

        def documented():
            """
            >>> time.sleep(3)
            >>> round(simclock.active().elapsed, 3)
            3.0
            """
        ''',
        "--simclock",
        "--doctest-modules",
        setup=APPROX,
    )

    result.assert_outcomes(passed=5)


def test_the_ini_file_can_say_it_and_the_command_line_can_unsay_it(suite, pytester):
    pytester.makeini("[pytest]\nsimclock = true\nsimclock_seed = 3")
    text = "import simclock\ndef test():\n    assert simclock.active() is not None"

    suite(text).assert_outcomes(passed=1)
    suite(text, "--no-simclock").assert_outcomes(failed=1)


def test_one_clock_spans_the_suite_and_never_goes_back(suite):
    result = suite(
        """
        import time, simclock

        first = []

        def test_one():
            first.append(simclock.active())
            assert time.monotonic() == approx(1000)
            assert time.time() == approx(946684800)
            time.sleep(3600)

        def test_two():
            assert simclock.active() is first[0]
            assert simclock.active().elapsed == 0
            assert time.monotonic() == approx(4600)
            assert time.time() == approx(946684800 + 3600)
        """,
        "--simclock",
        EPOCH,
        setup=APPROX,
    )

    result.assert_outcomes(passed=2)


def test_the_second_of_two_readings_of_a_clock_is_later(suite):
    result = suite(
        """
        import time, datetime

        def test():
            for clock in (time.time, time.time_ns, time.monotonic, time.monotonic_ns,
                          time.perf_counter, datetime.datetime.now,
                          lambda: time.clock_gettime(time.CLOCK_MONOTONIC)):
                assert clock() < clock()
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=1)


def test_a_busy_wait_that_reads_no_clock_ends(suite):
    result = suite(
        """
        import threading, time, queue

        @pytest.mark.parametrize("step", ["lock", "lock that is owned", "queue", "sleep"])
        def test(step):
            lock, items, stop = threading.Lock(), queue.SimpleQueue(), []
            owned = threading.Lock()
            owned.acquire()

            def spin():
                while not stop:
                    if step == "lock":
                        with lock:
                            pass
                    elif step == "lock that is owned":
                        owned.acquire(blocking=False)
                    elif step == "queue":
                        items.put(1)
                        items.get()
                    else:
                        time.sleep(0)

            thread = threading.Thread(target=spin)
            thread.start()
            time.sleep(0.05)
            stop.append(1)
            thread.join()
        """,
        "--simclock",
        setup="import pytest",
    )

    result.assert_outcomes(passed=4)


def test_the_cost_of_a_reading_can_be_chosen(suite):
    result = suite(
        """
        import time

        def test():
            begin = time.monotonic()
            assert time.monotonic() - begin == 0.5
        """,
        "--simclock",
        "--simclock-step-cost=0.5",
    )

    result.assert_outcomes(passed=1)


def test_what_a_test_does_to_the_wall_clock_ends_with_it(suite):
    result = suite(
        """
        import time, datetime, simclock

        def test_moves():
            simclock.active().move_wall(-86400)
            assert datetime.date.today() == datetime.date(1999, 12, 31)

        def test_after():
            assert time.time() == approx(946684800)
        """,
        "--simclock",
        EPOCH,
        setup=APPROX,
    )

    result.assert_outcomes(passed=2)


def test_freezegun_may_be_imported_after_the_suite_has_begun(pytester):
    pytester.makepyfile(
        """
        import time, datetime, sys

        def test_first():
            assert "freezegun" not in sys.modules

        def test_freezes():
            from freezegun import freeze_time
            with freeze_time("2012-01-14"):
                time.sleep(5)
                assert datetime.date.today() == datetime.date(2012, 1, 14)
            with freeze_time("2012-01-14", tick=True):
                time.sleep(86400)
                assert datetime.date.today() == datetime.date(2012, 1, 15)

        def test_after():
            assert 0 < time.time() - (946684800 + 86405) < 0.001
        """
    )

    result = pytester.runpytest_subprocess("--simclock", EPOCH, "-p", "no:random-order")

    result.assert_outcomes(passed=3)


def test_time_stands_still_between_the_tests(suite):
    result = suite(
        """
        import threading, time, pytest

        ticks = []

        @pytest.fixture(scope="session", autouse=True)
        def ticker():
            stop = threading.Event()

            def tick():
                while not stop.wait(10):
                    ticks.append(time.monotonic() - 1000)

            thread = threading.Thread(target=tick)
            thread.start()
            yield
            stop.set()
            thread.join()

        def test_one():
            time.sleep(25)

        @pytest.mark.simclock(False)
        def test_in_real_time():
            time.sleep(0.01)
            assert ticks == [approx(10), approx(20)]

        def test_two():
            time.sleep(10)
            assert ticks == [approx(10), approx(20), approx(30)]
        """,
        "--simclock",
        setup=APPROX,
    )

    result.assert_outcomes(passed=3)


def test_a_test_that_has_failed_does_not_fail_the_next(suite):
    result = suite(
        """
        import threading, time

        def test_deadlock():
            threading.Event().wait()

        def test_deadlock_in_a_thread_that_stays():
            lock = threading.Lock()
            lock.acquire()
            thread = threading.Thread(target=lock.acquire)
            thread.start()
            thread.join()

        def test_swallowed():
            try:
                threading.Event().wait()
            except RuntimeError:
                pass

        def test_after():
            time.sleep(5)
            done = threading.Event()
            threading.Timer(10, done.set).start()
            assert done.wait(20)
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["*deadlock: 1 thread can never run again, at virtual +0 s"])


def test_the_limits_are_those_of_one_test(suite):
    result = suite(
        """
        import time, pytest

        @pytest.mark.parametrize("number", range(3))
        def test_within(number):
            time.sleep(9)

        def test_beyond():
            time.sleep(11)

        def test_within_again():
            time.sleep(9)
        """,
        "--simclock",
        "--simclock-max-time=10",
    )

    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines("*LimitReached: limit reached: 10 virtual seconds, at virtual *")


def test_a_thread_that_a_test_leaves_behind_is_a_warning_that_names_the_test(suite):
    result = suite(
        """
        import threading

        def test_leaves():
            threading.Thread(target=threading.Event().wait, name="forgotten").start()

        def test_after():
            pass
        """,
        "--simclock",
        "-Werror",
    )

    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        ["*Leak*", "*never have ended: forgotten (0.1), started in test_suite.py::test_leaves, *"]
    )


def test_a_thread_that_a_test_leaves_behind_can_fail_it(suite):
    result = suite(
        """
        import threading, time, concurrent.futures

        def test_leaves():
            threading.Thread(target=threading.Event().wait, name="forgotten").start()

        def test_leaves_what_ends():
            threading.Thread(target=time.sleep, args=(59,)).start()

        pool = concurrent.futures.ThreadPoolExecutor()

        def test_uses_a_pool_that_stays():
            assert pool.submit(int, "7").result() == 7
        """,
        "--simclock",
        "--simclock-leaks=fail",
    )

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "Leak: the test left something behind",
            "  a thread that would never have ended: forgotten",
        ]
    )


def test_a_test_with_a_simulation_of_its_own_is_the_same_as_without_the_option(suite):
    result = suite(
        """
        import time, simclock

        def test_of_the_suite():
            time.sleep(10)

        def test_own(sim):
            assert time.monotonic() == 1000.0
            time.sleep(1)
            assert sim.elapsed == 1.0
            assert time.monotonic() == time.monotonic() == 1001.0

        def test_of_the_suite_again():
            assert time.monotonic() == approx(1010)
        """,
        "--simclock",
        setup=APPROX,
    )

    result.assert_outcomes(passed=3)


def test_explicit_simulations_suspend_the_suites(suite):
    result = suite(
        """
        import time, simclock

        def test():
            time.sleep(1)
            assert simclock.run(lambda: (time.sleep(5), simclock.active().elapsed)[1]) == 5.0
            with simclock.Simulation() as inner:
                time.sleep(7)
                assert inner.elapsed == 7.0
            assert simclock.active().elapsed == approx(1)
        """,
        "--simclock",
        setup=APPROX,
    )

    result.assert_outcomes(passed=1)


def test_a_subtest_inside_an_explicit_simulation_is_reported_in_real_time(suite):
    result = suite(
        """
        import time, simclock

        def test(subtests):
            with simclock.Simulation() as inner:
                time.sleep(7)
                with subtests.test("one"):
                    time.sleep(1000)
                assert inner.elapsed == 1007.0
            assert simclock.active().elapsed < 1
        """,
        "--simclock",
        "--durations=0",
        "-vv",
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*1000.*s call*")


@pytest.mark.parametrize("option", ["--simclock", "-v"])
def test_a_simulation_that_a_test_leaves_open_fails_it_and_nothing_else(suite, option):
    result = suite(
        """
        import simclock, time, pytest

        pytestmark = [] if {suite} else pytest.mark.simclock

        def test_forgets():
            simclock.Simulation().__enter__()

        def test_after():
            time.sleep(1)
            assert simclock.active().elapsed == pytest.approx(1, abs=0.001)
        """.replace("{suite}", str(option == "--simclock")),
        option,
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        "*the test has opened a simulation, or a block of real time, and left it open"
    )


def test_cyclic_garbage_is_collected_between_the_tests_as_ever(suite):
    result = suite(
        """
        import gc, pytest

        pytestmark = pytest.mark.simclock(False)

        @pytest.mark.simclock(True)
        def test_own():
            assert not gc.isenabled()

        def test_real():
            assert gc.isenabled()
        """,
    )
    of_suite = suite(
        """
        import gc, pytest

        def test_simulated():
            assert not gc.isenabled()

        @pytest.mark.simclock(False)
        def test_real():
            assert gc.isenabled()
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)
    of_suite.assert_outcomes(passed=2)


def test_signal_handlers_that_are_set_between_two_parts_of_a_test_are_deferred_too(suite):
    result = suite(
        """
        import os, signal, threading, time

        def test(armed):
            lock = threading.Lock()
            lock.acquire()
            threading.Timer(5, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
            lock.acquire(timeout=10)
            assert armed == ["handled in MainThread"]
        """,
        "--simclock",
        conftest="""
        import signal, threading, pytest

        handled = []

        @pytest.fixture
        def armed():
            return handled

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call():
            def handler(*_):
                handled.append(f"handled in {threading.current_thread().name}")
            before = signal.signal(signal.SIGUSR1, handler)
            try:
                return (yield)
            finally:
                assert signal.getsignal(signal.SIGUSR1) is handler
                signal.signal(signal.SIGUSR1, before)
        """,
    )

    result.assert_outcomes(passed=1)


def test_workers_of_xdist_have_a_simulation_each(suite):
    result = suite(
        """
        import threading, time, pytest

        @pytest.mark.parametrize("number", range(4))
        def test(number):
            threading.Timer(60, lambda: None).start()
            time.sleep(3600)
        """,
        "--simclock",
        "-n2",
    )

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines("simclock: 4 tests in simulated time, 4 h 0 min of it in *")


def test_runs_are_the_same_twice(suite):
    text = """
        import random, threading, time, uuid

        def test_one():
            log = []
            def work(name):
                for _ in range(5):
                    time.sleep(random.random())
                    log.append((time.monotonic_ns(), name, uuid.uuid4().hex))
            threads = [threading.Thread(target=work, args=(n,)) for n in "abc"]
            [t.start() for t in threads]
            [t.join() for t in threads]
            print("LOG", log)
            assert False

        def test_two():
            print("LOG", time.monotonic_ns(), random.random())
            assert False
        """

    def logs(*arguments):
        return [
            line for line in suite(text, EPOCH, *arguments).stdout.lines if line.startswith("LOG")
        ]

    assert len(logs("--simclock")) == 2
    assert logs("--simclock") == logs("--simclock")
    assert logs("--simclock") != logs("--simclock", "--simclock-seed=1")


@pytest.mark.parametrize("world", [("--simclock",), ()], ids=["suite", "marked"])
def test_randomness_comes_of_a_tests_name_in_workers_in_any_order_and_alone(suite, pytester, world):
    mark = "" if world else "@pytest.mark.simclock"
    text = f"""
        import random, pytest

        def note(name):
            with open("noted", "a") as file:
                file.write(f"{{name}} {{random.random()}}\\n")

        {mark}
        def test_one(): note("one")
        {mark}
        def test_two(): note("two")
        """

    def noted(*options):
        suite(text, *world, *options)
        file = pytester.path / "noted"
        lines = sorted(file.read_text().splitlines())
        file.unlink()
        return lines

    both = noted()
    assert [line.split()[0] for line in both] == ["one", "two"]
    assert len({line.split()[1] for line in both}) == 2
    assert noted("-n2", "--random-order", "--random-order-seed=1") == both
    assert noted("-k", "two") == both[1:]
    assert noted("--simclock-seed=1") != both


def test_who_waits_for_ever_beside_who_ticks_is_told_after_so_many_steps(suite):
    result = suite(
        """
        import threading, time

        def tick():
            while True:
                time.sleep(1)

        def test():
            threading.Thread(target=tick, name="ticker", daemon=True).start()
            threading.Event().wait()
        """,
        "--simclock",
        "--simclock-max-steps=1000",  # a million takes some seconds
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*LimitReached: limit reached: 1000 steps*", "*only ticker runs: this looks like*"]
    )
    assert SUITE_MAX_STEPS == 1_000_000
