"""How long to wait before something is tried again."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock.systems._shared.retry import LONGEST_DELAY, RetryPolicy


def delays(count=4, **settings):
    policy = RetryPolicy(**{"max_retries": 3, "delay": 1.0, **settings})
    return [policy.delay_of(retry, random.Random(1)) for retry in range(1, count + 1)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"delay": 0}, [0, 0, 0, 0]),
        ({"backoff": 2.0}, [1, 2, 4, 8]),
        ({"backoff": 3.0, "delay": 0.5}, [0.5, 1.5, 4.5, 13.5]),
        ({"backoff": 2.0, "max_delay": 3.0}, [1, 2, 3, 3]),
        ({"max_delay": 0.5}, [0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_delays(settings, expected):
    assert delays(**settings) == expected


@pytest.mark.parametrize(("delay", "longest"), [(1.0, LONGEST_DELAY), (0.0, 0.0)])
def test_delays_do_not_grow_without_bound(delay, longest):
    assert RetryPolicy(10**6, delay, 2.0).delay_of(10**6, random.Random(1)) == longest


@pytest.mark.parametrize(("drawn", "delay"), [(0.0, 7.5), (0.25, 8.75), (0.5, 10.0), (0.75, 11.25)])
def test_jitter_goes_as_far_down_as_up(drawn, delay):
    class Drawn:
        def random(self):
            return drawn

    assert RetryPolicy(3, 10.0, jitter=0.25).delay_of(1, Drawn()) == delay


def test_without_jitter_nothing_is_drawn():
    numbers = random.Random(1)
    before = numbers.getstate()
    RetryPolicy(3, 1.0, 2.0).delay_of(2, numbers)

    assert numbers.getstate() == before


@given(st.floats(0, 1), st.floats(0, 100), st.integers(1, 50), st.integers())
def test_jitter_is_part_of_the_delay_and_keeps_the_bound(jitter, delay, retry, seed):
    policy = RetryPolicy(3, delay, 2.0, 200.0, jitter)
    plain = RetryPolicy(3, delay, 2.0, 200.0).delay_of(retry, random.Random())
    drawn = policy.delay_of(retry, random.Random(seed))

    assert plain * (1 - jitter) * 0.999999 <= drawn <= min(plain * (1 + jitter) * 1.000001, 200)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_retries": -1}, r"max_retries has no meaning: -1\ngive a whole number from 0 on"),
        ({"max_retries": 1.5}, "max_retries has no meaning: 1.5"),
        ({"max_retries": True}, "max_retries has no meaning: True"),
        ({"delay": -1}, r"retry_delay has no meaning: -1\ngive a number from 0 to 1e\+08"),
        ({"delay": math.nan}, "retry_delay has no meaning: nan"),
        ({"delay": "1"}, "retry_delay has no meaning: '1'"),
        ({"delay": math.inf}, "retry_delay has no meaning: inf"),
        ({"backoff": 0.5}, r"backoff has no meaning: 0.5\ngive a number from 1 on"),
        ({"max_delay": -1}, "max_delay has no meaning: -1"),
        ({"jitter": 1.5}, r"jitter has no meaning: 1.5\ngive a number from 0 to 1"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**{"max_retries": 3, "delay": 1.0, **settings})
