"""Run one invocation, here and now, and keep what becomes of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.calls import deserialized
from simclock.systems.runners.context import CurrentInvocation, running
from simclock.systems.runners.failures import (
    DamagedRecordError,
    InvocationInterrupted,
    InvocationNotFoundError,
    InvocationStatusError,
    InvocationStatusRaceConditionError,
    PynencError,
    StateBackendError,
)
from simclock.systems.runners.insisting import FIRST_BACK_OFF, LONGEST_BACK_OFF
from simclock.systems.runners.raising import store_error
from simclock.systems.runners.serializers import naming

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.arguments import Arguments
    from simclock.systems.runners.context import RunnerContext, Waits
    from simclock.systems.runners.stored import StoredError, StoredInvocation
    from simclock.systems.runners.tasks import Task

# How often it is told again when the runner stops.
LAST_TRIES = 3
logger: logging.Logger = logging.getLogger("simclock.systems.runners")


def run_invocation(
    app: Pynenc,
    stored: StoredInvocation,
    runner: RunnerContext,
    *,
    stop: threading.Event,
    waits: Waits,
    returned: Callable[[], object] = lambda: None,
) -> None:
    """Run an invocation that *runner* has taken, in this thread; a coroutine in a loop of its own.

    Whatever its body raises is kept, and not raised: its owner lives on, so nobody
    else would end it. If somebody else owns the invocation by now, that is
    logged, and what the body did is dropped.

    Args:
        app: The application, as it is here.
        stored: The invocation, PENDING.
        runner: Its owner.
        stop: Is set when the runner stops: see `CurrentInvocation`.
        waits: Decides how the body waits for other invocations.
        returned: Is called after the body, before it is noted what came of it; perhaps twice.
    """
    execution = _Execution(app, stored, runner, stop=stop, waits=waits, returned=returned)
    if not execution.begin():
        return
    try:
        value = execution.call()
    except BaseException as error:  # noqa: BLE001 - see above
        execution.failed(error)
    else:
        execution.succeeded(value)


async def run_invocation_async(
    app: Pynenc,
    stored: StoredInvocation,
    runner: RunnerContext,
    *,
    stop: threading.Event,
    waits: Waits,
    returned: Callable[[], object] = lambda: None,
) -> None:
    """Do the same on the running event loop, which is not blocked: stores are used in threads.

    A plain function is called in a thread. If *stop* is set and this is
    cancelled, so is the body, and the invocation is left to its runner.
    """
    execution = _Execution(app, stored, runner, stop=stop, waits=waits, returned=returned)
    if not await asyncio.to_thread(execution.begin):
        return
    try:
        value = await execution.call_async()
    except GeneratorExit:
        raise  # the loop is closed: nothing can be awaited
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and stop.is_set():
            raise
        await asyncio.to_thread(execution.failed, error)
    else:
        await asyncio.to_thread(execution.succeeded, value)


class _Execution:
    """One run of an invocation."""

    def __init__(
        self,
        app: Pynenc,
        stored: StoredInvocation,
        runner: RunnerContext,
        *,
        stop: threading.Event,
        waits: Waits,
        returned: Callable[[], object],
    ) -> None:
        self._app = app
        self._stored = stored
        self._runner = runner
        self._stop = stop
        self._returned = returned
        self._current = CurrentInvocation(
            stored.id, app, runner, waits, stop, retries=stored.retries
        )

    def begin(self) -> bool:
        """Note that it runs; return whether it may."""
        start = self._app.orchestrator.start
        return self._told(lambda: start(self._stored.id, self._runner, routing=self._routing))

    @property
    def _routing(self) -> int:
        return self._stored.routing

    def call(self) -> Any:
        """Return what the body returns."""
        with running(self._current):
            task, arguments = self._prepared()
            if task.is_async:
                return asyncio.run(_awaited(task, arguments))
            return arguments.call(task.func)

    async def call_async(self) -> Any:
        """Return the same, of the running loop."""
        with running(self._current):
            task, arguments = await asyncio.to_thread(self._prepared)
            if task.is_async:
                return await arguments.call(task.func)
            return await asyncio.to_thread(arguments.call, task.func)

    def _prepared(self) -> tuple[Task, Arguments]:
        task = self._app.get_task(self._stored.task)
        return task, deserialized(self._app.serializer, self._stored.arguments)

    def succeeded(self, value: Any) -> None:
        """Keep what the body has returned; if that is impossible, it has failed."""
        self._returned()
        try:
            with naming(f"the result of {self._stored.task}"):
                result = self._app.serializer.serialize(value)
        except PynencError as error:
            self.failed(error)
            return
        succeed = self._app.orchestrator.succeed
        self._told(lambda: succeed(self._stored.id, self._runner, result, routing=self._routing))

    def failed(self, error: BaseException) -> None:
        """Keep what the body has raised, or have it run again."""
        self._returned()
        if isinstance(error, InvocationInterrupted):
            self._give_back()
            return
        logger.info("invocation %s of %s: %r", self._stored.id, self._stored.task, error)
        kept = store_error(error, self._app.serializer)
        is_retriable = self._app.options_of(self._stored.task).is_retriable(error)
        self._told(lambda: self._retry_or_fail(kept, is_retriable=is_retriable))

    def _retry_or_fail(self, error: StoredError, *, is_retriable: bool) -> None:
        of, orchestrator = (self._stored.id, self._runner, error), self._app.orchestrator
        if is_retriable and orchestrator.retry(*of, routing=self._routing):
            return
        orchestrator.fail(*of, routing=self._routing)

    def _give_back(self) -> None:
        give_back = self._app.orchestrator.kill_and_reroute
        self._told(
            lambda: give_back(self._stored.id, self._runner, orderly=True, routing=self._routing)
        )

    def _told(self, tell: Callable[[], Any]) -> bool:
        """Tell the store something until it knows; return whether that was still true.

        While the store cannot be reached the runner has no heartbeats either:
        others may take the invocation over. So there is no end to it but the runner's.
        """
        pause, tries = FIRST_BACK_OFF, 0
        while True:
            try:
                tell()
            except InvocationStatusRaceConditionError as error:
                problem: Exception = error
            except (InvocationStatusError, InvocationNotFoundError, DamagedRecordError) as error:
                logger.warning("invocation %s is not ours any more: %s", self._stored.id, error)
                return False
            except StateBackendError as error:
                problem = error
            else:
                return True
            tries += 1
            if self._stop.is_set() and tries > LAST_TRIES:
                logger.error("invocation %s is given up: %s", self._stored.id, problem)
                return False
            logger.warning("invocation %s, told again: %s", self._stored.id, problem)
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_BACK_OFF)


async def _awaited(task: Task, arguments: Arguments) -> Any:
    return await arguments.call(task.func)
