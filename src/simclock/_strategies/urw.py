"""The strategy that makes each interleaving as likely as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._strategies.randomised import Randomised

if TYPE_CHECKING:
    from simclock._core.choices import Candidate

# What is left of an estimate after a run that did not reach it. A run sees less of a thread than
# there is, since nobody is asked where it is alone, so the largest count is the best estimate; but
# a thread that polls would be given more and more turns if its longest run counted for ever.
KEPT = 0.998


class URW(Randomised):
    """Uniform random walk: a thread is as likely to go on as it has operations left.

    For threads that never wait for each other, each interleaving then has the same probability.
    To a thread's operations belong those of the threads that it has yet to start.

    How many there are is not known beforehand, and one run is an unreliable profile: the estimates
    are made from all runs so far. The first one, for which there is none, is a random walk.

    Huan Zhao, Dylan Wolff, Umang Mathur, Abhik Roychoudhury: Selectively Uniform Concurrency
    Testing. ASPLOS 2025.
    """

    name = "urw"

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__(seed)
        # By the thread's path: operations where others could have run, in a run; estimated.
        self._totals: dict[str, float] = {}
        # The same, with the threads that it starts, and those that they start.
        self._trees: dict[str, float] = {}
        # Of this run: operations that are left, and that were done.
        self._left: dict[str, float] = {}
        self._done: dict[str, int] = {}

    def begin(self) -> None:
        """Begin a run."""
        super().begin()
        self._left = {}
        self._done = {}
        self._trees = dict(self._totals)
        # Children come before their parents.
        for path in sorted(self._totals, key=len, reverse=True):
            parent = path.rpartition(".")[0]
            if parent in self._trees:
                self._trees[parent] += self._trees[path]

    def choose_thread(self, threads: tuple[Candidate, ...]) -> int:
        """Return one of them, drawn by how many operations are left."""
        for path in sorted(each.path for each in threads if each.path not in self._left):
            self._appear(path)
        # What it is about to do is left, whatever the estimate.
        weights = [max(1.0, self._left[each.path]) for each in threads]
        (chosen,) = self.random.choices(range(len(threads)), weights)
        path = threads[chosen].path
        self._left[path] -= 1
        self._done[path] += 1
        return chosen

    def end(self, *, complete: bool) -> None:
        """End the run: learn from it, unless it was cut."""
        if complete:
            for path, done in self._done.items():
                self._totals[path] = max(done, self._totals.get(path, 0.0) * KEPT)

    def _appear(self, path: str) -> None:
        """Take the operations of a thread that has come out of those of its parent."""
        tree = self._trees.get(path, 0.0)
        started = [each for each in self._left if each.rpartition(".")[0] == path]
        self._left[path] = tree - sum(self._trees.get(each, 0.0) for each in started)
        self._done[path] = 0
        parent = path.rpartition(".")[0]
        if parent in self._left:
            self._left[parent] -= tree
