"""What is answered in C: clock reads and uncontended locks."""

from __future__ import annotations

import threading
import time
from itertools import repeat
from typing import TYPE_CHECKING

import simclock
from benchmarks.measure import Samples, Stopwatch, Table, in_turns, median, nanoseconds, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROUNDS = 15
BATCHES = 20
# A thousand reads of the clock at one instant are free; then it moves, so that a busy wait ends.
READS = 900
LOCKS = 900
lock = threading.Lock()


def read_clock() -> None:
    """Read the monotonic clock often."""
    read = time.monotonic
    for _ in repeat(None, READS):
        read()


def use_lock() -> None:
    """Acquire and release a lock often."""
    acquire, release = lock.acquire, lock.release
    for _ in repeat(None, LOCKS):
        acquire()
        release()


def batches(work: Callable[[], None]) -> float:
    """Return the median real nanoseconds of a batch, with a new instant before each."""
    watch = Stopwatch()
    taken = []
    for _ in range(BATCHES):
        if simclock.active():
            time.sleep(1)
        taken.append(watch.time(work))
    return median(taken)


def foreign(work: Callable[[], None]) -> float:
    """Return the same of a thread that is foreign to the simulation which is open meanwhile."""
    results: list[float] = []
    go = threading.Event()

    def measure() -> None:
        go.wait()
        results.append(batches(work))

    thread = threading.Thread(target=measure)
    thread.start()
    with simclock.Simulation() as sim, sim.real_time():
        go.set()
        thread.join()
    return results[0]


def sample(work: Callable[[], None], count: int) -> Samples:
    """Sample *work* outside, beside and inside a simulation, in nanoseconds for each of *count*."""
    return in_turns(
        ROUNDS,
        native=lambda: batches(work) / count,
        foreign=lambda: foreign(work) / count,
        inside=lambda: simclock.run(batches, work) / count,
    )


def run() -> Generator[Table, None, None]:
    """Compare each operation outside, beside and inside a simulation."""
    subjects = (
        ("clock read", f"{READS} calls of time.monotonic() at one instant", read_clock, READS),
        ("uncontended lock", f"{LOCKS} pairs of acquire() and release()", use_lock, LOCKS),
    )
    for title, method, work, count in subjects:
        samples = sample(work, count)
        table = Table(
            title, f"{method}; for each; loop included, reading of the stopwatch subtracted"
        )
        table.add("no simulation open", nanoseconds(median(samples["native"])), 1.0)
        for name, label in (
            ("foreign", "foreign thread during a simulation"),
            ("inside", "simulated thread"),
        ):
            value = nanoseconds(median(samples[name]))
            table.add(label, value, ratio(samples, name, "native"))
        yield table
