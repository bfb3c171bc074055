"""What the tasks of a loop wait for: where, and for which others."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import tasks as asyncio_tasks
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from simclock.flavours.aio.tasks import name_of
from simclock.flavours.contract import WaitingTask
from simclock.flavours.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PATIENCE = 100


def waiting(ident: int) -> list[WaitingTask]:
    """Return the tasks of the loop that runs in a thread, as trees."""
    loops = {task.get_loop() for task in _all_tasks()}
    return [
        found
        for loop in loops
        if getattr(loop, "_thread_id", None) == ident
        for found in waiting_in(loop)
    ]


def _all_tasks() -> Iterable[Any]:
    # Up to 3.11 all are in one set.
    sets = ("_all_tasks", "_scheduled_tasks", "_eager_tasks")
    return [task for name in sets for task in _listed(getattr(asyncio_tasks, name, ()))]


def _listed(tasks: Iterable[Any]) -> list[Any]:
    for _ in range(PATIENCE):
        # Another thread may make tasks meanwhile, if a watchdog asks.
        with contextlib.suppress(RuntimeError):
            return list(tasks)
    return []


def waiting_in(loop: asyncio.AbstractEventLoop) -> list[WaitingTask]:
    """Return the tasks of *loop*, as trees, in order of creation."""
    return _Trees(loop).grow()


def tasks_of(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Return the tasks of *loop* that have not ended, in order of creation."""
    return sorted(asyncio.all_tasks(loop), key=_order)


class _Trees:
    """The tasks of one loop, each below the one that waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tasks = tasks_of(loop)
        self._sites = Sites()
        self._shown: set[int] = set()

    def grow(self) -> list[WaitingTask]:
        awaited = {id(child) for task in self._tasks for child in awaited_by(task)}
        roots = [task for task in self._tasks if id(task) not in awaited]
        # Tasks that wait for each other in a circle have no root.
        return [self._of(task) for task in (*roots, *self._tasks) if id(task) not in self._shown]

    def _of(self, task: Any) -> WaitingTask:
        self._shown.add(id(task))
        children = [
            self._of(child)
            for child in sorted(awaited_by(task), key=_order)
            if id(child) not in self._shown
        ]
        return WaitingTask(name_of(task), self._sites.of(task), children)


def awaited_by(task: Any) -> Sequence[Any]:
    """Return the tasks that *task* waits for."""
    found = [each for each in _candidates(task) if isinstance(each, asyncio.Future)]
    return [each for each in found if hasattr(each, "get_coro") and not each.done()]


def _candidates(task: Any) -> Iterator[Any]:
    future = getattr(task, "_fut_waiter", None)
    yield future
    yield from getattr(future, "_children", ())  # of a gather
    coroutine = task.get_coro()
    while coroutine.__class__ is CoroutineType:
        frame: Any = coroutine.cr_frame
        if frame is None:
            return  # it was closed
        if str(frame.f_globals.get("__name__")).partition(".")[0] in ("asyncio", "anyio"):
            yield from _in_frame(frame.f_code.co_name, frame.f_locals)
        coroutine = coroutine.cr_await


def _in_frame(name: str, values: Any) -> Iterator[Any]:
    """Yield what functions of asyncio and anyio keep in their variables."""
    if name == "__aexit__":
        yield from getattr(values.get("self"), "_tasks", ())  # of a task group
    elif name == "_wait":
        yield from values.get("fs", ())
    elif name == "wait_for":
        yield values.get("fut")


def _order(task: Any) -> Any:
    return getattr(task, "_simclock_number", 0)
