"""The development mode: tasks are run when they are called, in that thread, without a runner."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.context import CurrentInvocation, RunnerContext, running
from simclock.systems.runners.failures import RunnerNotExecutableError
from simclock.systems.runners.identifiers import InvocationId
from simclock.systems.runners.statuses import InvocationStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.calls import Call
    from simclock.systems.runners.tasks import Task


class ConcurrentInvocation:
    """A call that has been run, once, with its retries; what became of it is kept.

    Arguments are serialised all the same: what could not be passed to a runner is told.

    Args:
        call: What is run.

    Attributes:
        call: The same.
        invocation_id: What it is known by.
        num_retries: How often it was tried again.
    """

    def __init__(self, call: Call) -> None:
        _ = call.serialized_arguments
        self.call = call
        self.invocation_id: InvocationId = InvocationId.new()
        self.num_retries: int = 0
        self._value: Any = None
        self._error: Exception | None = None
        while not self._is_done():
            self.num_retries += 1

    @property
    def status(self) -> InvocationStatus:
        """SUCCESS or FAILED."""
        return InvocationStatus.SUCCESS if self._error is None else InvocationStatus.FAILED

    @property
    def task(self) -> Task:
        """The task."""
        return self.call.task

    def _is_done(self) -> bool:
        """Run it once; return whether that was the last time, and wait if it was not."""
        options = self.task.options
        self._error = None
        try:
            with running(self._current()):
                self._value = self._called()
        except Exception as error:  # noqa: BLE001 - it is raised by the result
            self._error = error
            if self.num_retries < options.max_retries and options.is_retriable(error):
                time.sleep(options.policy.delay_of(self.num_retries + 1, random.Random()))
                return False
        return True

    def _current(self) -> CurrentInvocation:
        return CurrentInvocation(
            id=self.invocation_id,
            app=self.task.app,
            runner=RunnerContext("ConcurrentInvocation"),
            waits=_Never(),
            stop=threading.Event(),
            retries=self.num_retries,
        )

    def _called(self) -> Any:
        call, task = self.call, self.task
        if task.is_async:
            return _completed(lambda: call.arguments.call(task.func))
        return call.arguments.call(task.func)

    @property
    def result(self) -> Any:
        """What it has returned; what it has raised is raised, each time."""
        return self.get_result()

    def get_result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - there is nothing to wait for
        """Return the result."""
        if self._error is not None:
            raise self._error
        return self._value

    async def async_result(self, timeout: float | None = None) -> Any:
        """Return the result."""
        return self.get_result(timeout)


class ConcurrentInvocationGroup:
    """Many calls that have been run, one after the other.

    Args:
        app: The application.
        invocations: Their invocations.
    """

    def __init__(self, app: Pynenc, invocations: Iterable[ConcurrentInvocation]) -> None:
        self.app = app
        self.invocations: list[Any] = list(invocations)

    def __len__(self) -> int:
        return len(self.invocations)

    def __iter__(self) -> Iterator[ConcurrentInvocation]:
        return iter(self.invocations)

    @property
    def results(self) -> Iterator[Any]:
        """What they have returned; what one has raised is raised."""
        return self.get_results()

    def get_results(self, timeout: float | None = None) -> Iterator[Any]:
        """Yield what they have returned."""
        return (each.get_result(timeout) for each in self.invocations)

    async def async_results(self, timeout: float | None = None) -> AsyncIterator[Any]:
        """Do the same."""
        for each in self.invocations:
            yield each.get_result(timeout)


class _Never:
    """Waits for nobody: in this mode each result is there at once."""

    def waiting_for_results(self, *_: Any) -> None:
        raise RunnerNotExecutableError(
            "a task in development mode waits for one of a runner\n"
            "call both with dev_mode_force_sync_tasks, or none"
        )

    async def async_waiting_for_results(self, *_: Any) -> None:
        self.waiting_for_results()


def _completed(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what a coroutine returns, in a loop of its own; in a thread if one runs here."""

    async def awaited() -> Any:
        return await call()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(awaited())
    return _in_thread(lambda: asyncio.run(awaited()))


def _in_thread(call: Callable[[], Any]) -> Any:
    results: list[Any] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(call))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            errors.append(error)

    thread = threading.Thread(target=run, name="development mode")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
