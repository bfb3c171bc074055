"""Where the loop of a processor lives: a task of asyncio, or a task group that is given."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup, TaskStatus

logger: logging.Logger = logging.getLogger(__package__)

# Stands for the event loop: trio has no object for it that asyncio has, too.
_here: RunVar[object] = RunVar("simclock.systems.eventflow.background")


class Background:
    """Runs a function in the background, once at a time, from `start` to `stop`.

    Args:
        run: What is run. It is to return soon after `stop`, perhaps after it
            has waited for what it began; the next `start` does not wait for that.
    """

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        self._function = run
        # What stands for the present run, and for its event loop.
        self._current: object | None = None
        self._loop: object | None = None
        # Also of those runs that were stopped and are not over: asyncio would forget them.
        self._tasks: set[asyncio.Task[None]] = set()
        # Where it lives if nobody says where; Any, as trio's nurseries do as well.
        self.home: Any = None

    @property
    def is_on(self) -> bool:
        """Whether it was started, and neither stopped nor ended since."""
        return self._current is not None

    async def start(self, task_group: TaskGroup | Any = None) -> None:
        """Start it, unless it is on: in *task_group*, or at home, or in a task of asyncio.

        Raises:
            RuntimeError: It runs in another event loop; or there is no place
                for it, since trio has no tasks without a nursery.
        """
        self.check(task_group)
        if self._current is not None:
            return
        home = self.home if task_group is None else task_group
        self._current, self._loop = mine, _ = object(), _this_loop()
        if home is None:
            self._start_task(mine)
        else:
            await self._start_in(home, mine)

    def stop(self) -> None:
        """Note that it was stopped; whoever calls this has also told the function."""
        self._current = None

    def check(self, task_group: TaskGroup | Any = None) -> None:
        """Raise a ``RuntimeError`` if `start` cannot start it here."""
        if self._current is not None:
            if self._loop is not _this_loop():
                raise RuntimeError(
                    "the executor runs in another event loop\n"
                    "stop it there, or make one for each loop"
                )
        elif task_group is None and self.home is None and not _is_asyncio():
            raise RuntimeError(
                "trio runs nothing in the background without a task group\n"
                "use `async with executor:`, or start(task_group=...)"
            )

    def _start_task(self, mine: object) -> None:
        task = asyncio.get_running_loop().create_task(self._run(mine))
        self._tasks.add(task)
        # Not only at the end of the function: a task may be cancelled before it begins.
        task.add_done_callback(lambda task: self._end_task(task, mine))

    def _end_task(self, task: asyncio.Task[None], mine: object) -> None:
        self._tasks.discard(task)
        self._end(mine)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("events are not run any more", exc_info=error)

    async def _start_in(self, home: Any, mine: object) -> None:
        try:
            # Not `start_soon`: a group that was cancelled never begins it.
            await home.start(self._run_there, mine)
        except BaseException:
            self._end(mine)
            raise

    async def _run_there(self, mine: object, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        try:
            await self._run(mine)
        finally:
            self._end(mine)

    async def _run(self, mine: object) -> None:
        # It may have been stopped, and started again in another task.
        if self._current is mine:
            await self._function()

    def _end(self, mine: object) -> None:
        if self._current is mine:
            self._current = None


async def leave(group: TaskGroup, error: BaseException | None) -> bool | None:
    """Leave the block of a group; after an *error* in it cancel what is in the group.

    A cancellation is the group's; it says whether it has ended with it. An
    error is not: the group would raise it again, in an exception group.
    """
    if error is None or isinstance(error, anyio.get_cancelled_exc_class()):
        kind, trace = type(error) if error else None, error.__traceback__ if error else None
        ended: bool | None = await group.__aexit__(kind, error, trace)
        return ended
    group.cancel_scope.cancel()
    await group.__aexit__(None, None, None)
    return False


def _is_asyncio() -> bool:
    try:
        # In the callbacks of a guest there is a loop of asyncio, and no task of it.
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _this_loop() -> object:
    try:
        return _here.get()
    except LookupError:
        mark = object()
        _here.set(mark)
        return mark
