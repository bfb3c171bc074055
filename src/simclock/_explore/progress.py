"""What a search that takes long says meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> Any:
        """Write *text*, which ends a line."""

    def flush(self) -> None:
        """Show what was written."""


# Real seconds between two lines.
EVERY = 10.0


class Counted(Protocol):
    """A search, as far as is said of it."""

    runs: int
    repeats: int

    @property
    def count(self) -> int:
        """How many runs there were."""

    @property
    def distinct(self) -> int:
        """How many of them were different."""

    @property
    def seconds(self) -> float:
        """Real seconds since it began."""

    @property
    def repeating(self) -> float:
        """Real seconds since it began to shrink and repeat what had failed."""


class Progress:
    """Writes a line now and then.

    Args:
        search: What is going on.
        stream: Where to.
    """

    def __init__(self, search: Counted, stream: Stream) -> None:
        self._search = search
        self._stream = stream
        self._next = EVERY

    def show(self) -> None:
        """Write a line, if it is time."""
        seconds = self._search.seconds
        if seconds >= self._next:
            self._next = seconds + EVERY
            self._stream.write(self.line() + "\n")
            self._stream.flush()

    def line(self) -> str:
        """Return what there is to say."""
        search = self._search
        if search.repeats:
            runs = "1 run" if search.repeats == 1 else f"{search.repeats} runs"
            return f"simclock: shrinking a failure, {runs}, {search.repeating:.0f} s"
        return (
            f"simclock: {search.count} of {search.runs} runs, {search.distinct} different,"
            f" none failed, {search.seconds:.0f} s"
        )
