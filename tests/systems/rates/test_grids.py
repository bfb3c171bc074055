"""What holds for every grid: by itself, and under the executors in simulated time."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simclock.systems._shared.grids import Grid

POLICIES = st.sampled_from(
    [("burst", None), ("burst", 1), ("burst", 3), ("skip", None), ("coalesce", None)]
)
# So slow, and stalls so short, that nobody catches up 300 ticks at once: a simulation takes a thread
# that reads the clock a thousand times in one instant for one that waits for time to pass.
RATES = st.sampled_from([0.5, 1, 3, 7, 10, 60, 1000 / 11]) | st.floats(0.5, 100)


def test_the_example_of_each_policy():
    def ticks(*policy):
        grid = Grid(100, 10e-9, *policy)
        found = []
        # The first one takes until 145, each other one 2 ns; nobody looks before 190.
        now = 100
        for work, wait in ((45, 0), (2, 0), (2, 0), (2, 0), (2, 0), (2, 190), (2, 0)):
            if (remaining := grid.remaining(now)) > 0:
                now += remaining
            found.append((now, *grid.take(now)))
            now = max(now + work, wait)
            grid.release(now)
        return found, grid.dropped

    assert ticks("burst") == ([
        (100, 0, 100), (145, 1, 110), (147, 2, 120), (149, 3, 130), (151, 4, 140), (153, 5, 150), (190, 6, 160),
    ], 0)  # fmt: skip
    assert ticks("burst", 2) == ([
        (100, 0, 100), (145, 3, 130), (147, 4, 140), (150, 5, 150), (160, 6, 160), (170, 7, 170), (190, 8, 180),
    ], 2)  # fmt: skip
    assert ticks("skip") == ([
        (100, 0, 100), (150, 5, 150), (160, 6, 160), (170, 7, 170), (180, 8, 180), (190, 9, 190), (200, 10, 200),
    ], 4)  # fmt: skip
    assert ticks("coalesce") == ([
        (100, 0, 100), (145, 4, 140), (150, 5, 150), (160, 6, 160), (170, 7, 170), (180, 8, 180), (190, 9, 190),
    ], 3)  # fmt: skip


@pytest.mark.parametrize(("now", "is_late"), [(9, False), (10, False), (11, True)])
def test_a_tick_that_is_due_in_this_very_instant_is_not_late(now, is_late):
    grid = Grid(0, 10e-9)
    grid.take(0)

    assert grid.release(now) is is_late


def test_the_latest_tick_is_the_one_of_this_very_instant():
    # The quotient of these two is a float that is too small.
    grid = Grid(1, 1.3436424411240122e-06)
    now = grid.instant(60_329_670)

    assert [grid.latest(now - 1), grid.latest(now)] == [60_329_669, 60_329_670]


def test_the_latest_tick_is_not_early_where_floats_are_coarse():
    # The quotient of these two is a float that is too large.
    grid = Grid(0, 1e-9, "coalesce")

    assert grid.take(10**18 - 1).instant <= 10**18 - 1


@given(
    interval=st.floats(1e-6, 1e4),
    origin=st.integers(0, 10**18),
    number=st.integers(0, 10**9),
)
def test_instants_do_not_drift(interval, origin, number):
    exact = origin + number * Fraction(interval) * 10**9

    # Half a nanosecond for the instant, and what a float of this size cannot tell.
    assert abs(Grid(origin, interval).instant(number) - exact) <= Fraction(1, 2) + exact * Fraction(
        4, 2**53
    )


@given(
    interval=st.floats(1e-9, 100),
    origin=st.integers(0, 10**15),
    policy=POLICIES,
    steps=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**10)), max_size=30),
)
def test_what_a_grid_promises(interval, origin, policy, steps):
    catch_up, bound = policy
    grid = Grid(origin, interval, catch_up, bound)
    now, numbers = origin, []
    for late, work in steps:
        now = max(now, grid.due) + late
        assert grid.remaining(now) <= 0
        tick = grid.take(now)
        numbers.append(tick.number)

        assert tick.instant == grid.instant(tick.number) <= now
        assert len(numbers) + grid.dropped == grid.number == tick.number + 1
        if catch_up == "coalesce" or bound is not None:
            assert grid.instant(tick.number + (bound or 1)) > now

        now += work
        is_late = grid.instant(grid.number) < now
        assert grid.release(now) is is_late
        assert catch_up != "skip" or grid.due >= now > grid.instant(grid.number - 1) or not is_late

    assert numbers == sorted(set(numbers))
    assert (catch_up, bound) != ("burst", None) or grid.dropped == 0


# -------------------------------------------------------------------- under the executors


def model(rate, stalls, stop, catch_up, bound):
    """Return when a loop calls its callback, in whole nanoseconds: the rules, one by one."""
    interval = 1.0 / rate
    now, number, called = 0, 0, []

    def instant(number):
        return round(number * (interval * 1e9))

    while True:
        now = max(now, instant(number))
        if now >= stop:
            return called
        most = 1 if catch_up == "coalesce" else bound
        while most is not None and instant(number + most) <= now:
            number += 1
        stall = stalls[len(called)] if len(called) < len(stalls) else 0
        called.append((now, number))
        now += stall
        number += 1
        while catch_up == "skip" and instant(number) < now:
            number += 1


@settings(max_examples=60)
@given(
    rate=RATES,
    stalls=st.lists(st.just(0) | st.integers(0, 200), max_size=12),
    fails=st.sets(st.integers(0, 11)),
    stop=st.integers(0, 3000),
    policy=POLICIES,
)
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_no_tick_is_early_and_all_are_counted(execute, kind, rate, *, stalls, fails, stop, policy):
    catch_up, bound = policy
    # No stop in the instant of a tick: which of the two comes first is nobody's promise.
    stop, stalls = stop * 1_000_000 + 501, [each * 1_000_000 for each in stalls]
    expected = model(rate, stalls, stop, catch_up, bound)

    def work(number):
        if number < len(stalls):
            time.sleep(stalls[number] / 1e9)
        if number in fails:
            raise LookupError

    called, statistics = execute(kind, rate, stop, work, catch_up=catch_up, max_backlog=bound)

    assert called == [now for now, _ in expected]
    assert all(now >= round(number * (1.0 / rate * 1e9)) for now, number in expected)
    assert statistics.ticks == len(called)
    assert statistics.failures == len([each for each in fails if each < len(called)])
    if catch_up == "burst" and bound is None:
        assert statistics.dropped == 0
        assert [number for _, number in expected] == list(range(len(called)))
