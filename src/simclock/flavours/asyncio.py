"""The flavour ``asyncio``."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from simclock.flavours.contract import Flavour
from simclock.flavours.loops import LoopRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.flavours.contract import PayloadFuture

# Seconds after which a payload that goes on is cancelled again.
AGAIN = 1.0


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
        # Not the loop's own executor: all its threads may be at work.
        with ThreadPoolExecutor(1, self.name) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, function)


class AsyncioRunner(LoopRunner):
    """Runs payloads as tasks of a loop that ``asyncio.run`` makes."""

    _loop: asyncio.AbstractEventLoop
    _stopping: asyncio.Event
    _tasks: dict[PayloadFuture, asyncio.Task[None]]

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping, self._tasks = asyncio.get_running_loop(), asyncio.Event(), {}
        self._began()
        await self._stopping.wait()
        while self._tasks:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.wait(list(self._tasks.values()), timeout=AGAIN)

    def _soon(self, function: Callable[..., object], *args: Any) -> None:
        self._loop.call_soon_threadsafe(function, *args)

    def _spawn(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        task = self._loop.create_task(self._payload(payload, future), name=future.name)
        self._tasks[future] = task
        task.add_done_callback(lambda _: self._forget(future))

    async def _payload(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        try:
            value = await payload()
        except asyncio.CancelledError:
            future.end_cancelled()
            raise
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            future.set_result(value)

    def _forget(self, future: PayloadFuture) -> None:
        del self._tasks[future]
        if not future.done():
            future.end_cancelled()  # before its first step
        self._ended(future)

    def _cancel(self, future: PayloadFuture) -> None:
        task = self._tasks.get(future)
        if task is not None:
            task.cancel()

    def _stop(self) -> None:
        self._stopping.set()
