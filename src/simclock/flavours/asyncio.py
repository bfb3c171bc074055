"""The flavour ``asyncio``."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from simclock.flavours.contract import Flavour, awaited
from simclock.flavours.loops import LoopRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from simclock.flavours.contract import PayloadFuture


class Asyncio(Flavour):
    """Tasks of asyncio's loops."""

    name = "asyncio"

    def start(self) -> AsyncioRunner:
        """See `Flavour.start`."""
        return AsyncioRunner(self)

    async def sleep(self, seconds: float) -> None:
        """See `Flavour.sleep`."""
        await asyncio.sleep(seconds)

    def is_running(self) -> bool:
        """See `Flavour.is_running`."""
        try:
            return asyncio.current_task() is not None
        except RuntimeError:
            return False

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """See `Flavour.in_thread`."""
        context = contextvars.copy_context()
        # Not the loop's own executor: all its threads may be at work.
        pool = ThreadPoolExecutor(1, self.name)
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(pool, context.run, function)
        is_cancelled = False
        try:
            with _shield():
                while not call.done():
                    try:
                        await asyncio.wait([call])
                    except asyncio.CancelledError:
                        is_cancelled = True
        finally:
            pool.shutdown(wait=call.done())
        value = call.result()  # what it raises matters more, as with trio
        if is_cancelled:
            raise asyncio.CancelledError
        return value


def _shield() -> AbstractContextManager[Any]:
    """Keep cancel scopes of anyio away: they cancel again in each turn who goes on to wait."""
    # It may be half imported by another thread.
    scope = getattr(sys.modules.get("anyio"), "CancelScope", None)
    return contextlib.nullcontext() if scope is None else scope(shield=True)


class AsyncioRunner(LoopRunner):
    """Runs payloads as tasks of a loop that ``asyncio.run`` makes."""

    _loop: asyncio.AbstractEventLoop
    _stopping: asyncio.Event
    _tasks: dict[PayloadFuture, asyncio.Task[None]]

    def run_loop(self) -> None:
        """See `LoopRunner.run_loop`."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping, self._tasks = asyncio.get_running_loop(), asyncio.Event(), {}
        self.began()
        await self._stopping.wait()
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """See `LoopRunner.call_soon`."""
        self._loop.call_soon_threadsafe(function, *args)

    def spawn(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        """See `LoopRunner.spawn`."""
        task = self._loop.create_task(self._payload(payload, future), name=future.name)
        self._tasks[future] = task
        task.add_done_callback(lambda _: self._forget(future))

    async def _payload(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        try:
            value = await awaited(payload)
        except asyncio.CancelledError:
            future.end_cancelled()
            raise
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            del future  # it has the error, whose traceback has this frame

    def _forget(self, future: PayloadFuture) -> None:
        del self._tasks[future]
        if not future.done():
            future.end_cancelled()  # before its first step
        self.ended(future)

    def cancel(self, future: PayloadFuture) -> None:
        """See `LoopRunner.cancel`."""
        task = self._tasks.get(future)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        """See `LoopRunner.stop`."""
        self._stopping.set()
        for task in self._tasks.values():
            task.cancel()
