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


def each(work: Callable[[], object], clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """Return the nanoseconds of *clock* per call of *work*."""
    began = clock()
    for _ in range(TIMES):
        work()
    return (clock() - began) / TIMES


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
    """Compare a simulation with a thread.

    Judged by what it takes of a CPU: on a busy machine most of the real time
    goes to others.
    """
    samples = in_turns(
        ROUNDS,
        thread=lambda: each(start_and_join),
        simulation=lambda: each(open_and_close),
        cpu=lambda: each(open_and_close, time.process_time_ns),
        both=lambda: each(run_a_thread),
    )
    table = Table("start and stop", f"{TIMES} one after another in the main thread; each")
    table.add("start and join a real thread", nanoseconds(median(samples["thread"])), 1.0)
    for name, label in (
        ("simulation", "open and close a simulation"),
        ("both", "the same with a thread inside"),
    ):
        table.add(label, nanoseconds(median(samples[name])), ratio(samples, name, "thread"))
    found = median(samples["cpu"])
    table.add(
        "open and close a simulation, CPU time",
        nanoseconds(found),
        target="at most 100 us",
        met=found <= TARGET_NS,
    )
    yield table
