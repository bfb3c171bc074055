"""How cost grows: with threads in one simulation, and with armed timers."""

from __future__ import annotations

import gc
import heapq
import math
import random
import resource
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import simclock
from benchmarks.measure import Table, in_turns, median, nanoseconds, ratio, times
from simclock._core.instants import SECOND
from simclock._core.timers import Timers
from simclock._core.waits import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

STACK = 256 * 1024
ROUNDS = 3
# So many threads, and in how many runs: few threads are soon done, and lost in noise.
THREADS = {100: 9, 1_000: 3, 10_000: 1}
TIMERS = (1_000, 10_000, 100_000, 1_000_000)
EVENTS = 100_000
# By how much a growth may exceed another one, and be the same.
MORE = 1.25


def sleepers(count: int, naps: int) -> int:
    """Run *count* threads at once, each asleep most of the time; return how many there were."""
    everybody = threading.Barrier(count + 1)

    def sleeper(nap: float) -> None:
        everybody.wait()
        for _ in range(naps):
            time.sleep(nap)

    threads = [threading.Thread(target=sleeper, args=(1 + i / count,)) for i in range(count)]
    for thread in threads:
        thread.start()
    everybody.wait()
    alive = threading.active_count() - 1
    for thread in threads:
        thread.join()
    return alive


def cost_of_threads(count: int, naps: int) -> float:
    """Return the nanoseconds of CPU time for each of so many threads in one simulation."""
    began = time.process_time_ns()
    alive = simclock.run(sleepers, count, naps)
    taken = (time.process_time_ns() - began) / count
    if alive < count:
        raise RuntimeError(f"only {alive:,} of {count:,} threads were there at once")
    return taken


def threads() -> Table:
    """Run ever more threads in one simulation."""
    naps = 3
    table = Table(
        "many threads",
        f"all meet at a barrier, sleep {naps} times and are joined; {STACK // 1024} KiB stacks; "
        f"CPU time per thread; median of {', '.join(map(str, THREADS.values()))} runs",
    )
    before = threading.stack_size(STACK)
    try:
        cost_of_threads(min(THREADS), naps)  # to warm up
        first = 0.0
        for count, runs in THREADS.items():
            each = median([cost_of_threads(count, naps) for _ in range(runs)])
            first = first or each
            # It has run: all were there at once.
            target = "10,000 in one simulation" if count == max(THREADS) else ""
            met = True if target else None
            table.add(f"{count:,} threads", nanoseconds(each), each / first, target, met=met)
    finally:
        threading.stack_size(before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    table.add("peak memory of the process", f"{peak} MiB")
    return table


def cost_of_timers(count: int) -> float:
    """Return nanoseconds to take the earliest of *count* armed timers and arm another one."""
    timers = Timers()
    nobody: Any = None

    def arm(deadline_ns: int) -> None:
        wait = Wait(nobody, "sleep", None, deadline_ns, 0)
        wait.armed = True
        timers.arm(deadline_ns, wait)

    def step(duration_ns: int) -> None:
        now_ns = timers.next_deadline_ns()
        assert now_ns is not None
        assert timers.pop_due(now_ns) is not None
        arm(now_ns + duration_ns)

    return cost_of_steps(count, arm, step)


def cost_of_heap(count: int) -> float:
    """Return the same of a bare heap of integers."""
    heap: list[int] = []

    def arm(deadline_ns: int) -> None:
        heapq.heappush(heap, deadline_ns)

    def step(duration_ns: int) -> None:
        heapq.heappush(heap, heapq.heappop(heap) + duration_ns)

    return cost_of_steps(count, arm, step)


def cost_of_steps(count: int, arm: Callable[[int], None], step: Callable[[int], None]) -> float:
    """Return nanoseconds of CPU time for each *step* after *count* calls of *arm*."""
    draw = random.Random(0).randrange
    span = 1000 * SECOND
    for _ in range(count):
        arm(draw(span))
    fresh = [draw(span) for _ in range(EVENTS)]
    gc.collect()
    gc.disable()  # as in a simulation
    try:
        began = time.thread_time_ns()
        for duration_ns in fresh:
            step(duration_ns)
        return (time.thread_time_ns() - began) / EVENTS
    finally:
        gc.enable()


def timers() -> Table:
    """Arm ever more timers, and fill a bare heap as much."""
    table = Table(
        "many timers",
        f"the kernel's own, without threads; {EVENTS:,} times: take the earliest, arm another; "
        "CPU time of both; ratio to a bare heap of as many integers",
    )
    samples = in_turns(
        ROUNDS,
        **{f"timers {count}": partial(cost_of_timers, count) for count in TIMERS},
        **{f"heap {count}": partial(cost_of_heap, count) for count in TIMERS},
    )
    for count in TIMERS:
        ours = f"timers {count}"
        found = ratio(samples, ours, f"heap {count}")
        table.add(f"{count:,} armed", nanoseconds(median(samples[ours])), found)
    logarithm = math.log(TIMERS[-1]) / math.log(TIMERS[0])
    growth, bare_growth = (
        ratio(samples, f"{what} {TIMERS[-1]}", f"{what} {TIMERS[0]}") for what in ("timers", "heap")
    )
    table.add(
        "growth from the fewest to the most",
        times(growth),
        target=f"at most {MORE} times that of log n, {times(logarithm)}, "
        f"or of the bare heap, {times(bare_growth)}",
        met=growth <= MORE * max(logarithm, bare_growth),
    )
    return table


def run() -> Generator[Table, None, None]:
    """Measure both."""
    yield threads()
    yield timers()
