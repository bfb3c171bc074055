"""Coroutines on one thread: a small library, as there are many.

    async def main():
        task = tinyloop.spawn(ring(), "bell")
        await tinyloop.sleep(10)
        task.cancel()
        print(await tinyloop.in_thread(read_line))

    tinyloop.run(main())

A task that has raised tells who joins it; when the main one ends, all others are cancelled.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import queue
import random
import threading
import time
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

# A thread that has nothing to do waits so long for the next function.
IDLE_S = 10.0
# Tasks that are ready at once run in any order: nobody is to rely on one.
_order = random.Random()
# By thread: the loop that runs in it.
loops: dict[int, Loop] = {}


class Cancelled(BaseException):
    """What a cancelled task raises, where it waits."""


class Task:
    """A coroutine that runs beside others.

    Attributes:
        done: An event, set when it has ended.
        error: What it has raised, if it has.
    """

    def __init__(self, loop: Loop, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        self.loop, self.coroutine, self.name = loop, coroutine, name
        self.done = Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self.has_begun = self.is_cancelled = False
        # While it waits: takes it away from what it waits for.
        self.forget: Callable[[], object] | None = None

    def cancel(self) -> None:
        """Let the task raise `Cancelled` where it waits, or will wait next."""
        self.is_cancelled = True
        if self.forget is not None:
            self.forget()
            self.loop.wake(self)

    async def join(self) -> Any:
        """Wait for the task to end; return what it returned, or raise what it raised."""
        await self.done.wait()
        if self.error is not None:
            raise self.error
        return self.value


class Event:
    """Something that tasks of one loop wait for."""

    def __init__(self) -> None:
        self.is_set = False
        self._waiting: set[Task] = set()

    def set(self) -> None:
        """Let those that wait go on."""
        self.is_set = True
        while self._waiting:
            task = self._waiting.pop()
            task.loop.wake(task)

    async def wait(self) -> None:
        """Wait until it is set."""
        if not self.is_set:
            await _suspend(self._arm)

    def _arm(self, task: Task) -> Callable[[], object]:
        self._waiting.add(task)
        return lambda: self._waiting.discard(task)


class Loop:
    """Tasks, timers, and what other threads want to have called."""

    def __init__(self) -> None:
        self.tasks: dict[Task, None] = {}
        self.current: Task | None = None
        self._ready: set[Task] = set()
        # Due time, a number, and the task, which is None if it waits no longer.
        self._timers: list[list[Any]] = []
        self._numbers = itertools.count()
        self._calls: list[Callable[[], object]] = []
        self._condition = threading.Condition()
        self._has_ended = False

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, then cancel all others and wait for them."""
        loops[threading.get_ident()] = self
        main = self.spawn(coroutine, "main")
        try:
            while not main.done.is_set:
                self._turn()
            for task in self.tasks:
                task.cancel()
            while self.tasks:
                self._turn()
        finally:
            del loops[threading.get_ident()]
            with self._condition:
                self._has_ended = True
            for task in self.tasks:
                task.coroutine.close()
        if main.error is not None:
            raise main.error
        return main.value

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> Task:
        """Run a coroutine as a task."""
        task = Task(self, coroutine, name or getattr(coroutine, "__name__", "task"))
        self.tasks[task] = None
        self.wake(task)
        return task

    def call_soon_threadsafe(self, function: Callable[[], object]) -> None:
        """Call a function in the loop; may be called from any thread."""
        with self._condition:
            if self._has_ended:
                raise RuntimeError("the loop has ended")
            self._calls.append(function)
            self._condition.notify()

    def wake(self, task: Task) -> None:
        """Let a task go on."""
        task.forget = None
        self._ready.add(task)

    def arm_timer(self, seconds: float, task: Task) -> Callable[[], object]:
        """Let a task go on after some seconds; return what undoes it."""
        timer = [time.monotonic() + seconds, next(self._numbers), task]
        heapq.heappush(self._timers, timer)
        return functools.partial(timer.__setitem__, 2, None)

    def _turn(self) -> None:
        self._poll()
        batch = list(self._ready)
        self._ready.clear()
        _order.shuffle(batch)
        for task in batch:
            self._step(task)

    def _poll(self) -> None:
        """Wait for something to do; call what other threads want to have called."""
        with self._condition:
            while not (self._ready or self._calls or self._is_due()):
                due = self._timers[0][0] if self._timers else None
                self._condition.wait(None if due is None else due - time.monotonic())
            calls, self._calls = self._calls, []
        for call in calls:
            call()
        while self._is_due():
            self.wake(heapq.heappop(self._timers)[2])

    def _is_due(self) -> bool:
        while self._timers and self._timers[0][2] is None:
            heapq.heappop(self._timers)
        return bool(self._timers) and self._timers[0][0] <= time.monotonic()

    def _step(self, task: Task) -> None:
        self.current = task
        try:
            if task.is_cancelled and task.has_begun:
                task.is_cancelled = False
                arm = task.coroutine.throw(Cancelled())
            else:
                task.has_begun = True
                arm = task.coroutine.send(None)
        except StopIteration as end:
            task.value = end.value
        except BaseException as error:  # noqa: BLE001 - it is for who joins the task
            task.error = error
        else:
            task.forget = arm(task)
            if task.is_cancelled:
                task.cancel()
            return
        finally:
            self.current = None
        del self.tasks[task]
        task.done.set()


@types.coroutine
def _suspend(arm: Callable[[Task], Callable[[], object]]) -> Generator[Any, None, None]:
    yield arm


def _task() -> Task:
    loop = loops.get(threading.get_ident())
    if loop is None or loop.current is None:
        raise RuntimeError("this is to be called in a task")
    return loop.current


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine, and the tasks that it spawns, in this thread; return what it returns."""
    return Loop().run(coroutine)


def spawn(coroutine: Coroutine[Any, Any, Any], name: str = "") -> Task:
    """Run a coroutine beside the task that calls this."""
    return _task().loop.spawn(coroutine, name)


def current() -> Task | None:
    """Return the task that calls this, or None."""
    loop = loops.get(threading.get_ident())
    return None if loop is None else loop.current


async def sleep(seconds: float) -> None:
    """Let *seconds* pass for the calling task."""
    await _suspend(functools.partial(_task().loop.arm_timer, seconds))


async def in_thread(function: Callable[[], Any]) -> Any:
    """Call a function in another thread; who is cancelled waits for its end all the same."""
    loop, done, cancelled = _task().loop, Event(), None
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome[:] = function(), None
        except BaseException as error:  # noqa: BLE001 - it is the task's
            outcome[:] = None, error
        loop.call_soon_threadsafe(done.set)

    helpers.start(call)
    while not done.is_set:
        try:
            await done.wait()
        except Cancelled as caught:
            cancelled = caught
    value, error = outcome
    if cancelled or error:
        raise cancelled or error
    return value


class Helpers:
    """Threads that call functions, and wait a while for the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Callable[[], object]]] = []

    def start(self, function: Callable[[], object]) -> None:
        """Call a function in a thread that has nothing to do, or in a new one."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), daemon=True).start()
        inbox.put(function)

    def _work(self, inbox: queue.SimpleQueue[Callable[[], object]]) -> None:
        while True:
            try:
                inbox.get(timeout=IDLE_S)()
            except queue.Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
            else:
                with self._lock:
                    self._idle.append(inbox)


# One for the process: a thread that has become idle serves each loop.
helpers = Helpers()
