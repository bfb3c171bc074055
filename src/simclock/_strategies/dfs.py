"""The strategy that runs every schedule once, those with few preemptions first."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from simclock._core.choices import CLOCK, COST
from simclock._strategies.base import Strategy

if TYPE_CHECKING:
    from simclock._core.choices import ChoicePoint

# Points, after those that it was sent to, up to which a run that was cut is branched from. What was
# cut is mostly one loop, and each round of it would be as many schedules.
CUT = 1_000


class _Shape(NamedTuple):
    """What has to be the same at a point that is come to again."""

    label: str
    bound: int
    # The first choice that costs a preemption; the bound if none does.
    costly: int


class _Branch(NamedTuple):
    """The ways of one cost that go off from one run, and have not been gone yet."""

    cost: int
    deviations: int
    # Among those that are alike otherwise, any is next: no part of the program is last.
    lot: float
    choices: list[int]
    shapes: list[_Shape]
    # Where a way goes off, and with which choice.
    ways: list[tuple[int, int]]


class DFS(Strategy):
    """Iterative context bounding: first every run without a preemption, then with one, and so on.

    A preemption keeps the running thread from going on. For this count, so do the clock where it
    moves although a thread could run, and a reading of the clock that takes time. Any other choice
    is free, a fault too. Among the runs with equally many preemptions, those with fewer choices
    other than 0 come first, in random order. Each schedule is run once, and there is no bound on
    its length. Choices that only tune others are left at 0.

    The program has to be deterministic: what has come to other points than before is not branched
    from, and nothing is claimed about it.

    Madanlal Musuvathi, Shaz Qadeer: Iterative Context Bounding for Systematic Testing of
    Multithreaded Programs. PLDI 2007.

    Args:
        seed: See `Strategy`.
        preemptions: How many a run may have at most; None for any number.

    Attributes:
        explored: Every schedule with at most so many preemptions was run, in full; None if that
            cannot be said of any number.

    Raises:
        ValueError: The number of preemptions is negative.
    """

    name = "dfs"
    divisible = False

    def __init__(self, seed: int | str = 0, *, preemptions: int | None = None) -> None:
        if preemptions is not None and preemptions < 0:
            raise ValueError(f"preemptions have to be at least 0, or none: {preemptions}")
        super().__init__(seed)
        self._bound = preemptions
        self.explored: int | None = None
        # A heap: fewest preemptions first, then fewest deviations.
        self._branches: list[_Branch] = []
        # One object for all points that are alike.
        self._shapes_seen: dict[_Shape, _Shape] = {}
        # What keeps the search from having seen everything.
        self._left_out = False
        self._diverged = False
        self._cut_at: int | None = None
        self._most = 0
        # Of this run: where it is sent to, and where it has gone.
        self._sent: list[int] = []
        self._expected: list[_Shape] = []
        self._cost = 0
        self._deviations = 0
        self._choices: list[int] = []
        self._shapes: list[_Shape] = []
        self._strayed = False

    def begin(self) -> None:
        """Begin a run: take the next way that has not been gone."""
        self._choices, self._shapes, self._strayed = [], [], False
        self._sent, self._expected, self._cost, self._deviations = [], [], 0, 0
        if not self._branches:
            return
        branch = heapq.heappop(self._branches)
        position, choice = branch.ways.pop()
        self._sent = [*branch.choices[:position], choice]
        self._expected = branch.shapes[: position + 1]
        self._cost, self._deviations = branch.cost, branch.deviations
        self._push(branch)

    def choose(self, point: ChoicePoint) -> int:
        """Return the choice that leads to where the run is sent, and 0 from there on."""
        position = len(self._choices)
        shape = _shape(point)
        choice = 0
        if position < len(self._sent) and not self._strayed:
            self._strayed = shape != self._expected[position]
            choice = 0 if self._strayed else self._sent[position]
        self._choices.append(choice)
        self._shapes.append(self._shapes_seen.setdefault(shape, shape))
        return choice

    def end(self, *, complete: bool) -> None:
        """End the run: note the ways that go off from it."""
        arrived = len(self._choices) >= len(self._sent)
        if self._strayed or (complete and not arrived):
            self._diverged = True
        elif arrived:
            self._branch(len(self._choices) if complete else len(self._sent) + CUT)
        if not complete:
            self._cut_at = self._cost if self._cut_at is None else min(self._cut_at, self._cost)
        self._most = max(self._most, self._cost)
        self.finished = not self._branches
        whole = not self._diverged and self._cut_at is None and not self._left_out
        self.exhausted = self.finished and whole
        self.explored = self._explored()
        if self.explored is not None:
            ends = "" if self.explored == 1 else "s"
            self.covered = f"every schedule with at most {self.explored} preemption{ends}"
        else:
            self.covered = ""

    def _branch(self, end: int) -> None:
        """Note the ways that go off from this run after where it was sent, and before *end*."""
        free: list[tuple[int, int]] = []
        costly: list[tuple[int, int]] = []
        start = len(self._sent)
        for position, shape in enumerate(self._shapes[start:end], start):
            free += [(position, choice) for choice in range(1, shape.costly)]
            costly += [(position, choice) for choice in range(shape.costly, shape.bound)]
        for cost, ways in ((self._cost, free), (self._cost + 1, costly)):
            if self._bound is not None and cost > self._bound:
                self._left_out = self._left_out or bool(ways)
                continue
            self.random.shuffle(ways)
            deviations = self._deviations + 1
            self._push(_Branch(cost, deviations, 0.0, self._choices, self._shapes, ways))

    def _push(self, branch: _Branch) -> None:
        if branch.ways:
            heapq.heappush(self._branches, branch._replace(lot=self.random.random()))

    def _explored(self) -> int | None:
        if self._diverged:
            return None
        below = self._branches[0].cost if self._branches else self._most + 1
        if self._cut_at is not None:
            below = min(below, self._cut_at)
        return below - 1 if below else None


def _shape(point: ChoicePoint) -> _Shape:
    if point.tunes:
        return _Shape(point.label, 1, 1)
    if point.preempts or point.label == COST:
        costly = 1
    elif point.candidates and point.candidates[-1].path == CLOCK:
        costly = point.bound - 1
    else:
        costly = point.bound
    return _Shape(point.label, point.bound, costly)
