"""When a loop at a rate calls its callback: the same for coroutines and for threads."""

from __future__ import annotations

import logging
import time

from simclock.systems._shared.grids import Grid, check_catch_up, check_interval
from simclock.systems.rates.statistics import Counters, RateStatistics

logger: logging.Logger = logging.getLogger(__package__)


class Pacer:
    """The ticks of one run on the clock ``time.perf_counter``, from the call on, and their figures.

    Around each tick: `remaining`, and if that is not positive, `begin` and `end`.
    """

    def __init__(
        self, name: str, interval: float, catch_up: str, max_backlog: int | None, counters: Counters
    ) -> None:
        self._name = name
        self._now = time.perf_counter_ns()
        self._grid = Grid(self._now, interval, catch_up, max_backlog)
        self._is_bounded = max_backlog is not None
        self._counters = counters

    def remaining(self) -> float:
        """Return the seconds until the next tick is due; 0 or less if it is."""
        self._now = time.perf_counter_ns()
        return self._grid.remaining(self._now) / 1e9

    def begin(self) -> None:
        """Count the tick that was found to be due."""
        tick = self._grid.take(self._now)
        self._counters.tick(self._now - tick.instant)
        dropped = self._grid.dropped - self._counters.dropped
        self._counters.dropped = self._grid.dropped
        if dropped and self._is_bounded:
            logger.warning("%s is too late, ticks dropped: %d", self._name, dropped)

    def failed(self) -> None:
        """Count an exception of the callback. Its tick is over, as any other."""
        self._counters.failures += 1

    def end(self) -> None:
        """Count what has become of the tick."""
        self._counters.overruns += self._grid.release(time.perf_counter_ns())
        self._counters.dropped = self._grid.dropped


class Rate:
    """What executors at a rate have in common: the rate, how to catch up, figures.

    Raises:
        ValueError: An argument has no meaning.
    """

    def __init__(self, rate_hz: float, catch_up: str, max_backlog: int | None) -> None:
        check_interval(rate_hz, "rate", "Hz")
        check_catch_up(catch_up, max_backlog)
        self.rate_hz = rate_hz
        self.catch_up = catch_up
        self.max_backlog = max_backlog
        self._counters = Counters()

    def pacer(self, name: str, interval: float) -> Pacer:
        """Return the pacer of a new run, which begins now and is what is counted from now on."""
        self._counters = Counters()
        return Pacer(name, interval, self.catch_up, self.max_backlog, self._counters)

    def statistics(self) -> RateStatistics:
        """Return the figures of the latest run."""
        return self._counters.snapshot()
