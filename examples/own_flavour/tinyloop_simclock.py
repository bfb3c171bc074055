"""The flavour ``tinyloop``: a plugin of simclock for a library that simclock does not know.

A program that only looks for the flavour loads this, but not the simulator: that
is imported where a simulation is being opened.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import simclock
from simclock.flavours import Flavour, LoopRunner, PayloadFuture, WaitingTask, site_of

import tinyloop

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.lowlevel import Overlay

# --------------------------------------------------------------- for programs: run payloads


class Tinyloop(Flavour):
    """Tasks of tinyloop's loops."""

    name = "tinyloop"

    def start(self) -> TinyloopRunner:
        """See `Flavour.start`."""
        return TinyloopRunner(self)

    async def sleep(self, seconds: float) -> None:
        """See `Flavour.sleep`."""
        await tinyloop.sleep(seconds)

    def is_running(self) -> bool:
        """See `Flavour.is_running`."""
        return tinyloop.current() is not None

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """See `Flavour.in_thread`."""
        return await tinyloop.in_thread(function)


class TinyloopRunner(LoopRunner):
    """Runs payloads as tasks of a loop that ``tinyloop.run`` makes."""

    def run_loop(self) -> None:
        """See `LoopRunner.run_loop`."""
        tinyloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop = tinyloop.loops[threading.get_ident()]
        self._stopping = tinyloop.Event()
        self._tasks: dict[PayloadFuture, tinyloop.Task] = {}
        self.began()
        # When this ends, tinyloop cancels all other tasks and waits for them.
        await self._stopping.wait()

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """See `LoopRunner.call_soon`."""
        self._loop.call_soon_threadsafe(functools.partial(function, *args))

    def spawn(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        """See `LoopRunner.spawn`."""
        self._tasks[future] = self._loop.spawn(self._payload(payload, future), future.name)

    async def _payload(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        try:
            value = await payload()
        except tinyloop.Cancelled:
            future.end_cancelled()
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            del self._tasks[future]
            self.ended(future)

    def cancel(self, future: PayloadFuture) -> None:
        """See `LoopRunner.cancel`."""
        task = self._tasks.get(future)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        """See `LoopRunner.stop`."""
        self._stopping.set()


@simclock.hookimpl
def simclock_flavours() -> list[Flavour]:
    """Return the flavour."""
    return [Tinyloop()]


# ---------------------------------------------------- for simulations: order, caches, reports


@simclock.hookimpl
def simclock_simulate(overlay: Overlay) -> None:
    """Let order be the same in each run, and idle threads serve their own simulation only."""
    from simclock.lowlevel import OrderedSet, simulated  # noqa: PLC0415 - see above

    overlay.replace(tinyloop, "set", OrderedSet)
    overlay.replace(tinyloop, "_order", Order(tinyloop._order, overlay.choose, simulated))
    overlay.replace(tinyloop, "helpers", Helpers(tinyloop.helpers, simulated))


class Order:
    """Shuffles what is ready at once: in a simulation as the schedule has it."""

    def __init__(
        self, usual: Any, choose: Callable[[int, str], int], simulated: Callable[[], bool]
    ) -> None:
        self._usual, self._choose, self._is_simulated = usual, choose, simulated

    def shuffle(self, batch: list[tinyloop.Task]) -> None:
        """Order the tasks that are to run next; they come in the order in which they got ready."""
        if not self._is_simulated():
            self._usual.shuffle(batch)
            return
        left, batch[:] = batch[:], []
        while len(left) > 1:
            batch.append(left.pop(self._choose(len(left), "tinyloop batch")))
        batch += left


class Helpers:
    """Two caches of idle threads: a thread that is not simulated cannot serve one that is."""

    def __init__(self, usual: Any, simulated: Callable[[], bool]) -> None:
        self._usual, self._ours, self._is_simulated = usual, tinyloop.Helpers(), simulated

    def start(self, function: Callable[[], object]) -> None:
        """Call a function in a thread of the caller's kind."""
        (self._ours if self._is_simulated() else self._usual).start(function)


@simclock.hookimpl
def simclock_waiting_tasks(ident: int) -> list[WaitingTask]:
    """Return the tasks of the loop that runs in a thread, in order of their creation."""
    loop = tinyloop.loops.get(ident)
    return (
        []
        if loop is None
        else [WaitingTask(t.name, site_of(t.coroutine, "tinyloop")) for t in loop.tasks]
    )
