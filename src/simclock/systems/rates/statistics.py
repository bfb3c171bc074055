"""What is counted and measured of a run at a rate."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# How many ticks, the latest ones, percentiles are of.
WINDOW = 1000


@dataclass(frozen=True)
class RateStatistics:
    """Figures of one run.

    Lateness is how long after its instant a tick's callback was called, in
    seconds. Percentiles are of the latest 1000 ticks, the worst is of all.

    Attributes:
        ticks: How often the callback was called.
        failures: How often it raised an exception, which was logged.
        overruns: How often it had not returned when the next tick was due.
        dropped: Ticks for which there was no call: beyond the bound, skipped, or
            made one with a later one.
        lateness_p50: The median: half of the ticks were no later than that.
        lateness_p90: The same for nine in ten.
        lateness_p99: The same for 99 in a hundred.
        lateness_max: Of the latest of all.
    """

    ticks: int = 0
    failures: int = 0
    overruns: int = 0
    dropped: int = 0
    lateness_p50: float = 0.0
    lateness_p90: float = 0.0
    lateness_p99: float = 0.0
    lateness_max: float = 0.0


class Counters:
    """Counts for one run. One thread counts; any may take a `snapshot`."""

    def __init__(self) -> None:
        self.ticks: int = 0
        self.failures = 0
        self.overruns = 0
        self.dropped = 0
        self._worst = 0
        self._lateness: deque[int] = deque(maxlen=WINDOW)

    def tick(self, lateness: int) -> None:
        """Count a tick that is late by so many nanoseconds."""
        self.ticks += 1
        self._worst = max(self._worst, lateness)
        self._lateness.append(lateness)

    def snapshot(self) -> RateStatistics:
        """Return the figures as they are.

        Without a lock, which each tick would have to take: a tick that is being
        counted may be in some figures and not yet in others.
        """
        lateness = sorted(self._lateness.copy())
        return RateStatistics(
            self.ticks,
            self.failures,
            self.overruns,
            self.dropped,
            _percentile(lateness, 50),
            _percentile(lateness, 90),
            _percentile(lateness, 99),
            self._worst / 1e9,
        )


def _percentile(ordered: list[int], percent: int) -> float:
    """Return the least value, in seconds, that *percent* of all are not above; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[-(-len(ordered) * percent // 100) - 1] / 1e9
