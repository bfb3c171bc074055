"""Beside time-machine and freezegun, which swap the same clocks."""

from __future__ import annotations

import datetime as dt
import sys
import time

import freezegun
import time_machine

import simclock
from simclock._boundary import _native
from simclock._boundary.rows import originals

START = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc).timestamp()
UTC = dt.timezone.utc


def is_real(now: float) -> bool:
    return now > dt.datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_a_travel_started_inside_and_stopped_inside():
    log = []
    with simclock.Simulation():
        log.append(time.time() - START)
        with time_machine.travel(86400.0, tick=False):
            log.append(time.time())
            time.sleep(5)
        log.append(time.time() - START)

    assert log == [0.0, 86400.0, 5.0]
    assert is_real(time.time())
    assert _native.redirected() == []


def test_a_travel_started_before_goes_on_after():
    with time_machine.travel(86400.0, tick=False):
        with simclock.Simulation() as sim:
            inside = time.time() - START
            time.sleep(3)
        after = time.time()

    assert (inside, sim.elapsed, after) == (0.0, 3.0, 86400.0)
    assert is_real(time.time())


def test_a_travel_started_inside_is_over_after():
    travel = time_machine.travel(86400.0, tick=False)
    with simclock.Simulation():
        travel.start()
    between = time.clock_gettime(time.CLOCK_MONOTONIC), time.time()
    travel.stop()
    after = time.clock_gettime(time.CLOCK_MONOTONIC), time.time()

    assert is_real(between[1])
    assert abs(after[0] - between[0]) < 60
    assert is_real(after[1])
    with simclock.Simulation() as sim:
        time.sleep(2)
        again = time.clock_gettime(time.CLOCK_MONOTONIC), time.time() - START
    assert (again, sim.elapsed) == ((1002.0, 2.0), 2.0)
    assert is_real(time.time())
    assert abs(time.clock_gettime(time.CLOCK_MONOTONIC) - originals["time.monotonic"]()) < 60


def test_a_travel_started_before_and_stopped_inside():
    travel = time_machine.travel(86400.0, tick=False)
    travel.start()
    with simclock.Simulation():
        travel.stop()

    assert is_real(time.time())
    assert time_machine.traveller_stack == []


def test_our_dead_trampoline_put_back_passes_through(child):
    """What was saved while ours was in place and is put back after is the original, for ever."""
    lines = child("""
        import ctypes, time, simclock
        from simclock._boundary import _native
        pointer = ctypes.sizeof(ctypes.c_void_p)
        definition = ctypes.c_void_p.from_address(id(time.monotonic) + object.__basicsize__).value
        place = ctypes.c_void_p.from_address(definition + pointer)
        native = place.value
        with simclock.Simulation():
            ours = place.value
            place.value = native   # somebody writes over ours ...
            print(time.monotonic() == 1000.0)
        place.value = ours         # ... and puts back what was saved
        print(ours != native, 0 < time.monotonic() - time.perf_counter() + 60 < 120)
        with simclock.Simulation():
            print(time.monotonic())
        print(0 < time.monotonic() - time.perf_counter() + 60 < 120)
        with simclock.Simulation():
            print(time.monotonic())
    """)

    assert lines == ["False", "True True", "1000.0", "True", "1000.0"]


def test_freezegun_used_inside_freezes_the_wall_clock_of_its_block():
    log = []
    with simclock.Simulation() as sim:
        with freezegun.freeze_time("2012-01-14"):
            log.append(dt.datetime.now(tz=UTC).isoformat())
        time.sleep(1)
        log.append(dt.datetime.now(tz=UTC).isoformat())

    assert log == ["2012-01-14T00:00:00+00:00", "2000-01-01T00:00:01+00:00"]
    assert sim.elapsed == 1.0
    assert sys.modules["time"].time is time.time
