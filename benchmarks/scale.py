"""How cost grows: with threads in one simulation, and with armed timers."""

from __future__ import annotations

import math
import random
import resource
import threading
import time
from typing import TYPE_CHECKING, Any

import simclock
from benchmarks.measure import Table, nanoseconds
from simclock._core.instants import SECOND
from simclock._core.timers import Timers
from simclock._core.waits import Wait

if TYPE_CHECKING:
    from collections.abc import Generator

STACK = 256 * 1024
THREADS = (100, 1_000, 10_000)
TIMERS = (1_000, 10_000, 100_000, 1_000_000)
EVENTS = 100_000


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


def threads() -> Table:
    """Run ever more threads in one simulation."""
    naps = 3
    table = Table(
        "many threads",
        f"threads meet at a barrier, sleep {naps} times and are joined; {STACK // 1024} KiB stacks; "
        "one run each; per thread",
    )
    before = threading.stack_size(STACK)
    try:
        first = 0.0
        for count in THREADS:
            began = time.perf_counter_ns()
            alive = simclock.run(sleepers, count, naps)
            each = (time.perf_counter_ns() - began) / count
            first = first or each
            target = "10,000 in one simulation" if count == THREADS[-1] else ""
            met = alive >= count if target else None
            table.add(f"{count:,} threads", nanoseconds(each), each / first, target, met=met)
    finally:
        threading.stack_size(before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    table.add("peak memory of the process", f"{peak} MiB")
    return table


def cost_of_timers(count: int) -> float:
    """Return nanoseconds to take the earliest of *count* armed timers and arm another one."""
    draw = random.Random(0).randrange
    span = 1000 * SECOND
    timers = Timers()
    nobody: Any = None

    def arm(deadline_ns: int) -> None:
        wait = Wait(nobody, "sleep", None, deadline_ns, 0)
        wait.armed = True
        timers.arm(deadline_ns, wait)

    for _ in range(count):
        arm(draw(span))
    fresh = [draw(span) for _ in range(EVENTS)]
    began = time.perf_counter_ns()
    for duration_ns in fresh:
        now_ns = timers.next_deadline_ns()
        assert now_ns is not None
        assert timers.pop_due(now_ns) is not None
        arm(now_ns + duration_ns)
    return (time.perf_counter_ns() - began) / EVENTS


def timers() -> Table:
    """Arm ever more timers."""
    table = Table(
        "many timers",
        f"the kernel's own timers, without threads: {EVENTS:,} times take the earliest, arm a random one",
    )
    first = 0.0
    for count in TIMERS:
        each = cost_of_timers(count)
        first = first or each
        table.add(f"{count:,} armed", nanoseconds(each), each / first)
    growth = each / first
    logarithm = math.log(TIMERS[-1]) / math.log(TIMERS[0])
    table.add(
        "growth beside that of log n",
        "",
        growth / logarithm,
        "about 1x (cost grows as log n)",
        met=growth <= 1.5 * logarithm,
    )
    return table


def run() -> Generator[Table, None, None]:
    """Measure both."""
    yield threads()
    yield timers()
