"""How a program is drawn from a seed."""

from __future__ import annotations

import sys
from random import Random
from typing import Any

from tools.asyncprograms import operations
from tools.asyncprograms.program import Body, Program, Step

# Multiples of an eighth of a second are exact in binary and in whole milliseconds, to which
# `selectors` rounds. Few of them, so that many deadlines are equal.
DURATIONS = (0, 0, 0.125, 0.125, 0.25, 0.25, 0.5, 0.75, 1, 1.5, 2.5)
DEEPEST = 3

# What a program may use besides what the loop itself has, and how often that is drawn.
ALLOWED: tuple[tuple[float, frozenset[str]], ...] = (
    (0.50, frozenset()),
    (0.12, frozenset({"jobs"})),
    (0.10, frozenset({"blocks", "jobs"})),
    (0.13, frozenset({"jobs", "threads"})),
    (0.10, frozenset({"sockets"})),
    (0.05, frozenset({"blocks", "jobs", "threads", "sockets"})),
)


class Drawing:
    """Draws bodies and arguments; operations ask it for theirs."""

    def __init__(self, random: Random, allowed: frozenset[str]) -> None:
        self.random = random
        self._allowed = allowed
        self._depth = 0
        self._among = "tasks"
        self._tables: dict[tuple[str, bool], tuple[list[str], list[int]]] = {}

    def duration(self) -> float:
        """Return how long something takes."""
        return self.random.choice(DURATIONS)

    def timeout(self) -> float | None:
        """Return after which time something is given up, seldom never."""
        return None if self.random.random() < 0.1 else self.duration()

    def chance(self, of: float = 0.5) -> bool:
        """Return True so often."""
        return self.random.random() < of

    def index(self, most: int = 2) -> int:
        """Return which of several."""
        return self.random.randrange(most)

    def anyone(self) -> int:
        """Return the number of a task, the main one excepted."""
        return self.random.randrange(12)

    def body(self, among: str | None = None) -> Body:
        """Return some steps for whoever is *among* these."""
        before, self._depth = self._among, self._depth + 1
        self._among = among or before
        try:
            return Body(self._step() for _ in range(self.random.choice((0, 1, 1, 2, 2, 3, 4))))
        finally:
            self._among, self._depth = before, self._depth - 1

    def bodies(self, least: int = 1, most: int = 3) -> tuple[Body, ...]:
        """Return several."""
        return tuple(self.body() for _ in range(self.random.randint(least, most)))

    def _step(self) -> Step:
        names, weights = self._table(self._among, self._depth < DEEPEST)
        (name,) = self.random.choices(names, weights)
        return Step(name, operations.OPERATIONS[name].draw(self))

    def _table(self, among: str, nested: bool) -> tuple[list[str], list[int]]:
        if (among, nested) not in self._tables:
            chosen = [
                each
                for each in operations.OPERATIONS.values()
                if (each.among == among or (among, each.among) == ("tasks", "local"))
                and each.traits <= self._allowed
                and (nested or not each.nested)
            ]
            # What belongs to the theme of a program is drawn more often than the rest.
            self._tables[among, nested] = (
                [each.name for each in chosen],
                [each.weight * (4 if each.traits else 1) for each in chosen],
            )
        return self._tables[among, nested]


def draw(seed: int) -> Program:
    """Return the program called *seed*: the same each time on one version of Python."""
    random = Random(seed)
    (allowed,) = random.choices([a for _, a in ALLOWED], [w for w, _ in ALLOWED])
    drawing = Drawing(random, allowed)
    bodies = drawing.bodies(2, 6)
    return Program(seed, bodies, _options(random))


def _options(random: Random) -> frozenset[str]:
    options: set[str] = set()
    if sys.version_info >= (3, 12) and random.random() < 0.15:
        options.add("eager")
    if sys.version_info >= (3, 11) and random.random() < 0.2:
        options.add("runner")
    elif random.random() < 0.1:
        options.add("factory")
    if random.random() < 0.1:
        options.add("debug")
    return frozenset(options)


def traits(program: Program) -> set[str]:
    """Return what *program* uses besides what the loop itself has."""
    found: set[Any] = set()
    for step in program.steps():
        found |= operations.OPERATIONS[step.name].traits
    return found
