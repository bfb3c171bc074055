"""When intervals are due, and which of several instants that were missed is the latest."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simclock.systems._shared.cron import CronExpression
from simclock.systems.taskqueue.timetables import Cron, Interval, Once, interval_text, latest_due

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
INTERVALS = st.one_of(
    st.sampled_from([0.001, 0.2, 1 / 3, 1.0, 60.0, 86400.0]), st.floats(0.001, 1e6)
)


@given(interval=INTERVALS, micros=st.integers(0, 10**15))
def test_an_interval_is_due_at_multiples_and_nowhere_else(interval, micros):
    after = START + timedelta(microseconds=micros)

    due = Interval(interval, START).after(after)

    exact = Fraction(interval) * 10**6
    number = round(((due - START) // MICROSECOND) / exact)
    # To the microsecond, rounded down, and what floats of nanoseconds lose in 30 years.
    assert (
        -1 - number * exact / 2**52
        <= (due - START) // MICROSECOND - number * exact
        <= 1 / 1000 + number * exact / 2**52
    )
    assert after < due <= after + timedelta(seconds=interval) + MICROSECOND


@given(interval=INTERVALS)
def test_each_tick_follows_the_one_before(interval):
    timetable, due = Interval(interval, START), START
    exact = [
        int(Fraction(interval) * number * 10**6 + Fraction(1, 2000)) for number in range(1, 30)
    ]

    for expected in exact:
        due = timetable.after(due)
        assert abs((due - START) // MICROSECOND - expected) <= 1


@given(interval=INTERVALS, before=st.integers(1, 10**12))
def test_an_interval_is_due_also_before_it_began(interval, before):
    """A wall clock may have been put back."""
    after = START - timedelta(microseconds=before)

    assert (
        after
        < Interval(interval, START).after(after)
        <= after + timedelta(seconds=interval) + MICROSECOND
    )


def test_a_fifth_of_a_second_is_exact():
    timetable, due, found = Interval(0.2, START), START, []
    for _ in range(21):
        due = timetable.after(due)
        found.append((due - START) // timedelta(milliseconds=1))

    assert found == list(range(200, 4201, 200))


@settings(deadline=None)
@given(
    line=st.sampled_from(["* * * * *", "*/7 3 * * *", "0 0 29 2 *", "0 12 1 * MON", "30 2 * * *"]),
    number=st.integers(0, 20),
    late=st.integers(0, 10**9),
)
def test_the_latest_instant_is_the_one_that_none_follows(line, number, late):
    timetable = Cron(CronExpression(line, "Europe/Berlin"))
    due = START
    for _ in range(number + 1):
        due = timetable.after(due)
    now = due + timedelta(seconds=late)

    latest = latest_due(timetable, due, now)

    assert due <= latest <= now < timetable.after(latest)
    assert latest == due or timetable.after(latest - timedelta(seconds=1)) == latest


@given(interval=INTERVALS, late=st.integers(0, 10**14))
def test_the_latest_tick_is_the_one_that_none_follows(interval, late):
    timetable = Interval(interval, START)
    due = timetable.after(START)
    now = due + timedelta(microseconds=late)

    latest = latest_due(timetable, due, now)

    assert due <= latest <= now < timetable.after(latest)


def test_once_is_once():
    timetable = Once(START)

    assert timetable.after(START - MICROSECOND) == START
    assert timetable.after(START) is None
    assert latest_due(timetable, START, START + timedelta(days=1)) == START


def test_intervals_as_text():
    assert [interval_text(each) for each in (1, 0.2, timedelta(minutes=1))] == [
        "1.0",
        "0.2",
        "60.0",
    ]


@pytest.mark.parametrize("interval", [0, -1, float("inf"), float("nan"), "1", None, 0.0009, 1e12])
def test_intervals_without_a_meaning_are_refused(interval):
    with pytest.raises(ValueError, match=r"^this (is no interval|interval is too short): "):
        interval_text(interval)
