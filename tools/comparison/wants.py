"""What a want is, and a table of wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.comparison.judging import Sample

LIMIT = 12.0


class Want(NamedTuple):
    """Something that a user wants: a line of a table.

    Attributes:
        title: What the line is called.
        kind: The module of `probes` with its program, and of `under` with those who run it.
        probe: The program.
        judge: Makes a cell of a sample.
        outside: Tools that make no claim to it.
        how: How it is sampled: once, twice, again from what was found, or for what it leaves.
        limit: Real seconds for one sample.
    """

    title: str
    kind: str
    probe: str
    judge: Callable[[Sample], str]
    outside: tuple[str, ...] = ()
    how: str = "once"
    limit: float = LIMIT

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return f"{self.kind}.{self.probe}.{self.judge_name}"

    @property
    def judge_name(self) -> str:
        """The name of the judge, as programs are judged in more than one way."""
        return getattr(self.judge, "__name__", type(self.judge).__name__.lower())


class Group(NamedTuple):
    """A table.

    Attributes:
        title: Its heading.
        words: What is said below it.
        tools: Who is asked.
        unasked: Why the others are not.
        wants: Its lines.
    """

    title: str
    words: str
    tools: tuple[str, ...]
    unasked: str
    wants: tuple[Want, ...]
