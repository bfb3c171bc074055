"""The results of several tasks: in order, or as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from simclock.systems.taskqueue.failures import TaskFailedError, TaskTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from simclock.systems.taskqueue.executors.base import BaseTaskExecutor
    from simclock.systems.taskqueue.tasks import TaskResult


async def mapped(
    executor: BaseTaskExecutor,
    task_func: Callable[..., Any],
    iterable: Iterable[Any],
    priority: int,
    ahead: int,
) -> AsyncIterator[Any]:
    """Submit a call for each item, and yield what they return. See `BaseTaskExecutor.map`."""
    submitted: deque[str] = deque()
    try:
        for item in iterable:
            submitted.append(await executor.submit(task_func, item, priority=priority))
            if len(submitted) >= ahead:
                yield await _first_of(executor, submitted)
        while submitted:
            yield await _first_of(executor, submitted)
    finally:
        for task_id in submitted:
            await executor.cancel(task_id)


async def _first_of(executor: BaseTaskExecutor, submitted: deque[str]) -> Any:
    record = await executor.wait_for_result(submitted[0])
    submitted.popleft()
    if not record.is_success:
        raise TaskFailedError(record)
    return record.result


class Waits(Protocol):
    """What records can be waited for at."""

    async def wait_for_result(self, task_id: str, timeout: float | None = None) -> TaskResult:
        """Wait until a task has ended, and return its record."""


async def completed(
    executor: Waits, task_ids: Iterable[str], timeout: float | None
) -> AsyncIterator[TaskResult]:
    """Yield the records of tasks as these end. See `BaseTaskExecutor.as_completed`."""
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    # In the order of the ids; each once.
    ids = {
        asyncio.create_task(executor.wait_for_result(each)): each
        for each in dict.fromkeys(task_ids)
    }
    try:
        while ids:
            left = None if end is None else max(0.0, end - loop.time())
            done, _ = await asyncio.wait(ids, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done and timeout is not None:
                raise TaskTimeoutError(next(iter(ids.values())), timeout)
            for record in sorted((each.result() for each in ids if each in done), key=_end_of):
                yield record
            for each in done:
                del ids[each]
    finally:
        for each in ids:
            each.cancel()
        if ids:
            await asyncio.wait(ids)
            for each in ids:
                _ = each.cancelled() or each.exception()


def _end_of(record: TaskResult) -> float:
    return 0.0 if record.finished_at is None else record.finished_at.timestamp()
