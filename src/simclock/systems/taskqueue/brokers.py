"""Where tasks wait for workers: in memory, in a file, on a server."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems._shared.stores.interfaces import Counts, Job, Jobs
from simclock.systems._shared.stores.memory import MemoryJobs
from simclock.systems._shared.urls import without_password
from simclock.systems.taskqueue.access import Far, Near
from simclock.systems.taskqueue.config import BrokerConfig
from simclock.systems.taskqueue.failures import BrokerError
from simclock.systems.taskqueue.tasks import Task
from simclock.systems.taskqueue.urls import MEMORY, SQLITE, check_url, sqlite_path

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE_KEY = "flowrra:queue"
# Seconds. What takes half of it or more takes for ever; stores want finite instants.
FOREVER = 1e9


class Claim(NamedTuple):
    """A task that a worker has, until it says that it is done, or its lease ends.

    Attributes:
        key: The task's id.
        owner: Of the claim; no other claim has this name.
        task: The task; None if what was found is none.
        deliveries: How often it has been claimed, this time included.
    """

    key: str
    owner: str
    task: Task | None
    deliveries: int


class BaseBroker(ABC):
    """Keeps tasks for workers, of this process or others: at least one gets each of them.

    A task is *claimed* by one worker at a time, and gone when that acknowledges
    it. If its lease ends before, others may claim it. Of those that are ready,
    the one with the lowest priority number comes first; of equals, the first one.

    All durations are seconds. An operation that fails raises a `BrokerError`;
    it may be repeated.

    Attributes:
        lease: How long a claim lasts, unless it is renewed.
        poll_interval: How often to look for tasks that others have pushed; None:
            there are no others.
    """

    lease: float = FOREVER
    poll_interval: float | None = None

    def __init__(self) -> None:
        self._listeners: set[Callable[[], object]] = set()

    @abstractmethod
    async def push(self, task: Task, *, limit: int | None = None) -> bool:
        """Add a task; return False if *limit* or more are there that nobody has claimed."""

    @abstractmethod
    async def claim(self, owner: str) -> Claim | None:
        """Claim the first task that is ready; None if there is none.

        Args:
            owner: A name that no other claim has; again the same if this has failed.
        """

    @abstractmethod
    async def renew(self, claim: Claim) -> bool:
        """Begin the lease of a claim anew; return False if it is lost."""

    @abstractmethod
    async def acknowledge(self, claim: Claim) -> bool:
        """Say that a task is done, which removes it; return False if the claim was lost."""

    @abstractmethod
    async def release(self, claim: Claim, delay: float = 0.0) -> bool:
        """Give a task back, to be ready after *delay*; return False if the claim was lost."""

    async def unclaim(self, claim: Claim) -> bool:
        """Give a task back of which nothing was done; in its old place, where the broker can."""
        return await self.release(claim)

    @abstractmethod
    async def remove(self, task_id: str) -> bool:
        """Remove a task that nobody has claimed; return whether it was there."""

    @abstractmethod
    async def counts(self) -> Counts:
        """Return how many tasks are ready, delayed and claimed."""

    @abstractmethod
    async def next_wait(self) -> float | None:
        """Return after how many seconds a task gets ready by itself; None: none does."""

    @abstractmethod
    async def clear(self) -> int:
        """Remove all tasks; return how many."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what is open; a later operation opens it again. Idempotent."""

    async def pop(self, timeout: float | None = None) -> Task | None:
        """Take the first task for good: if who takes it is lost, so is the task.

        Args:
            timeout: How long to wait for one; None: as long as it takes.
        """
        bell = asyncio.Event()
        self.listen(bell.set)
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                bell.clear()
                claim = await self.claim(f"pop:{uuid.uuid4()}")
                if claim is not None and await self.acknowledge(claim) and claim.task is not None:
                    return claim.task
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return None
                if claim is None:
                    await self.wait(bell, left)
        finally:
            self.unlisten(bell.set)

    async def size(self) -> int:
        """Return how many tasks wait, also for the end of a delay."""
        counts = await self.counts()
        return counts.ready + counts.delayed

    async def wait(self, bell: asyncio.Event, timeout: float | None = None) -> None:
        """Return when a task may be ready, or *bell* is set, or after *timeout*; sets the bell.

        Args:
            bell: What `listen` was given to set; cleared before the claim that found nothing.
            timeout: How long to wait at most.
        """
        waits = (await self.next_wait(), self.poll_interval, timeout)
        seconds = min((each for each in waits if each is not None), default=FOREVER)
        # In place of `wait_for`, which would make a task.
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(seconds, bell.set) if seconds < FOREVER / 2 else None
        try:
            await bell.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def listen(self, call: Callable[[], object]) -> None:
        """Have *call* called after each change by this broker object that may concern workers."""
        self._listeners.add(call)

    def unlisten(self, call: Callable[[], object]) -> None:
        """Have it not called any more."""
        self._listeners.discard(call)

    def _changed(self) -> None:
        for call in tuple(self._listeners):
            call()


class StoreBroker(BaseBroker):
    """A broker over a store of jobs.

    Args:
        access: How the store is used.
        clock: What instants are of: that of those who share the store.
        poll_interval: See `BaseBroker`; by default that of the class.
        lease: The same.
    """

    def __init__(
        self,
        access: Near[Jobs] | Far[Jobs],
        clock: Callable[[], float] = time.time,
        *,
        poll_interval: float | None = None,
        lease: float | None = None,
    ) -> None:
        super().__init__()
        self._access = access
        self._clock = clock
        self.poll_interval: float | None = (
            type(self).poll_interval if poll_interval is None else poll_interval
        )
        if lease is not None:
            self.lease = lease

    async def push(self, task: Task, *, limit: int | None = None) -> bool:
        """Add a task. See `BaseBroker`."""
        payload = self._payload(task)
        done = await self._access.do(
            lambda jobs: jobs.push(task.id, payload, priority=task.priority, limit=limit)
        )
        if done:
            self._changed()
        return done

    async def claim(self, owner: str) -> Claim | None:
        """Claim the first task that is ready. See `BaseBroker`."""
        now = self._clock()
        job = await self._access.do(lambda jobs: jobs.claim(owner, now=now, until=now + self.lease))
        if job is None:
            return None
        self._changed()
        return Claim(job.key, owner, self._task(job), job.deliveries)

    async def renew(self, claim: Claim) -> bool:
        """Begin the lease of a claim anew. See `BaseBroker`."""
        until = self._clock() + self.lease
        return await self._access.do(lambda jobs: jobs.renew(claim.key, claim.owner, until=until))

    async def acknowledge(self, claim: Claim) -> bool:
        """Say that a task is done. See `BaseBroker`."""
        return await self._access.do(lambda jobs: jobs.acknowledge(claim.key, claim.owner))

    async def release(self, claim: Claim, delay: float = 0.0) -> bool:
        """Give a task back. See `BaseBroker`."""
        # Without delay from the beginning of time: a clock that is put back delays nothing.
        due = self._clock() + delay if delay else 0.0
        done = await self._access.do(lambda jobs: jobs.release(claim.key, claim.owner, due=due))
        self._changed()
        return done

    async def unclaim(self, claim: Claim) -> bool:
        """Give a task back of which nothing was done, in its old place. See `BaseBroker`."""
        # What a release gives back comes after all others; what has expired does not.
        done = await self._access.do(lambda jobs: jobs.renew(claim.key, claim.owner, until=0.0))
        self._changed()
        return done

    async def remove(self, task_id: str) -> bool:
        """Remove a task that nobody has claimed. See `BaseBroker`."""
        done = await self._access.do(lambda jobs: jobs.remove(task_id))
        if done:
            self._changed()
        return done

    async def counts(self) -> Counts:
        """Return how many tasks are ready, delayed and claimed. See `BaseBroker`."""
        now = self._clock()
        return await self._access.do(lambda jobs: jobs.counts(now))

    async def next_wait(self) -> float | None:
        """Return after how many seconds a task gets ready by itself. See `BaseBroker`."""
        now = self._clock()
        instant = await self._access.do(lambda jobs: jobs.next_instant(now))
        return None if instant is None else max(0.0, instant - self._clock())

    async def clear(self) -> int:
        """Remove all tasks. See `BaseBroker`."""
        count = await self._access.do(lambda jobs: jobs.clear())
        self._changed()
        return count

    async def close(self) -> None:
        """Let go of what is open. See `BaseBroker`."""
        await self._access.close()

    def _payload(self, task: Task) -> Any:
        return task.to_dict

    def _task(self, job: Job) -> Task | None:
        try:
            return Task.from_dict(job.payload)
        except (TypeError, KeyError, AttributeError, ValueError):
            return None


class InMemoryBroker(StoreBroker):
    """A broker of one process, and one event loop: tasks are gone with it. They are not copied.

    To be shared by executors, it is given to each of them.
    """

    def __init__(self) -> None:
        # Whatever happens to the wall clock, delays stay what they are.
        super().__init__(Near[Jobs](MemoryJobs()), time.monotonic)

    def _payload(self, task: Task) -> Any:
        return task

    def _task(self, job: Job) -> Task | None:
        task: Task = job.payload
        return task


class SQLiteBroker(StoreBroker):
    """A broker in a file, for all processes of a machine: tasks survive them.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
        queue_key: The queue's name in that file.
        socket_timeout: How many seconds to wait for a file that others have locked.
        poll_interval: See `BrokerConfig`.
        lease: The same.
    """

    def __init__(
        self,
        url: str,
        queue_key: str = QUEUE_KEY,
        *,
        socket_timeout: float = 5.0,
        poll_interval: float = 0.1,
        lease: float = 30.0,
    ) -> None:
        path = sqlite_path(url)

        def connect() -> Jobs:
            from simclock.systems._shared.stores.sqlite import SqliteJobs

            return SqliteJobs(path, prefix=queue_key, patience=socket_timeout)

        # One thread: SQLite lets one write at a time, whoever else waits.
        access = Far(connect, 1, BrokerError, f"broker {url}")
        super().__init__(access, poll_interval=poll_interval, lease=lease)


class RedisBroker(StoreBroker):
    """A broker on a server, for all machines that reach it.

    Args:
        url: ``redis://…``, ``rediss://…`` or ``unix://…``.
        max_connections: See `BrokerConfig`.
        socket_timeout: The same.
        retry_on_timeout: The same.
        queue_key: What the server's keys begin with.
        poll_interval: See `BrokerConfig`.
        lease: The same.
    """

    def __init__(
        self,
        url: str,
        max_connections: int = 50,
        socket_timeout: float = 5.0,
        retry_on_timeout: bool = True,
        queue_key: str = QUEUE_KEY,
        *,
        poll_interval: float = 0.1,
        lease: float = 30.0,
    ) -> None:
        def connect() -> Jobs:
            from simclock.systems._shared.stores.redis import RedisJobs

            return RedisJobs(
                url,
                queue_key,
                max_connections=max_connections,
                socket_timeout=socket_timeout,
                retry_on_timeout=retry_on_timeout,
            )

        name = f"broker {without_password(url)}"
        access = Far(connect, max_connections, BrokerError, name)
        super().__init__(access, poll_interval=poll_interval, lease=lease)


def get_broker(
    broker: BaseBroker | BrokerConfig | str | None, queue_suffix: str = ""
) -> BaseBroker | None:
    """Return the broker that is meant.

    Args:
        broker: None: there is none. A broker: that one. Or its URL or settings.
        queue_suffix: Added to the queue's name.

    Raises:
        BrokerError: Nothing of that kind can be a broker.
    """
    if broker is None or isinstance(broker, BaseBroker):
        return broker
    if not isinstance(broker, BrokerConfig):
        try:
            broker = BrokerConfig(broker)
        except ValueError as error:
            raise BrokerError(str(error)) from error
    kind = check_url(broker.url)
    if kind == MEMORY:
        return InMemoryBroker()
    settings = dataclasses.asdict(broker)
    settings["queue_key"] = (broker.queue_key or QUEUE_KEY) + queue_suffix
    if kind == SQLITE:
        names = ("url", "queue_key", "socket_timeout", "poll_interval", "lease")
        return SQLiteBroker(**{name: settings[name] for name in names})
    return RedisBroker(**settings)
