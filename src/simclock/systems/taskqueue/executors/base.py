"""What all executors of tasks have in common."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.access import ended
from simclock.systems.taskqueue.backends import get_backend
from simclock.systems.taskqueue.brokers import InMemoryBroker, get_broker
from simclock.systems.taskqueue.config import Config, ExecutorConfig
from simclock.systems.taskqueue.events import EventBus, event_bus
from simclock.systems.taskqueue.executors.checking import (
    arguments_of,
    check_arguments,
    check_call,
    check_called,
    check_id,
    check_parts,
    check_timeout,
)
from simclock.systems.taskqueue.executors.dispatch import Dispatcher
from simclock.systems.taskqueue.executors.gathering import completed, mapped
from simclock.systems.taskqueue.executors.shop import Reason, Shop
from simclock.systems.taskqueue.executors.submitting import Entrance, check_kind, task_of
from simclock.systems.taskqueue.failures import BrokerError, ExecutorNotRunningError
from simclock.systems.taskqueue.ledger import Ledger
from simclock.systems.taskqueue.loops import check_loop
from simclock.systems.taskqueue.registry import TaskRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from types import TracebackType

    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.brokers import BaseBroker
    from simclock.systems.taskqueue.registry import Definition
    from simclock.systems.taskqueue.tasks import Task, TaskResult

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")


class _Run:
    """What there is from a start to the end of a stop."""

    def __init__(self, dispatcher: Dispatcher, entrance: Entrance) -> None:
        self.dispatcher = dispatcher
        self.entrance = entrance
        self.loop = asyncio.get_running_loop()
        self.stopping: asyncio.Future[None] | None = None
        # A stop that waits is to wait no longer.
        self.hurry = asyncio.Event()


class BaseTaskExecutor(ABC):
    """Takes calls of registered functions, and runs them later, several at a time.

    Each task that was submitted ends in exactly one way: SUCCESS, FAILED or
    CANCELLED. One that fails is run again, after a delay, in which others are
    run. Without a broker tasks wait in this executor, and are begun once, unless
    they fail or their process crashes. With one, all executors of the same
    broker share them, and each task is run *at least* once: also if who runs it
    is killed. It then runs again, up to `ExecutorConfig.max_losses` times.

    Tasks with lower priority numbers come first; among equals, the first one.

    An executor may be stopped and started again, also in another event loop.
    Its methods are for the loop in which it was started.

    Args:
        config: Its settings; None: all have their defaults.
        registry: The functions; None: a new one.
        queue_suffix: Added to the name of the broker's queue.
        broker: One to be used in place of the configured one, and shared with
            others: it is not closed.
        backend: The same of result backends.
        events: Where each change of a record is told; by default `event_bus`.

    Attributes:
        config: The settings.
        registry: The functions.
    """

    # Whether its functions are plain ones that compute; None: it takes both kinds.
    _cpu_bound: bool | None = None

    def __init__(
        self,
        config: Config | None,
        registry: TaskRegistry | None = None,
        queue_suffix: str = "",
        *,
        broker: BaseBroker | None = None,
        backend: BaseResultBackend | None = None,
        events: EventBus | None = None,
    ) -> None:
        check_parts(config, registry, broker, backend)
        self.config: Config = Config() if config is None else config
        # Not `or`: an empty registry is false.
        self.registry: TaskRegistry = TaskRegistry() if registry is None else registry
        self._settings = self.config.executor or ExecutorConfig()
        self._owned: list[BaseBroker | BaseResultBackend] = []
        if broker is None:
            broker = get_broker(self.config.broker, queue_suffix)
            self._owned += [] if broker is None else [broker]
        self._has_broker = broker is not None
        self._broker = InMemoryBroker() if broker is None else broker
        if backend is None:
            backend = get_backend(self.config.backend)
            self._owned.append(backend)
        self._backend = backend
        self._ledger = Ledger(backend, event_bus if events is None else events)
        self._run: _Run | None = None

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return f"<{type(self).__name__} of {len(self.registry)} functions, {state}>"

    @property
    def is_running(self) -> bool:
        """Whether it takes tasks."""
        run = self._run
        return run is not None and run.stopping is None and not run.loop.is_closed()

    @property
    def backend(self) -> BaseResultBackend:
        """Where the records of its tasks are."""
        return self._backend

    @property
    def broker(self) -> BaseBroker:
        """Where its tasks wait."""
        return self._broker

    def is_broker(self) -> bool:
        """Return whether tasks wait in a broker, where others may run them, too."""
        return self._has_broker

    def task(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Do what `TaskRegistry.task` does, with this executor's registry."""
        return self.registry.task(*args, **kwargs)

    # ------------------------------------------------------------------------- the tasks

    async def submit(
        self, task_func: Callable[..., Any], *args: Any, priority: int = 0, **kwargs: Any
    ) -> str:
        """Have a registered function called, and return the task's id.

        If as many tasks wait as may, this waits until there is room. Whatever
        it raises, also when it is cancelled, nothing was submitted.

        Args:
            task_func: The function.
            *args: What to call it with.
            priority: Tasks with lower numbers are run first.
            **kwargs: What to call it with, by keyword.

        Raises:
            ExecutorNotRunningError: It was not started, or is stopped meanwhile.
            TaskNotFoundError: The function is not registered.
            TypeError: It is for another kind of executor; or the arguments
                cannot get to where it is run.
            QueueFullError: There was no room within `ExecutorConfig.submit_timeout`.
            BrokerError: The task cannot be kept.
            BackendError: Its record cannot be kept.
        """
        run = self._running()
        task = self._task(task_func, args, kwargs, priority)
        with arguments_of(task):
            await run.entrance.take(task)
        return task.id

    async def submit_once(
        self,
        task_id: str,
        task_func: str | Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        priority: int = 0,
        max_retries: int | None = None,
        retry_delay: float | None = None,
    ) -> None:
        """Do what `submit` does, by an id that says which task it is.

        Whoever does the same again, also in another process with the same
        result backend, submits nothing; but if this has failed, he does.

        Args:
            task_id: The task's id.
            task_func: The function, or its name.
            args: What to call it with.
            kwargs: The same, by keyword.
            priority: Tasks with lower numbers are run first.
            max_retries: How often it is tried after the first time; None: as the function says.
            retry_delay: Seconds before the first retry; None: the same.

        Raises:
            ValueError: *max_retries* or *retry_delay* has no meaning.
            FlowrraError: As for `submit`; its record may stay, PENDING.
        """
        run = self._running()
        check_id(task_id)
        check_call(args, kwargs)
        task = self._task(task_func, tuple(args), dict(kwargs or {}), priority)
        task = dataclasses.replace(
            task,
            id=task_id,
            max_retries=task.max_retries if max_retries is None else max_retries,
            retry_delay=task.retry_delay if retry_delay is None else retry_delay,
        )
        # Made to be checked: later there would be nobody to be told.
        _ = task.policy
        with arguments_of(task):
            await run.entrance.take_once(task)

    async def cancel(self, task_id: str) -> bool:
        """Let a task that has not ended be cancelled; return whether it could be.

        Its record says so when this returns. If it is running here, it is being
        interrupted then: a coroutine is cancelled, a process is killed. If it is
        running elsewhere, that is interrupted when its lease is renewed.
        """
        check_id(task_id)
        async with self._settled():
            if not await self._ledger.cancel(task_id, Reason.CANCELLED.value):
                return False
            attempt = None if self._run is None else self._run.dispatcher.attempt_at(task_id)
            if attempt is not None:
                attempt.interrupt(Reason.CANCELLED)
                return True
            try:
                await self._broker.remove(task_id)
            except BrokerError as error:
                # Whoever gets it sees that it was cancelled.
                logger.warning("cancelled task %s stays in the queue: %s", task_id, error)
            return True

    async def wait_for_result(self, task_id: str, timeout: float | None = None) -> TaskResult:
        """Wait until a task has ended, in whatever way, and return its record.

        Raises:
            UnknownTaskIdError: Nothing is known of it, or nothing any more.
            TaskTimeoutError: It has not ended within *timeout* seconds.
            BackendError: Its record cannot be read.
        """
        check_id(task_id)
        check_timeout(timeout)
        async with self._settled():
            return await self._backend.wait_for(task_id, timeout)

    async def get_result(self, task_id: str) -> TaskResult | None:
        """Return the record of a task, wherever that is; None if nothing is known of it."""
        check_id(task_id)
        async with self._settled():
            return await self._backend.get(task_id)

    def map(
        self, task_func: Callable[..., Any], iterable: Iterable[Any], *, priority: int = 0
    ) -> AsyncIterator[Any]:
        """Submit a call for each item, and yield what they return, in the order of the items.

        Items are taken as results are: at most as many tasks are ahead as
        may wait in the queue and be run at once. When the iteration ends before
        its time, by a failure or by ``aclose()``, those are cancelled.

        Raises:
            TaskFailedError: A call has failed, or was cancelled; after its predecessors' results.
        """
        ahead = self._settings.max_queue_size + self._places
        return mapped(self, task_func, iterable, priority, ahead)

    def as_completed(
        self, task_ids: Iterable[str], timeout: float | None = None
    ) -> AsyncIterator[TaskResult]:
        """Yield the records of tasks as these end: who ends first comes first.

        Raises:
            TaskTimeoutError: *timeout* seconds after the first step, one of them had not ended.
            UnknownTaskIdError: Nothing is known of one of them.
        """
        return completed(self, task_ids, timeout)

    # ------------------------------------------------------------------------- its life

    @abstractmethod
    async def start(self) -> None:
        """Begin to take tasks and to run them; do nothing if it does. See `_begin`."""

    @abstractmethod
    async def stop(self, wait: bool = True, timeout: float | None = 30.0) -> None:
        """Take no more tasks, and end. Do nothing if it does not run. See `_end`.

        Args:
            wait: Whether to run what was submitted before, retries included.
            timeout: For how many seconds at most; None: as long as it takes. Then
                what is under way is interrupted, for which it has
                `ExecutorConfig.grace`; and the stores are told, which takes
                their ``socket_timeout`` each time if a server says nothing.

        Raises:
            RuntimeError: It runs in another event loop; or a task stops what runs it.
            ValueError: *timeout* has no meaning; it goes on.
        """

    async def __aenter__(self) -> BaseTaskExecutor:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        # Whoever is cancelled, or interrupted, does not wait for what was submitted.
        await self.stop(wait=exc_type is None or issubclass(exc_type, Exception))

    async def _begin(self) -> None:
        """Do the work of `start`."""
        while (run := self._run) is not None and not run.loop.is_closed():
            check_loop(self, run.loop)
            if run.stopping is None:
                return
            await asyncio.wait({run.stopping})
        settings = self._settings
        requeues = settings.requeue_interrupted
        shop = Shop(
            broker=self._broker,
            ledger=self._ledger,
            perform=self._perform,
            knows=lambda task: task.name in self.registry,
            max_losses=settings.max_losses,
            requeues=self._has_broker if requeues is None else requeues,
            grace=settings.grace,
            random=random.Random(),
        )
        limit = None if self._has_broker else settings.max_queue_size
        entrance = Entrance(self._broker, self._ledger, limit, settings.submit_timeout)
        self._run = _Run(Dispatcher(shop, self._places), entrance)

    async def _end(self, wait: bool, timeout: float | None) -> None:
        """Do the work of `stop`: drain, interrupt what is left, close.

        What was interrupted is cancelled, or given back to the broker, and is
        run again by whoever gets it: `ExecutorConfig.requeue_interrupted`. What
        was not begun stays in the queue, and is run after the next start.

        If this is cancelled, it interrupts at once. So it does if somebody else
        calls it with *wait* being False, or at the end of his *timeout*.
        """
        check_timeout(timeout)
        run = self._run
        if run is not None and run.loop.is_closed():
            # It has interrupted all, at its end; there was nobody to close what is open.
            self._run = None
            await self._close()
            await self._close_owned()
            return
        if run is None:
            return
        check_loop(self, run.loop)
        if run.dispatcher.runs(asyncio.current_task()):
            raise RuntimeError(
                f"a task stops what runs it: {self!r}\n"
                "it would wait for itself: let who has started the executor stop it"
            )
        alarm = None
        if run.stopping is None:
            run.stopping = asyncio.create_task(self._stop_run(run, wait, timeout))
        elif not wait:
            run.hurry.set()
        elif timeout is not None:
            alarm = run.loop.call_later(timeout, run.hurry.set)
        try:
            await asyncio.shield(run.stopping)
        except asyncio.CancelledError:
            run.hurry.set()
            await ended(run.stopping)
            raise
        finally:
            if alarm is not None:
                alarm.cancel()

    async def _stop_run(self, run: _Run, wait: bool, timeout: float | None) -> None:
        run.entrance.shut()
        # Who runs none leaves them to others.
        waits = wait and self._places > 0
        try:
            if waits and not await run.dispatcher.drain(timeout, run.hurry):
                logger.warning("%r stops before all tasks have ended", self)
            await run.dispatcher.halt()
        finally:
            try:
                await self._close()
            finally:
                # Whatever has failed: or it could not be started any more.
                self._run = None
                await self._close_owned()

    async def _close_owned(self) -> None:
        for each in self._owned:
            await each.close()

    async def _close(self) -> None:  # noqa: B027 - there may be nothing
        """Let go of what `_perform` needs, when no task is under way; for subclasses."""

    # ------------------------------------------------------------------------- for subclasses

    @property
    def _places(self) -> int:
        """How many tasks are run at once."""
        return self._settings.io_workers

    async def _perform(self, task: Task) -> Any:
        """Call the function of a task, and return what it returns; for subclasses."""
        return await self.registry.definition(task.name).function(*task.args, **task.kwargs)

    def _task(
        self,
        function: str | Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        priority: int,
    ) -> Task:
        """Return a new task, or raise what `submit` raises of a call that cannot be one."""
        check_called(function)
        definition = self.registry.definition(function)
        check_kind(definition, type(self).__name__, cpu_bound=self._cpu_bound)
        task = task_of(definition, self._settings, args, kwargs, priority)
        check_arguments(definition, task)
        self._check_arguments(definition, task)
        return task

    def _check_arguments(  # noqa: B027 - there may be nothing to check
        self, definition: Definition, task: Task
    ) -> None:
        """Raise a `TaskArgumentError` if they cannot get to the function; for subclasses."""

    def _running(self) -> _Run:
        if self._run is None or not self.is_running:
            raise ExecutorNotRunningError(type(self).__name__)
        check_loop(self, self._run.loop)
        return self._run

    @contextlib.asynccontextmanager
    async def _settled(self) -> AsyncIterator[None]:
        """Close, after an operation while it does not run, what that has opened."""
        try:
            yield
        finally:
            if self._run is None or self._run.loop.is_closed():
                await self._close_owned()
