"""What the daemon adds to its flavours: 10,000 adopted payloads of each, from adoption to run."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import simclock
from benchmarks.measure import Samples, Table, in_turns, median, nanoseconds, ratio
from simclock import flavours
from simclock.systems.services import ServiceRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Adopt = Callable[[Callable[[], Any]], object]

ROUNDS = 3
PAYLOADS = 10_000
ONE_BY_ONE = 1_000


class Latencies:
    """Notes how long each payload took from its adoption to its first line."""

    def __init__(self, flavour: str) -> None:
        self._is_async = flavours.get(flavour).is_async
        self._ran = threading.Semaphore(0)
        self.taken: list[int] = []

    def payload(self) -> Callable[[], Any]:
        """Return a payload which is adopted now."""
        adopted = time.perf_counter_ns()

        def note() -> None:
            self.taken.append(time.perf_counter_ns() - adopted)
            self._ran.release()

        async def noted() -> None:
            note()

        return noted if self._is_async else note

    def wait(self, count: int = 1) -> None:
        """Wait until so many more have run."""
        for _ in range(count):
            self._ran.acquire()


def burst(flavour: str, adopt: Adopt) -> float:
    """Return the nanoseconds for each of many payloads that are adopted one after the other."""
    latencies = Latencies(flavour)
    began = time.perf_counter_ns()
    for _ in range(PAYLOADS):
        adopt(latencies.payload())
    latencies.wait(PAYLOADS)
    return (time.perf_counter_ns() - began) / PAYLOADS


def one_by_one(flavour: str, adopt: Adopt) -> list[int]:
    """Return the sorted latencies of payloads, each adopted when the one before has run."""
    latencies = Latencies(flavour)
    for _ in range(ONE_BY_ONE):
        adopt(latencies.payload())
        latencies.wait()
    return sorted(latencies.taken)


def by_daemon(flavour: str, measure: Callable[[str, Adopt], Any]) -> Any:
    """Measure the daemon's `adopt`."""
    runner = ServiceRunner()
    thread = threading.Thread(target=runner.accept)
    thread.start()
    runner.running.wait()
    runner.execute(Latencies(flavour).payload(), flavour=flavour)  # its library's loop runs now
    try:
        return measure(flavour, lambda payload: runner.adopt(payload, flavour=flavour))
    finally:
        runner.shutdown()
        thread.join()


def by_flavour(flavour: str, measure: Callable[[str, Adopt], Any]) -> Any:
    """Measure `adopt` of the flavour's own runner, on which the daemon is built."""
    with flavours.get(flavour).start() as runner:
        runner.execute(Latencies(flavour).payload())
        return measure(flavour, runner.adopt)


def in_simulation(flavour: str) -> float:
    """Return the real nanoseconds of a payload in a simulated burst."""
    began = time.perf_counter_ns()
    simclock.run(by_daemon, flavour, burst)
    return (time.perf_counter_ns() - began) / PAYLOADS


def at_once(flavour: str) -> Table:
    """Compare by many payloads."""
    samples: Samples = in_turns(
        ROUNDS,
        own=partial(by_flavour, flavour, burst),
        daemon=partial(by_daemon, flavour, burst),
        simulated=partial(in_simulation, flavour),
    )
    table = Table(
        f"services: {flavour}, at once",
        f"{PAYLOADS:,} payloads, adopted one after the other; from the first adoption to the last "
        "run, per payload",
    )
    table.add("the flavour's own runner", nanoseconds(median(samples["own"])), 1.0)
    for name, label in (("daemon", "ServiceRunner"), ("simulated", "ServiceRunner, simulated")):
        value = nanoseconds(median(samples[name]))
        table.add(label, value, ratio(samples, name, "own"))
    return table


def in_sequence(flavour: str) -> Table:
    """Compare by the latency of single payloads."""
    table = Table(
        f"services: {flavour}, one by one",
        f"{ONE_BY_ONE:,} payloads, each adopted when the one before has run; from its adoption to "
        "its run, median of one run",
    )
    own, daemon = (by(flavour, one_by_one) for by in (by_flavour, by_daemon))
    for label, taken in ("the flavour's own runner", own), ("ServiceRunner", daemon):
        value, worst = median(taken), nanoseconds(taken[len(taken) * 99 // 100])
        note = f"99th percentile {worst}"
        table.add(label, nanoseconds(value), value / median(own), note=note)
    return table


def run() -> Generator[Table, None, None]:
    """Compare the daemon with the runners of its flavours."""
    for flavour in "asyncio", "trio", "threading":
        yield at_once(flavour)
        yield in_sequence(flavour)
