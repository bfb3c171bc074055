"""Where the records of tasks are kept: in memory, in a file, on a server."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from simclock.systems._shared.stores.interfaces import DamagedRecord, Records, StoredRecord
from simclock.systems._shared.stores.memory import MemoryRecords
from simclock.systems._shared.urls import without_password
from simclock.systems.taskqueue.access import Far, Near
from simclock.systems.taskqueue.config import BackendConfig
from simclock.systems.taskqueue.failures import BackendError, DamagedRecordError
from simclock.systems.taskqueue.tasks import TaskResult, TaskStatus
from simclock.systems.taskqueue.urls import MEMORY, SQLITE, check_url, sqlite_path
from simclock.systems.taskqueue.waiting import Waiting

RECORDS_KEY = "flowrra:task"
# Seconds between two removals of what has expired, at least.
PURGE_INTERVAL = 60.0


class Versioned(NamedTuple):
    """A record as it was read.

    Attributes:
        version: What `BaseResultBackend.change` compares.
        record: The record.
    """

    version: int
    record: TaskResult


class BaseResultBackend(ABC):
    """Keeps one record for each task; whoever changes it says which version he has seen.

    An operation that fails raises a `BackendError`.
    """

    @abstractmethod
    async def create(self, record: TaskResult) -> bool:
        """Keep a new record; return False if the task has one already.

        Raises:
            NotSerialisable: A part of it cannot be kept there.
        """

    @abstractmethod
    async def read(self, task_id: str) -> Versioned | None:
        """Return the record and its version, if there is one.

        Raises:
            DamagedRecordError: It cannot be read.
        """

    @abstractmethod
    async def change(self, version: int, record: TaskResult) -> bool:
        """Replace the record of a task, and return True; if it has another version, False.

        Raises:
            NotSerialisable: A part of it cannot be kept there. Nothing has changed.
        """

    @abstractmethod
    async def wait_for(self, task_id: str, timeout: float | None = None) -> TaskResult:
        """Return the record of a task when it is complete.

        Raises:
            UnknownTaskIdError: There is no record, or none any more.
            TaskTimeoutError: It is not complete within *timeout* seconds.
        """

    async def get(self, task_id: str) -> TaskResult | None:
        """Return the record, if there is one."""
        found = await self.read(task_id)
        return None if found is None else found.record

    async def store(self, task_id: str, result: TaskResult) -> None:
        """Keep a record, whatever was there."""
        result = dataclasses.replace(result, task_id=task_id)
        while True:
            found = await self.read(task_id)
            if found is None:
                done = await self.create(result)
            else:
                done = await self.change(found.version, result)
            if done:
                return

    async def delete(self, task_id: str) -> bool:
        """Remove a record; return whether it was there."""
        raise NotImplementedError(f"{type(self).__name__} removes no record: {task_id}")

    async def clear(self) -> int:
        """Remove all records; return how many."""
        raise NotImplementedError(f"{type(self).__name__} removes no records")

    async def list_by_status(
        self, status: TaskStatus, limit: int | None = None, offset: int = 0
    ) -> list[TaskResult]:
        """Return records of a status, what was submitted last first, without instant at the end.

        Args:
            status: Which.
            limit: How many at most; None: all.
            offset: How many to leave out.
        """
        raise NotImplementedError(f"{type(self).__name__} lists no records: {status}")

    async def close(self) -> None:  # noqa: B027 - there may be nothing
        """Let go of what is open; a later operation opens it again. Idempotent."""


class StoreBackend(BaseResultBackend):
    """A backend over a store of records.

    Args:
        access: How the store is used.
        ttl: How many seconds a record is kept after its task has ended; None: for ever.
        poll_interval: Seconds between two looks whether a task has ended; None:
            nobody else changes records.
    """

    def __init__(
        self,
        access: Near[Records] | Far[Records],
        ttl: float | None = None,
        poll_interval: float | None = None,
    ) -> None:
        self._access = access
        self._ttl = ttl
        self._waiting = Waiting(self.get, poll_interval)
        self._next_purge = 0.0

    async def create(self, record: TaskResult) -> bool:
        """Keep a new record. See `BaseResultBackend`."""
        if not await self._create(record):
            # The one that is there may have expired, and nobody has removed it yet.
            await self._remove_expired()
            if not await self._create(record):
                return False
        self._waiting.tell(record)
        return True

    async def _create(self, record: TaskResult) -> bool:
        at = 0.0 if record.submitted_at is None else record.submitted_at.timestamp()
        return await self._access.do(
            lambda records: records.create(
                record.task_id,
                record.status.value,
                record.to_dict,
                at=at,
                expires=self._expiry(record),
            )
        )

    async def read(self, task_id: str) -> Versioned | None:
        """Return the record and its version. See `BaseResultBackend`."""
        row = await self._access.do(lambda records: _found(records, task_id))
        if isinstance(row, DamagedRecord):
            raise DamagedRecordError(task_id, row.version, str(row)) from row
        if row is None or _is_gone(row):
            return None
        return Versioned(row.version, _record(task_id, row))

    async def change(self, version: int, record: TaskResult) -> bool:
        """Replace the record of a task. See `BaseResultBackend`."""
        done = await self._access.do(
            lambda records: records.swap(
                record.task_id,
                version,
                record.status.value,
                record.to_dict,
                expires=self._expiry(record),
            )
        ) or await self._was_done(record)
        if done:
            self._waiting.tell(record)
            await self._purge(record)
        return done

    async def _was_done(self, record: TaskResult) -> bool:
        """Return whether a change was done that the store says was not.

        It says so if its answer was lost, and it has therefore done it once
        more. Nobody else writes the same.
        """
        found = await self.read(record.task_id)
        return found is not None and _mark(found.record) == _mark(record)

    async def wait_for(self, task_id: str, timeout: float | None = None) -> TaskResult:
        """Return the record of a task when it is complete. See `BaseResultBackend`."""
        return await self._waiting.wait_for(task_id, timeout)

    async def delete(self, task_id: str) -> bool:
        """Remove a record. See `BaseResultBackend`."""
        done = await self._access.do(lambda records: records.delete(task_id))
        self._waiting.forget(task_id)
        return done

    async def clear(self) -> int:
        """Remove all records. See `BaseResultBackend`."""
        count = await self._access.do(lambda records: records.clear())
        self._waiting.forget_all()
        return count

    async def list_by_status(
        self, status: TaskStatus, limit: int | None = None, offset: int = 0
    ) -> list[TaskResult]:
        """Return records of a status. See `BaseResultBackend`."""
        rows = await self._access.do(
            lambda records: records.with_status(status.value, limit=limit, offset=offset)
        )
        return [_record(key, row) for key, row in rows if not _is_gone(row)]

    async def count(self) -> int:
        """Return how many records there are, also of those that have expired meanwhile."""
        return await self._access.do(lambda records: records.count())

    async def close(self) -> None:
        """Let go of what is open. See `BaseResultBackend`."""
        await self._access.close()

    def _expiry(self, record: TaskResult) -> float | None:
        return None if self._ttl is None or not record.is_complete else time.time() + self._ttl

    async def _purge(self, record: TaskResult) -> None:
        """Now and then, when a task has ended, remove what has expired: nobody else does."""
        now = time.time()
        if self._ttl is not None and record.is_complete and now >= self._next_purge:
            self._next_purge = now + min(self._ttl, PURGE_INTERVAL)
            await self._remove_expired()

    async def _remove_expired(self) -> None:
        now = time.time()
        await self._access.do(lambda records: records.purge(now))


class InMemoryBackend(StoreBackend):
    """Records of one process, and one event loop. Arguments and results are not copied.

    Args:
        ttl: See `BackendConfig`.
    """

    def __init__(self, ttl: float | None = None) -> None:
        self._records = MemoryRecords()
        super().__init__(Near[Records](self._records), ttl)

    def __len__(self) -> int:
        return self._records.count()


class SQLiteBackend(StoreBackend):
    """Records in a file, for all processes of a machine.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
        ttl: See `BackendConfig`.
        socket_timeout: How many seconds to wait for a file that others have locked.
        poll_interval: See `BackendConfig`.
    """

    def __init__(
        self,
        url: str,
        ttl: float | None = None,
        *,
        socket_timeout: float = 5.0,
        poll_interval: float = 0.1,
    ) -> None:
        path = sqlite_path(url)

        def connect() -> Records:
            from simclock.systems._shared.stores.sqlite import SqliteRecords

            return SqliteRecords(path, prefix=RECORDS_KEY, patience=socket_timeout)

        access = Far(connect, 1, BackendError, f"backend {url}")
        super().__init__(access, ttl, poll_interval)


class RedisBackend(StoreBackend):
    """Records on a server, for all machines that reach it.

    Args:
        url: ``redis://…``, ``rediss://…`` or ``unix://…``.
        ttl: See `BackendConfig`.
        max_connections: The same.
        socket_timeout: The same.
        retry_on_timeout: The same.
        poll_interval: The same.
    """

    def __init__(
        self,
        url: str,
        ttl: float | None = None,
        max_connections: int = 50,
        socket_timeout: float = 5.0,
        retry_on_timeout: bool = True,
        *,
        poll_interval: float = 0.1,
    ) -> None:
        def connect() -> Records:
            from simclock.systems._shared.stores.redis import RedisRecords

            return RedisRecords(
                url,
                RECORDS_KEY,
                max_connections=max_connections,
                socket_timeout=socket_timeout,
                retry_on_timeout=retry_on_timeout,
            )

        name = f"backend {without_password(url)}"
        access = Far(connect, max_connections, BackendError, name)
        super().__init__(access, ttl, poll_interval)


def get_backend(backend: BaseResultBackend | BackendConfig | str | None) -> BaseResultBackend:
    """Return the backend that is meant.

    Args:
        backend: None: one in memory. A backend: that one. Or its URL or settings.

    Raises:
        BackendError: Nothing of that kind can be a backend.
    """
    if isinstance(backend, BaseResultBackend):
        return backend
    if backend is None:
        return InMemoryBackend()
    if not isinstance(backend, BackendConfig):
        try:
            backend = BackendConfig(backend)
        except ValueError as error:
            raise BackendError(str(error)) from error
    kind = check_url(backend.url)
    if kind == MEMORY:
        return InMemoryBackend(backend.ttl)
    if kind == SQLITE:
        return SQLiteBackend(
            backend.url,
            backend.ttl,
            socket_timeout=backend.socket_timeout,
            poll_interval=backend.poll_interval,
        )
    return RedisBackend(**dataclasses.asdict(backend))


def _is_gone(row: StoredRecord) -> bool:
    return row.expires is not None and row.expires <= time.time()


def _found(records: Records, task_id: str) -> StoredRecord | DamagedRecord | None:
    """Return a record; what it raises otherwise means that the store cannot be used."""
    try:
        return records.get(task_id)
    except DamagedRecord as error:
        return error


def _record(task_id: str, row: StoredRecord) -> TaskResult:
    try:
        return TaskResult.from_dict(row.value)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        why = "it was written by something else, or a newer version"
        raise DamagedRecordError(task_id, row.version, why) from error


def _mark(record: TaskResult) -> tuple[Any, ...]:
    """Return what tells the changes by one attempt, or by one who cancels, from those by others.

    Of one attempt those of its progress have the same, and come one after the other.
    """
    names = ("status", "worker", "retries", "losses", "started_at", "finished_at")
    return tuple(getattr(record, name) for name in names)
