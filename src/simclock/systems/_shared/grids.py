"""Ticks at a fixed distance, and what becomes of those that were missed."""

from __future__ import annotations

import numbers
from typing import Any, NamedTuple

CATCH_UP = ("burst", "skip", "coalesce")
# Of an interval, in seconds. Below, instants are the same nanosecond; above, no wait takes it.
SHORTEST, LONGEST = 1e-9, 1e9


class Tick(NamedTuple):
    """One tick of a grid.

    Attributes:
        number: Which one: 0 is the one at the origin.
        instant: When it was due, in nanoseconds.
    """

    number: int
    instant: int


class Grid:
    """Tick *k* is due at ``origin + k * interval``; instants are integers, in nanoseconds.

    Each instant is computed from the origin: to add up intervals would add up
    what they are rounded by. A grid has no clock, its caller says what time it
    is: ``remaining``, then, if that is not positive, ``take`` and ``release``
    around the work of the tick. To be used by one thread.

    Args:
        origin: The instant of tick 0, of any clock.
        interval: Seconds between two ticks.
        catch_up: What becomes of ticks whose instant has gone by. ``"burst"``:
            each is taken, one after the other. ``"coalesce"``: all are taken as
            one, the latest. ``"skip"``: those that went by while the caller was
            busy are not taken; the next one is the first that is not late.
        max_backlog: With ``"burst"``, how many ticks may be due at once: of
            more, the oldest are dropped. None: any number.

    Attributes:
        number: Of the tick that is next.
        due: Its instant.
        dropped: How many ticks were dropped, skipped or made one with a later one.

    Raises:
        ValueError: An argument has no meaning.
    """

    def __init__(
        self,
        origin: int,
        interval: float,
        catch_up: str = "burst",
        max_backlog: int | None = None,
    ) -> None:
        check_interval(interval)
        check_catch_up(catch_up, max_backlog)
        self.origin = origin
        self.number = 0
        self.due = origin
        self.dropped = 0
        self._step = interval * 1e9
        self._skips = catch_up == "skip"
        self._most = 1 if catch_up == "coalesce" else max_backlog

    def instant(self, number: int) -> int:
        """Return when tick *number* is due."""
        return self.origin + round(number * self._step)

    def remaining(self, now: int) -> int:
        """Return the nanoseconds until the next tick is due; 0 or less if it is."""
        return self.due - now

    def take(self, now: int) -> Tick:
        """Return the tick to be run at *now*, when one is due; the one after it is next."""
        if self._most is not None:
            self._drop_until(self.latest(now) - self._most + 1)
        tick = Tick(self.number, self.due)
        self._go_to(self.number + 1)
        return tick

    def release(self, now: int) -> bool:
        """Be told that the work of the tick has ended; return whether the next one is late by now.

        A tick that is due in this very instant is not late.
        """
        if now <= self.due:
            return False
        if self._skips:
            latest = self.latest(now)
            self._drop_until(latest if self.instant(latest) == now else latest + 1)
        return True

    def latest(self, now: int) -> int:
        """Return the number of the latest tick that is due at *now*."""
        number = int((now - self.origin) / self._step)
        # The quotient is rounded, and so are the instants.
        while self.instant(number) > now:
            number -= 1
        while self.instant(number + 1) <= now:
            number += 1
        return number

    def _drop_until(self, number: int) -> None:
        if number > self.number:
            self.dropped += number - self.number
            self._go_to(number)

    def _go_to(self, number: int) -> None:
        self.number = number
        self.due = self.instant(number)


def check_interval(interval: Any, what: str = "interval", unit: str = "seconds") -> None:
    """Raise a `ValueError` unless *interval* is a positive number with a meaning.

    Args:
        interval: What was given: seconds, or something whose reciprocal is meant, such as a rate.
        what: What messages call it.
        unit: Of what it is a number.
    """
    # One comparison also refuses nan, infinities and integers that no float can take.
    is_number = isinstance(interval, numbers.Real)
    if not is_number or not SHORTEST <= interval <= LONGEST:
        raise ValueError(
            f"this is no {what}: {interval!r}\n"
            f"give a positive, finite number of {unit}, from {SHORTEST:g} to {LONGEST:g}"
        )


def check_catch_up(catch_up: object, max_backlog: object) -> None:
    """Raise a `ValueError` unless the two have a meaning together; see `Grid`."""
    if catch_up not in CATCH_UP:
        raise ValueError(
            f"this is no way to catch up: {catch_up!r}\nuse {', '.join(map(repr, CATCH_UP))}"
        )
    if max_backlog is None:
        return
    if isinstance(max_backlog, bool) or not isinstance(max_backlog, int) or max_backlog < 1:
        raise ValueError(
            f"this is no bound for ticks that are due at once: {max_backlog!r}\n"
            "give a whole number from 1 on, or None for any number of them"
        )
    if catch_up != "burst":
        raise ValueError(
            f"with catch_up={catch_up!r} there is no backlog to bound: max_backlog={max_backlog}\n"
            "leave max_backlog out, or use catch_up='burst'"
        )
