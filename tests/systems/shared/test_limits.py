"""Tokens, windows of time, and the breaker."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simclock
from simclock.systems._shared.limits import Breaker, BreakerState, CallEnd, Tokens, Window

# Seconds between two attempts: such that sums of floats go wrong, and such that many come at once.
pauses = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1 / 3, 1e-9, 0.7, 1.0, 5.0]), max_size=60)


def attempts(limiter, pauses):
    """Return the instants, in nanoseconds, at which *limiter* has let somebody through."""
    granted = []
    for pause in pauses:
        time.sleep(pause)
        if limiter():
            granted.append(time.monotonic_ns())
    return granted


def test_a_window_gives_so_many_and_then_none_until_the_first_is_old(sim):
    window = Window(2, 1.0)

    assert [window.try_take() for _ in range(3)] == [True, True, False]
    sim.sleep(0.75)
    assert (window.free, window.wait_of()) == (0, 0.25)
    sim.sleep(0.25)
    assert (window.free, window.wait_of()) == (2, 0.0)
    assert window.try_take()
    assert window.free == 1


def test_what_is_left_of_a_window_can_be_set(sim):
    window = Window(4, 1.0)
    window.try_take()

    window.set_free(0)
    assert (window.try_take(), window.free) == (False, 0)
    window.set_free(3)
    assert (window.try_take(), window.free) == (True, 2)
    sim.sleep(1.0)
    assert window.free == 4


@given(pauses, st.integers(1, 4), st.sampled_from([0.1, 0.3, 1.0, 1 / 3]))
def test_in_any_window_there_are_at_most_so_many(pauses, limit, seconds):
    with simclock.Simulation():
        granted = attempts(Window(limit, seconds).try_take, pauses)

    for first, after in zip(granted, granted[limit:], strict=False):
        assert after - first >= seconds * 1e9


@given(pauses, st.integers(1, 3), st.sampled_from([0.1, 0.3, 1.0]))
def test_whoever_waits_as_long_as_told_is_let_through(pauses, limit, seconds):
    with simclock.Simulation() as sim:
        window = Window(limit, seconds)
        for pause in pauses:
            sim.sleep(pause)
            sim.sleep(window.wait_of())
            assert window.try_take()


def test_a_window_is_for_many_threads(sim):
    window, granted = Window(5, 10.0), []

    def take():
        if window.try_take():
            granted.append(1)

    threads = [threading.Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(granted) == 5


def test_tokens_come_back_at_a_constant_rate(sim):
    bucket = Tokens(10, 2.0)

    assert bucket.try_take(10)
    assert (bucket.try_take(1), bucket.wait_of(1), bucket.wait_of(10)) == (False, 0.5, 5.0)
    sim.sleep(0.5)
    assert bucket.try_take(1)
    sim.sleep(60)
    assert (bucket.tokens, bucket.wait_of(10)) == (10.0, 0.0)


def test_a_bucket_may_begin_with_fewer(sim):
    bucket = Tokens(4, 1.0, initial=1)

    assert (bucket.try_take(2), bucket.try_take(1), bucket.tokens) == (False, True, 0.0)


def test_what_is_given_back_can_be_taken_again_and_no_more(sim):
    bucket = Tokens(4, 1.0)
    bucket.try_take(3)

    bucket.give_back(1)
    assert bucket.tokens == 2.0
    bucket.give_back(9)
    assert bucket.tokens == 4.0
    bucket.try_take(4)
    bucket.fill()
    assert bucket.tokens == 4.0


@given(pauses, st.integers(1, 4), st.sampled_from([0.1, 0.3, 1.0, 7.0]))
def test_in_any_stretch_there_are_at_most_the_capacity_and_what_came_back(pauses, capacity, rate):
    with simclock.Simulation():
        bucket = Tokens(capacity, rate)
        granted = attempts(lambda: bucket.try_take(1), pauses)

    for (first, begin), (last, end) in itertools.combinations(enumerate(granted), 2):
        # One part in 10**9: rates are the fractions next to floats.
        assert last - first + 1 <= capacity + rate * (end - begin) / 1e9 + 1e-9


@given(pauses, st.integers(1, 5), st.sampled_from([0.1, 0.3, 1.0, 1e-3, 7.0, 1e6]))
def test_after_the_wait_there_are_that_many_tokens_and_not_before(pauses, count, rate):
    with simclock.Simulation() as sim:
        bucket = Tokens(5, rate)
        for pause in pauses:
            sim.sleep(pause)
            wait = bucket.wait_of(count)
            if wait > 2e-9:
                sim.sleep(wait - 2e-9)
                assert not bucket.try_take(count)
                sim.sleep(bucket.wait_of(count))
            assert bucket.try_take(count)


def calls(breaker, outcomes):
    """Make calls one after the other; return which were let through."""
    let = []
    for outcome in outcomes:
        call = breaker.enter()
        let.append(call is not None)
        if call is not None:
            breaker.leave(call, outcome)
    return let


GOOD, BAD, NEITHER = CallEnd.SUCCESS, CallEnd.FAILURE, CallEnd.NEITHER


def test_failures_in_succession_open_a_breaker(sim):
    breaker = Breaker(2, 10.0, 1)

    assert calls(breaker, [BAD, GOOD, BAD, NEITHER, BAD, GOOD]) == [True] * 5 + [False]
    assert (breaker.state, breaker.failures) == (BreakerState.OPEN, 2)
    sim.sleep(4)
    assert (breaker.enter(), breaker.wait_of()) == (None, 6.0)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (GOOD, BreakerState.CLOSED),
        (BAD, BreakerState.OPEN),
        (NEITHER, BreakerState.HALF_OPEN),
    ],
)
def test_a_probe_says_what_becomes_of_a_breaker(sim, outcome, state):
    breaker = Breaker(1, 10.0, 1)
    calls(breaker, [BAD])
    sim.sleep(10)

    assert calls(breaker, [outcome]) == [True]

    assert breaker.state is state
    # The place of a probe that said nothing is free again.
    assert (breaker.enter() is None) is (state is BreakerState.OPEN)


def test_there_are_only_so_many_probes_at_once(sim):
    breaker = Breaker(1, 10.0, 2)
    calls(breaker, [BAD])
    sim.sleep(10)

    probes = [breaker.enter() for _ in range(3)]
    assert [probe is not None for probe in probes] == [True, True, False]
    breaker.leave(probes[0], NEITHER)
    assert breaker.enter() is not None


def test_calls_that_began_before_the_last_change_are_not_heard(sim):
    began, breaker = time.monotonic(), Breaker(1, 10.0, 1)
    slow = [breaker.enter() for _ in range(3)]
    breaker.leave(slow[0], BAD)
    sim.sleep(10)
    probe = breaker.enter()

    breaker.leave(slow[1], GOOD)
    breaker.leave(slow[2], BAD)
    assert (breaker.state, breaker.enter()) == (BreakerState.HALF_OPEN, None)
    breaker.leave(probe, GOOD)
    assert [(each.before.value, each.after.value, each.at - began) for each in breaker.changes] == [
        ("closed", "open", 0),
        ("open", "half_open", 10),
        ("half_open", "closed", 10),
    ]


@given(
    st.lists(st.tuples(st.sampled_from([0, 3, 10]), st.sampled_from([GOOD, BAD, NEITHER]))),
    st.integers(1, 3),
)
def test_a_breaker_that_is_open_lets_nobody_through_for_its_time(steps, threshold):
    with simclock.Simulation() as sim:
        breaker, failed, opened = Breaker(threshold, 10.0, 1), 0, None
        for pause, outcome in steps:
            sim.sleep(pause)
            call = breaker.enter()
            assert (call is None) is (opened is not None and sim.elapsed < opened + 10)
            if call is None:
                continue
            breaker.leave(call, outcome)
            if outcome is BAD:
                failed += 1
                if failed >= threshold:
                    opened = sim.elapsed
            elif outcome is GOOD:
                failed, opened = 0, None


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: Tokens(0, 1.0), "capacity"),
        (lambda: Tokens(1, 0.0), "refill_rate"),
        (lambda: Tokens(1, float("nan")), "refill_rate"),
        (lambda: Tokens(1, 1.0, -1), "initial_tokens"),
        (lambda: Tokens(1, 1.0, 2), "initial_tokens exceeds the capacity: 2 of 1"),
        (lambda: Window(0, 1.0), "limit"),
        (lambda: Window(1, 0.0), "seconds"),
        (lambda: Breaker(0, 1.0, 1), "failure_threshold"),
        (lambda: Breaker(1, 0.0, 1), "recovery_time"),
        (lambda: Breaker(1, 1.0, 0), "half_open_max_calls"),
    ],
)
def test_limits_without_meaning_are_refused(make, setting):
    with pytest.raises(ValueError, match=setting):
        make()
