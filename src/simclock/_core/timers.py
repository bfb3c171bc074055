"""Armed deadlines, earliest first; equal deadlines in arming order."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclock._core.waits import Alarm, Wait


class Timers:
    """The waits that have a deadline, and the alarms.

    Arming order is the tie-break because it is the only order that a replay
    can rebuild: heap order of equal keys depends on what was popped before.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Wait | Alarm]] = []
        self._armed = 0
        # Invariant: how many entries of the heap belong to waits that are over.
        self._dead = 0

    def __len__(self) -> int:
        """Return how many timers are armed."""
        return len(self._heap) - self._dead

    def arm(self, deadline_ns: int, wait: Wait | Alarm) -> None:
        """Let *wait* fall due at *deadline_ns*."""
        self._armed += 1
        heapq.heappush(self._heap, (deadline_ns, self._armed, wait))

    def disarm(self) -> None:
        """Note that an armed wait is over. Its entry goes when it comes up, or in bulk."""
        self._dead += 1
        if self._dead > 64 and self._dead * 2 > len(self._heap):
            self.sweep()

    def sweep(self) -> None:
        """Forget the waits that are over, and with them what they have waited for."""
        self._heap = [entry for entry in self._heap if entry[2].armed]
        heapq.heapify(self._heap)
        self._dead = 0

    def next_deadline_ns(self) -> int | None:
        """Return the earliest armed deadline."""
        while self._heap and not self._heap[0][2].armed:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0][0] if self._heap else None

    def first(self) -> Wait | Alarm | None:
        """Return what has the earliest armed deadline."""
        return self._heap[0][2] if self.next_deadline_ns() is not None else None

    def pop_due(self, now_ns: int) -> Wait | Alarm | None:
        """Take out the first wait that is due at *now_ns*."""
        deadline_ns = self.next_deadline_ns()
        if deadline_ns is None or deadline_ns > now_ns:
            return None
        return heapq.heappop(self._heap)[2]
