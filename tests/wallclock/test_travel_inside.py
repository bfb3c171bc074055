"""time-machine used inside a simulation moves the simulated wall clock, and no other."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import threading
import time
import unittest
import uuid
from zoneinfo import ZoneInfo

import pytest
import time_machine

import simclock

UTC = dt.timezone.utc
EPOCH = 946684800.0
DAY = 86400.0


@pytest.fixture
def foreign():
    """Return what a foreign thread reads, asked from inside a simulation."""
    asked, answered, over = threading.Event(), threading.Event(), threading.Event()
    log = []

    def answer():
        while True:
            asked.wait()
            asked.clear()
            if over.is_set():
                return
            log.append((time.time(), dt.datetime.now(UTC).timestamp(), time.monotonic()))
            answered.set()

    thread = threading.Thread(target=answer)
    thread.start()

    def ask(sim):
        with sim.real_time():
            asked.set()
            assert answered.wait(10)
            answered.clear()
        return log.pop()

    yield ask
    over.set()
    asked.set()
    thread.join()


def is_real(now):
    return now > dt.datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_a_travel_ticks_with_virtual_time():
    log = []
    with simclock.Simulation() as sim:
        with time_machine.travel(DAY):
            log.append(time.time())
            time.sleep(3600)
            log.append(time.time())
        log.append(time.time() - EPOCH)

    assert log == [DAY, DAY + 3600, 3600.0]
    assert sim.elapsed == 3600.0


def test_a_travel_takes_every_reader_of_the_wall_clock_along():
    with simclock.Simulation(), time_machine.travel(dt.datetime(2030, 5, 6, 7, tzinfo=UTC)):
        time.time()  # time-machine starts to tick at the first reading
        time.sleep(8)
        found = (
            time.time(), time.time_ns(), time.clock_gettime(time.CLOCK_REALTIME),
            time.clock_gettime_ns(time.CLOCK_REALTIME), time.gmtime()[:6],
            dt.datetime.now(UTC).isoformat(), dt.date.today().isoformat(),
            time.strftime("%S", time.gmtime()), time.asctime(time.gmtime()),
        )  # fmt: skip

    posix = 1904281208
    assert found == (
        float(posix), posix * 10**9, float(posix), posix * 10**9, (2030, 5, 6, 7, 0, 8),
        "2030-05-06T07:00:08+00:00", "2030-05-06", "08", "Mon May  6 07:00:08 2030",
    )  # fmt: skip


def test_a_travel_that_does_not_tick_stays_where_it_is():
    with simclock.Simulation(), time_machine.travel(DAY, tick=False) as traveller:
        log = [time.time()]
        time.sleep(5)
        log.append(time.time())
        traveller.shift(10)
        time.sleep(5)
        log.append(time.time())
        traveller.move_to(7 * DAY)
        log.append(time.time())

    assert log == [DAY, DAY, DAY + 10, 7 * DAY]


def test_a_ticking_travel_is_shifted_and_moved():
    with simclock.Simulation(), time_machine.travel(DAY) as traveller:
        log = [time.time()]
        time.sleep(5)
        traveller.shift(dt.timedelta(hours=1))
        log.append(time.time())
        time.sleep(5)
        traveller.move_to(7 * DAY)
        log.append(time.time())
        time.sleep(5)
        log.append(time.time())

    assert log == [DAY, DAY + 3605, 7 * DAY, 7 * DAY + 5]


def test_the_monotonic_clock_and_timeouts_do_not_notice_a_travel():
    with simclock.Simulation() as sim:
        before = time.monotonic()
        with time_machine.travel(DAY, tick=False):
            threading.Event().wait(2.5)
            after = time.monotonic()

    assert (before, after, sim.elapsed) == (1000.0, 1002.5, 2.5)


def test_a_travel_by_a_timedelta_starts_from_the_simulated_wall_clock():
    with simclock.Simulation(), time_machine.travel(dt.timedelta(days=1)):
        inside = time.time() - EPOCH

    assert inside == DAY


def test_travels_nest():
    log = []
    with simclock.Simulation():
        with time_machine.travel(DAY):
            log.append(time.time())
            with time_machine.travel(2 * DAY, tick=False):
                log.append(time.time())
                time.sleep(1)
            log.append(time.time())
        log.append(time.time() - EPOCH)

    assert log == [DAY, 2 * DAY, DAY + 1, 1.0]


def test_a_travel_is_seen_by_all_threads_of_the_simulation():
    log = []

    def worker():
        time.sleep(1)
        log.append(time.time())
        time.sleep(2)
        log.append(time.time() - EPOCH)

    with simclock.Simulation():
        thread = threading.Thread(target=worker)
        thread.start()
        with time_machine.travel(DAY):
            time.time()  # time-machine starts to tick at the first reading
            time.sleep(2)
        thread.join()

    assert log == [DAY + 1, 3.0]


@time_machine.travel(DAY)
def decorated():
    time.time()
    time.sleep(1)
    return time.time()


@time_machine.travel(DAY)
async def decorated_coroutine():
    time.time()
    await asyncio.sleep(1)
    return time.time()


def test_as_a_decorator_made_outside():
    assert simclock.run(decorated) == DAY + 1
    assert simclock.run(decorated) == DAY + 1


def test_as_a_decorator_of_a_coroutine_function():
    # The stock loop rounds a timeout up to a millisecond.
    assert simclock.run(asyncio.run, decorated_coroutine()) - DAY - 1 < 0.002


def test_as_a_class_decorator():
    log = []

    @time_machine.travel(DAY)
    class Case(unittest.TestCase):
        def test_it(self):
            time.time()
            time.sleep(1)
            log.append(time.time())

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
    with simclock.Simulation():
        result = suite.run(unittest.TestResult())
        log.append(time.time() - EPOCH)

    assert (log, result.wasSuccessful()) == ([DAY + 1, 1.0], True)


def test_the_fixture_and_the_marker(pytester):
    pytester.makepyfile("""
        import time
        import pytest

        @pytest.mark.simclock
        def test_fixture(time_machine):
            time_machine.move_to(86400.0)
            assert time.time() == 86400.0
            time.sleep(5)
            assert time.time() == 86405.0
            time_machine.shift(10)
            assert time.time() == 86415.0

        @pytest.mark.simclock
        @pytest.mark.time_machine(86400.0, tick=False)
        def test_marker():
            time.sleep(5)
            assert time.time() == 86400.0

        @pytest.mark.simclock
        def test_after():
            assert time.time() == 946684800.0
    """)
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=3)


def test_a_foreign_thread_keeps_real_time(foreign):
    with simclock.Simulation() as sim:
        with time_machine.travel(DAY, tick=False):
            frozen = foreign(sim)
        with time_machine.travel(DAY):
            first = foreign(sim)
            assert time.time() == DAY
            ticking = foreign(sim)
            time.sleep(5)
            inside = time.time()

    assert [is_real(now) for reading in (frozen, first, ticking) for now in reading[:2]] == [
        True
    ] * 6
    assert inside == DAY + 5


def test_a_foreign_thread_that_reads_all_the_time_never_sees_the_travel():
    wrong, over = [], threading.Event()

    def read():
        while not over.is_set():
            now = time.time()
            if not is_real(now):
                wrong.append(now)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    with simclock.Simulation() as sim:
        for _ in range(200):
            with time_machine.travel(DAY):
                first = time.time()
                time.sleep(1)
                assert (first, time.time()) == (DAY, DAY + 1)
        with sim.real_time():
            over.set()
            for thread in threads:
                thread.join()

    assert wrong == []


def test_a_travel_of_a_foreign_thread_is_its_own():
    log, go, gone = [], threading.Event(), threading.Event()

    def tourist():
        go.wait()
        with time_machine.travel(DAY, tick=False):
            log.append(("foreign", time.time()))
            gone.set()
            go2.wait()

    go2 = threading.Event()
    thread = threading.Thread(target=tourist)
    thread.start()
    with simclock.Simulation() as sim:
        with sim.real_time():
            go.set()
            gone.wait()
            log.append(("real", time.time()))
        log.append(("simulated", time.time() - EPOCH))
        with sim.real_time():
            go2.set()
            thread.join()
            log.append(("after", is_real(time.time())))

    assert log == [("foreign", DAY), ("real", DAY), ("simulated", 0.0), ("after", True)]


def test_a_foreign_thread_inside_an_outer_travel_stays_there(foreign):
    with time_machine.travel(DAY, tick=False), simclock.Simulation() as sim:
        log = [foreign(sim)[0], time.time() - EPOCH]
        with time_machine.travel(2 * DAY):
            log += [foreign(sim)[0], time.time()]

    assert log == [DAY, 0.0, DAY, 2 * DAY]


def test_what_is_left_started_is_undone_at_the_end():
    zone = os.environ.get("TZ")
    travel = time_machine.travel(dt.datetime(2012, 6, 1, tzinfo=ZoneInfo("Asia/Tokyo")))
    with simclock.Simulation():
        travel.start()
        assert os.environ["TZ"] == "Asia/Tokyo"

    assert time_machine.traveller_stack == []
    assert is_real(time.time())
    assert os.environ.get("TZ") == zone
    travel.stop()  # whoever starts it there may stop it here: there is nothing left to do
    with travel:
        assert dt.datetime.now(UTC).year == 2012
    assert time_machine.traveller_stack == []


def test_stop_taken_inside_and_called_after_the_end():
    travel = time_machine.travel(DAY)
    with simclock.Simulation():
        travel.start()
        stop = travel.stop

    stop()
    assert is_real(time.time())


def test_start_taken_inside_and_called_after_the_end():
    travel = time_machine.travel(DAY, tick=False)
    with simclock.Simulation():
        start = travel.start

    start()
    now = time.time()
    travel.stop()
    assert now == DAY
    assert is_real(time.time())


def test_a_stop_taken_before_takes_away_our_clock_and_no_harm_is_left():
    stop = time_machine.travel.stop
    with simclock.Simulation():
        stop(time_machine.travel(DAY))

    assert time_machine.traveller_stack == []
    assert is_real(time.time())


def test_travellers_also_answer_in_seconds_as_time_machine_before_3_5_asks_them():
    with simclock.Simulation():
        log = [time_machine.traveller_stack[-1].time() - EPOCH]
        with time_machine.travel(DAY) as traveller:
            log.append(traveller.time())

    assert log == [0.0, DAY]


def test_a_stop_too_many_is_an_error_and_our_clock_goes_on():
    with simclock.Simulation():
        with pytest.raises(IndexError, match=r"no travel is started"):
            time_machine.travel(DAY).stop()
        time.sleep(1)
        now = time.time() - EPOCH

    assert now == 1.0


def test_time_machine_is_as_before_after_the_end():
    before = (time_machine.Traveller, time_machine.travel.start, time_machine.travel.stop)
    with simclock.Simulation():
        assert time_machine.Traveller is not before[0]

    assert (time_machine.Traveller, time_machine.travel.start, time_machine.travel.stop) == before


def test_the_escape_hatch_leads_to_the_simulation_and_not_out_of_it():
    hatch = time_machine.escape_hatch
    with simclock.Simulation(), time_machine.travel(DAY):
        time.sleep(1)
        found = (
            hatch.time.time() - EPOCH,
            hatch.time.time_ns() / 1e9 - EPOCH,
            hatch.datetime.datetime.now(UTC).isoformat(),
            hatch.datetime.datetime.utcnow().isoformat(),
            hatch.is_travelling(),
        )

    assert found == (1.0, 1.0, "2000-01-01T00:00:01+00:00", "2000-01-01T00:00:01", True)
    assert not hatch.is_travelling()


def test_a_busy_wait_for_a_travel_to_be_moved_ends():
    with simclock.Simulation(), time_machine.travel(DAY, tick=False) as traveller:
        threading.Timer(1, traveller.shift, [10]).start()
        while time.time() < DAY + 10:
            pass
        found = time.time()

    assert found == DAY + 10


def test_uuid1_has_the_time_of_the_travel():
    with simclock.Simulation(), time_machine.travel(dt.datetime(2040, 1, 1, tzinfo=UTC)):
        since_1582 = uuid.uuid1().time

    begin = dt.datetime(1582, 10, 15, tzinfo=UTC)
    assert begin + dt.timedelta(microseconds=since_1582 // 10) == dt.datetime(
        2040, 1, 1, tzinfo=UTC
    )
