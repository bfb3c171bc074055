# ruff: noqa: PLC0415 - each imports what it needs by itself
"""What it costs to move the wall clock: for each tool a context in which it is moved."""

from __future__ import annotations

import resource
import time
import timeit
from typing import TYPE_CHECKING

from tools.comparison.under.walls import DATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

READINGS = 100_000
ENTRIES = 200
ROUNDS = 5


def simclock(what: str) -> str:
    """Measure a simulation."""
    import simclock

    return measured(what, lambda: simclock.Simulation(epoch=DATE))


def freezegun(what: str) -> str:
    """Measure its context."""
    import freezegun

    return measured(what, lambda: freezegun.freeze_time(DATE))


def time_machine(what: str) -> str:
    """Measure its context."""
    import time_machine

    return measured(what, lambda: time_machine.travel(DATE, tick=False))


def measured(what: str, context: Callable[[], AbstractContextManager[object]]) -> str:
    """Return a figure in words: the best of some rounds."""
    if what == "entering":

        def enter() -> None:
            with context():
                pass

        enter()
        return f"{min(timeit.repeat(enter, number=ENTRIES, repeat=ROUNDS)) / ENTRIES * 1e6:,.0f} us"
    alone = reading()
    with context():
        moved = reading()
    return f"{max(moved - alone, 0) * 1e9:,.0f} ns"


def reading() -> float:
    """Return what one call takes, in processor time: other clocks may be the tool's."""
    return min(_read() for _ in range(ROUNDS)) / READINGS


def _read() -> float:
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for _ in range(READINGS):
        time.time()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - began
