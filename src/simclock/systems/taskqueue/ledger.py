"""Changes of records: as the statuses allow, by who saw the last version, told to others."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.backends import Versioned
from simclock.systems.taskqueue.tasks import TRANSITIONS, TaskResult, TaskStatus

if TYPE_CHECKING:
    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.events import EventBus
    from simclock.systems.taskqueue.failures import DamagedRecordError
    from simclock.systems.taskqueue.tasks import Task

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")


class Ledger:
    """The records of a backend, as executors change them.

    Args:
        backend: Where they are kept.
        events: Where each change is told: ``{"type": "task.update", "task": to_dict}``.
    """

    def __init__(self, backend: BaseResultBackend, events: EventBus) -> None:
        self._backend = backend
        self._events = events
        # What ends the patience with others, and how many seconds they have from then on; None:
        # as many as they like.
        self._hurry: tuple[asyncio.Future[None], float] | None = None

    def hurried_by(self, end: asyncio.Future[None], grace: float) -> Ledger:
        """Return one of the same records that does not wait for who is told without end.

        Args:
            end: When this is done, it waits for some time only.
            grace: How many seconds, for each change.
        """
        ledger = Ledger(self._backend, self._events)
        ledger._hurry = (end, grace)
        return ledger

    async def create(self, task: Task) -> bool:
        """Keep the record of a task that was submitted; return False if it has one already."""
        record = TaskResult(
            task_id=task.id,
            status=TaskStatus.PENDING,
            task_name=task.name,
            submitted_at=now(),
            args=task.args,
            kwargs=task.kwargs,
        )
        if not await self._backend.create(record):
            return False
        await self._tell(record)
        return True

    async def read(self, task_id: str) -> Versioned | None:
        """Return the record of a task, if there is one."""
        return await self._backend.read(task_id)

    async def change(self, found: Versioned, **changes: Any) -> Versioned | None:
        """Change a record; return None if it is not any more what was found.

        Raises:
            StatusError: Its status cannot be followed by the new one.
            NotSerialisable: The backend cannot keep a part of it.
        """
        record = dataclasses.replace(found.record, **changes)
        TRANSITIONS.check(found.record.status, record.status)
        if not await self._backend.change(found.version, record):
            return None
        await self._tell(record)
        return Versioned(found.version + 1, record)

    async def cancel(self, task_id: str, why: str) -> bool:
        """Let a task be cancelled; return False if it has ended, or there is no record."""
        while True:
            found = await self.read(task_id)
            if found is None or found.record.is_complete:
                return False
            changes = {"status": TaskStatus.CANCELLED, "error": why, "finished_at": now()}
            if await self.change(found, **changes) is not None:
                return True

    async def set_aside(self, damaged: DamagedRecordError, task: Task | None) -> bool:
        """Put a record that says so in the place of a damaged one; return False if it is none now.

        Args:
            damaged: What reading it has raised.
            task: What is known of the task.
        """
        record = TaskResult(
            task_id=damaged.task_id,
            status=TaskStatus.FAILED,
            task_name=None if task is None else task.name,
            error=str(damaged),
            finished_at=now(),
            args=() if task is None else task.args,
            kwargs={} if task is None else task.kwargs,
        )
        if not await self._backend.change(damaged.version, record):
            return False
        await self._tell(record)
        return True

    async def delete(self, task_id: str) -> None:
        """Remove the record of what has turned out to be no task."""
        await self._backend.delete(task_id)

    async def _tell(self, record: TaskResult) -> None:
        telling = self._events.emit({"type": "task.update", "task": record.to_dict})
        if self._hurry is None or not self._events.has_subscribers:
            await telling
        else:
            await _bounded(asyncio.create_task(telling), *self._hurry)


async def _bounded(telling: asyncio.Task[None], end: asyncio.Future[None], grace: float) -> None:
    try:
        await asyncio.wait({telling, end}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            await asyncio.wait({telling}, timeout=grace)
    finally:
        if not telling.done():
            logger.error("a subscriber is not waited for any longer: it has not taken an event")
            telling.cancel()


def now() -> datetime:
    """Return the instant of the wall clock, in UTC."""
    return datetime.now(timezone.utc)
