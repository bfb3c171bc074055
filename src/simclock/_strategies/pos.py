"""The strategy that gives priorities to operations, and new ones to those that race."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simclock._strategies.randomised import Randomised

if TYPE_CHECKING:
    from simclock._core.choices import Candidate


class _Pending(NamedTuple):
    """What a thread is about to do, and how urgently."""

    operation: str
    subject: int
    step: int
    priority: float


class POS(Randomised):
    """Partial order sampling: the operation with the highest priority is executed.

    Each operation has a priority of its own, drawn when a thread is first seen to be about to do
    it. When an operation was executed, those that race with it get new ones; so the order of
    operations that race is drawn again for each pair of them, and no run is spent on the order of
    those that do not. Operations race if they are about the same object.

    Xinhao Yuan, Junfeng Yang, Ronghui Gu: Partial Order Aware Concurrency Sampling. CAV 2018.
    """

    name = "pos"

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__(seed)
        # By the thread's path.
        self._pending: dict[str, _Pending] = {}

    def begin(self) -> None:
        """Begin a run."""
        super().begin()
        self._pending = {}

    def choose_thread(self, threads: tuple[Candidate, ...]) -> int:
        """Return the one whose operation has the highest priority."""
        priorities = [self._priority(each) for each in threads]
        chosen = priorities.index(max(priorities))
        done = self._pending.pop(threads[chosen].path)
        if done.subject:
            for path, pending in self._pending.items():
                if pending.subject == done.subject:
                    self._pending[path] = pending._replace(priority=self.random.random())
        return chosen

    def _priority(self, thread: Candidate) -> float:
        pending = self._pending.get(thread.path)
        # It may have gone on where it was the only one that could, and nobody was asked.
        if pending is None or pending[:3] != thread[1:]:
            pending = _Pending(*thread[1:], self.random.random())
            self._pending[thread.path] = pending
        return pending.priority
