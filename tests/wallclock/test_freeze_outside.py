"""A simulation opened while freezegun is active reads its wall clock through freezegun."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import freezegun
import pytest
import time_machine

import simclock
from simclock._boundary import _native
from simclock.errors import Unsupported

UTC = dt.timezone.utc
EPOCH = 946684800.0
FROZEN = "2012-01-14"
START = dt.datetime(2012, 1, 14, tzinfo=UTC).timestamp()


def deep(read, frames=6):
    """Return ``read()``, far from ``threading``, whose callees freezegun gives real time."""
    return deep(read, frames - 1) if frames else read()


def test_inside_is_the_simulations_wall_clock_and_outside_the_frozen_one():
    log = []
    with freezegun.freeze_time(FROZEN):
        log.append(time.time())
        with simclock.Simulation() as sim:
            log.append(time.time() - EPOCH)
            time.sleep(5)
            log.append(time.time() - EPOCH)
            log.append(dt.datetime.now(UTC).isoformat())
        log.append(time.time())

    assert log == [START, 0.0, 5.0, "2000-01-01T00:00:05+00:00", START]
    assert sim.elapsed == 5.0
    assert dt.datetime is freezegun.api.real_datetime
    assert freezegun.api.freeze_factories == []
    assert _native.redirected() == []


def test_every_reader_that_freezegun_knows():
    with freezegun.freeze_time(FROZEN), simclock.Simulation():
        time.sleep(8)
        found = (
            time.time(), time.time_ns(), time.gmtime()[:6], dt.date.today().isoformat(),
            dt.datetime.now().isoformat(), time.strftime("%S"),
            time.clock_gettime(time.CLOCK_REALTIME), time.ctime(),
        )  # fmt: skip

    posix = 946684808
    assert found == (
        float(posix), posix * 10**9, (2000, 1, 1, 0, 0, 8), "2000-01-01",
        "2000-01-01T00:00:08", "08", float(posix), "Sat Jan  1 00:00:08 2000",
    )  # fmt: skip


def test_monotonic_clocks_are_the_virtual_ones_and_not_freezeguns():
    with freezegun.freeze_time(FROZEN), simclock.Simulation() as sim:
        sim.move_wall(3600)
        time.sleep(5)
        found = time.monotonic(), time.perf_counter(), time.monotonic_ns(), time.time() - EPOCH

    assert found == (1005.0, 1005.0, 1005 * 10**9, 3605.0)


def test_threads_executors_and_event_loops_work():
    async def nap():
        await asyncio.sleep(2)
        return time.time() - EPOCH

    with freezegun.freeze_time(FROZEN), simclock.Simulation() as sim:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(time.sleep, [1, 2, 3]))
        event = threading.Event()
        log = [event.wait(1), sim.elapsed]
        log.append(round(asyncio.run(nap()), 2))

    assert log == [False, 5.0, 7.0]


def test_a_foreign_thread_stays_frozen():
    log = []
    with freezegun.freeze_time(FROZEN) as frozen, simclock.Simulation() as sim:
        time.sleep(5)
        with sim.real_time():
            for _ in range(2):
                thread = threading.Thread(target=lambda: log.append(deep(time.time) - START))
                thread.start()
                thread.join()
                frozen.tick(60)
        inside = time.time() - EPOCH

    assert (log, inside) == ([0.0, 60.0], 5.0)


def test_a_threads_own_function_is_not_given_real_time():
    log = []
    with freezegun.freeze_time(FROZEN), simclock.Simulation():
        for freeze in (freezegun.freeze_time("2013-01-14", tick=True), contextlib.nullcontext()):
            with freeze:
                time.sleep(1)
                thread = threading.Thread(target=lambda: log.append(time.time()))
                thread.start()
                thread.join()

    assert log == [START + 366 * 86400 + 1, EPOCH + 2]


def test_another_freeze_inside():
    log = []
    with freezegun.freeze_time(FROZEN), simclock.Simulation():
        with freezegun.freeze_time("2013-01-14", tick=True) as frozen:
            begin = time.time()
            time.sleep(5)
            log.append(time.time() - begin)
            frozen.move_to("2014-01-14")
            log.append(dt.datetime.now(UTC).isoformat())
        log.append(time.time() - EPOCH)

    assert log == [5.0, "2014-01-14T00:00:00+00:00", 5.0]


def test_the_outer_freeze_stopped_inside_is_over_after():
    freeze = freezegun.freeze_time(FROZEN)
    freeze.start()
    with simclock.Simulation():
        freeze.stop()
        time.sleep(1)
        inside = time.time() - EPOCH

    assert inside == 1.0
    assert freezegun.api.freeze_factories == []
    assert dt.datetime is freezegun.api.real_datetime
    assert time.time() > START + 365 * 86400


def test_a_stop_taken_before_takes_away_our_clock_and_no_harm_is_left():
    freeze = freezegun.freeze_time(FROZEN)
    stop = freeze.stop
    freeze.start()
    with simclock.Simulation():
        stop()
        time.sleep(1)
    after = time.time()
    freeze.stop()

    assert after == START
    assert dt.datetime is freezegun.api.real_datetime


def test_what_is_left_started_is_undone_at_the_end():
    with freezegun.freeze_time(FROZEN):
        with simclock.Simulation():
            freezegun.freeze_time("2013-01-14").start()
        after = time.time()

    assert after == START
    assert dt.datetime is freezegun.api.real_datetime


def test_the_first_simulation_of_a_process(child):
    """Redirection looks the built-ins up: freezegun has others in their place by then."""
    lines = child("""
        import freezegun, time
        with freezegun.freeze_time("2012-01-14"):
            import simclock
            with simclock.Simulation():
                time.sleep(5)
                print(time.time(), time.monotonic())
        with simclock.Simulation():
            time.sleep(5)
            print(time.time(), time.monotonic())
    """)

    assert lines == ["946684805.0 1005.0", "946684805.0 1005.0"]


def test_freezegun_asked_for_by_name():
    with simclock.Simulation(wall_clock="freezegun") as sim:
        time.sleep(5)
        found = time.time() - EPOCH, time.monotonic(), dt.datetime.now(UTC).isoformat(), sim.wall

    assert found == (
        5.0,
        1005.0,
        "2000-01-01T00:00:05+00:00",
        dt.datetime(2000, 1, 1, 0, 0, 5, tzinfo=UTC),
    )
    assert freezegun.api.freeze_factories == []
    assert dt.datetime is freezegun.api.real_datetime
    assert time_machine.traveller_stack == []


def test_time_machine_asked_for_by_name_is_refused_with_the_remedy():
    with (
        freezegun.freeze_time(FROZEN),
        pytest.raises(Unsupported, match=r'(?s)freezegun is active.*wall_clock="freezegun"'),
        simclock.Simulation(wall_clock="time-machine"),
    ):
        pass

    assert _native.redirected() == []
    assert time_machine.traveller_stack == []
    with simclock.Simulation(wall_clock="time-machine") as sim:
        time.sleep(1)
    assert sim.elapsed == 1.0


def test_an_unknown_name_is_refused_with_those_there_are():
    with (
        pytest.raises(
            ValueError, match=r"(?s)unknown wall clock: 'sundial'.*time-machine, freezegun"
        ),
        simclock.Simulation(wall_clock="sundial"),
    ):
        pass


def test_without_freezegun_asking_for_it_says_what_to_install(child):
    lines = child("""
        import sys
        sys.modules["freezegun.api"] = sys.modules["freezegun"] = None
        import simclock
        try:
            with simclock.Simulation(wall_clock="freezegun"):
                pass
        except simclock.Unsupported as error:
            print(str(error).splitlines()[-1])
        with simclock.Simulation():
            print("and on")
    """)

    assert lines == ["install simclock[freezegun], or choose wall_clock=None", "and on"]


def test_a_wall_clock_that_reads_something_else_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(freezegun.api, "get_current_time", lambda: dt.datetime(2020, 1, 1))
    with (
        pytest.raises(Unsupported, match=r"(?s)does not read as simulated.*by: freezegun"),
        simclock.Simulation(wall_clock="freezegun"),
    ):
        pass

    assert _native.redirected() == []
    assert freezegun.api.freeze_factories == []
