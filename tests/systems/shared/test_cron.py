"""When cron lines are due, and which have no meaning."""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simclock.systems._shared.cron import CronExpression

UTC = timezone.utc
MINUTE = timedelta(minutes=1)
NAMES = {
    3: dict(
        zip(
            ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
            range(1, 13),
            strict=True,
        )
    ),
    4: dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(7), strict=True)),
}


def at(text):
    return datetime.fromisoformat(text)


def runs(line, zone, after, count):
    """Return the first instants at which a line is due, as the zone's clock shows them."""
    cron, after, found = CronExpression(line, zone), at(after), []
    for _ in range(count):
        after = cron.next_run(after)
        found.append(after.astimezone(zoneinfo.ZoneInfo(zone)).strftime("%m-%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("*/15 * * * *", "2024-03-01T12:15"),
        ("7 * * * *", "2024-03-01T12:07"),
        ("50/5 12 * * *", "2024-03-01T12:50"),
        ("2-59/29 12 * * *", "2024-03-01T12:02"),
        ("0 9-17 * * MON-FRI", "2024-03-01T13:00"),
        ("0 0 * * 7", "2024-03-03T00:00"),
        ("0 0 * * 0", "2024-03-03T00:00"),
        ("0 0 * * fri-7", "2024-03-02T00:00"),
        ("0 0 1 jan,jul *", "2024-07-01T00:00"),
        ("0 0 31 * *", "2024-03-31T00:00"),
        # Either of both days; both of them if one begins with a star.
        ("0 0 13 * FRI", "2024-03-08T00:00"),
        ("0 0 13 * */5", "2024-09-13T00:00"),
        ("0 0 */12 * FRI", "2024-09-13T00:00"),
        # No month has the day, so the weekday alone decides.
        ("0 0 31 4,6 MON", "2024-04-01T00:00"),
        ("3-3/5 * * * *", "2024-03-01T12:03"),
        ("0 0 * * Mon-01/2", "2024-03-04T00:00"),
        ("0 0 L * *", "2024-03-31T00:00"),
    ],
)
def test_the_first_run_after_the_first_of_march(line, expected):
    cron = CronExpression(line)
    due = at(expected).replace(tzinfo=UTC)

    assert cron.next_run(at("2024-03-01T12:00:00+00:00")) == due
    assert cron.matches(due)
    assert cron.matches(due + timedelta(seconds=59))
    assert not cron.matches(at("2024-03-01T12:01:00+00:00"))


def test_a_run_is_later_than_the_instant_it_follows():
    cron = CronExpression("0 12 * * *")

    assert cron.next_run(at("2024-03-01T11:59:59.999999+00:00")) == at("2024-03-01T12:00+00:00")
    assert cron.next_run(at("2024-03-01T12:00+00:00")) == at("2024-03-02T12:00+00:00")
    assert cron.next_run(at("2024-03-01T12:00:00.000001+00:00")) == at("2024-03-02T12:00+00:00")


@pytest.mark.simclock(epoch=at("2024-03-01T12:00:00+00:00").timestamp())
def test_next_run_begins_now_if_nothing_is_said(sim):
    assert CronExpression("* * * * *").next_run() == at("2024-03-01T12:01:00+00:00")


def test_leap_days_are_found_over_the_century_that_has_none():
    cron = CronExpression("0 0 29 2 *")

    assert cron.next_run(at("2024-03-01T00:00+00:00")) == at("2028-02-29T00:00+00:00")
    assert cron.next_run(at("2096-02-29T00:00+00:00")) == at("2104-02-29T00:00+00:00")
    # A leap day that is a Sunday.
    assert CronExpression("0 0 29 2 */7").next_run(at("2088-03-01T00:00+00:00")) == at(
        "2128-02-29T00:00+00:00"
    )


def test_the_line_and_its_zone_are_shown():
    cron = CronExpression("  0   0 * *  sun", "Europe/Berlin")

    assert repr(cron) == "CronExpression('0 0 * * SUN', 'Europe/Berlin')"
    assert cron.text == "0 0 * * SUN"
    assert CronExpression("0 0 * * *", timezone(timedelta(hours=2))).next_run(
        at("2024-01-01T00:00+00:00")
    ) == at("2024-01-01T22:00+00:00")


# -------------------------------------------------------------------- daylight saving time


def test_in_spring_the_hour_that_is_not_there():
    # On 31 March 2024 clocks in Berlin went from 02:00 to 03:00.
    evening = "2024-03-30T20:00:00+01:00"

    # A line that names its hour is due when the clock is put forward, once.
    assert runs("30 2 * * *", "Europe/Berlin", evening, 2) == [
        "03-31 03:00 +0200",
        "04-01 02:30 +0200",
    ]
    assert runs("0,30 2 * * *", "Europe/Berlin", evening, 2) == [
        "03-31 03:00 +0200",
        "04-01 02:00 +0200",
    ]
    assert runs("0 2,3 * * *", "Europe/Berlin", evening, 2) == [
        "03-31 03:00 +0200",
        "04-01 02:00 +0200",
    ]
    # Others are due as clocks go.
    night = "2024-03-31T01:00:00+01:00"
    assert runs("*/30 * * * *", "Europe/Berlin", night, 3) == [
        "03-31 01:30 +0100",
        "03-31 03:00 +0200",
        "03-31 03:30 +0200",
    ]
    assert runs("*/30 2 * * *", "Europe/Berlin", night, 1) == ["04-01 02:00 +0200"]


def test_in_autumn_the_hour_that_is_there_twice():
    # On 27 October 2024 clocks in Berlin went from 03:00 to 02:00.
    evening = "2024-10-26T20:00:00+02:00"

    # A line that names its hour is due in the first of both, once.
    assert runs("30 2 * * *", "Europe/Berlin", evening, 2) == [
        "10-27 02:30 +0200",
        "10-28 02:30 +0100",
    ]
    # Also for who asks in the second of both: the first is over.
    assert runs("45 2 * * *", "Europe/Berlin", "2024-10-27T02:30:00+01:00", 1) == [
        "10-28 02:45 +0100"
    ]
    # Others are due as clocks go.
    assert runs("30 * * * *", "Europe/Berlin", "2024-10-27T01:45:00+02:00", 3) == [
        "10-27 02:30 +0200",
        "10-27 02:30 +0100",
        "10-27 03:30 +0100",
    ]


# ------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "this cron line has 0 fields, and not 5: ''"),
        (None, "this cron line has 1 fields, and not 5: None"),
        ("* * * *", "this cron line has 4 fields, and not 5"),
        ("0 * * * * *", "this cron line has 6 fields, and not 5"),
        ("60 * * * *", "this is no minute of a cron line: '60'\ngive *, numbers from 0 to 59"),
        ("-1 * * * *", "this is no minute of a cron line: '-1'"),
        ("1.5 * * * *", "this is no minute of a cron line: '1.5'"),
        ("1, * * * *", "this is no minute of a cron line: '1,'"),
        ("*/0 * * * *", "this is no minute of a cron line: '*/0'"),
        ("1/ * * * *", "this is no minute of a cron line: '1/'"),
        ("* 24 * * *", "this is no hour of a cron line: '24'"),
        ("* 17-9 * * *", "this is no hour of a cron line: '17-9'"),
        ("* * 0 * *", "this is no day of month of a cron line: '0'"),
        ("* * 32 * *", "this is no day of month of a cron line: '32'"),
        ("* * * 13 *", "this is no month of a cron line: '13'"),
        ("* * * MON *", "this is no month of a cron line: 'MON'"),
        ("* * * * 8", "this is no day of week of a cron line: '8'"),
        ("* * * * ²", "this is no day of week of a cron line: '²'"),
        ("9" * 5000 + " * * * *", "this is no minute of a cron line: '999"),
        ("0 0 30 2 *", "this cron line is never due: '0 0 30 2 *'\ngive it a day"),
        ("0 0 31 2,4 */2", "this cron line is never due: '0 0 31 2,4 */2'"),
    ],
)
def test_a_line_without_a_meaning_is_refused(line, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        CronExpression(line)


@pytest.mark.parametrize("name", ["", "Berlin", "Europe", "../passwd", "/etc/passwd", None, 1])
def test_a_zone_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match=r"^there is no time zone of this name here: "):
        CronExpression("* * * * *", name)


class Nowhere(tzinfo):
    """A zone that knows no offset."""

    def utcoffset(self, when):
        return None


@pytest.mark.parametrize("ask", ["next_run", "matches"])
def test_an_instant_in_a_zone_without_an_offset_is_refused(ask):
    with pytest.raises(ValueError, match="no datetime with a time zone"):
        getattr(CronExpression("* * * * *"), ask)(datetime(2024, 1, 1, tzinfo=Nowhere()))


@pytest.mark.parametrize("ask", ["next_run", "matches"])
def test_an_instant_without_a_zone_is_refused(ask):
    with pytest.raises(
        ValueError, match=r"no datetime with a time zone: datetime.datetime\(2024, 1, 1, 0, 0\)"
    ):
        getattr(CronExpression("* * * * *"), ask)(datetime(2024, 1, 1))


def test_the_end_of_datetimes_is_an_error_with_a_name():
    with pytest.raises(ValueError, match="is not due any more after: 9999-12-31"):
        CronExpression("0 0 1 1 *").next_run(at("9999-12-31T00:00+00:00"))


# ---------------------------------------------------------------------- against brute force

RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


@st.composite
def fields(draw, number):
    """Draw a field as text, and the values that it stands for, computed on their own."""
    low, high = RANGES[number]
    values, terms = set(), []
    for _ in range(draw(st.integers(1, 2))):
        form = draw(st.sampled_from(["*", "*", "*/", "a", "a/", "a-b", "a-b/"]))
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, high - low + 2)) if "/" in form else 1
        if "*" in form:
            first, last = low, high
        elif form == "a":
            last = first
        elif form == "a/":
            last = high
        values.update(range(first, last + 1, step))
        names = {value: name for name, value in NAMES.get(number, {}).items()}
        begin = draw(st.sampled_from([str(first), names.get(first, str(first))]))
        text = {"*": "*", "a": begin, "a-b": f"{begin}-{last}"}[form.rstrip("/")]
        terms.append(f"{text}/{step}" if "/" in form else text)
    return ",".join(terms), values


LINES = st.tuples(*(fields(number) for number in range(5)))
# Around changes of clocks: of an hour, of half an hour, and none.
STARTS = st.sampled_from(
    [
        ("Europe/Berlin", "2024-03-29T12:00:00+00:00"),
        ("Europe/Berlin", "2024-10-25T12:00:00+00:00"),
        ("Australia/Lord_Howe", "2024-04-04T12:00:00+00:00"),
        ("Australia/Lord_Howe", "2024-10-03T12:00:00+00:00"),
        ("America/New_York", "2024-03-08T12:00:00+00:00"),
        ("UTC", "2023-12-28T12:00:00+00:00"),
        ("Asia/Kathmandu", "2024-02-27T12:00:00+00:00"),
    ]
)
WINDOW = timedelta(days=6)


def brute_force(line, zone, after):
    """Return each instant in the window at which the line is due, by looking at each minute."""
    texts, (minutes, hours, days, months, weekdays) = zip(*line, strict=True)
    both = texts[2].startswith("*") or texts[4].startswith("*")

    def shows(clock):
        found = (
            clock.day in days,
            not weekdays.isdisjoint({clock.isoweekday(), clock.isoweekday() % 7}),
        )
        is_day = all(found) if both else any(found)
        return is_day and clock.month in months and clock.hour in hours and clock.minute in minutes

    if texts[0].startswith("*") or texts[1].startswith("*"):
        begin = after.replace(second=0, microsecond=0)
        every = (begin + number * MINUTE for number in range(WINDOW // MINUTE))
        return sorted(one for one in every if one > after and shows(one.astimezone(zone)))
    begin = after.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0) - timedelta(
        hours=3
    )
    shown = (begin + number * MINUTE for number in range((WINDOW + timedelta(hours=3)) // MINUTE))
    found = {real(clock, zone) for clock in shown if shows(clock)}
    return sorted(one for one in found if one > after)


def real(clock, zone):
    """Return when a clock shows this first, or when it is put forward over it."""
    while True:
        instant = clock.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == clock:
            return instant
        clock += MINUTE


@settings(max_examples=150, deadline=None)
@given(
    line=LINES,
    start=STARTS,
    seconds=st.integers(0, 3 * 86400),
    micro=st.sampled_from([0, 1, 999_999]),
)
def test_runs_are_those_that_looking_at_each_minute_finds(line, start, seconds, micro):
    name, text = start
    names_both = not (line[0][0].startswith("*") or line[1][0].startswith("*"))
    # The library steps by hours, and a clock that is put back by half of one makes it step too far.
    assume(names_both or name != "Australia/Lord_Howe")
    after = at(text) + timedelta(seconds=seconds, microseconds=micro)
    zone = zoneinfo.ZoneInfo(name)
    try:
        cron = CronExpression(" ".join(text for text, _ in line), name)
    except ValueError:
        assert brute_force(line, zone, after) == []
        return
    expected = brute_force(line, zone, after)

    for due in expected[:20]:
        assert cron.next_run(after) == due
        assert cron.matches(due)
        after = due
    if len(expected) < 20:
        assert cron.next_run(after) >= at(text) + WINDOW - timedelta(hours=3)
