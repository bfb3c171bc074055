"""How what is due gets submitted: each run by one scheduler, and none is lost with it."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems._shared.retry import RetryPolicy
from simclock.systems.taskqueue import ledger
from simclock.systems.taskqueue.failures import TaskNotFoundError
from simclock.systems.taskqueue.schedules import Claim, ScheduledTask
from simclock.systems.taskqueue.timetables import latest_due, timetable_of

if TYPE_CHECKING:
    from simclock.systems.taskqueue.executors import BaseTaskExecutor
    from simclock.systems.taskqueue.registry import Definition, TaskRegistry
    from simclock.systems.taskqueue.schedule_backends import BaseSchedulerBackend, Change

logger: logging.Logger = logging.getLogger(__package__)

# How long a submission may take before other schedulers take its scheduler for lost, and before it
# is given up. They differ so that what was given up is over when others begin.
LEASE = timedelta(seconds=30)
LONGEST_SUBMISSION = 20.0
# Until a schedule is read again whose run somebody else submits.
LOOK_AGAIN = timedelta(seconds=1)
# With catch_up="skip", how late a run may be.
GRACE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=1)


class Submission(NamedTuple):
    """One run of a schedule, to be submitted as a task.

    Attributes:
        definition: The function, as it is registered.
        args: What it is called with; no other run has these objects.
        kwargs: The same, by keyword.
        priority: Of the task.
        max_retries: The same; None: as the function's definition says.
        retry_delay: The same.
        task_id: Of the task. What has been submitted by this id is not to be submitted again.
        due: When it was due.
    """

    definition: Definition
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    priority: int
    max_retries: int | None
    retry_delay: float | None
    task_id: str
    due: datetime

    async def to(self, executor: BaseTaskExecutor) -> None:
        """Submit it to an executor, once for its task id."""
        await executor.submit_once(
            self.task_id,
            self.definition.name,
            self.args,
            self.kwargs,
            priority=self.priority,
            max_retries=self.max_retries,
            retry_delay=self.retry_delay,
        )


Submit = Callable[[Submission], Awaitable[object]]


class Submissions:
    """Submits what is due, for one start of a scheduler.

    A run is *claimed* in the backend, by compare-and-set, then submitted, and
    only then is the schedule advanced to its next instant. Of several
    schedulers one submits it. If that is lost in between, the claim expires,
    and the run is submitted again, by the same task id: at least once, and
    exactly once where the id is looked at, as the executors do.

    Each submission is an asyncio task of its own, so that a full queue of one
    executor keeps up nobody else; they are begun in the order of priorities.

    Args:
        backend: Where the schedules are.
        registry: What they run.
        submit: Submits one run.
        wake: Is called when there is a reason to `look` again.
        read_interval: Seconds after which the schedules are read anew. Meanwhile
            it goes by what it has read: whatever it does about one is done by
            compare-and-set, and shows if others have changed that.
    """

    def __init__(
        self,
        backend: BaseSchedulerBackend,
        registry: TaskRegistry,
        submit: Submit,
        wake: Callable[[], object],
        read_interval: float,
    ) -> None:
        self._backend = backend
        self._registry = registry
        self._submit = submit
        self._wake = wake
        self._read_interval = read_interval
        self._owner = uuid.uuid4().hex
        # Those that are enabled, as they were read or written last.
        self._tasks: dict[str, ScheduledTask] = {}
        # Those that were changed since.
        self._to_read: set[str] = set()
        # Of `time.monotonic`.
        self._next_read = -math.inf
        # Invariant: what this has claimed, and has not ended; by the schedule's id.
        self._under_way: dict[str, tuple[ScheduledTask, asyncio.Task[None]]] = {}
        self._pauses = Pauses()

    @property
    def until_read(self) -> float:
        """In how many seconds the schedules are to be read anew."""
        return max(0.0, self._next_read - time.monotonic())

    def read_all_soon(self) -> None:
        """Have all schedules read at the next `look`."""
        self._next_read = -math.inf

    def read_soon(self, task_id: str) -> None:
        """Have one schedule read at the next `look`, as it was changed."""
        self._to_read.add(task_id)

    async def look(self) -> datetime | None:
        """Begin to submit what is due; return when to look again, None: when others say so."""
        now = ledger.now()
        if not self.until_read:
            await self._read_all()
        while self._to_read:
            task_id = self._to_read.pop()
            self._keep(task_id, await self._backend.get(task_id))
        # `sorted` makes a list first, so `_consider` may change the dict.
        ordered = sorted(self._tasks.values(), key=_order)
        instants = [await self._consider(task, now) for task in ordered]
        return min((each for each in instants if each is not None), default=None)

    async def _read_all(self) -> None:
        began = time.monotonic()
        # Before they are read: what is changed meanwhile is read once more.
        self._to_read.clear()
        tasks = await self._backend.list_enabled()
        self._next_read = began + self._read_interval
        self._tasks = {task.id: task for task in tasks}
        self._pauses.keep(set(self._tasks))

    def _keep(self, task_id: str, task: ScheduledTask | None) -> None:
        """Go by what was read of a schedule, from now on."""
        if task is None or not task.enabled:
            self._tasks.pop(task_id, None)
        else:
            self._tasks[task_id] = task

    async def _consider(self, task: ScheduledTask, now: datetime) -> datetime | None:
        """Begin its run if that is due; return when to look at it again, None: `wake` will say."""
        if task.id in self._under_way or task.next_run_at is None:
            return None
        try:
            instant = max(task.next_run_at, self._pauses.until(task.id, now))
            if instant > now and not _is_ahead(task, now):
                return instant
            if self._is_taken(task, now):
                # It is not known when its claim ends, other than by looking.
                self._to_read.add(task.id)
                return now + LOOK_AGAIN
            return await self._begin(task, task.next_run_at, now)
        except TaskNotFoundError:
            # Another process that shares the schedules may have it.
            if self._pauses.add(task.id, now) == 1:
                logger.warning("a task is due that is not registered here: %s", task.task_name)
        except ValueError:
            if self._pauses.add(task.id, now) == 1:
                logger.exception("a schedule has no meaning here: %s", task.id)
        return self._pauses.until(task.id, now)

    def _is_taken(self, task: ScheduledTask, now: datetime) -> bool:
        """Return whether somebody else submits its run."""
        claim = task.claim
        if claim is None or claim.owner == self._owner:
            return False
        # One of a later time than that is from before the wall clock was put back.
        return now < claim.until <= now + LEASE

    async def _begin(self, task: ScheduledTask, due: datetime, now: datetime) -> datetime | None:
        """Claim the run that is due, and begin to submit it, or leave it out."""
        if _is_ahead(task, now) or (submission := self._submission(task, due, now)) is None:
            await self._change(task, lambda it: _moved(it, timetable_of(it).after(now)))
            self._wake()
            return None
        claim = Claim(self._owner, now + LEASE)
        if not await self._change(task, lambda it: replace(it, claim=claim)):
            self._wake()  # somebody else has changed it: look at what it is now
            return None
        carrying_out = asyncio.create_task(self._carry_out(task, submission))
        self._under_way[task.id] = task, carrying_out
        return None

    async def _change(
        self, task: ScheduledTask, change: Callable[[ScheduledTask], ScheduledTask]
    ) -> bool:
        """Change a schedule, unless it is another one by now; return whether it was changed."""
        mark = _mark(task, self._owner)
        return await self._write(
            task.id, lambda it: change(it) if _mark(it, self._owner) == mark else None
        )

    async def _write(self, task_id: str, change: Change) -> bool:
        """Change a schedule, and keep what it is then; return whether it was changed."""
        changed = await self._backend.change(task_id, change)
        self._keep(task_id, changed or await self._backend.get(task_id))
        return changed is not None

    def _submission(self, task: ScheduledTask, due: datetime, now: datetime) -> Submission | None:
        """Return the run that is to be submitted; None: none of those that are due."""
        if task.catch_up != "burst":
            due = latest_due(timetable_of(task), due, now)
        if task.catch_up == "skip" and now - due > GRACE:
            return None
        task = task.with_own_arguments()
        return Submission(
            definition=self._registry.definition(task.task_name),
            args=task.args,
            kwargs=task.kwargs,
            priority=task.priority,
            max_retries=task.max_retries,
            retry_delay=task.retry_delay,
            task_id=task.run_id,
            due=due,
        )

    async def _carry_out(self, task: ScheduledTask, submission: Submission) -> None:
        """Submit a run that is claimed, and note that; or give it back."""
        try:
            try:
                await asyncio.wait_for(self._submit(submission), LONGEST_SUBMISSION)
            except Exception:
                logger.exception("a run could not be submitted, and will be again: %s", task.id)
                self._pauses.add(task.id, ledger.now())
                await self._finish(task, _given_back)
            else:
                await self._finish(task, lambda it: _advanced(it, submission.due))
                self._pauses.remove(task.id)
        except Exception:
            # The claim stays, and expires: the run is submitted again, by the same id.
            logger.exception("it cannot be written down what became of a run of %s", task.id)
            self._pauses.add(task.id, ledger.now())
        finally:
            self._under_way.pop(task.id, None)
            self._wake()

    async def stop(self, timeout: float) -> None:
        """Cancel what is under way, and give it back; there must be no `look` any more.

        Args:
            timeout: How many seconds to wait for submissions that do not end at once.
        """
        under_way = tuple(self._under_way.values())
        for _, carrying_out in under_way:
            carrying_out.cancel()
        if under_way:
            await asyncio.wait({each for _, each in under_way}, timeout=timeout)
        for task, carrying_out in under_way:
            if not carrying_out.done():
                # It has its claim until that expires.
                logger.warning("a run of %s is still being submitted, and is left", task.id)
                continue
            try:
                await self._finish(task, _given_back)
            except Exception:
                logger.exception("a claim could not be given back, and expires: %s", task.id)

    async def _finish(
        self, task: ScheduledTask, change: Callable[[ScheduledTask], ScheduledTask]
    ) -> None:
        """End the claim of a run. What others have changed meanwhile stays, as does their claim."""

        def finished(it: ScheduledTask) -> ScheduledTask | None:
            is_ours = it.claim is not None and it.claim.owner == self._owner
            return change(it) if is_ours and it.run_id == task.run_id else None

        await self._write(task.id, finished)


class Pauses:
    """How long to leave those alone that have failed: longer after each failure."""

    _policy = RetryPolicy(max_retries=0, delay=1.0, backoff=2.0, max_delay=60.0)

    def __init__(self) -> None:
        # How often it has failed, and until when it is left alone.
        self._of: dict[str, tuple[int, datetime]] = {}

    def add(self, key: str, now: datetime) -> int:
        """Note a failure; return how many there were, one after the other."""
        count = self._of.get(key, (0, now))[0] + 1
        # Without jitter nothing is drawn.
        delay = self._policy.delay_of(count, random.Random(0))
        self._of[key] = count, now + timedelta(seconds=delay)
        return count

    def until(self, key: str, now: datetime) -> datetime:
        """Return until when to leave it alone; *now* or earlier: it need not be."""
        until = self._of.get(key, (0, now))[1]
        # The wall clock may have been put back.
        return min(until, now + _LONGEST_PAUSE)

    def remove(self, key: str) -> None:
        """Note that it has not failed."""
        self._of.pop(key, None)

    def keep(self, keys: set[str]) -> None:
        """Forget all others."""
        self._of = {key: found for key, found in self._of.items() if key in keys}


def _mark(task: ScheduledTask, owner: str) -> tuple[object, ...]:
    """Return what tells whether the same of its runs is to be submitted."""
    # A claim of one's own may have been written by a change that was said not to be done.
    claim = None if task.claim is None or task.claim.owner == owner else task.claim
    run = task.run_id, task.enabled, task.next_run_at, claim
    settings = task.priority, task.max_retries, task.retry_delay, task.catch_up
    return *run, *settings, task.definition


def _order(task: ScheduledTask) -> tuple[int, datetime]:
    """Return what those are ordered by that are due at the same time."""
    return task.priority, task.next_run_at or task.created_at or ledger.now()


def _is_ahead(task: ScheduledTask, now: datetime) -> bool:
    """Return whether it was changed so far in the future that the wall clock was put back."""
    latest = task.updated_at or now
    return latest > now and latest - now > timetable_of(task).patience


def _given_back(task: ScheduledTask) -> ScheduledTask:
    return replace(task, claim=None)


def _advanced(task: ScheduledTask, due: datetime) -> ScheduledTask:
    following = timetable_of(task).after(due)
    return _moved(
        replace(task, claim=None, last_run_at=ledger.now(), runs=task.runs + 1), following
    )


def _moved(task: ScheduledTask, due: datetime | None) -> ScheduledTask:
    return replace(task, next_run_at=due, enabled=task.enabled and due is not None)
