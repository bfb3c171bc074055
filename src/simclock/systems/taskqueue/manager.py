"""Looking at an application: what it has, does and has done."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from simclock.systems.taskqueue.config import ExecutorConfig
from simclock.systems.taskqueue.failures import FlowrraError
from simclock.systems.taskqueue.tasks import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simclock.systems.taskqueue.app import Flowrra
    from simclock.systems.taskqueue.executors import BaseTaskExecutor
    from simclock.systems.taskqueue.registry import Definition
    from simclock.systems.taskqueue.schedules import ScheduledTask
    from simclock.systems.taskqueue.tasks import TaskResult

View = dict[str, Any]
# What only the view of one schedule has.
_DETAILS = ("args", "kwargs", "max_retries", "retry_delay")
_INTERNAL = ("claim", "series")


class FlowrraManager:
    """Shows an application as dicts, for web pages and the like. It changes nothing.

    Lists of tasks are those of the result backend, so of all applications that
    share it; what was submitted last comes first. Instants are datetimes in UTC.

    Args:
        app: The application.
    """

    def __init__(self, app: Flowrra) -> None:
        self.app = app

    # ------------------------------------------------------------------------- the tasks

    async def list_registered_tasks(self) -> list[View]:
        """Return the registered functions, in the order of registration."""
        registry = self.app.registry
        return [self._registered(registry.definition(name)) for name in registry.list_tasks()]

    async def get_task_info(self, task_name: str) -> View | None:
        """Return a registered function, and where it is from; None if there is none."""
        if task_name not in self.app.registry:
            return None
        definition = self.app.registry.definition(task_name)
        function = definition.function
        return {
            **self._registered(definition),
            "module": function.__module__,
            "qualname": function.__qualname__,
        }

    async def list_pending_tasks(self, limit: int | None = None) -> list[View]:
        """Return the records of *limit* tasks, or all, that wait to be run for the first time."""
        return await self._with_status(TaskStatus.PENDING, limit)

    async def list_running_tasks(self, limit: int | None = None) -> list[View]:
        """Return those of tasks that are being run."""
        return await self._with_status(TaskStatus.RUNNING, limit)

    async def list_completed_tasks(self, limit: int | None = None) -> list[View]:
        """Return those of tasks that have ended well."""
        return await self._with_status(TaskStatus.SUCCESS, limit)

    async def list_failed_tasks(self, limit: int | None = None) -> list[View]:
        """Return those of tasks that have failed, and are not tried again."""
        return await self._with_status(TaskStatus.FAILED, limit)

    async def get_task_result(self, task_id: str) -> View | None:
        """Return the record of a task, with ``completed_at``; None if nothing is known of it."""
        record = await self.app.get_result(task_id)
        return None if record is None else {**_task(record), "completed_at": record.finished_at}

    def _registered(self, definition: Definition) -> View:
        settings = self.app.config.executor or ExecutorConfig()
        policy = definition.policy(settings.max_retries, settings.retry_delay)
        return {
            "name": definition.name,
            "cpu_bound": definition.cpu_bound,
            "max_retries": policy.max_retries,
            "retry_delay": policy.delay,
        }

    async def _with_status(self, status: TaskStatus, limit: int | None) -> list[View]:
        async with self.app._opened() as backend:
            return [_task(record) for record in await backend.list_by_status(status, limit)]

    # ------------------------------------------------------------------------- the schedules

    async def list_schedules(self, enabled_only: bool = False) -> list[View]:
        """Return the schedules, the oldest first; none if there is no scheduler."""
        return [
            _schedule(task) for task in await self._schedules() if task.enabled or not enabled_only
        ]

    async def get_schedule(self, schedule_id: str) -> View | None:
        """Return a schedule, with its arguments; None if there is none."""
        scheduler = self.app.scheduler
        task = None if scheduler is None else await scheduler.get_scheduled_task(schedule_id)
        if task is None:
            return None
        return {**_schedule(task), **{name: getattr(task, name) for name in _DETAILS}}

    async def get_scheduler_stats(self) -> View | None:
        """Return figures of the scheduler; None if there is none."""
        scheduler = self.app.scheduler
        if scheduler is None:
            return None
        states = [task.enabled for task in await self._schedules()]
        return {
            "running": scheduler.is_running,
            "check_interval": scheduler.check_interval,
            "total_schedules": len(states),
            "enabled_schedules": states.count(True),
            "disabled_schedules": states.count(False),
        }

    async def _schedules(self) -> list[ScheduledTask]:
        scheduler = self.app.scheduler
        return [] if scheduler is None else await scheduler.list_scheduled_tasks()

    # ------------------------------------------------------------------------- the whole

    async def get_stats(self) -> View:
        """Return figures of the application; None stands for a part that it does not have."""
        app = self.app
        return {
            "app": {"running": app.is_running},
            "executors": {"io": _executor(app.io_executor), "cpu": _executor(app.cpu_executor)},
            "tasks": {
                "registered": len(app.registry),
                "pending": await _waiting(app.io_executor) + await _waiting(app.cpu_executor),
            },
            "scheduler": await self.get_scheduler_stats(),
        }

    async def health_check(self) -> View:
        """Return whether each part runs that is there, and answers. It raises no `FlowrraError`.

        The application is healthy if all of them are.
        """
        app = self.app
        components = {
            "app": await _health(app, None),
            "io_executor": await _health(app.io_executor, lambda: _waiting(app.io_executor)),
            "cpu_executor": await _health(app.cpu_executor, lambda: _waiting(app.cpu_executor)),
            "scheduler": await _health(app.scheduler, self._schedules),
            "backend": await _health(app, lambda: app.get_result("health check")),
        }
        return {
            "healthy": all(each is None or each["healthy"] for each in components.values()),
            "timestamp": datetime.now(timezone.utc),
            "components": components,
        }


class _Runs(Protocol):
    """A part of an application."""

    @property
    def is_running(self) -> bool:
        """Whether it runs."""


async def _health(part: _Runs | None, ask: Callable[[], Awaitable[object]] | None) -> View | None:
    """Return whether a part runs and answers; None: it is not there."""
    if part is None:
        return None
    if not part.is_running:
        return {"healthy": False, "message": "not running"}
    try:
        if ask is not None:
            await ask()
    except FlowrraError as error:
        return {"healthy": False, "message": str(error)}
    return {"healthy": True, "message": "running"}


def _executor(executor: BaseTaskExecutor | None) -> View | None:
    if executor is None:
        return None
    return {"running": executor.is_running, "workers": executor._places}


async def _waiting(executor: BaseTaskExecutor | None) -> int:
    """Return how many tasks wait, also for a retry."""
    if executor is None:
        return 0
    async with executor._settled():
        return await executor.broker.size()


def _task(record: TaskResult) -> View:
    view = {each.name: getattr(record, each.name) for each in fields(record)}
    return {**view, "status": record.status.value}


def _schedule(task: ScheduledTask) -> View:
    names = [each.name for each in fields(task) if each.name not in {*_DETAILS, *_INTERNAL}]
    view = {name: getattr(task, name) for name in names}
    return {**view, "schedule_type": task.schedule_type.value}
