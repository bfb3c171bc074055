"""The scheduler: submits tasks by cron lines, at intervals, and at instants."""

from __future__ import annotations

import asyncio
import inspect
import logging
from datetime import datetime
from typing import TYPE_CHECKING

from simclock.systems._shared.cron import UTC
from simclock.systems._shared.retry import check_number
from simclock.systems.taskqueue.alarms import Alarm
from simclock.systems.taskqueue.loops import check_loop
from simclock.systems.taskqueue.scheduling import Schedules
from simclock.systems.taskqueue.submissions import Submission, Submissions, Submit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simclock.systems.taskqueue.executors import BaseTaskExecutor
    from simclock.systems.taskqueue.registry import TaskRegistry
    from simclock.systems.taskqueue.schedule_backends import BaseSchedulerBackend

logger: logging.Logger = logging.getLogger(__package__)

# Seconds that a stop waits for submissions that do not let themselves be cancelled.
_STOP_SECONDS = 10.0
_NAMED = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_OPTIONS = ("priority", "max_retries", "retry_delay", "task_id")


class Scheduler(Schedules):
    """Submits tasks when they are due, by the wall clock.

    Each instant is exact: intervals are counted from when they were scheduled,
    and do not drift. The schedules are read when this object changes one, and
    each *check_interval* seconds: as late is it noticed that another process has
    changed something, or that the wall clock was put.

    Several schedulers may share a backend: each run is submitted by one of
    them. A run is written down as done after it was submitted, so that none is
    lost if its scheduler is; whoever submits it then once more does that by the
    same task id, which executors with a common result backend take as one task.

    What becomes of runs that nobody has submitted in time is said by
    *catch_up*, for each schedule: ``"coalesce"``, the default: all that were
    missed are submitted as one; ``"burst"``: each of them, one after the other;
    ``"skip"``: none of them, except the latest if it is late by a second or less.

    A wall clock that is put back by up to three hours (for intervals, a minute)
    makes no run happen twice; by more, schedules go on from what it shows.

    A run that cannot be submitted, or not within 20 seconds, is tried again, after
    1, 2, 4 ... 60 seconds. Meanwhile others are submitted.

    It may be stopped and started again, also in another event loop. Its
    coroutine methods are for the loop in which it was started.

    Args:
        backend: Where schedules are kept: a backend, its URL, or None: in memory.
        registry: The functions.
        check_interval: Seconds between two readings of the schedules, at most.
        io_executor: Where coroutine functions are submitted.
        cpu_executor: Where functions for processes are.
        timezone: The time zone of cron lines that do not say one.
    """

    def __init__(
        self,
        backend: BaseSchedulerBackend | str | None,
        registry: TaskRegistry,
        check_interval: float = 60.0,
        io_executor: BaseTaskExecutor | None = None,
        cpu_executor: BaseTaskExecutor | None = None,
        *,
        timezone: str = "UTC",
    ) -> None:
        check_number("check_interval", check_interval, zero=False)
        self._alarm = Alarm()
        super().__init__(backend, registry, timezone, self._read_soon)
        self.check_interval = check_interval
        self.io_executor = io_executor
        self.cpu_executor = cpu_executor
        self._submit: Submit | None = None
        self._submissions: Submissions | None = None
        self._loop: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it submits what is due."""
        return self._loop is not None and not _is_dead(self._loop)

    def set_submit_callback(self, callback: Callable[..., Awaitable[object]]) -> None:
        """Have *callback* called with each run, instead of the executors.

        It is awaited as ``callback(task_func, *args, **kwargs)``. Those of
        *priority*, *max_retries*, *retry_delay* and *task_id* that it has as
        named parameters are given to it, too; a value of None means: as the
        task says.
        """
        self._submit = _adapted(callback)

    def set_submission(self, submit: Submit) -> None:
        """Have *submit* awaited with each `Submission`, instead of the executors."""
        self._submit = submit

    async def start(self) -> None:
        """Begin to submit. Idempotent; after a `stop` it begins again.

        Raises:
            ValueError: There is nothing to submit to.
            RuntimeError: It runs in another event loop.
        """
        if self._loop is not None and not _is_dead(self._loop):
            check_loop(self, self._loop.get_loop())
            return
        if self._submit is None and self.io_executor is None and self.cpu_executor is None:
            raise ValueError(
                "a scheduler has nothing to submit to\n"
                "give it an executor, or call set_submit_callback()"
            )
        submit = self._submit or self._to_executor
        self._submissions = Submissions(
            self.backend, self.registry, submit, self._alarm.ring, self.check_interval
        )
        self._loop = asyncio.create_task(self._run(self._submissions))

    async def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Submit nothing any more, and close the backend. Idempotent.

        What is being submitted is cancelled, and submitted after the next start.

        Args:
            timeout: How many seconds to wait for that.

        Raises:
            RuntimeError: It runs in another event loop; and goes on.
        """
        if self._loop is not None and not _is_dead(self._loop):
            check_loop(self, self._loop.get_loop())
        loop, self._loop = self._loop, None
        submissions, self._submissions = self._submissions, None
        if loop is not None and submissions is not None and not _is_dead(loop):
            loop.cancel()
            await asyncio.wait({loop})
            await submissions.stop(timeout)
        await self.backend.close()

    async def __aenter__(self) -> Scheduler:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    def _read_soon(self, task_id: str) -> None:
        if self._submissions is not None:
            self._submissions.read_soon(task_id)
        self._alarm.ring()

    async def _run(self, submissions: Submissions) -> None:
        failures = 0
        while True:
            try:
                instant = await submissions.look()
                failures = 0
            except Exception:
                logger.exception("the schedules cannot be looked at")
                submissions.read_all_soon()
                instant, failures = None, failures + 1
            pause = submissions.until_read
            if failures:
                pause = min(self.check_interval, 2.0 ** min(failures - 1, 30))
            if instant is not None:
                left = (instant - datetime.now(UTC)).total_seconds()
                pause = min(pause, max(left, 0.0))
            await self._alarm.sleep(pause)

    async def _to_executor(self, submission: Submission) -> None:
        is_cpu = submission.definition.cpu_bound
        executor = self.cpu_executor if is_cpu else self.io_executor
        if executor is None:
            raise ValueError(
                f"a scheduler has no executor for this task: {submission.definition.name!r}\n"
                f"give it {'cpu_executor' if is_cpu else 'io_executor'}"
            )
        await submission.to(executor)


def _is_dead(task: asyncio.Task[None]) -> bool:
    """Return whether it has ended, or can do nothing any more."""
    return task.done() or task.get_loop().is_closed()


def _adapted(callback: Callable[..., Awaitable[object]]) -> Submit:
    """Return *callback* as one that takes a `Submission`."""
    named = inspect.signature(callback).parameters
    options = [name for name in _OPTIONS if name in named and named[name].kind in _NAMED]

    async def submit(submission: Submission) -> None:
        given = {name: getattr(submission, name) for name in options}
        function = submission.definition.function
        await callback(function, *submission.args, **submission.kwargs, **given)

    return submit
