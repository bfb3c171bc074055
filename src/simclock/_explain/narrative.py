"""What happened in one run, in the program's own lines: what a `Narrator` writes down."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, NamedTuple

from simclock._core.instants import START_NS, shown_seconds, to_seconds
from simclock._core.places import short

if TYPE_CHECKING:
    from simclock._explain.accesses import Access

# The kinds of moments that are choices.
CHOICES = ("deviation", "delay", "fault")


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{short(self.file)}:{self.line}"

    @property
    def source(self) -> str:
        """The text of the line."""
        return linecache.getline(self.file, self.line).strip()


class Moment(NamedTuple):
    """Something that a thread or a task does.

    Attributes:
        step: How many records the trace had.
        time_ns: Virtual monotonic instant.
        who: Key of the thread or task; see `Narrative.names`. Of a choice: of the one that does
            not go on, if that is a thread.
        place: The user's line; None for a choice.
        said: What it does there besides running the line: ``acquire Lock #1``; or, for a
            ``deviation``, all that there is to say.
        accesses: What the line reads, or what it has written.
        kind: ``line`` (comes to a line), ``write`` (a line has done its writing), ``operation``,
            ``wait``, ``deviation`` (a choice that is not canonical), ``delay`` (one by which time
            passes), ``fault``.
        operation: What an operation is, such as ``acquire``.
        subject: What it is about, if that is known.
    """

    step: int
    time_ns: int
    who: str
    place: Place | None
    said: str
    accesses: tuple[Access, ...]
    kind: str
    operation: str = ""
    subject: object = None

    @property
    def when(self) -> str:
        """When it is, in words: of a fault its instant, else the step."""
        if self.kind == "fault":
            # Before the first record there is none that has an instant.
            return f"at {shown_seconds(to_seconds(max(0, self.time_ns - START_NS)))} s"
        return f"at step {self.step}"


class Narrative(NamedTuple):
    """A run, told.

    Attributes:
        moments: In their order.
        names: Of threads and tasks, by key.
        ended: The keys of threads that have ended.
    """

    moments: list[Moment]
    names: dict[str, str]
    ended: frozenset[str] = frozenset()

    @property
    def deviations(self) -> list[Moment]:
        """The choices that were not canonical."""
        return [each for each in self.moments if each.kind in CHOICES]
