"""The strategy in which the clock is one of the threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._strategies.pct import PCT

if TYPE_CHECKING:
    from simclock._core.choices import Candidate


class ClockFirst(PCT):
    """PCT with a priority for the clock, as if it were a thread that fires the timers.

    In about one run of n + 1 (for n threads), the clock comes before all threads: every timer
    fires as early as it may, before work that could be done. In the others it comes in between.

    As `PCT`, after Sebastian Burckhardt, Pravesh Kothari, Madanlal Musuvathi, Santosh
    Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs. ASPLOS 2010.
    """

    name = "clock"

    def choose_among(self, candidates: tuple[Candidate, ...]) -> int:
        """Return the one with the highest priority, be it a thread or the clock."""
        return self.choose_thread(candidates)
