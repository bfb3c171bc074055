"""Errors that the kernel has found, for the task that waits instead of who runs its loop.

Who runs a loop until a *task* is done, as ``asyncio.run`` does, ends that task
when it gets the error. Who waits for a plain future, as runners of tests do,
would leave the task behind that is to bring the result.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from simclock.flavours.aio.waiting import awaited_by, tasks_of

if TYPE_CHECKING:
    from types import FrameType


def tell(error: BaseException, ident: int) -> bool:
    """Raise *error* in a task of the loop that runs in a thread; return whether one gets it."""
    run = _running(ident)
    if run is None or isinstance(run.f_locals.get("future"), asyncio.Task):
        return False
    loop = run.f_locals["self"]
    if asyncio.current_task(loop) is not None:
        return False  # it is a task of its own that waits, and not the loop
    future = next((found for task in tasks_of(loop) if (found := _waits_for(task))), None)
    if future is None:
        return False
    future.set_exception(error)
    loop._write_to_self()
    return True


def _running(ident: int) -> FrameType | None:
    """Return the frame of ``run_until_complete`` in a thread."""
    frame = sys._current_frames().get(ident)
    code = asyncio.BaseEventLoop.run_until_complete.__code__
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame


def _waits_for(task: Any) -> Any:
    """Return the plain future that *task*, or the first that it waits for, waits for itself."""
    passed = [task]
    while True:
        future = getattr(task, "_fut_waiter", None)
        if not isinstance(future, asyncio.Task):
            return None if future is None or future.done() else future
        task = next((each for each in awaited_by(task) if each not in passed), None)
        if task is None:
            return None
        passed.append(task)
