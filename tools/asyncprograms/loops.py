"""The stock loop, as far as it promises nothing given the order that the other loop promises."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Any

from simclock.flavours.aio.tasks import Future, Task

_numbers = itertools.count()


class NumberedTimer(asyncio.TimerHandle):
    """A timer that comes after those of the same deadline that were armed before it."""

    __slots__ = ("number",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.number = next(_numbers)

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.number) < (other._when, other.number)


class StockLoop(asyncio.SelectorEventLoop):
    """The stock loop with two orders that it leaves to chance.

    Equal deadlines come in arming order: of its heap they come in none. And
    sets of tasks, as a TaskGroup has one that it cancels, are in the order of
    the addresses of tasks, unless these have other hashes.
    """

    timer_class = NumberedTimer

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.set_task_factory(new_task)

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future with such a hash."""
        return Future(loop=self)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """Arm a timer as the original does, apart from its class."""
        self._check_closed()
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_at")
        timer: Any = self.timer_class(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer


def new_task(loop: Any, coroutine: Any, **options: Any) -> Any:
    """Return a task with such a hash."""
    return Task(coroutine, loop=loop, **options)


class OwnTask(asyncio.Task):  # type: ignore[type-arg]
    """What a program's own task factory makes."""

    _numbers = itertools.count(1)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


def own_task(loop: Any, coroutine: Any, **options: Any) -> Any:
    """Return a task as a program's own factory does."""
    return OwnTask(coroutine, loop=loop, **options)
