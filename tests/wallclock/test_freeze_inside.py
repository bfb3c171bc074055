"""freezegun used inside a simulation freezes the simulated wall clock, and no other."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import threading
import time
import unittest

import freezegun
import pytest

import simclock
from simclock._boundary import realtime

UTC = dt.timezone.utc
EPOCH = 946684800.0
FROZEN = "2012-01-14"
START = dt.datetime(2012, 1, 14, tzinfo=UTC).timestamp()


def is_real(now):
    return now > dt.datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def foreign(sim, read):
    """Return ``read()`` as called by a foreign thread."""
    log = []
    with sim.real_time():
        thread = threading.Thread(target=lambda: log.append(read()))
        thread.start()
        thread.join()
    return log[0]


def deep(read, frames=6):
    """Return ``read()``, far from ``threading``, whose callees freezegun gives real time."""
    return deep(read, frames - 1) if frames else read()


def test_frozen_stays_frozen_while_virtual_time_goes_on():
    with simclock.Simulation() as sim:
        with freezegun.freeze_time(FROZEN):
            log = [time.time()]
            time.sleep(5)
            log.append(time.time())
            log.append(dt.datetime.now(UTC).isoformat())
        log.append(time.time() - EPOCH)

    assert log == [START, START, "2012-01-14T00:00:00+00:00", 5.0]
    assert sim.elapsed == 5.0


def test_a_ticking_freeze_ticks_with_virtual_time():
    with simclock.Simulation(), freezegun.freeze_time(FROZEN, tick=True):
        log = [time.time()]
        time.sleep(5)
        log.append(time.time())
        log.append(dt.datetime.now(UTC).isoformat())

    assert log == [START, START + 5, "2012-01-14T00:00:05+00:00"]


def test_a_freeze_that_ticks_by_itself_does():
    with simclock.Simulation(), freezegun.freeze_time(FROZEN, auto_tick_seconds=15):
        log = [time.time(), time.time()]
        time.sleep(5)
        log.append(time.time())

    assert log == [START, START + 15, START + 30]


@pytest.mark.parametrize("tick", [False, True])
def test_tick_and_move_to(tick):
    with simclock.Simulation(), freezegun.freeze_time(FROZEN, tick=tick) as frozen:
        frozen.tick(10)
        log = [time.time() - START]
        frozen.tick(dt.timedelta(minutes=1))
        log.append(time.time() - START)
        frozen.move_to("2013-01-14")
        log.append(time.time() - START)
        time.sleep(5)
        log.append(time.time() - START)

    assert log == [10.0, 70.0, 366 * 86400.0, 366 * 86400.0 + (5 if tick else 0)]


def test_freezes_nest():
    log = []
    with simclock.Simulation():
        with freezegun.freeze_time(FROZEN, tick=True):
            with freezegun.freeze_time("2013-01-14"):
                log.append(dt.date.today().isoformat())
            time.sleep(1)
            log.append(dt.datetime.now(UTC).isoformat())
        log.append(dt.datetime.now(UTC).isoformat())

    assert log == ["2013-01-14", "2012-01-14T00:00:01+00:00", "2000-01-01T00:00:01+00:00"]


def test_threads_of_the_simulation_share_the_freeze():
    log = []

    def worker():
        time.sleep(1)
        log.append(deep(time.time))

    with simclock.Simulation(), freezegun.freeze_time(FROZEN, tick=True):
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join()

    assert log == [START + 1]


@freezegun.freeze_time(FROZEN)
def decorated():
    return dt.datetime.now(UTC).isoformat()


def test_as_a_decorator_made_outside():
    assert simclock.run(decorated) == "2012-01-14T00:00:00+00:00"


def test_as_a_class_decorator():
    log = []

    @freezegun.freeze_time(FROZEN, tick=True)
    class Case(unittest.TestCase):
        def test_it(self):
            begin = time.time()
            time.sleep(1)
            log.append(time.time() - begin)

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
    with simclock.Simulation():
        result = suite.run(unittest.TestResult())
        log.append(time.time() - EPOCH)

    assert (log, result.wasSuccessful()) == ([1.0, 1.0], True)


def test_the_fixture_and_the_marker_of_pytest_freezer(pytester):
    """As pytest-freezer has them; that is no dependency of the tests."""
    pytester.makeconftest("""
        import freezegun
        import pytest

        freezegun.configure(extend_ignore_list=["_pytest.terminal", "_pytest.runner"])

        @pytest.fixture
        def freezer(request):
            marker = request.node.get_closest_marker("freeze_time")
            args = getattr(marker, "args", ())
            kwargs = getattr(marker, "kwargs", {})
            with freezegun.freeze_time(*args, **kwargs) as factory:
                yield factory

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.get_closest_marker("freeze_time"):
                    item.fixturenames.insert(0, "freezer")

        def pytest_configure(config):
            config.addinivalue_line("markers", "freeze_time(...): use freezegun")
    """)
    pytester.makepyfile("""
        import datetime as dt
        import time
        import pytest

        @pytest.mark.simclock
        def test_fixture(freezer):
            assert time.time() == 946684800.0
            time.sleep(5)
            assert time.time() == 946684800.0
            freezer.move_to("2012-01-14")
            assert dt.date.today() == dt.date(2012, 1, 14)

        @pytest.mark.simclock
        @pytest.mark.freeze_time("2012-01-14", tick=True)
        def test_marker():
            before = time.time()
            time.sleep(5)
            assert time.time() == before + 5

        @pytest.mark.simclock
        def test_after():
            assert time.time() == 946684800.0
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


@pytest.mark.parametrize("options", [{}, {"tick": True}, {"auto_tick_seconds": 15}])
def test_a_foreign_thread_keeps_real_time(options):
    with simclock.Simulation() as sim, freezegun.freeze_time(FROZEN, **options):
        readings = foreign(sim, lambda: (time.time(), dt.datetime.now(UTC).timestamp()))
        duration = foreign(sim, lambda: time.monotonic() - realtime.now())
        first = time.time()

    assert [is_real(now) for now in readings] == [True, True]
    assert abs(duration) < 60
    assert first == START


def test_a_freeze_of_a_foreign_thread_is_its_own():
    log, go, done, go_on = [], threading.Event(), threading.Event(), threading.Event()

    def freezer():
        go.wait()
        with freezegun.freeze_time(FROZEN):
            log.append(("foreign", deep(time.time)))
            done.set()
            go_on.wait()

    thread = threading.Thread(target=freezer)
    thread.start()
    with simclock.Simulation() as sim:
        with sim.real_time():
            go.set()
            done.wait()
        time.sleep(1)
        log.append(("simulated", time.time() - EPOCH, time.monotonic()))
        with sim.real_time():
            go_on.set()
            thread.join()

    assert log == [("foreign", START), ("simulated", 1.0, 1001.0)]


def test_the_kernel_goes_on_reading_real_time():
    with simclock.Simulation() as sim, freezegun.freeze_time(FROZEN), sim.real_time():
        before = realtime.now()
        time.sleep(0.02)
        after = realtime.now()

    assert 0.01 < after - before < 60


def test_a_busy_wait_for_the_freeze_to_be_moved_ends():
    with simclock.Simulation(), freezegun.freeze_time(FROZEN) as frozen:
        threading.Timer(1, frozen.tick, [10]).start()
        while time.time() < START + 10:
            pass
        found = time.time()

    assert found == START + 10


def test_what_is_left_started_is_undone_at_the_end():
    freeze, second = freezegun.freeze_time(FROZEN), freezegun.freeze_time("2013-01-14")
    with simclock.Simulation():
        freeze.start()
        second.start()

    assert freezegun.api.freeze_factories == []
    assert dt.datetime is freezegun.api.real_datetime
    assert is_real(time.time())
    freeze.stop()
    second.start()
    second.stop()
    with freeze:
        assert dt.date.today().isoformat() == FROZEN
    assert dt.datetime is freezegun.api.real_datetime


def test_stop_taken_inside_and_called_after_the_end():
    freeze = freezegun.freeze_time(FROZEN)
    with simclock.Simulation():
        freeze.start()
        stop = freeze.stop

    stop()
    assert is_real(time.time())


def test_start_taken_inside_and_called_after_the_end():
    freeze = freezegun.freeze_time(FROZEN)
    with simclock.Simulation():
        start = freeze.start

    start()
    now = time.time()
    freeze.stop()
    assert now == START
    assert is_real(time.time())


def test_a_stop_too_many_is_an_error():
    with (
        simclock.Simulation(),
        pytest.raises(IndexError, match=r"no freeze is started"),
    ):
        freezegun.freeze_time(FROZEN).stop()


def test_freezegun_is_as_before_after_the_end():
    names = ("FrozenDateTimeFactory", "TickingDateTimeFactory", "StepTickTimeFactory",
             "_get_fake_monotonic", "_get_fake_monotonic_ns")  # fmt: skip
    api = freezegun.api
    before = [getattr(api, name) for name in names], vars(api._freeze_time).copy()
    with simclock.Simulation(), freezegun.freeze_time(FROZEN):
        pass

    assert ([getattr(api, name) for name in names], vars(api._freeze_time).copy()) == before
    assert sys.modules["time"].time is time.time


def sleep_on(loop, **options):
    """Return how long a task that sleeps for a second on *loop* below a freeze takes."""
    with simclock.Simulation(max_time=10) as sim:
        ours = loop()
        try:
            with freezegun.freeze_time(FROZEN, **options):
                ours.run_until_complete(asyncio.sleep(1))
        finally:
            ours.close()
        return round(sim.elapsed, 3)


def test_what_waits_by_a_frozen_monotonic_clock_waits_for_ever_unless_that_ticks():
    assert sleep_on(asyncio.SelectorEventLoop, tick=True) == 1.0
    with pytest.raises(simclock.LimitReached):
        sleep_on(asyncio.SelectorEventLoop)


@pytest.mark.parametrize("options", [{}, {"tick": True}, {"real_asyncio": True}])
def test_the_loop_of_a_simulation_does_not_notice_a_freeze(options):
    assert sleep_on(asyncio.new_event_loop, **options) == 1.0


def test_what_threading_calls_is_given_the_wall_clock_of_the_simulation():
    """Where freezegun gives it real time otherwise."""
    log = []
    with simclock.Simulation(), freezegun.freeze_time(FROZEN):
        timer = threading.Timer(5, lambda: log.append((time.time(), deep(time.time))))
        timer.start()
        timer.join()

    assert log == [(EPOCH + 5, START)]


def test_foreign_threads_see_a_freeze_until_the_simulation_after_freezeguns_import(child):
    lines = child("""
        import simclock, threading, time

        def year(frames=6):
            return year(frames - 1) if frames else time.gmtime(time.time()).tm_year

        for _ in range(2):
            with simclock.Simulation() as sim:
                import freezegun
                with freezegun.freeze_time("2012-01-14"), sim.real_time():
                    thread = threading.Thread(target=lambda: print(year() == 2012))
                    thread.start()
                    thread.join()
    """)

    assert lines == ["True", "False"]


def test_freezegun_imported_inside(child):
    lines = child("""
        import simclock, time
        with simclock.Simulation():
            import freezegun
            with freezegun.freeze_time("2012-01-14", tick=True):
                before = time.time()
                time.sleep(5)
                print(time.time() - before)
        freezegun.freeze_time("2012-01-14")
    """)

    assert lines == ["5.0"]
