"""When something is due again: by a cron line, after each interval, or once."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

from simclock.systems._shared.cron import CronExpression, aware
from simclock.systems._shared.grids import Grid, check_interval
from simclock.systems.taskqueue.schedules import ScheduledTask, ScheduleType

if TYPE_CHECKING:
    from collections.abc import Callable

# In seconds. Datetimes have microseconds, and no scheduler would keep up with these.
SHORTEST_INTERVAL = 0.001
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_CLOSE = timedelta(milliseconds=10)


class Timetable(Protocol):
    """When something is due.

    Attributes:
        patience: How far the wall clock may be put back without anything
            being due again that was due before.
    """

    patience: timedelta

    def after(self, instant: datetime) -> datetime | None:
        """Return when it is due first *after* that; None: never."""


class Cron:
    """The instants of a cron line."""

    # Debian's cron, too, runs nothing twice for changes of less than three hours.
    patience: timedelta = timedelta(hours=3)

    def __init__(self, expression: CronExpression) -> None:
        self.after: Callable[[datetime], datetime | None] = expression.next_run


class Interval:
    """Each so many seconds after an origin, exactly: each instant is computed from the origin."""

    # Clocks of machines that share a database may differ by this.
    patience: timedelta = timedelta(minutes=1)

    def __init__(self, seconds: float, origin: datetime) -> None:
        self._grid = Grid((origin - _EPOCH) // _MICROSECOND * 1000, seconds)

    def after(self, instant: datetime) -> datetime | None:
        """Return the first instant of the grid after that."""
        # Instants are whole microseconds, rounded down: one of the grid within this one has been.
        latest = self._grid.latest((instant - _EPOCH) // _MICROSECOND * 1000 + 999)
        return _EPOCH + self._grid.instant(latest + 1) // 1000 * _MICROSECOND


class Once:
    """One instant."""

    patience: timedelta = timedelta.max

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def after(self, instant: datetime) -> datetime | None:
        """Return the instant, if it is after that."""
        return self._instant if self._instant > instant else None


def timetable_of(task: ScheduledTask) -> Timetable:
    """Return when the task is due.

    Raises:
        ValueError: Its schedule has no meaning.
    """
    if task.schedule_type is ScheduleType.CRON:
        return _cron(task.schedule, task.timezone)
    if task.schedule_type is ScheduleType.INTERVAL:
        return Interval(float(task.schedule), task.created_at or _EPOCH)
    return Once(datetime.fromisoformat(task.schedule))


def latest_due(timetable: Timetable, due: datetime, now: datetime) -> datetime:
    """Return the latest instant of a timetable until *now*; *due* is one of them.

    It is found by halving: to walk from one to the next would take seconds
    when nobody has looked for long.
    """
    last, late = due, now
    # Invariant: nothing is due after `late` until now.
    while late - last > _CLOSE:
        middle = last + (late - last) / 2
        following = timetable.after(middle)
        if following is not None and following <= now:
            last = following
        else:
            late = middle
    while (following := timetable.after(last)) is not None and following <= now:
        last = following
    return last


def interval_text(interval: float | timedelta) -> str:
    """Return the seconds of an interval as text.

    Raises:
        ValueError: It has no meaning.
    """
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    check_interval(seconds)
    if seconds < SHORTEST_INTERVAL:
        raise ValueError(
            f"this interval is too short: {seconds!r}\n"
            f"give seconds from {SHORTEST_INTERVAL} on, or let one run do more"
        )
    return repr(float(seconds))


def instant_text(instant: datetime) -> str:
    """Return an instant as text, in UTC.

    Raises:
        ValueError: It has no time zone.
    """
    return aware(instant, "run_at").astimezone(timezone.utc).isoformat()


# Each look at schedules asks for it.
@functools.lru_cache(maxsize=1024)
def cron_of(text: str, zone: str) -> CronExpression:
    """Return the cron expression.

    Raises:
        ValueError: It has no meaning.
    """
    return CronExpression(text, zone)


def _cron(text: str, zone: str) -> Cron:
    return Cron(cron_of(text, zone))
