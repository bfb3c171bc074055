"""The strategy that runs threads by priorities, and changes few of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._core.choices import CLOCK
from simclock._strategies.randomised import Randomised

if TYPE_CHECKING:
    from simclock._core.choices import Candidate

# Points in a row at which one thread was chosen although others could run: it is taken to wait for
# them in a loop, and goes last. With strict priorities they would never run.
SPINNING = 1_000


class PCT(Randomised):
    """Probabilistic concurrency testing: the thread with the highest priority runs.

    Priorities are drawn when a thread is first seen. At depth - 1 points of a run, drawn
    beforehand, the thread that would go on gets a priority below all others. A bug that takes
    *depth* ordering constraints is found in a run with a probability of at least
    ``1 / (n * k ** (depth - 1))``, for n threads and k points at which more than one could run.

    k is that of the longest run so far. The first run has no changes; it is one of depth 1. The
    clock never goes before a thread.

    Sebastian Burckhardt, Pravesh Kothari, Madanlal Musuvathi, Santosh Nagarakatte: A Randomized
    Scheduler with Probabilistic Guarantees of Finding Bugs. ASPLOS 2010.

    Args:
        seed: See `Strategy`.
        depth: Of the bugs that the guarantee is for; at least 1.

    Raises:
        ValueError: The depth is less than 1.
    """

    name = "pct"

    def __init__(self, seed: int | str = 0, *, depth: int = 3) -> None:
        if depth < 1:
            raise ValueError(f"depth has to be at least 1: {depth}")
        super().__init__(seed)
        self._depth = depth
        self._length = 0
        # Of this run. The lower a priority, the later; those that were lowered are below 0.
        self._position = 0
        self._priorities: dict[str, float] = {}
        self._changes: dict[int, int] = {}
        self._lowest = 0
        self._favourite = ""
        self._turns = 0

    def begin(self) -> None:
        """Begin a run: draw where priorities change."""
        super().begin()
        self._position = self._turns = 0
        self._priorities = {}
        # `sample` is in random order: which change is to the lower priority does not depend on
        # which one is first, as in the paper.
        changes = self.random.sample(range(self._length), min(self._depth - 1, self._length))
        self._changes = {position: -1 - rank for rank, position in enumerate(changes)}
        self._lowest = -len(changes)

    def choose_among(self, candidates: tuple[Candidate, ...]) -> int:
        """Return the thread with the highest priority; the clock has none."""
        if candidates[-1].path == CLOCK:
            candidates = candidates[:-1]
        return self.choose_thread(candidates) if len(candidates) > 1 else 0

    def choose_thread(self, threads: tuple[Candidate, ...]) -> int:
        """Return the one with the highest priority."""
        for each in threads:
            if each.path not in self._priorities:
                self._priorities[each.path] = self.random.random()
        chosen = self._highest(threads)
        lowered = self._changes.get(self._position, 0) or self._spinning(threads[chosen].path)
        self._position += 1
        if lowered:
            self._priorities[threads[chosen].path] = lowered
            chosen = self._highest(threads)
        return chosen

    def end(self, *, complete: bool) -> None:  # noqa: ARG002 - a run that was cut is as long as any
        """End the run: learn how long runs are."""
        self._length = max(self._length, self._position)

    def _highest(self, threads: tuple[Candidate, ...]) -> int:
        return max(range(len(threads)), key=lambda index: self._priorities[threads[index].path])

    def _spinning(self, path: str) -> int:
        """Return a priority below all others if the thread spins, else 0."""
        self._turns = self._turns + 1 if path == self._favourite else 1
        self._favourite = path
        if self._turns < SPINNING:
            return 0
        # It goes after all others, so another one is next: that begins to count anew.
        self._lowest -= 1
        return self._lowest
