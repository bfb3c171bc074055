"""Saying what is to be submitted when: the schedules of a scheduler, and how they are changed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems._shared.cron import UTC, zone
from simclock.systems._shared.grids import check_catch_up
from simclock.systems._shared.retry import RetryPolicy
from simclock.systems._shared.stores.arguments import check_priority
from simclock.systems.taskqueue.executors.checking import check_call
from simclock.systems.taskqueue.failures import TaskNotFoundError
from simclock.systems.taskqueue.registry import MAX_RETRIES, RETRY_DELAY
from simclock.systems.taskqueue.schedule_backends import (
    BaseSchedulerBackend,
    get_scheduler_backend,
    unknown,
)
from simclock.systems.taskqueue.schedules import ScheduledTask, ScheduleType
from simclock.systems.taskqueue.timetables import (
    cron_of,
    instant_text,
    interval_text,
    timetable_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from simclock.systems.taskqueue.registry import TaskFunction, TaskRegistry


class Options(NamedTuple):
    """What `Schedules.schedule_cron` and its siblings have in common."""

    args: Iterable[Any]
    kwargs: Mapping[str, Any] | None
    enabled: bool
    description: str | None
    max_retries: int
    retry_delay: float
    priority: int
    catch_up: str


class Schedules:
    """The schedules of a backend, for functions of a registry.

    Args:
        backend: Where they are kept: a backend, its URL, or None: in memory.
        registry: The functions.
        timezone: The time zone of cron lines that do not say one.
        changed: Is called with the id of each that was changed by this object.
    """

    def __init__(
        self,
        backend: BaseSchedulerBackend | str | None,
        registry: TaskRegistry,
        timezone: str,
        changed: Callable[[str], object],
    ) -> None:
        zone(timezone)
        self.backend: BaseSchedulerBackend = get_scheduler_backend(backend)
        self.registry = registry
        self.timezone = timezone
        self._changed = changed

    @property
    def is_running(self) -> bool:
        """Whether somebody will close the backend later."""
        return False

    async def schedule_cron(  # noqa: PLR0917 - the original's signature
        self,
        task_name: str | TaskFunction,
        cron: str,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        enabled: bool = True,
        description: str | None = None,
        max_retries: int = MAX_RETRIES,
        retry_delay: float = RETRY_DELAY,
        priority: int = 0,
        task_id: str | None = None,
        *,
        timezone: str | None = None,
        catch_up: str = "coalesce",
    ) -> str:
        """Submit a task whenever a cron line is due; return the schedule's id.

        If the same task is scheduled by the same line, with equal arguments,
        already, that one's id is returned, and nothing is changed.

        Args:
            task_name: The name of a registered function, or the function.
            cron: See `CronExpression`.
            args: What it is called with.
            kwargs: The same, by keyword.
            enabled: Whether it is submitted, or first after `enable_task`.
            description: For people.
            max_retries: Of each run. What is not given is what the task says.
            retry_delay: The same.
            priority: Those with lower numbers are submitted first, and run first.
            task_id: The schedule's id; by default one that is made.
            timezone: By the clock of which zone; by default the scheduler's.
            catch_up: What becomes of missed runs; see `Scheduler`.

        Raises:
            ValueError: The function is not registered, the line has no meaning
                or is never due, or the id is taken.
            TaskArgumentError: The arguments cannot be kept.
        """
        where = self.timezone if timezone is None else timezone
        text = cron_of(cron, where).text
        options = Options(
            args, kwargs, enabled, description, max_retries, retry_delay, priority, catch_up
        )
        task = self._task(task_name, ScheduleType.CRON, text, options)
        return await self._add(replace(task, timezone=where), task_id)

    async def schedule_interval(  # noqa: PLR0917 - the original's signature
        self,
        task_name: str | TaskFunction,
        interval: float | timedelta,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        enabled: bool = True,
        description: str | None = None,
        max_retries: int = MAX_RETRIES,
        retry_delay: float = RETRY_DELAY,
        priority: int = 0,
        task_id: str | None = None,
        *,
        catch_up: str = "coalesce",
    ) -> str:
        """Submit a task each *interval* seconds, from now on; return the schedule's id.

        All else is as for `schedule_cron`.

        Raises:
            ValueError: As there, or the interval is no number from 0.001 on.
            TaskArgumentError: The arguments cannot be kept.
        """
        options = Options(
            args, kwargs, enabled, description, max_retries, retry_delay, priority, catch_up
        )
        text = interval_text(interval)
        return await self._add(self._task(task_name, ScheduleType.INTERVAL, text, options), task_id)

    async def schedule_once(  # noqa: PLR0917 - the original's signature
        self,
        task_name: str | TaskFunction,
        run_at: datetime,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        enabled: bool = True,
        description: str | None = None,
        max_retries: int = MAX_RETRIES,
        retry_delay: float = RETRY_DELAY,
        priority: int = 0,
        task_id: str | None = None,
        *,
        catch_up: str = "coalesce",
    ) -> str:
        """Submit a task at an instant, or at once if that is over; return the schedule's id.

        It stays, disabled, when it has been submitted. *run_at* is an aware
        datetime; all else is as for `schedule_cron`.

        Raises:
            ValueError: As there, or *run_at* is naive.
            TaskArgumentError: The arguments cannot be kept.
        """
        options = Options(
            args, kwargs, enabled, description, max_retries, retry_delay, priority, catch_up
        )
        text = instant_text(run_at)
        return await self._add(self._task(task_name, ScheduleType.ONE_TIME, text, options), task_id)

    async def unschedule(self, task_id: str) -> bool:
        """Forget a schedule; return whether there was one of this id."""
        async with self._opened() as backend:
            was_there = await backend.delete(task_id)
        self._changed(task_id)
        return was_there

    async def enable_task(self, task_id: str) -> None:
        """Let a schedule be submitted again; what was due meanwhile is not made up for.

        One for an instant that is over is submitted at once, if it has not been.

        Raises:
            ValueError: There is no such schedule, or it is never due again.
        """
        now = datetime.now(UTC)

        def enabled(task: ScheduledTask) -> ScheduledTask:
            if task.enabled:
                return task
            first = _first(task, now)
            if first is None:
                raise ValueError(
                    f"a schedule is never due again: {task_id!r}\n"
                    "unschedule it, and schedule it anew"
                )
            return replace(task, enabled=True, next_run_at=first)

        await self._change(task_id, enabled)

    async def disable_task(self, task_id: str) -> None:
        """Keep a schedule from being submitted.

        Raises:
            ValueError: There is no such schedule.
        """
        await self._change(task_id, lambda it: replace(it, enabled=False))

    async def get_scheduled_task(self, task_id: str) -> ScheduledTask | None:
        """Return a schedule, if there is one of this id."""
        async with self._opened() as backend:
            return await backend.get(task_id)

    async def list_scheduled_tasks(self) -> list[ScheduledTask]:
        """Return all schedules, the oldest first."""
        async with self._opened() as backend:
            return await backend.list_all()

    def _task(
        self, task: str | TaskFunction, kind: ScheduleType, text: str, options: Options
    ) -> ScheduledTask:
        """Return a new schedule without id, or raise what the public methods raise."""
        RetryPolicy(options.max_retries, options.retry_delay)
        check_catch_up(options.catch_up, None)
        check_call(options.args, options.kwargs)
        is_own = options.max_retries is not MAX_RETRIES, options.retry_delay is not RETRY_DELAY
        return ScheduledTask(
            id="",
            task_name=self._name(task),
            schedule_type=kind,
            schedule=text,
            args=tuple(options.args),
            kwargs=dict(options.kwargs or {}),
            enabled=bool(options.enabled),
            created_at=datetime.now(UTC),
            description=options.description,
            max_retries=options.max_retries if is_own[0] else None,
            retry_delay=options.retry_delay if is_own[1] else None,
            priority=check_priority(options.priority),
            catch_up=options.catch_up,
        )

    def _name(self, task: str | TaskFunction) -> str:
        try:
            return self.registry.definition(task).name
        except TaskNotFoundError as error:
            raise ValueError(
                f"what is not registered cannot be scheduled: {error.task_name!r}\n"
                "register the function by task() first"
            ) from error

    async def _add(self, task: ScheduledTask, task_id: str | None) -> str:
        named = task.with_own_id()  # which says it if the arguments cannot be kept
        task = named if task_id is None else replace(task, id=task_id)
        assert task.created_at is not None
        task = replace(task.with_own_arguments(), next_run_at=_first(task, task.created_at))
        async with self._opened() as backend:
            found = await backend.find_by_definition(task)
            if found is None:
                found = await self._create(backend, task)
        # Also if it was there: perhaps others have just made it.
        self._changed(found.id)
        return found.id

    async def _create(self, backend: BaseSchedulerBackend, task: ScheduledTask) -> ScheduledTask:
        try:
            await backend.create(task)
        except ValueError:
            # Somebody else may have scheduled the same meanwhile.
            found = await backend.get(task.id)
            if found is None or found.definition != task.definition:
                raise
            return found
        return task

    async def _change(self, task_id: str, change: Callable[[ScheduledTask], ScheduledTask]) -> None:
        async with self._opened() as backend:
            if await backend.change(task_id, change) is None:
                raise unknown(task_id)
        self._changed(task_id)

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[BaseSchedulerBackend]:
        """Return the backend, for one use: nobody need close what he has not started."""
        try:
            yield self.backend
        finally:
            if not self.is_running:
                await self.backend.close()


def _first(task: ScheduledTask, now: datetime) -> datetime | None:
    """Return when a schedule is due for the first time from now on."""
    if task.schedule_type is ScheduleType.ONE_TIME:
        return None if task.runs else datetime.fromisoformat(task.schedule)
    return timetable_of(task).after(now)
