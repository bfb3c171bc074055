from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock._core.instants import (
    FARTHEST,
    FASTEST,
    MICROSECOND,
    MILLISECOND,
    SECOND,
    START_NS,
    delta_to_ns,
    plain,
    shown_seconds,
    to_ns,
    to_seconds,
)


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (3, 3 * SECOND),
        (0.1, 100 * MILLISECOND),
        (1e-6, MICROSECOND),
        (1e-9, 1),
        (1 / 3, 333_333_334),
        (-1.5, -1_500_000_000),
        (2**62, 2**62 * SECOND),
    ],
)
def test_seconds_in_nanoseconds(seconds, nanoseconds):
    assert to_ns(seconds) == nanoseconds


@pytest.mark.parametrize("seconds", [0.067, 0.134, 1.001, 4.35, 123e-6])
def test_what_multiplication_adds_is_not_rounded_up(seconds):
    assert to_ns(seconds) == round(seconds * 1e6) * MICROSECOND


@given(st.floats(min_value=0, exclude_min=True, max_value=1e12))
def test_no_positive_duration_becomes_zero(seconds):
    assert to_ns(seconds) >= 1


@given(st.integers(-(2**50), 2**50))
def test_nanoseconds_survive_the_way_through_seconds(nanoseconds):
    assert to_ns(to_seconds(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("delta", "nanoseconds"),
    [
        (timedelta(0), 0),
        (timedelta(microseconds=3), 3 * MICROSECOND),
        (timedelta(days=2, seconds=5, microseconds=7), 172_805 * SECOND + 7 * MICROSECOND),
        (timedelta(milliseconds=-1), -MILLISECOND),  # it has -1 day, and almost as many seconds
        (timedelta.max, (timedelta.max // timedelta(microseconds=1)) * MICROSECOND),
    ],
)
def test_a_timedelta_in_nanoseconds_is_exact(delta, nanoseconds):
    assert delta_to_ns(delta) == nanoseconds


TWELVE_DAYS_NS = 12 * 86_400 * SECOND


@given(st.integers(START_NS, TWELVE_DAYS_NS), st.integers(1, 3600 * SECOND))
def test_the_rest_of_a_timeout_is_exact_when_computed_from_the_clock(now_ns, timeout_ns):
    """As ``queue.Queue.get`` does: ``remaining = endtime - monotonic()``."""
    end = to_seconds(now_ns) + to_seconds(timeout_ns)

    assert to_ns(end - to_seconds(now_ns)) == timeout_ns


@pytest.mark.parametrize(
    ("seconds", "error"), [(float("nan"), ValueError), (float("inf"), OverflowError)]
)
def test_what_is_no_duration_is_refused(seconds, error):
    with pytest.raises(error):
        to_ns(seconds)


def test_the_clock_starts_whole_and_where_floats_resolve_a_nanosecond():
    start = to_seconds(START_NS)

    assert start == 1000.0
    assert start < 2**24
    assert (start + 1e-9) - start > 0.5e-9


def test_a_wall_clock_may_be_decades_wrong_and_gain_or_lose_half_of_each_second():
    """Errors name these numbers: a plan of faults of one version is one of the next."""
    assert (FARTHEST, FASTEST) == (1e9, 0.5)


class Number:
    """As the integers of other packages: no ``int``, but it stands for one."""

    def __index__(self):
        return 7


@pytest.mark.parametrize(
    ("value", "number"), [(7, 7), (7.5, 7.5), (None, None), ("7", "7"), (Number(), 7)]
)
def test_what_stands_for_an_integer_becomes_one(value, number):
    assert plain(value) == number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (1e-9, "0.000000001"),
        (2e-06, "0.000002"),
        (12.5e-6, "0.0000125"),
        (0.0001, "0.0001"),
        (3.25, "3.25"),
        (1234.5678, "1234.57"),
        (-2e-06, "-0.000002"),
        (3e9, "3e+09"),
        (1e-10, "0"),
    ],
)
def test_seconds_are_shown_without_an_exponent_where_they_are_short(seconds, text):
    assert shown_seconds(seconds) == text
