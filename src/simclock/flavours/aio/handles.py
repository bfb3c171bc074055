"""Handles that cost little to make: most of an event loop's work is making them."""

from __future__ import annotations

import asyncio
import bisect
import collections
import contextvars
import heapq
from asyncio import futures
from typing import TYPE_CHECKING, Any

from simclock.lowlevel import TIMERS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

# Cancelled timers that may stay in the heap until they come up.
TOLERATED = 100


class TimerHandle(asyncio.TimerHandle):
    """A call to be made at an instant."""

    __slots__ = ()

    def cancel(self) -> None:
        """Make it not be called."""
        # Without what the original does for debug mode: there, timers are the original.
        this: Any = self
        if not this._cancelled:
            if this._scheduled:
                this._loop._timer_handle_cancelled(this)
            this._cancelled = True
            this._callback = this._args = None


class SleepHandle(TimerHandle):
    """The end of an ``asyncio.sleep``."""

    __slots__ = ()

    def _run(self) -> None:
        future, result = self._args
        if future.done():
            super()._run()
        else:
            future.set_result(result)


for _made in (TimerHandle, SleepHandle):
    _made.__name__ = _made.__qualname__ = "TimerHandle"

# Here, not in constructors: those of asyncio are functions in Python that ask the loop whether it
# is in debug mode, and making handles is most of a loop's work.
_new = object.__new__
_copy_context = contextvars.copy_context
# What ``asyncio.sleep`` has called at its end.
_end_sleep: Callable[..., None] = futures._set_result_unless_cancelled  # type: ignore[attr-defined]


def new_handle(
    kind: type[asyncio.Handle],
    callback: Callable[..., Any],
    args: tuple[Any, ...],
    loop: Any,
    context: Any,
) -> Any:
    """Return a handle, as ``kind(callback, args, loop, context)`` does without debug mode."""
    handle: Any = _new(kind)
    handle._callback = callback
    handle._args = args
    handle._loop = loop
    handle._context = _copy_context() if context is None else context
    handle._cancelled = False
    handle._repr = None
    handle._source_traceback = None
    return handle


def new_timer(
    when: float, callback: Callable[..., Any], args: tuple[Any, ...], loop: Any, context: Any
) -> Any:
    """Return a handle for an instant, likewise."""
    kind = SleepHandle if callback is _end_sleep else TimerHandle
    handle = new_handle(kind, callback, args, loop, context)
    handle._when = when
    handle._scheduled = True
    return handle


class Timers:
    """Armed timers, earliest first, equal ones in arming order.

    Attributes:
        heap: Deadline in nanoseconds, arming number, handle. Tuples, because
            two handles would be compared by functions in Python.
    """

    __slots__ = ("_cancelled", "_instant_ns", "_instants", "absolute", "armed", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Any]] = []
        self.armed: int = 0
        self._cancelled = 0
        # The first number that was armed at each instant, and the last instant; only kept for
        # `move_due_merged`.
        self._instants: list[int] = []
        # The numbers of those that were armed for a time of the clock, not by a duration.
        self.absolute: set[int] = set()
        self._instant_ns = 0

    def arm(self, deadline_ns: int, handle: Any) -> None:
        """Let *handle* run at *deadline_ns*."""
        self.armed = number = self.armed + 1
        heapq.heappush(self.heap, (deadline_ns, number, handle))

    def cancelled(self) -> None:
        """Note that an armed timer was cancelled. It goes when it comes up, or in bulk."""
        self._cancelled += 1
        if self._cancelled > TOLERATED and self._cancelled * 2 > len(self.heap):
            # In place: a turn may be going through it.
            self.heap[:] = [entry for entry in self.heap if not entry[2]._cancelled]
            heapq.heapify(self.heap)
            # That one itself: a handle tells it before it is marked.
            self._cancelled = 1

    def move_due(self, now_ns: int, ready: deque[Any]) -> None:
        """Append to *ready* what is due at *now_ns*."""
        heap = self.heap
        # As `_move_first`, without the call.
        while heap and heap[0][0] <= now_ns:
            handle = heap[0][2]
            if handle._cancelled:
                self.drop()
                continue
            heapq.heappop(heap)
            handle._scheduled = False
            ready.append(handle)

    def move_due_merged(
        self, now_ns: int, ready: deque[Any], merged: Callable[[list[Any], str], list[Any]]
    ) -> None:
        """Append to *ready* what is due at *now_ns*, in an order that is left to the schedule.

        What was armed before the clock moved last, and what after, may be due
        at one virtual instant; in reality, either comes first then. What was
        armed at one instant is due in that order there, too, and so is what
        was armed for one and the same time of the clock.
        """
        if now_ns != self._instant_ns:
            self._instant_ns = now_ns
            self._instants.append(self.armed + 1)
        heap = self.heap
        while heap and heap[0][0] <= now_ns:
            deadline_ns = heap[0][0]
            groups: dict[int, deque[Any]] = {}
            while heap and heap[0][0] == deadline_ns:
                number = heap[0][1]
                armed = -1
                if number in self.absolute:
                    self.absolute.remove(number)
                else:
                    armed = bisect.bisect_right(self._instants, number)
                self._move_first(groups.setdefault(armed, collections.deque()))
            ready.extend(merged(list(groups.values()), TIMERS))
        if not heap:
            self._instants.clear()

    def _move_first(self, ready: deque[Any]) -> None:
        handle = self.heap[0][2]
        if handle._cancelled:
            self.drop()
            return
        heapq.heappop(self.heap)
        handle._scheduled = False
        ready.append(handle)

    def drop(self) -> None:
        """Take out the first one, which was cancelled."""
        heapq.heappop(self.heap)[2]._scheduled = False
        self._cancelled -= 1

    def shift(self, delta_ns: int) -> None:
        """Move every deadline: another clock is read from now on."""
        self.heap[:] = [(deadline + delta_ns, number, each) for deadline, number, each in self.heap]

    def clear(self) -> None:
        """Forget all of them."""
        self.heap.clear()
        self._cancelled = 0
