"""What the strategies that draw their choices have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._core.choices import CLOCK, COST
from simclock._strategies.base import Strategy

if TYPE_CHECKING:
    from simclock._core.choices import Candidate, ChoicePoint

# How likely time is to pass where it need not. One rate for a whole run, another one for the next:
# a timer that fires early once among hundreds of points needs a low one, one that fires early
# several times in a row a high one, and most bugs of threads need none at all. (Alex Groce,
# Chaoqiang Zhang, Eric Eide, Yang Chen, John Regehr: Swarm Testing. ISSTA 2012.)
RATES = (0.0, 1 / 64, 1 / 16, 1 / 4)


class Randomised(Strategy):
    """Leaves the choice among threads to its subclasses, and draws the others.

    Orders, and what plugins offer, are drawn uniformly; faults and what else has odds, as likely
    as these say. Where time may pass although it need not (the clock among threads, the cost of a
    reading), it does at a rate that is drawn for each run.
    """

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__(seed)
        self._rate = 0.0

    def begin(self) -> None:
        """Begin a run."""
        self._rate = self.random.choice(RATES)

    def choose(self, point: ChoicePoint) -> int:
        """Return a number below the point's bound; 0 is the canonical choice."""
        if point.candidates:
            return self.choose_among(point.candidates)
        if point.odds is not None:
            return self._other(point) if self.random.random() < point.odds else 0
        if point.label == COST:
            return self._other(point) if self._time_passes() else 0
        return self.random.randrange(point.bound)

    def _other(self, point: ChoicePoint) -> int:
        return self.random.randrange(1, point.bound)

    def choose_among(self, candidates: tuple[Candidate, ...]) -> int:
        """Return who goes on: at times the clock if it is one of them, else a thread."""
        last = len(candidates) - 1
        if candidates[last].path != CLOCK:
            return self.choose_thread(candidates)
        if self._time_passes():
            return last
        return self.choose_thread(candidates[:last]) if last > 1 else 0

    def choose_thread(self, threads: tuple[Candidate, ...]) -> int:
        """Return the index of the one that goes on, of at least two threads."""
        raise NotImplementedError

    def _time_passes(self) -> bool:
        return self.random.random() < self._rate
