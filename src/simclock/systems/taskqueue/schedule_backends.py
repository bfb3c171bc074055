"""Where schedules are kept: in any table of records whose changes are compare-and-set."""

from __future__ import annotations

import abc
import dataclasses
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems._shared.stores.interfaces import Records, StoredRecord
from simclock.systems._shared.stores.memory import MemoryRecords
from simclock.systems._shared.urls import without_password
from simclock.systems.taskqueue import ledger
from simclock.systems.taskqueue.access import Far, Near
from simclock.systems.taskqueue.failures import BackendError, TaskArgumentError
from simclock.systems.taskqueue.schedules import ScheduledTask
from simclock.systems.taskqueue.urls import MEMORY, SQLITE, check_url, sqlite_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Change: TypeAlias = Callable[[ScheduledTask], ScheduledTask | None]

_ENABLED, _DISABLED = "enabled", "disabled"
_NEVER = datetime.max.replace(tzinfo=timezone.utc)
# What tables, and keys of a server, begin with.
PREFIX = "flowrra_schedule_"


def unknown(task_id: str) -> ValueError:
    """Return the error that there is no schedule of this id."""
    return ValueError(
        f"there is no schedule of this id: {task_id!r}\n"
        "see list_scheduled_tasks() for those that there are"
    )


class BaseSchedulerBackend(abc.ABC):
    """Where schedules are kept.

    Several schedulers, also of several processes, may have one: what they do
    is put together from `create` and `change`, each of which is atomic.
    Whatever cannot be done because of the place is a `BackendError`.
    """

    @abc.abstractmethod
    async def create(self, task: ScheduledTask) -> None:
        """Keep a new one.

        Raises:
            ValueError: There is one of this id.
            TaskArgumentError: The place cannot keep its arguments.
        """

    @abc.abstractmethod
    async def change(self, task_id: str, change: Change) -> ScheduledTask | None:
        """Replace one by what *change* makes of it; return that.

        Args:
            task_id: Which one.
            change: Is called with what is kept, again if others change it
                meanwhile, perhaps in another thread. None: leave it as it is.

        Returns:
            None if there is none, or it was left as it is.
        """

    @abc.abstractmethod
    async def delete(self, task_id: str) -> bool:
        """Forget one; return whether there was one."""

    @abc.abstractmethod
    async def get(self, task_id: str) -> ScheduledTask | None:
        """Return one, if it is there."""

    @abc.abstractmethod
    async def list_all(self) -> list[ScheduledTask]:
        """Return all, the oldest first."""

    @abc.abstractmethod
    async def list_enabled(self) -> list[ScheduledTask]:
        """Return those that are enabled, those that are due first, first."""

    @abc.abstractmethod
    async def clear(self) -> int:
        """Forget all; return how many there were."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of what is open; the next use opens it again. Idempotent."""

    async def update(self, task: ScheduledTask) -> None:
        """Overwrite one, whatever others have made of it.

        Raises:
            ValueError: There is none of this id.
        """
        if await self.change(task.id, lambda _: task) is None:
            raise unknown(task.id)

    async def update_run_times(
        self, task_id: str, last_run_at: datetime | None, next_run_at: datetime | None
    ) -> None:
        """Write when one was submitted, and when it is due.

        Raises:
            ValueError: There is none of this id.
        """
        changed = await self.change(
            task_id,
            lambda task: dataclasses.replace(
                task, last_run_at=last_run_at, next_run_at=next_run_at
            ),
        )
        if changed is None:
            raise unknown(task_id)

    async def list_due(self, now: datetime) -> list[ScheduledTask]:
        """Return those that are due: lower priority numbers first, of equal ones the earliest."""
        due = [task for task in await self.list_enabled() if (task.next_run_at or _NEVER) <= now]
        return sorted(due, key=lambda task: task.priority)

    async def find_by_definition(self, task: ScheduledTask) -> ScheduledTask | None:
        """Return the oldest that means the same, if there is one."""
        wanted = task.definition
        return next((one for one in await self.list_all() if one.definition == wanted), None)


class StoreSchedulerBackend(BaseSchedulerBackend):
    """Schedules in a table of records.

    Args:
        access: How the table is used.
    """

    def __init__(self, access: Near[Records] | Far[Records]) -> None:
        self._access = access

    async def create(self, task: ScheduledTask) -> None:
        """Keep a new one. See `BaseSchedulerBackend`."""
        at = (task.created_at or ledger.now()).timestamp()
        value = _value(task)
        try:
            is_new = await self._access.do(
                lambda records: records.create(task.id, _status(task), value, at=at)
            )
        except NotSerialisable as error:
            raise TaskArgumentError(
                f"task {task.task_name!r} cannot be scheduled: {error}"
            ) from error
        if not is_new:
            raise ValueError(
                f"there is a schedule of this id: {task.id!r}\n"
                "give another task_id, or unschedule() that one"
            )

    async def change(self, task_id: str, change: Change) -> ScheduledTask | None:
        """Replace one. See `BaseSchedulerBackend`."""
        return await self._access.do(lambda records: _changed(records, task_id, change))

    async def delete(self, task_id: str) -> bool:
        """Forget one. See `BaseSchedulerBackend`."""
        return await self._access.do(lambda records: records.delete(task_id))

    async def get(self, task_id: str) -> ScheduledTask | None:
        """Return one. See `BaseSchedulerBackend`."""
        row = await self._access.do(lambda records: records.get(task_id))
        return None if row is None else ScheduledTask.from_dict(row.value)

    async def list_all(self) -> list[ScheduledTask]:
        """Return all. See `BaseSchedulerBackend`."""
        found = await self._listed(_ENABLED, _DISABLED)
        return sorted(found, key=lambda task: (task.created_at or _NEVER, task.id))

    async def list_enabled(self) -> list[ScheduledTask]:
        """Return those that are enabled. See `BaseSchedulerBackend`."""
        found = await self._listed(_ENABLED)
        return sorted(found, key=lambda task: task.next_run_at or _NEVER)

    async def find_by_definition(self, task: ScheduledTask) -> ScheduledTask | None:
        """Return the oldest that means the same. See `BaseSchedulerBackend`."""
        named = await self.get(task.with_own_id().id)
        # The usual case: a program that starts again says what it has said before.
        if named is not None and named.definition == task.definition:
            return named
        digest = task.digest
        rows = await self._rows(_ENABLED, _DISABLED)
        found = [
            ScheduledTask.from_dict(row.value) for row in rows if row.value["digest"] == digest
        ]
        return min(found, key=lambda one: one.created_at or _NEVER, default=None)

    async def clear(self) -> int:
        """Forget all. See `BaseSchedulerBackend`."""
        return await self._access.do(lambda records: records.clear())

    async def close(self) -> None:
        """Let go of what is open. See `BaseSchedulerBackend`."""
        await self._access.close()

    async def _listed(self, *statuses: str) -> list[ScheduledTask]:
        return [ScheduledTask.from_dict(row.value) for row in await self._rows(*statuses)]

    async def _rows(self, *statuses: str) -> list[StoredRecord]:
        """Return the records of some statuses, of each the oldest first."""
        return await self._access.do(
            lambda records: [
                row for each in statuses for _, row in reversed(records.with_status(each))
            ]
        )


class InMemorySchedulerBackend(StoreSchedulerBackend):
    """Schedules of one process: gone with it."""

    def __init__(self) -> None:
        super().__init__(Near[Records](MemoryRecords()))


class SQLiteSchedulerBackend(StoreSchedulerBackend):
    """Schedules in a file, for all processes of a machine.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
    """

    def __init__(self, url: str) -> None:
        # Whoever changes the working directory later still means this file.
        path = Path(sqlite_path(url)).absolute()

        def connect() -> Records:
            from simclock.systems._shared.stores.sqlite import SqliteRecords

            return SqliteRecords(path, prefix=PREFIX)

        super().__init__(Far(connect, 1, BackendError, f"schedules {url}"))


class RedisSchedulerBackend(StoreSchedulerBackend):
    """Schedules on a server, for all machines that reach it.

    Args:
        url: ``redis://…``, ``rediss://…`` or ``unix://…``.
        prefix: What the server's keys begin with.
    """

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        def connect() -> Records:
            from simclock.systems._shared.stores.redis import RedisRecords

            return RedisRecords(url, prefix=prefix)

        super().__init__(Far(connect, 1, BackendError, f"schedules {without_password(url)}"))


def get_scheduler_backend(backend: BaseSchedulerBackend | str | None) -> BaseSchedulerBackend:
    """Return the backend that is meant.

    Args:
        backend: None: a new one in memory. A backend: that one. Or a URL, as of
            SQLAlchemy: what comes after the third slash of ``sqlite:///`` is
            the path, so a fourth one makes it absolute.

    Raises:
        ValueError: The URL has no meaning.
    """
    if isinstance(backend, BaseSchedulerBackend):
        return backend
    if backend is None:
        return InMemorySchedulerBackend()
    kind = check_url(backend)
    if kind == MEMORY:
        return InMemorySchedulerBackend()
    return SQLiteSchedulerBackend(backend) if kind == SQLITE else RedisSchedulerBackend(backend)


def _changed(records: Records, task_id: str, change: Change) -> ScheduledTask | None:
    while (row := records.get(task_id)) is not None:
        task = change(ScheduledTask.from_dict(row.value))
        if task is None or records.swap(task_id, row.version, _status(task), _value(task)):
            return task
    return None


def _status(task: ScheduledTask) -> str:
    return _ENABLED if task.enabled else _DISABLED


def _value(task: ScheduledTask) -> dict[str, Any]:
    task = dataclasses.replace(task, updated_at=ledger.now())
    # So that `find_by_definition` need not make it of each that there is.
    return {**task.to_dict, "digest": task.digest}
