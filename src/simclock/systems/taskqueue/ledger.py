"""Changes of records: as the statuses allow, by who saw the last version, told to others."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.backends import Versioned
from simclock.systems.taskqueue.tasks import TRANSITIONS, TaskResult, TaskStatus

if TYPE_CHECKING:
    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.events import EventBus
    from simclock.systems.taskqueue.tasks import Task


class Ledger:
    """The records of a backend, as executors change them.

    Args:
        backend: Where they are kept.
        events: Where each change is told: ``{"type": "task.update", "task": to_dict}``.
    """

    def __init__(self, backend: BaseResultBackend, events: EventBus) -> None:
        self._backend = backend
        self._events = events

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

    async def delete(self, task_id: str) -> None:
        """Remove the record of what has turned out to be no task."""
        await self._backend.delete(task_id)

    async def _tell(self, record: TaskResult) -> None:
        await self._events.emit({"type": "task.update", "task": record.to_dict})


def now() -> datetime:
    """Return the instant of the wall clock, in UTC."""
    return datetime.now(timezone.utc)
