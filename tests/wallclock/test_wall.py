"""`Simulation.wall`, `move_wall` and `sleep_until`."""

from __future__ import annotations

import datetime as dt
import threading
import time

import freezegun
import pytest
import time_machine

import simclock

UTC = dt.timezone.utc
EPOCH = 946684800.0


def at(*parts):
    return dt.datetime(*parts, tzinfo=UTC)


def test_it_begins_at_the_epoch_and_goes_with_virtual_time():
    with simclock.Simulation() as sim:
        log = [sim.wall]
        time.sleep(1.5)
        log.append(sim.wall)

    assert log == [at(2000, 1, 1), at(2000, 1, 1, 0, 0, 1, 500000)]
    assert sim.wall == log[1]
    assert [type(when) for when in log] == [dt.datetime, dt.datetime]


def test_the_default_start_of_both_clocks():
    with simclock.Simulation() as sim:
        found = sim.wall.isoformat(), time.monotonic(), sim.now_ns

    assert found == ("2000-01-01T00:00:00+00:00", 1000.0, 1000 * 10**9)


def test_reading_it_takes_no_time():
    with simclock.Simulation(step_cost=1e-6) as sim:
        for _ in range(5000):
            sim.wall  # noqa: B018 - the reading is what is tested
        elapsed = sim.elapsed_ns

    assert elapsed == 0


def test_it_shows_where_a_travel_or_a_freeze_has_moved_it():
    with simclock.Simulation() as sim:
        with time_machine.travel(at(2012, 1, 14), tick=False):
            log = [sim.wall]
        with freezegun.freeze_time("2013-01-14"):
            log.append(sim.wall)
        log.append(sim.wall)

    assert log == [at(2012, 1, 14), at(2013, 1, 14), at(2000, 1, 1)]
    assert {type(when) for when in log} == {dt.datetime}


def test_a_foreign_thread_is_shown_what_travels_start_from():
    log = []
    with simclock.Simulation() as sim, time_machine.travel(at(2012, 1, 14)):
        time.sleep(1)
        with sim.real_time():
            thread = threading.Thread(target=lambda: log.append(sim.wall))
            thread.start()
            thread.join()

    assert log == [at(2000, 1, 1, 0, 0, 1)]


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (3600, 3600.0),
        (0.5, 0.5),
        (-0.5, -0.5),
        (dt.timedelta(days=1, microseconds=1), 86400.000001),
        (dt.timedelta(days=-366), -366 * 86400.0),
    ],
)
def test_move_wall_moves_the_wall_clock_and_no_other(delta, expected):
    with simclock.Simulation() as sim:
        sim.move_wall(delta)
        found = time.time_ns() - int(EPOCH) * 10**9, time.monotonic(), sim.elapsed

    assert found == (round(expected * 1e9), 1000.0, 0.0)


def test_sleeps_and_timeouts_do_not_notice_a_move():
    log = []

    def worker(sim):
        threading.Event().wait(10)
        log.append((sim.elapsed, time.time() - EPOCH))

    with simclock.Simulation() as sim:
        thread = threading.Thread(target=worker, args=[sim])
        thread.start()
        time.sleep(1)
        sim.move_wall(-3600)
        thread.join()

    assert log == [(10.0, -3590.0)]


def test_a_ticking_travel_moves_too_and_a_frozen_clock_does_not():
    log = []
    with simclock.Simulation() as sim:
        with time_machine.travel(86400.0):
            time.time()
            sim.move_wall(10)
            log.append(time.time())
        with time_machine.travel(86400.0, tick=False):
            sim.move_wall(10)
            log.append(time.time())
        with freezegun.freeze_time("1970-01-02", tick=True):
            sim.move_wall(10)
            log.append(time.time())
        log.append(time.time() - EPOCH)

    assert log == [86410.0, 86400.0, 86410.0, 30.0]


def test_a_move_is_in_the_trace():
    with simclock.Simulation() as sim:
        sim.move_wall(dt.timedelta(hours=-1))
        labels = [record.detail for record in sim.trace.records if record.kind == "mark"]

    assert labels == ["wall clock moved by -3600 s"]


@pytest.mark.parametrize(
    ("delta", "error", "text"),
    [
        ("1", TypeError, r"this is no duration: '1'\ngive a timedelta or seconds"),
        (float("nan"), ValueError, r"this is no duration: nan seconds"),
        (float("-inf"), ValueError, r"this is no duration: -inf seconds"),
        (6e9, ValueError, r"out of range: 6.9\d*e\+09 POSIX seconds\nmove it to at most 6e\+09"),
        (dt.timedelta(days=-100000), ValueError, r"out of range: -7.6\d*e\+09 POSIX seconds"),
    ],
)
def test_a_move_without_meaning_is_refused(delta, error, text):
    with simclock.Simulation() as sim:
        with pytest.raises(error, match=text):
            sim.move_wall(delta)
        assert sim.wall == at(2000, 1, 1)


def test_only_a_simulated_thread_moves_it():
    with (
        simclock.Simulation() as sim,
        sim.real_time(),
        pytest.raises(RuntimeError, match=r"only a thread of the innermost simulation"),
    ):
        sim.move_wall(1)


def test_sleep_until_an_instant_and_settle():
    log = []

    def worker():
        time.sleep(3600)
        log.append("worker")

    with simclock.Simulation() as sim:
        thread = threading.Thread(target=worker)
        thread.start()
        sim.sleep_until(at(2000, 1, 1, 1))
        log.append((sim.elapsed, sim.wall))
        thread.join()

    assert log == ["worker", (3600.0, at(2000, 1, 1, 1))]


def test_sleep_until_in_any_time_zone_and_to_the_microsecond():
    tokyo = dt.timezone(dt.timedelta(hours=9))
    with simclock.Simulation() as sim:
        sim.sleep_until(dt.datetime(2000, 1, 1, 9, 0, 0, 1, tzinfo=tokyo))
        found = sim.elapsed_ns

    assert found == 1000


def test_sleep_until_now_only_settles():
    log = []
    with simclock.Simulation() as sim:
        thread = threading.Thread(target=log.append, args=["ran"])
        thread.start()
        sim.sleep_until(sim.wall)
        log.append(sim.elapsed)
        thread.join()

    assert log == ["ran", 0.0]


def test_sleep_until_follows_a_clock_that_is_moved_back_meanwhile():
    with simclock.Simulation() as sim:
        threading.Timer(10, sim.move_wall, [-3600]).start()
        sim.sleep_until(at(2000, 1, 1, 0, 1))
        found = sim.elapsed, sim.wall

    assert found == (3660.0, at(2000, 1, 1, 0, 1))


def test_sleep_until_goes_by_a_travel_that_ticks():
    with simclock.Simulation() as sim, time_machine.travel(at(2012, 1, 14)):
        sim.sleep_until(at(2012, 1, 14, 6))
        found = sim.elapsed, time.time()

    assert found == (6 * 3600.0, at(2012, 1, 14, 6).timestamp())


@pytest.mark.parametrize("tool", ["travel", "freeze"])
def test_sleep_until_on_a_clock_that_stands_still_is_refused(tool):
    tools = {
        "travel": time_machine.travel(at(2012, 1, 14), tick=False),
        "freeze": freezegun.freeze_time("2012-01-14"),
    }
    text = (
        r"stands still at 2012-01-14T00:00:00\+00:00, it will never show 2012-01-15T00:00:00\+00:00"
    )
    with (
        simclock.Simulation() as sim,
        tools[tool],
        pytest.raises(RuntimeError, match=text),
    ):
        sim.sleep_until(at(2012, 1, 15))


@pytest.mark.parametrize(
    ("when", "error", "text"),
    [
        (3600, TypeError, r"this is no datetime: 3600\ngive one with a time zone"),
        (dt.datetime(2000, 1, 2), ValueError, r"(?s)when has no time zone.*tzinfo=timezone.utc"),
        (
            at(1999, 1, 1),
            ValueError,
            r"until 1999-01-01T00:00:00\+00:00: it is 2000-01-01T00:00:00\+00:00",
        ),
    ],
)
def test_sleep_until_what_is_no_instant_to_come_is_refused(when, error, text):
    with simclock.Simulation() as sim, pytest.raises(error, match=text):
        sim.sleep_until(when)


def test_sleep_until_past_the_limit_of_virtual_time():
    with (
        pytest.raises(simclock.LimitReached),
        simclock.Simulation(max_time=60.0) as sim,
    ):
        sim.sleep_until(at(9999, 1, 1))


def test_a_step_cost_of_one_second_is_what_freezegun_calls_auto_tick():
    def readings():
        return [dt.datetime.now(UTC) for _ in range(3)]

    with freezegun.freeze_time("2012-01-14", auto_tick_seconds=1):
        ticked = readings()
    with simclock.Simulation(epoch=at(2012, 1, 14), step_cost=1):
        stepped = readings()

    assert [later - ticked[0] for later in ticked] == [later - stepped[0] for later in stepped]
