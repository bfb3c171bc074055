"""The line in which events wait: the first of the lowest priority, and apart those denied."""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING

from simclock.systems._shared.queues import Ranking

if TYPE_CHECKING:
    from uuid import UUID

_SECOND = 10**9


class Line:
    """Ids of events, lowest priority first, and among equals in the order in which they came.

    An id is in line until it is discarded, also after it was taken: whoever
    has taken it discards it, puts it back where it was, or sends it to wait
    apart for a time. To be used by one event loop at a time.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        # Invariant: has each id that is in line. Those that are in neither ranking were taken.
        self._ranks: dict[UUID, tuple[float, int]] = {}
        self._ready: Ranking[UUID] = Ranking()
        # By the instant at which they are ready, in nanoseconds of the monotonic clock.
        self._apart: Ranking[UUID] = Ranking()

    def __len__(self) -> int:
        return len(self._ranks)

    def __contains__(self, event_id: UUID) -> bool:
        return event_id in self._ranks

    @property
    def ready(self) -> int:
        """How many can be taken now."""
        self._gather()
        return len(self._ready)

    def add(self, event_id: UUID, priority: float, *, taken: bool = False) -> None:
        """Let an id that is not in line come in; as one that was *taken*, if somebody has it."""
        rank = (priority, next(self._numbers))
        self._ranks[event_id] = rank
        if not taken:
            self._ready.add(event_id, rank)

    def take(self) -> UUID | None:
        """Take the first one out; ``None`` if none is ready."""
        self._gather()
        return self._ready.pop()

    def put_back(self, event_id: UUID) -> None:
        """Have one that was taken in its place again, unless it was discarded or sent to wait."""
        rank = self._ranks.get(event_id)
        if rank is not None and event_id not in self._apart:
            self._ready.add(event_id, rank)

    def send_apart(self, event_id: UUID, seconds: float) -> None:
        """Let one that was taken wait for so long; nobody waits for it. Then it has its place."""
        rank = self._ranks.get(event_id)
        if rank is not None:
            due = time.monotonic_ns() + math.ceil(seconds * _SECOND)
            self._apart.add(event_id, (due, *rank))

    def discard(self, event_id: UUID) -> None:
        """Forget an id, wherever it is, if it is in line."""
        if self._ranks.pop(event_id, None) is not None:
            self._ready.discard(event_id)
            self._apart.discard(event_id)

    def wait_of(self) -> float:
        """Return in how many seconds one can be taken: 0.0 for now, infinity if there is none."""
        if self.ready:
            return 0.0
        if not len(self._apart):
            return math.inf
        first: int = self._apart.span((-1,)).following[0]
        return (first - time.monotonic_ns()) / _SECOND

    def _gather(self) -> None:
        if len(self._apart):
            for event_id in self._apart.pop_until((time.monotonic_ns(), math.inf)):
                self._ready.add(event_id, self._ranks[event_id])
