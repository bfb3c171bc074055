"""The executor of plain functions at a rate, in the thread that runs it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from simclock.systems._shared.signals import woken_by_signals
from simclock.systems.rates.callbacks import check_plain, name_of, refuse_coroutine
from simclock.systems.rates.pacing import Rate
from simclock.systems.rates.switch import Switch, refuse_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.rates.statistics import RateStatistics
    from simclock.systems.rates.switch import Asked

logger: logging.Logger = logging.getLogger(__package__)


class SyncRateExecutor:
    """Calls a plain function at a rate, in the thread that calls `run`.

    The grid, how it catches up and what becomes of exceptions are those of
    `RateExecutor`; so is what `start` and `stop` mean, see
    `BaseAsyncExecutor`. All methods may be called by any thread. While the loop
    sleeps it does nothing, however slow the rate is: `stop` wakes it at once.

    If *func* returns a coroutine, that is closed, and the call has failed.

    Exceptions that are no `Exception`, such as ``KeyboardInterrupt``, end the
    run, which raises them.

    Args:
        func: What to call.
        rate_hz: How many calls per second.
        catch_up: See `RateExecutor`.
        max_backlog: See `RateExecutor`.

    Attributes:
        func: What is called; what is put here is called from the next tick on.
        interval: Seconds between two ticks. A change counts from the next run on.

    Raises:
        TypeError: *func* cannot be called, or is a coroutine function.
        ValueError: *rate_hz* is not finite and positive (from 1e-9 to 1e9), or
            the way to catch up has no meaning.
    """

    def __init__(
        self,
        func: Callable[..., None],
        rate_hz: float,
        *,
        catch_up: str = "burst",
        max_backlog: int | None = None,
    ) -> None:
        check_plain(func)
        self.func = func
        self._rate = Rate(rate_hz, catch_up, max_backlog)
        self.interval: float = 1.0 / rate_hz
        self._switch = Switch()
        # What logs tell of instead of it: the timer that it is of.
        self._timer: object = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({name_of(self.func)}, {self._rate.rate_hz})"

    __reduce__: ClassVar[Callable[..., NoReturn]] = refuse_copy

    @property
    def running(self) -> bool:
        """Whether a run is under way, or to come after `start`, and nobody has stopped it."""
        return self._switch.on

    def statistics(self) -> RateStatistics:
        """Return the figures of the run that is under way, or else of the last one."""
        return self._rate.statistics()

    def start(self) -> None:
        """Expect a run: a `stop` that was kept is forgotten, one from now on is kept.

        This does not run anything, and `run` calls it. When an executor is run
        again, call it before a thread is given the run: a stop that comes before
        the thread's first step would be taken for one of the run before.
        """
        self._switch.start()

    def stop(self) -> None:
        """Have the run end: at once if it sleeps, else when *func* has returned. Idempotent."""
        self._switch.stop()

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Call ``func(*args, **kwargs)`` at the rate, until `stop`; the calling thread is blocked.

        In the main thread a signal ends a sleep between two ticks, so that its
        handler is run at once, as in `Node.spin`.

        Raises:
            AlreadyRunningError: A run is under way; it goes on.
        """
        asked = self._switch.expect()
        self._switch.begin(asked, self)
        try:
            self.start()
            with woken_by_signals(asked.wake):
                self._loop(asked, args, kwargs)
        finally:
            self.stop()
            self._switch.end(asked)

    def _loop(self, asked: Asked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        pacer = self._rate.pacer(repr(self._timer or self), self.interval)
        while not asked.is_set():
            remaining = pacer.remaining()
            if remaining > 0:
                asked.wait(remaining)
                continue
            pacer.begin()
            try:
                func = self.func
                refuse_coroutine(func, func(*args, **kwargs))
            except Exception:
                logger.exception("the callback of %r has failed", self._timer or self)
                pacer.failed()
            pacer.end()
