"""What is to be sent, and not before when."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The queue takes and gives nothing any more."""


class DelayQueue(Generic[T]):
    """A queue whose items become due, earliest first; equal ones in the order of putting."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, T]] = []
        # Items that were put and not yet said to be done with.
        self._unfinished = 0
        self._closed = False

    def put(self, item: T, delay: float = 0.0) -> None:
        """Add an item that is due in *delay* seconds; raise Closed if it is too late for that."""
        with self._changed:
            if self._closed:
                raise Closed("put into a closed queue")
            heapq.heappush(self._heap, (time.monotonic() + delay, next(self._numbers), item))
            self._unfinished += 1
            # All: whoever waits for a later item has to wait for this one instead.
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T:
        """Wait for an item to be due and return it.

        Raises:
            queue.Empty: none was due within *timeout* seconds.
            Closed: the queue is closed, even if items are left.
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    return heapq.heappop(self._heap)[2]
                if give_up is not None and give_up <= now:
                    raise queue.Empty
                due = [] if not self._heap else [self._heap[0][0]]
                until = min([*due, *([] if give_up is None else [give_up])], default=None)
                self._changed.wait(None if until is None else until - now)
            raise Closed("get from a closed queue")

    def done(self) -> None:
        """Say that an item which was got has been dealt with."""
        with self._changed:
            self._unfinished -= 1
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until everything put has been dealt with; return whether it was, in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished == 0, timeout)

    def close(self) -> list[T]:
        """Let all waiting threads go and return the items that were left, in order."""
        with self._changed:
            self._closed = True
            left = [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2])]
            self._heap.clear()
            self._unfinished -= len(left)
            self._changed.notify_all()
            return left

    def __len__(self) -> int:
        with self._changed:
            return len(self._heap)
