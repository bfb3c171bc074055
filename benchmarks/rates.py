"""The systems' executors: what a tick costs beside a loop that is written by hand."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import simclock
from benchmarks.measure import Stopwatch, Table, in_turns, median, nanoseconds, ratio
from simclock.systems.rates import RateExecutor, SyncRateExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROUNDS = 9
TICKS = 2000
# So fast that a loop in real time is always behind and never sleeps: what is measured is the loop.
FASTEST = 1e8
RATE = 1000.0
HOUR, LONG_RATE = 3600.0, 100.0
HOW = "real time per tick; ratio to the loop of that kind by hand"


class Callback:
    """Counts its calls, and calls *stop* with the last one."""

    def __init__(self, ticks: int) -> None:
        self.left = ticks
        self.stop: Callable[[], None] = int

    def tick(self) -> None:
        """Be called as a function."""
        self.left -= 1
        if not self.left:
            self.stop()

    async def tick_async(self) -> None:
        """Be called as a coroutine function."""
        self.tick()


def executor_in_thread(ticks: int, rate: float) -> None:
    """Run an executor of functions."""
    callback = Callback(ticks)
    executor = SyncRateExecutor(callback.tick, rate)
    callback.stop = executor.stop
    executor.run()


def executor_in_loop(ticks: int, rate: float) -> None:
    """Run an executor of coroutine functions."""
    callback = Callback(ticks)
    executor = RateExecutor(callback.tick_async, rate)
    callback.stop = executor.stop
    asyncio.run(executor.run())


def by_hand_in_thread(ticks: int, rate: float) -> None:
    """Do what most programs do instead: no figures, no log, no way to catch up but all of it."""
    callback = Callback(ticks)
    stopped = threading.Event()
    callback.stop = stopped.set
    origin, number = time.perf_counter(), 0
    while not stopped.is_set():
        delay = origin + number / rate - time.perf_counter()
        if delay > 0:
            stopped.wait(delay)
            continue
        callback.tick()
        number += 1


def by_hand_in_loop(ticks: int, rate: float) -> None:
    """Do so with coroutines, whose sleep nobody can end."""

    async def main() -> None:
        callback = Callback(ticks)
        origin = time.perf_counter()
        for number in range(ticks):
            await asyncio.sleep(max(0.0, origin + number / rate - time.perf_counter()))
            await callback.tick_async()

    asyncio.run(main())


def each(program: Callable[[int, float], None], rate: float) -> float:
    """Return real nanoseconds per tick of *program*."""
    return Stopwatch().time(lambda: program(TICKS, rate)) / TICKS


def overhead(title: str, method: str, rate: float, *, simulated: bool) -> Table:
    """Compare the executors with loops that are written by hand."""

    def sample(program: Callable[[int, float], None]) -> Callable[[], float]:
        if simulated:
            return lambda: simclock.run(each, program, rate)
        return lambda: each(program, rate)

    samples = in_turns(
        ROUNDS,
        thread=sample(by_hand_in_thread),
        thread_executor=sample(executor_in_thread),
        loop=sample(by_hand_in_loop),
        loop_executor=sample(executor_in_loop),
    )
    table = Table(title, method)
    for name, base, words in (
        ("thread", "thread", "by hand, in a thread"),
        ("thread_executor", "thread", "SyncRateExecutor"),
        ("loop", "loop", "by hand, in an event loop"),
        ("loop_executor", "loop", "RateExecutor"),
    ):
        table.add(words, nanoseconds(median(samples[name])), ratio(samples, name, base))
    return table


def hour() -> Table:
    """Run each executor for a virtual hour."""
    table = Table("100 Hz for a virtual hour", "360,000 ticks, one run each; real time for all")
    ticks = int(LONG_RATE * HOUR)
    for name, program in (
        ("SyncRateExecutor", executor_in_thread),
        ("RateExecutor", executor_in_loop),
    ):
        with simclock.Simulation(max_steps=10**9) as sim:
            taken = Stopwatch().time(lambda program=program: program(ticks, LONG_RATE))
            exact = round(sim.elapsed, 9) == (ticks - 1) / LONG_RATE
        table.add(
            name,
            nanoseconds(taken),
            target="the last tick at its instant",
            met=exact,
            note=f"{nanoseconds(taken / ticks)} per tick",
        )
    return table


def run() -> Generator[Table, None, None]:
    """Measure the overhead per tick, and long runs."""
    yield overhead(
        "overhead per tick, real time",
        f"{TICKS:,} ticks that are all late, so that no loop sleeps; {HOW}",
        FASTEST,
        simulated=False,
    )
    yield overhead(
        "overhead per tick, simulated time",
        f"{TICKS:,} ticks at 1 kHz; {HOW}",
        RATE,
        simulated=True,
    )
    yield hour()
