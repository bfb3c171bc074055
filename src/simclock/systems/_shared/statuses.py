"""The states that a piece of work goes through: which may follow which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    import enum
    from collections.abc import Collection, Mapping
    from datetime import datetime

Status = TypeVar("Status", bound="enum.Enum")


class StatusError(Exception):
    """A status was to follow one that it cannot follow.

    Attributes:
        before: The status it had.
        after: The one it was to get.
    """

    def __init__(self, before: enum.Enum, after: enum.Enum, allowed: Collection[enum.Enum]) -> None:
        can = ", ".join(sorted(each.value for each in allowed)) or "nothing: it is final"
        super().__init__(f"{after.value} cannot follow {before.value}\nwhat can: {can}")
        self.before = before
        self.after = after
        self._allowed = allowed

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.before, self.after, self._allowed)


class Entry(NamedTuple):
    """One line of a history.

    Attributes:
        status: What was reached.
        at: When; an aware datetime.
        who: By whom, if that is known.
        note: Why, if there is more to say.
    """

    status: enum.Enum
    at: datetime
    who: str | None = None
    note: str | None = None


class Transitions(Generic[Status]):
    """Which status may follow which. It keeps nothing, and may be used from any thread.

    Args:
        table: For each status those that may follow it; for a final one, none.

    Attributes:
        finals: The statuses that nothing follows.

    Raises:
        ValueError: The table has no line for a status that it leads to.
    """

    def __init__(self, table: Mapping[Status, Collection[Status]]) -> None:
        self._table = {before: frozenset(after) for before, after in table.items()}
        missing = frozenset[Status]().union(*self._table.values()) - self._table.keys()
        if missing:
            names = ", ".join(sorted(each.name for each in missing))
            raise ValueError(
                f"the table has no line for: {names}\ngive what may follow, or () if nothing may"
            )
        self.finals: frozenset[Status] = frozenset(
            each for each, after in self._table.items() if not after
        )

    def allows(self, before: Status, after: Status) -> bool:
        """Return whether *after* may follow *before*."""
        return after in self._table[before]

    def check(self, before: Status, after: Status) -> None:
        """Raise a `StatusError` unless *after* may follow *before*."""
        if not self.allows(before, after):
            raise StatusError(before, after, self._table[before])
