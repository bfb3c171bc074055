"""Choices told by what they are about: they keep their meaning when others are left out.

A schedule has positions. One choice less, and what comes later has other ones:
so who leaves out choices names them by the thread that would have gone on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simclock._core.choices import THREAD
from simclock._core.recording import Given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simclock._core.choices import ChoicePoint


class Landmark(NamedTuple):
    """A choice point of a run.

    Attributes:
        label: What is chosen there.
        path: Of the thread that would go on canonically; nothing where no thread is chosen.
        step: How many operations that thread has come to.
        turn: How many points of the run have had all of these before.
    """

    label: str
    path: str
    step: int
    turn: int


class Aim(NamedTuple):
    """A choice that is not canonical.

    Attributes:
        place: Where it is made.
        way: The path of the thread that goes on, or `CLOCK`; else the number that is chosen.
        preempts: Whether it keeps a running thread from going on.
    """

    place: Landmark
    way: str | int
    preempts: bool


class Passed(NamedTuple):
    """A choice point that a run has come to, and what was chosen there."""

    place: Landmark
    point: ChoicePoint
    choice: int

    @property
    def aim(self) -> Aim:
        """What was chosen."""
        return self.aims[self.choice]

    @property
    def aims(self) -> tuple[Aim, ...]:
        """All that there was to choose."""
        point = self.point
        ways = [each.path for each in point.candidates] or range(point.bound)
        return tuple(Aim(self.place, way, point.preempts) for way in ways)


class Aimed(Given):
    """Makes choices where they were aimed at, as far as the run comes there.

    Args:
        aims: What to choose.
        follow: Makes the choices instead, if given.

    Attributes:
        passed: The choice points that the run has come to.
    """

    def __init__(self, aims: Iterable[Aim], follow: Given | None = None) -> None:
        self._ways = {aim.place: aim.way for aim in aims}
        self._follow = follow
        self._turns: dict[tuple[str, str, int], int] = {}
        self.passed: list[Passed] = []

    def choose(self, point: ChoicePoint) -> int:
        """Return what was aimed at, or 0."""
        place = self._place(point)
        if self._follow is not None:
            choice = self._follow.choose(point)
        else:
            choice = _index(point, self._ways.get(place))
        self.passed.append(Passed(place, point, choice))
        return choice

    def end(self, points: int) -> None:
        """Note that the run is over."""
        if self._follow is not None:
            self._follow.end(points)

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The choices that were not canonical, in their order."""
        return tuple(each.aim for each in self.passed if each.choice)

    def _place(self, point: ChoicePoint) -> Landmark:
        first = point.candidates[0] if point.label == THREAD else None
        about = (point.label, first.path if first else "", first.step if first else 0)
        turn = self._turns[about] = self._turns.get(about, -1) + 1
        return Landmark(*about, turn)


def _index(point: ChoicePoint, way: str | int | None) -> int:
    """Return the number of *way* among the choices of *point*; 0 if it is none of them."""
    if way is None:
        return 0
    if isinstance(way, int):
        return way if way < point.bound else 0
    return next((n for n, each in enumerate(point.candidates) if each.path == way), 0)
