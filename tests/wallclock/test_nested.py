"""Each simulation has a wall clock of its own, whatever is on the stack."""

from __future__ import annotations

import datetime as dt
import time

import freezegun
import pytest
import time_machine

import simclock

UTC = dt.timezone.utc
INNER = dt.datetime(2020, 2, 29, tzinfo=UTC)


def test_one_inside_another_starts_at_its_own_epoch():
    log = []
    with simclock.Simulation() as outer:
        time.sleep(5)
        with simclock.Simulation(epoch=INNER) as inner:
            time.sleep(1)
            log.append((dt.datetime.now(UTC).isoformat(), inner.wall.isoformat()))
        log.append((dt.datetime.now(UTC).isoformat(), outer.wall.isoformat()))

    assert log == [
        ("2020-02-29T00:00:01+00:00", "2020-02-29T00:00:01+00:00"),
        ("2000-01-01T00:00:05+00:00", "2000-01-01T00:00:05+00:00"),
    ]


@pytest.mark.parametrize(
    "moved",
    [
        time_machine.travel(86400.0),
        time_machine.travel(86400.0, tick=False),
        freezegun.freeze_time("1970-01-02"),
        freezegun.freeze_time("1970-01-02", tick=True),
    ],
    ids=["travel", "travel still", "freeze", "freeze ticking"],
)
def test_one_inside_what_moved_the_outer_one(moved):
    log = []
    with simclock.Simulation(), moved:
        log.append(time.time())
        with simclock.Simulation(epoch=INNER) as inner:
            time.sleep(1)
            log.append((time.time() - INNER.timestamp(), inner.wall.isoformat()))
            with time_machine.travel(7) if isinstance(moved, time_machine.travel) else moved:
                log.append(time.time())
        log.append(time.time())

    inside = 7.0 if isinstance(moved, time_machine.travel) else 86400.0
    assert log == [86400.0, (1.0, "2020-02-29T00:00:01+00:00"), inside, 86400.0]
    assert time_machine.traveller_stack == []
    assert freezegun.api.freeze_factories == []


def test_a_travel_left_started_in_the_inner_one_ends_with_it_and_an_outer_one_goes_on():
    log = []
    with simclock.Simulation(), time_machine.travel(86400.0):
        log.append(time.time())
        with simclock.Simulation():
            time_machine.travel(7.0).start()
            log.append(time.time())
        time.sleep(1)
        log.append(time.time())

    assert log == [86400.0, 7.0, 86401.0]


def test_move_wall_moves_that_of_one_simulation():
    with simclock.Simulation() as outer:
        with simclock.Simulation() as inner:
            inner.move_wall(60)
            with pytest.raises(RuntimeError, match=r"only a thread of the innermost simulation"):
                outer.move_wall(60)
        found = outer.wall.second, inner.wall.minute

    assert found == (0, 1)


def test_two_runs_one_after_the_other_start_alike():
    def body():
        with time_machine.travel(86400.0):
            time.sleep(1)
            return time.time()

    assert [simclock.run(body), simclock.run(body)] == [86400.0, 86400.0]
