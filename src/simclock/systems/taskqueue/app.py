"""The application: one face for tasks of both kinds, and for those that are submitted when due."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, cast

from simclock.systems.taskqueue.backends import get_backend
from simclock.systems.taskqueue.config import BackendConfig, BrokerConfig, Config, SchedulerConfig
from simclock.systems.taskqueue.executors import BaseTaskExecutor, CPUExecutor, IOExecutor
from simclock.systems.taskqueue.executors.checking import check_timeout
from simclock.systems.taskqueue.executors.gathering import completed
from simclock.systems.taskqueue.failures import ExecutorNotRunningError, TaskNotFoundError
from simclock.systems.taskqueue.loops import check_loop
from simclock.systems.taskqueue.registry import TaskRegistry
from simclock.systems.taskqueue.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
    from types import TracebackType

    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.events import EventBus
    from simclock.systems.taskqueue.registry import Function, TaskFunction
    from simclock.systems.taskqueue.schedule_backends import BaseSchedulerBackend
    from simclock.systems.taskqueue.submissions import Submission
    from simclock.systems.taskqueue.tasks import TaskResult

logger: logging.Logger = logging.getLogger(__package__)


class Flowrra:
    """Runs registered functions as tasks: each where it belongs, now or when it is due.

        app = Flowrra.from_urls(backend="sqlite:///results.db")

        @app.task()
        async def fetch(url): ...

        @app.task(cpu_bound=True)
        def squares(n): ...

        async with app:
            task_id = await app.submit(fetch, "https://example.org", priority=-1)
            result = await app.wait_for_result(task_id)

    Coroutine functions are run by an `IOExecutor`, others by a `CPUExecutor`.
    Each is made for the first function of its kind, and started with the
    application, or at once if that runs. Both have one registry and one result
    backend. What they promise, and raise, is said by `BaseTaskExecutor`.

    It may be stopped and started again, also in another event loop. Its
    coroutine methods are for the loop in which it was started.

    Args:
        config: Its settings; None: all have their defaults.
        events: Where each change of a record is told; by default `event_bus`.

    Attributes:
        config: The settings.
        registry: The functions.
    """

    def __init__(self, config: Config | None = None, *, events: EventBus | None = None) -> None:
        self.config: Config = Config() if config is None else config
        self.registry: TaskRegistry = TaskRegistry()
        self._events = events
        self._backend = get_backend(self.config.backend)
        self._io: IOExecutor | None = None
        self._cpu: CPUExecutor | None = None
        self._scheduler: Scheduler | None = None
        # None while it does not run.
        self._loop: asyncio.AbstractEventLoop | None = None
        # What starts that which was made while it runs.
        self._starting: set[asyncio.Task[None]] = set()
        if self.config.scheduler is not None and self.config.scheduler.enabled:
            self.create_scheduler()

    @classmethod
    def from_urls(cls, broker: str | None = None, backend: str | None = None) -> Flowrra:
        """Make an application that keeps tasks, and their records, at these URLs.

        Args:
            broker: None: tasks wait in memory.
            backend: None: records are kept in memory, and there are no CPU-bound tasks.
        """
        return cls(
            Config(
                broker=None if broker is None else BrokerConfig(broker),
                backend=None if backend is None else BackendConfig(backend),
            )
        )

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return f"<{type(self).__name__} of {len(self.registry)} functions, {state}>"

    @property
    def is_running(self) -> bool:
        """Whether it takes tasks."""
        return self._loop is not None and not self._loop.is_closed()

    @property
    def backend(self) -> BaseResultBackend:
        """Where the records of its tasks are."""
        return self._backend

    @property
    def io_executor(self) -> IOExecutor | None:
        """What runs its coroutine functions; None: there is none yet."""
        return self._io

    @property
    def cpu_executor(self) -> CPUExecutor | None:
        """What runs its other functions; None: there is none yet."""
        return self._cpu

    @property
    def scheduler(self) -> Scheduler | None:
        """What submits tasks when they are due; see `create_scheduler`."""
        return self._scheduler

    # ------------------------------------------------------------------------- what it has

    def task(
        self, name: str | None = None, cpu_bound: bool = False, **kwargs: Any
    ) -> Callable[[Function], Function]:
        """Return a decorator that registers a function; also while the application runs.

        Args:
            name: What it is known by; by default the function's name.
            cpu_bound: Whether it is a plain function that computes, to be run
                in a process, or a coroutine function.
            **kwargs: See `TaskRegistry.task`.

        Raises:
            ValueError: It is CPU-bound, and the application has no result backend
                but memory; or as `TaskRegistry.task` does.
            TypeError: The function is none of that kind.
        """
        decorator = self.registry.task(name, cpu_bound, **kwargs)

        def register(function: Function) -> Function:
            self._executor(cpu_bound=cpu_bound)
            registered = decorator(function)
            self._start_soon()
            return registered

        return register

    def create_scheduler(
        self,
        backend: BaseSchedulerBackend | str | None = None,
        check_interval: float | None = None,
    ) -> Scheduler:
        """Make the scheduler, which is started and stopped with the application, and return it.

        Args:
            backend: Where schedules are kept: a backend, its URL, or None: where
                `SchedulerConfig` says. If there is a scheduler already, None
                means that one.
            check_interval: Seconds between two looks at the schedules, at most;
                None: what `SchedulerConfig` says, by default 60.

        Raises:
            ValueError: There is another scheduler; or an argument has no meaning.
        """
        settings = self.config.scheduler or SchedulerConfig()
        if self._scheduler is not None:
            if backend is None and check_interval in {None, self._scheduler.check_interval}:
                return self._scheduler
            raise ValueError(
                f"the application has a scheduler already: {self._scheduler.backend!r}\n"
                "use its `scheduler`, or do without the settings of one in its Config"
            )
        self._scheduler = Scheduler(
            settings.database_url if backend is None else backend,
            self.registry,
            settings.check_interval if check_interval is None else check_interval,
            timezone=settings.timezone,
        )
        self._scheduler.set_submission(self._submit_run)
        self._start_soon()
        return self._scheduler

    # ------------------------------------------------------------------------- the tasks

    async def submit(
        self, task_func: TaskFunction, *args: Any, priority: int = 0, **kwargs: Any
    ) -> str:
        """Have a registered function called, and return the task's id.

        Args:
            task_func: The function; one that others have registered, too, is run here.
            *args: What to call it with.
            priority: Tasks with lower numbers are run first.
            **kwargs: What to call it with, by keyword.

        Raises:
            ExecutorNotRunningError: The application is not running.
            TaskNotFoundError: The function is not registered here.
            FlowrraError: See `BaseTaskExecutor.submit` for more.
        """
        executor = await self._started(task_func)
        return await executor.submit(task_func, *args, priority=priority, **kwargs)

    async def get_result(self, task_id: str) -> TaskResult | None:
        """Return the record of a task, wherever that is; None if nothing is known of it."""
        async with self._opened() as backend:
            return await backend.get(task_id)

    async def wait_for_result(self, task_id: str, timeout: float | None = None) -> TaskResult:
        """Wait until a task has ended, in whatever way, and return its record.

        Raises:
            UnknownTaskIdError: Nothing is known of it: a `LookupError`, and a `ValueError`.
            TaskTimeoutError: It has not ended within *timeout* seconds.
        """
        async with self._opened() as backend:
            return await backend.wait_for(task_id, timeout)

    async def cancel(self, task_id: str) -> bool:
        """Let a task that has not ended be cancelled; return whether it could be.

        See `BaseTaskExecutor.cancel`.
        """
        record = await self.get_result(task_id)
        if record is None:
            return False
        try:
            cpu_bound = self.registry.definition(record.task_name or "").cpu_bound
        except TaskNotFoundError:
            cpu_bound = False  # of another application, and its record says it all
        async with self._opened():
            return await self._executor(cpu_bound=cpu_bound).cancel(task_id)

    async def map(
        self, task_func: TaskFunction, iterable: Iterable[Any], *, priority: int = 0
    ) -> AsyncIterator[Any]:
        """Submit a call for each item, and yield what they return, in the order of the items.

        See `BaseTaskExecutor.map`.
        """
        executor = await self._started(task_func)
        results = cast(
            "AsyncGenerator[Any, None]", executor.map(task_func, iterable, priority=priority)
        )
        # It cancels what it is ahead by, in this instant and not when it is collected.
        async with contextlib.aclosing(results):
            async for result in results:
                yield result

    def as_completed(
        self, task_ids: Iterable[str], timeout: float | None = None
    ) -> AsyncIterator[TaskResult]:
        """Yield the records of tasks as these end. See `BaseTaskExecutor.as_completed`."""
        return completed(self, task_ids, timeout)

    # ------------------------------------------------------------------------- its life

    async def start(self) -> None:
        """Begin to run tasks, and to submit those that are due. Idempotent.

        If it raises, nothing was started.

        Raises:
            RuntimeError: It runs in another event loop.
        """
        if self._loop is not None and not self._loop.is_closed():
            check_loop(self, self._loop)
            return
        self._loop = asyncio.get_running_loop()
        self._starting = set()
        try:
            await self._start_all()
        except BaseException:
            await self.stop(wait=False)
            raise

    async def stop(self, wait: bool = True, timeout: float | None = 30.0) -> None:
        """Take no more tasks, and end: first the scheduler, then the executors. Idempotent.

        The executors end at the same time: tasks of one may wait for tasks of
        the other.

        Args:
            wait: Whether to run what was submitted before, retries included.
            timeout: For how many seconds at most; None: as long as it takes.

        Raises:
            RuntimeError: It runs in another event loop; and goes on.
            ValueError: *timeout* has no meaning; the same.
        """
        check_timeout(timeout)
        loop = self._loop
        if loop is None:
            return
        if loop.is_closed():
            # It has ended what was starting; there was nobody to close what is open.
            self._starting = set()
        else:
            check_loop(self, loop)
        self._loop = None
        starting = tuple(self._starting)
        for each in starting:
            each.cancel()
        if starting:
            await asyncio.wait(starting)
        try:
            if self._scheduler is not None:
                await self._scheduler.stop()
        finally:
            executors = [each for each in (self._cpu, self._io) if each is not None]
            try:
                await asyncio.gather(*(each.stop(wait, timeout) for each in executors))
            finally:
                await self._backend.close()

    async def __aenter__(self) -> Flowrra:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start_all(self) -> None:
        """Start what is there and does not run."""
        for definition in map(self.registry.definition, self.registry.list_tasks()):
            self._executor(cpu_bound=definition.cpu_bound)
        for each in (self._io, self._cpu, self._scheduler):
            if each is not None and self.is_running:
                await each.start()

    def _start_soon(self) -> None:
        """If the application runs, start what was made since; from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._start_late)

    def _start_late(self) -> None:
        if self._loop is not None:
            starting = self._loop.create_task(self._start_all())
            self._starting.add(starting)
            starting.add_done_callback(self._has_started)

    def _has_started(self, starting: asyncio.Task[None]) -> None:
        self._starting.discard(starting)
        if not starting.cancelled() and (error := starting.exception()) is not None:
            logger.error("what was added to a running application does not start", exc_info=error)

    def _executor(self, *, cpu_bound: bool) -> BaseTaskExecutor:
        """Return the executor of a kind, which is made if there is none."""
        if cpu_bound:
            if self._cpu is None:
                # Without one in the settings it says what is wrong.
                backend = None if self.config.backend is None else self._backend
                self._cpu = CPUExecutor(
                    self.config, self.registry, backend=backend, events=self._events
                )
            return self._cpu
        if self._io is None:
            self._io = IOExecutor(
                self.config, self.registry, backend=self._backend, events=self._events
            )
        return self._io

    async def _started(self, task: str | TaskFunction) -> BaseTaskExecutor:
        """Return the executor of a function, which runs."""
        if not self.is_running:
            raise ExecutorNotRunningError("the application")
        executor = self._executor(cpu_bound=self.registry.definition(task).cpu_bound)
        # It may be new.
        await executor.start()
        return executor

    async def _submit_run(self, submission: Submission) -> None:
        await submission.to(await self._started(submission.definition.name))

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[BaseResultBackend]:
        """Return the result backend for one use: nobody need close what he has not started."""
        try:
            yield self._backend
        finally:
            if not self.is_running:
                await self._backend.close()
