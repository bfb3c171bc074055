"""The way of a task into the queue: all of it, or nothing."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.failures import (
    BackendError,
    BrokerError,
    ExecutorNotRunningError,
    QueueFullError,
)
from simclock.systems.taskqueue.tasks import Task, TaskStatus

if TYPE_CHECKING:
    from simclock.systems.taskqueue.brokers import BaseBroker
    from simclock.systems.taskqueue.config import ExecutorConfig
    from simclock.systems.taskqueue.ledger import Ledger
    from simclock.systems.taskqueue.registry import Definition

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")


class Entrance:
    """Keeps records of tasks and puts them into the queue; if that is full, in the order of coming.

    Args:
        broker: The queue.
        ledger: The records.
        limit: How many tasks may wait in the queue; None: any number.
        timeout: How many seconds to wait for room; None: as long as it takes.
    """

    def __init__(
        self, broker: BaseBroker, ledger: Ledger, limit: int | None, timeout: float | None
    ) -> None:
        self._broker = broker
        self._ledger = ledger
        self._limit = limit
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()
        self._is_shut = False

    def shut(self) -> None:
        """Take no more tasks, not of those either who wait."""
        self._is_shut = True
        self._room.set()

    async def take(self, task: Task) -> None:
        """Keep the record of a task, and put that into the queue.

        Raises:
            ExecutorNotRunningError: It was shut meanwhile.
            QueueFullError: There was no room in time.
            FlowrraError: A store has failed.
        """
        # The record first: a worker may have the task at once.
        try:
            await self._ledger.create(task)
            await self._push(task)
        except (BrokerError, asyncio.CancelledError):
            # It may be in the queue all the same.
            await asyncio.shield(self._take_back(task))
            raise
        except Exception:
            await asyncio.shield(self._forget(task))
            raise

    async def take_once(self, task: Task) -> None:
        """Do what `take` does, unless the task, by its id, was taken already.

        If this fails, or is cut off by a crash, its record may stay, PENDING;
        whoever does it again puts the task into the queue then.
        """
        if not await self._ledger.create(task):
            found = await self._ledger.read(task.id)
            if found is not None and found.record.status is not TaskStatus.PENDING:
                return
        # If it is there already, it is left as it is. If it has ended meanwhile, whoever gets it
        # sees that in its record.
        await self._push(task)

    async def _push(self, task: Task) -> None:
        if self._limit is None:
            await self._broker.push(task)
        elif self._timeout is None:
            await self._wait_for_room(task, self._limit)
        elif not await self._push_at_once(task, self._limit):
            # Not only this: where there is no time to wait, it would not even be tried.
            try:
                await asyncio.wait_for(self._wait_for_room(task, self._limit), self._timeout)
            except asyncio.TimeoutError:
                raise QueueFullError(self._limit, self._timeout) from None

    async def _push_at_once(self, task: Task, limit: int) -> bool:
        """Return False if there is no room, or others wait already."""
        if self._is_shut:
            raise ExecutorNotRunningError
        return not self._turn.locked() and await self._broker.push(task, limit=limit)

    async def _wait_for_room(self, task: Task, limit: int) -> None:
        async with self._turn:
            self._broker.listen(self._room.set)
            try:
                while not self._is_shut:
                    self._room.clear()
                    if await self._broker.push(task, limit=limit):
                        return
                    await self._room.wait()
            finally:
                self._broker.unlisten(self._room.set)
        raise ExecutorNotRunningError

    async def _take_back(self, task: Task) -> None:
        """Leave nothing of a task that its submitter was told is none."""
        try:
            is_sure = await self._broker.remove(task.id) or self._limit is not None
        except BrokerError:
            is_sure = False
        if is_sure:
            await self._forget(task)
            return
        # Whoever gets it, if it is in the queue, sees that nobody wants it.
        try:
            await self._ledger.cancel(task.id, "it could not be submitted")
        except BackendError as error:
            logger.warning("task %s was not submitted, but may be run: %s", task.id, error)

    async def _forget(self, task: Task) -> None:
        try:
            await self._ledger.delete(task.id)
        except (BackendError, NotImplementedError) as error:
            logger.warning("task %s was not submitted, but its record stays: %s", task.id, error)


def check_kind(definition: Definition, executor: str, *, cpu_bound: bool | None) -> None:
    """Raise a `TypeError` if a function is not for an executor.

    Args:
        definition: The function.
        executor: The name of the executor's class.
        cpu_bound: Whether that is for functions that compute; None: for both kinds.
    """
    if cpu_bound not in {None, definition.cpu_bound}:
        kind = "a CPUExecutor" if definition.cpu_bound else "an IOExecutor"
        raise TypeError(f"{definition.name!r} is not for {executor}\nsubmit it to {kind}")


def task_of(
    definition: Definition,
    settings: ExecutorConfig,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    priority: int,
) -> Task:
    """Return a new task: a call of a function, as that was registered, or else as is set."""
    policy = definition.policy(settings.max_retries, settings.retry_delay)
    return Task(
        str(uuid.uuid4()),
        definition.name,
        args,
        kwargs,
        policy.max_retries,
        policy.delay,
        priority=priority,
        cpu_bound=definition.cpu_bound,
        backoff=policy.backoff,
        max_delay=policy.max_delay,
        jitter=policy.jitter,
    )
