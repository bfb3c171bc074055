"""Executors of coroutine functions: in a tight loop, and at a rate."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from simclock.systems.rates.callbacks import (
    NotAwaitableError,
    awaitable,
    check_callable,
    name_of,
    returns_coroutine,
)
from simclock.systems.rates.pacing import Rate
from simclock.systems.rates.sleeping import Sleeper
from simclock.systems.rates.switch import Switch, refuse_copy

if TYPE_CHECKING:
    from simclock.systems.rates.statistics import RateStatistics
    from simclock.systems.rates.switch import Asked

logger: logging.Logger = logging.getLogger(__package__)

AsyncCallback = Callable[..., Coroutine[Any, Any, Any]]
"""What executors of coroutines call: a coroutine function, or whatever returns a coroutine."""

# Seconds after the first of several failures in a row. Each further one doubles them.
FIRST_BACK_OFF = 0.01
LONGEST_BACK_OFF = 1.0


class BaseAsyncExecutor(ABC):
    """Starts, stops and runs a coroutine function; a subclass says when to call it.

    An executor has one run at a time, and may be run again after it. `run` is a
    coroutine of one event loop; all else may be called by any thread.

    A stop is never missed. Before the first run, and between a call of `run` or
    `start` and the first step of the loop, it is kept: that run returns without
    a call of *func*, the next one is not concerned. After a run has ended there
    is nothing to stop, and a stop changes nothing. A run whose event loop was
    closed is over, and so is one that was cancelled before its first step.

    Cancellation ends a run in one way, wherever it lands, in *func* or between
    two calls: `run` raises the `asyncio.CancelledError`. So does a
    ``CancelledError`` that *func* raises by itself, such as that of a future it
    waits for.

    Args:
        func: What to call.

    Attributes:
        func: The same; what is put here is called from the next call on.

    Raises:
        TypeError: *func* cannot be called.
    """

    def __init__(self, func: AsyncCallback) -> None:
        check_callable(func)
        self.func = func
        self._switch = Switch()
        self._sleeper = Sleeper()
        # What logs tell of instead of it: the timer that it is of.
        self._timer: object = None
        # What was logged to return nothing that can be awaited. It does so at each call.
        self._logged: object = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.func)})"

    __reduce__: ClassVar[Callable[..., NoReturn]] = refuse_copy

    @property
    def running(self) -> bool:
        """Whether a run is under way, or to come after `start`, and nobody has stopped it."""
        return self._switch.on

    @property
    def _running(self) -> bool:
        # What subclasses that were written for the original of this class ask in their loops, and
        # set in their own `start` and `stop`: therefore those are not called.
        return self._switch.on

    @_running.setter
    def _running(self, on: bool) -> None:
        if on:
            self._switch.start()
        else:
            self._switch.stop()
            self._sleeper.wake()

    def start(self) -> None:
        """Expect a run: a `stop` that was kept is forgotten, one from now on is kept.

        This does not run anything, and `run` calls it.
        """
        self._switch.start()

    def stop(self) -> None:
        """Have the run end: at once if it sleeps, else when *func* has returned. Idempotent."""
        self._switch.stop()
        self._sleeper.wake()

    # Not `async def`, which would not notice a call before the first step of the coroutine.
    @returns_coroutine
    def run(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Call ``func(*args, **kwargs)`` again and again, until `stop` or cancellation.

        A coroutine: nothing runs until it is awaited or made a task. A `stop`
        counts from the call on.

        Raises:
            AlreadyRunningError: A run is under way; it goes on.
            asyncio.CancelledError: The run was cancelled.
        """
        asked = self._switch.expect()
        return asked.of(self._run(asked, args, kwargs), self)

    async def _run(self, asked: Asked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._switch.begin(asked, self, asyncio.get_running_loop())
        try:
            self.start()
            if not asked.is_set():
                await self._run_impl(*args, **kwargs)
        finally:
            # If its loop was closed, another run may be under way.
            if self._switch.is_run(asked):
                self.stop()
                self._switch.end(asked)

    @abstractmethod
    async def _run_impl(self, *args: Any, **kwargs: Any) -> None:
        """Call `func` again and again while `running`; to be implemented by subclasses.

        To sleep, await `_pause`, which `stop` ends at once.
        """

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Call `func` and return whether it has succeeded; log what it raises."""
        func = self.func
        try:
            await awaitable(func, func(*args, **kwargs))
        except NotAwaitableError as error:
            if self._logged is not func:
                self._logged = func
                logger.error("the callback of %r has failed: %s", self._timer or self, error)  # noqa: TRY400
            return False
        except Exception:
            logger.exception("the callback of %r has failed", self._timer or self)
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        """Sleep so many seconds, less if `stop` is called meanwhile."""
        await self._sleeper.sleep(seconds, self._switch.asked)


class AsyncExecutor(BaseAsyncExecutor):
    """Calls a coroutine function in a tight loop, and lets the event loop take its turn in between.

    An exception of *func* is logged with its traceback, and the loop goes on,
    but for `asyncio.CancelledError`, which ends it. After an exception there is
    a pause, so that a function which always fails is no hot loop: 10 ms, twice
    as long after each further one in a row, up to 1 s.
    """

    async def _run_impl(self, *args: Any, **kwargs: Any) -> None:
        back_off = FIRST_BACK_OFF
        while self.running:
            if await self._call(args, kwargs):
                back_off = FIRST_BACK_OFF
                await asyncio.sleep(0)
            else:
                await self._pause(back_off)
                back_off = min(2 * back_off, LONGEST_BACK_OFF)


class RateExecutor(BaseAsyncExecutor):
    """Calls a coroutine function at a rate, on a fixed grid of ``time.perf_counter``.

    Tick *k* is due at ``origin + k * interval``, the origin being the start of
    the run. No tick comes before its instant. If *func* takes longer than the
    interval, ticks are **not** skipped by default: each one that is late is run,
    and the loop yields to the event loop in between, until it has caught up.

    An exception of *func* is logged with its traceback. The tick is over then,
    as after any other call. So it is if *func* returns nothing that can be
    awaited, which is logged once.

    Args:
        func: What to call.
        rate_hz: How many calls per second.
        catch_up: ``"burst"``: run each tick that is late. ``"skip"``: leave out
            the ticks that went by while *func* ran. ``"coalesce"``: run those
            that are due as one.
        max_backlog: With ``"burst"``, how many ticks may be due at once: of
            more, the oldest are dropped, counted and logged. None: any number.

    Attributes:
        interval: Seconds between two ticks. A change counts from the next run on.

    Raises:
        ValueError: *rate_hz* is not finite and positive (from 1e-9 to 1e9), or
            the way to catch up has no meaning.
    """

    def __init__(
        self,
        func: AsyncCallback,
        rate_hz: float,
        *,
        catch_up: str = "burst",
        max_backlog: int | None = None,
    ) -> None:
        super().__init__(func)
        self._rate = Rate(rate_hz, catch_up, max_backlog)
        self.interval: float = 1.0 / rate_hz

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.func)}, {self._rate.rate_hz})"

    def statistics(self) -> RateStatistics:
        """Return the figures of the run that is under way, or else of the last one."""
        return self._rate.statistics()

    async def _run_impl(self, *args: Any, **kwargs: Any) -> None:
        asked = self._switch.asked
        pacer = self._rate.pacer(repr(self._timer or self), self.interval)
        has_yielded = True
        while not asked.is_set():
            remaining = pacer.remaining()
            if remaining > 0:
                await self._pause(remaining)
                has_yielded = True
            elif not has_yielded:
                # Behind. Without this a callback that never waits would keep the loop for itself.
                await asyncio.sleep(0)
                has_yielded = True
            else:
                pacer.begin()
                if not await self._call(args, kwargs):
                    pacer.failed()
                pacer.end()
                has_yielded = False
