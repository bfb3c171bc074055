"""The runner whose coroutines share one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.failures import PynencError, RunnerError
from simclock.systems.runners.inprocess import InProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from simclock.systems.runners.bodies import Body
    from simclock.systems.runners.config import AsyncRunnerConfig
    from simclock.systems.runners.identifiers import InvocationId

# In the loop's pool; as good as no limit. Python's own is of a few.
MOST_THREADS = 10_000
# Seconds that coroutines have which were cancelled, and the loop has to end.
SETTLING = 1.0


class LoopThread:
    """An event loop in a thread of its own.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._tasks: set[asyncio.Task[None]] = set()
        self._problem: Exception | None = None
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start it, and wait until it can be used.

        Raises:
            OSError: The system has no loop for us; RuntimeError: nor a thread.
        """
        self._thread.start()
        self._is_ready.wait()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        serving = self._serve()
        try:
            asyncio.run(serving)
        except Exception as error:
            serving.close()
            if self._is_ready.is_set():
                raise
            self._problem = error
            self._is_ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        # Bodies may wait in the pool for others, which need it to begin and to end.
        self._loop.set_default_executor(ThreadPoolExecutor(MOST_THREADS, self._thread.name))
        self._is_ready.set()
        await self._over.wait()
        for each in self._tasks:
            each.cancel()
        if self._tasks:
            # Those that refuse are cancelled again by `asyncio.run`, which waits for them.
            await asyncio.wait(self._tasks)

    @property
    def is_here(self) -> bool:
        """Whether this code runs in it."""
        return threading.current_thread() is self._thread

    def spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine as a task of the loop.

        Raises:
            RuntimeError: The loop is closed.
        """
        self._loop.call_soon_threadsafe(self._spawn, make)

    def _spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._loop.create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self, seconds: float) -> None:
        """Cancel what runs in it, and wait for its end, at most so many seconds."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(seconds)


class AsyncRunner(InProcessRunner):
    """Runs coroutine functions on one event loop, and others in a thread each.

    A stop cancels coroutines that have not ended in time.
    """

    section = "async_runner"
    conf: AsyncRunnerConfig
    _loop: LoopThread | None = None

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations run at the same time, at most; others may wait for results."""
        return max(self.conf.min_parallel_slots, self.conf.max_concurrent)

    def _on_start(self) -> None:
        super()._on_start()
        self._loop = None  # that of an earlier run has ended
        loop = LoopThread(f"{type(self).__name__}-loop")
        loop.start()
        self._loop = loop

    def _start_body(self, body: Body, ended: Callable[[], None]) -> None:
        if self._loop is None or not self._is_coroutine(body):
            self._run_in_thread(body, ended)
            return

        async def run() -> None:
            try:
                await body.run_async(self)
            finally:
                ended()

        self._loop.spawn(run)

    def _is_coroutine(self, body: Body) -> bool:
        try:
            return self.app.get_task(body.stored.task).is_async
        except PynencError:
            return False  # there is none: it fails, wherever it is run

    def _waiting_for_results(
        self,
        running_invocation_id: InvocationId,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        if self._loop is not None and self._loop.is_here:
            raise RunnerError(
                f"{running_invocation_id} would block the loop that all others need, too\n"
                "use `await invocation.async_result()` in coroutines"
            )
        super()._waiting_for_results(running_invocation_id, result_invocation_ids, runner_args)

    def _on_stop(self) -> Sequence[str]:
        abandoned = super()._on_stop()
        if self._loop is not None:
            # After the invocations are rerouted: what comes of a cancelled one is refused.
            self._loop.end(SETTLING)
            abandoned = [each.name for each in tuple(self._bodies)]
        return abandoned
