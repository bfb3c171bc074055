"""A program as data: what can be drawn, printed, pasted into a test, and made smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

INDENT = "    "


class Step(NamedTuple):
    """One operation and its arguments, among them the bodies that it runs."""

    name: str
    args: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"step({', '.join(map(repr, (self.name, *self.args)))})"

    def lines(self) -> Iterator[str]:
        """Yield it as lines of text, its bodies indented below it."""
        plain = [repr(arg) for arg in self.args if not isinstance(arg, Body)]
        yield " ".join([self.name, *plain])
        bodies = [arg for arg in self.args if isinstance(arg, Body)]
        for number, body in enumerate(bodies):
            if number:
                yield "and"
            yield from (INDENT + line for line in body.lines())


class Body(tuple[Step, ...]):
    """What is done one after the other."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"body({', '.join(map(repr, self))})"

    def lines(self) -> Iterator[str]:
        """Yield it as lines of text."""
        if not self:
            yield "pass"
        for each in self:
            yield from each.lines()

    def steps(self) -> Iterator[Step]:
        """Yield every step of it, those of inner bodies too."""
        for each in self:
            yield each
            for arg in each.args:
                if isinstance(arg, Body):
                    yield from arg.steps()


def step(name: str, *args: Any) -> Step:
    """Return the operation called *name* with *args*."""
    return Step(name, args)


def body(*steps: Step) -> Body:
    """Return *steps* as a body."""
    return Body(steps)


class Program(NamedTuple):
    """What each of its tasks does, and how all that is run.

    *options*: ``eager`` tasks, a task ``factory`` of its own, ``debug`` mode,
    ``runner`` for `asyncio.Runner`.
    """

    seed: int
    bodies: tuple[Body, ...]
    options: frozenset[str] = frozenset()

    def __str__(self) -> str:
        lines = [f"program {self.seed}, options: {', '.join(sorted(self.options)) or 'none'}"]
        for number, each in enumerate(self.bodies):
            lines += [f"task {number}:", *(INDENT + line for line in each.lines())]
        return "\n".join(lines)

    def source(self) -> str:
        """Return it as an expression, to be pasted into a test."""
        bodies = "".join(f"\n        {each!r}," for each in self.bodies)
        options = f"frozenset({sorted(self.options)})" if self.options else "frozenset()"
        return f"Program(\n    {self.seed},\n    ({bodies}\n    ),\n    {options},\n)"

    def steps(self) -> Iterator[Step]:
        """Yield every step of it."""
        for each in self.bodies:
            yield from each.steps()
