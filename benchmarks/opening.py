"""Opening and closing a simulation."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import simclock
from benchmarks.measure import Table, in_turns, median, nanoseconds, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROUNDS = 15
TIMES = 100
TARGET_NS = 100_000


def each(work: Callable[[], object]) -> float:
    """Return real nanoseconds per call of *work*."""
    began = time.perf_counter_ns()
    for _ in range(TIMES):
        work()
    return (time.perf_counter_ns() - began) / TIMES


def start_and_join() -> None:
    """Start a real thread that does nothing, and join it."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def open_and_close() -> None:
    """Open a simulation and close it."""
    with simclock.Simulation():
        pass


def run_a_thread() -> None:
    """Do in a simulation what `start_and_join` does."""
    simclock.run(start_and_join)


def run() -> Generator[Table, None, None]:
    """Compare a simulation with a thread."""
    samples = in_turns(
        ROUNDS,
        thread=lambda: each(start_and_join),
        simulation=lambda: each(open_and_close),
        both=lambda: each(run_a_thread),
    )
    table = Table("start and stop", f"{TIMES} one after another in the main thread")
    table.add("start and join a real thread", nanoseconds(median(samples["thread"])), 1.0)
    found = median(samples["simulation"])
    table.add(
        "open and close a simulation",
        nanoseconds(found),
        ratio(samples, "simulation", "thread"),
        "at most 100 us",
        met=found <= TARGET_NS,
    )
    table.add(
        "the same with a thread inside",
        nanoseconds(median(samples["both"])),
        ratio(samples, "both", "thread"),
    )
    yield table
