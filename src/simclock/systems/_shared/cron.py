"""Cron lines: when they are due, in which time zone, and which of them never are."""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cronsim import CronSim

FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of month": "1 to 31",
    "month": "1 to 12, or JAN to DEC",
    "day of week": "0 to 7, where 0 and 7 are Sunday, or SUN to SAT",
}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_NUMBERS = {name: str(number) for number, name in [*enumerate(_MONTHS, 1), *enumerate(_WEEKDAYS)]}
UTC = timezone.utc
_SECOND = timedelta(seconds=1)
# Gregorian dates and weekdays repeat after 400 years. The library looks 50 years ahead, and the
# rarest line, a weekday on 29 February, is due every 40 years at most.
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


class CronExpression:
    """A cron line of five fields: minute, hour, day of month, month, day of week.

    A field is ``*``, or a list, with commas, of numbers, names of months or of
    weekdays, and ranges ``a-b``; ``*/n`` and ``a-b/n`` are each nth of them,
    ``a/n`` each nth from *a* on. Besides, what `cronsim` knows: ``L``, ``LW``,
    ``FRI#2``. The line is due as in Debian's cron, whose rules that keeps:

    * If both days are restricted, the line is due when *one* of them matches. If
      one of the two begins with ``*``, both must match.
    * Where the clock is put forward, a line that names its minute and its hour
      (neither begins with ``*``) and would be due in the hour that is not
      there is due once, at the instant at which the clock is put forward.
      Where it is put back, it is due in the first of both hours only.
    * Any other line is due at each minute that the zone's clock shows: not in
      the hour that is not there, and in both of those that are there twice.

    Args:
        text: The line.
        timezone: By the clock of which zone it is meant: a name of the IANA
            database, such as ``"Europe/Berlin"``, or a ``tzinfo``.

    Raises:
        ValueError: The line has no meaning, is never due, or there is no such zone.
    """

    def __init__(self, text: str, timezone: str | tzinfo = "UTC") -> None:
        fields = _fields_of(text)
        self.text: str = " ".join(fields)
        self.timezone: tzinfo = zone(timezone)
        self._line = " ".join(_for_library(fields))
        if self._first(_ANY) is None:
            raise ValueError(
                f"this cron line is never due: {self.text!r}\n"
                "give it a day that one of its months has"
            )

    def __repr__(self) -> str:
        return f"CronExpression({self.text!r}, {str(self.timezone)!r})"

    def next_run(self, after: datetime | None = None) -> datetime:
        """Return the first instant *after* that one at which the line is due, in UTC.

        Args:
            after: An aware datetime; None: now.

        Raises:
            ValueError: *after* is naive, or so late that datetimes end before the line is due.
        """
        after = aware(after or datetime.now(UTC), "after")
        found = self._first(after.astimezone(UTC))
        if found is None:
            raise ValueError(
                f"the cron line {self.text!r} is not due any more after: {after}\n"
                "give an earlier instant"
            )
        return found

    def matches(self, dt: datetime) -> bool:
        """Return whether the line is due in the minute of *dt*, which is aware."""
        minute = aware(dt, "dt").astimezone(UTC).replace(second=0, microsecond=0)
        return self._first(minute - _SECOND) == minute

    def _first(self, after: datetime) -> datetime | None:
        from cronsim import CronSimError

        try:
            for found in _simulation(self._line, after.astimezone(self.timezone)):
                # In an hour that is there twice the library begins in the first, where we may be
                # in the second. Of datetimes of one zone Python compares what clocks show.
                if (instant := found.astimezone(UTC)) > after:
                    return instant
        except (CronSimError, OverflowError):  # CronSimError: no month has one of the days
            pass
        return None


def zone(timezone: str | tzinfo) -> tzinfo:
    """Return the time zone of that name; a ``tzinfo`` is returned as it is.

    Raises:
        ValueError: There is none.
    """
    if isinstance(timezone, tzinfo):
        return timezone
    try:
        return zoneinfo.ZoneInfo(timezone)
    # A name may be refused, or name no file, or a folder, or a file of something else.
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"there is no time zone of this name here: {timezone!r}\n"
            "give one of zoneinfo.available_timezones(); if that is empty, install tzdata"
        ) from error


def aware(instant: datetime, what: str) -> datetime:
    """Return the datetime.

    Raises:
        ValueError: It has no time zone, so it is no instant.
    """
    if getattr(instant, "tzinfo", None) is None or instant.utcoffset() is None:
        raise ValueError(
            f"{what} is no datetime with a time zone: {instant!r}\n"
            "give one that has tzinfo, such as datetime.now(timezone.utc)"
        )
    return instant


def _fields_of(text: str) -> list[str]:
    """Return the fields of a line, each of which has a meaning by itself."""
    fields = str(text).upper().split()
    if len(fields) != len(FIELDS):
        raise ValueError(
            f"this cron line has {len(fields)} fields, and not 5: {text!r}\n"
            f"give {', '.join(FIELDS)}, with spaces between"
        )
    for number, (name, values) in enumerate(FIELDS.items()):
        _check_field(number, name, values, fields[number])
    return fields


def _for_library(fields: list[str]) -> list[str]:
    """Return fields that mean to the library what ours mean to us."""
    numbered = [re.sub("[A-Z]{3}", lambda found: _NUMBERS[found[0]], each) for each in fields]
    # A range of one number it would take for that number, and `a/n` for all from there on.
    return _possible([re.sub(r"\b0*(\d+)-0*\1/\d+", r"\1", each) for each in numbered])


def _possible(fields: list[str]) -> list[str]:
    """Return the fields without days of the month that no month has, if a weekday is one of two.

    Up to 2.7 the library refuses them, although the weekday is enough.
    """
    from cronsim import CronSimError

    try:
        _simulation(" ".join(fields), _ANY)
    except CronSimError:
        if not fields[4].startswith("*"):
            return [*fields[:2], "*", *fields[3:]]
    return fields


def _check_field(number: int, name: str, values: str, field: str) -> None:
    from cronsim import CronSimError

    others = ["*"] * len(FIELDS)
    others[number] = field
    try:
        _simulation(" ".join(others), _ANY)
    except (CronSimError, ValueError):  # a ValueError: a number that is too long
        raise ValueError(
            f"this is no {name} of a cron line: {field!r}\n"
            f"give *, numbers from {values}, ranges a-b with a <= b, lists a,b or steps a/n, */n"
        ) from None


def _simulation(text: str, after: datetime) -> CronSim:
    from cronsim import CronSim

    return CronSim(text, after)
