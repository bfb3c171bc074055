"""Loops that do something wrong, each a little: the tool has to find them."""

from __future__ import annotations

import asyncio
import heapq
from typing import Any

from tools.asyncprograms.loops import NumberedTimer, StockLoop


class LastFirst(StockLoop):
    """Calls what was asked for last first."""

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """Put it before what is ready."""
        handle = super().call_soon(callback, *args, context=context)
        self._ready.rotate(1)
        return handle


class _LatestTimer(NumberedTimer):
    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return (self._when, -self.number) < (other._when, -other.number)


class EqualInReverse(StockLoop):
    """Calls what is due at the same instant in the reverse of the order of arming."""

    timer_class = _LatestTimer


class LateByABit(StockLoop):
    """Calls what was asked for in two seconds or more a microsecond too late."""

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Arm it so."""
        late = delay + 1e-6 if delay >= 2 else delay
        return super().call_later(late, callback, *args, context=context)


class TimersFirst(StockLoop):
    """Calls what is due before what is ready."""

    def _run_once(self) -> None:
        due = []
        until = self.time() + self._clock_resolution
        while self._scheduled and self._scheduled[0]._when < until:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            due.append(timer)
        self._ready.extendleft(reversed(due))
        super()._run_once()


class ForgetsContexts(StockLoop):
    """Calls nothing but tasks in the context that was asked for."""

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """Lose the context, but for tasks, which would not work at all."""
        if not isinstance(getattr(callback, "__self__", None), asyncio.Task):
            context = None
        return super().call_soon(callback, *args, context=context)


class WakesLate(StockLoop):
    """Calls what a thread asks for one turn too late."""

    def call_soon_threadsafe(
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Take a turn before it."""
        return super().call_soon_threadsafe(
            lambda: self.call_soon(callback, *args, context=context)
        )


BROKEN = (LastFirst, EqualInReverse, LateByABit, TimersFirst, ForgetsContexts, WakesLate)
