"""What every strategy is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from simclock._core.choices import ChoicePoint


class Strategy:
    """Answers the choice points of run after run of one program.

    Subclasses have a `name`, and `choose`. An instance serves one search: `begin` is called before
    each run and `end` after it. Not thread-safe, and need not be: one run is made at a time.

    Args:
        seed: Two strategies of one class with the same seed make the same choices of the same
            program. Any hashable value whose ``repr`` is the same in each process.

    Attributes:
        name: How it is chosen on the command line.
        divisible: Whether each part of a search may have one of its own. One that rests on all the
            runs before says no: then the search is one part.
        random: Where its choices come from; seeded.
        finished: Whether every run that it would make has been made: then no other is begun.
        exhausted: Whether the runs so far were all that there are: nothing was left out.
        covered: What was run in full, in words for the report; or nothing.
    """

    name: ClassVar[str]
    divisible: ClassVar[bool] = True
    finished: bool = False
    exhausted: bool = False
    covered: str = ""

    def __init__(self, seed: int | str = 0) -> None:
        self.random: random.Random = random.Random(f"{self.name}:{seed!r}")

    def begin(self) -> None:
        """Begin a run."""

    def choose(self, point: ChoicePoint) -> int:
        """Return a number below the point's bound; 0 is the canonical choice.

        Called in the kernel: it must not wait, nor touch anything that a
        simulated thread uses.
        """
        raise NotImplementedError

    def end(self, *, complete: bool) -> None:
        """End the run. It was *complete* unless a limit, fairness or an error in here cut it."""
