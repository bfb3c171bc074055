"""Events per second beside a plain priority queue with workers, what a move costs, what a status.

The plain pool is what a program has without a library: it knows of no status, limit or record.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any

import simclock
from benchmarks.measure import Stopwatch, Table, in_turns, median, nanoseconds, per_second, ratio
from simclock.systems.eventflow import (
    Event,
    EventStatus,
    Executor,
    Flow,
    Pile,
    Processor,
    Progression,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROUNDS = 7
WORKERS = 100
EVENTS = 5_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOVES = 200
# How often each of them is moved to and fro: what takes a few milliseconds only is lost in noise.
TIMES = 20
WEIGHED = 20_000


class Nothing(Event):
    """What each event does."""

    async def _invoke(self) -> None:
        pass


class Runs(Processor):
    """Runs them."""

    event_type = Nothing


class Keeps(Executor):
    """Keeps them."""

    processor_type = Runs


CONFIG = {
    "queue_capacity": 10_000,
    "capacity_refresh_time": 0.01,
    "concurrency_limit": WORKERS,
    "max_queue_size": EVENTS,
}


async def _by_hand(events: list[Nothing]) -> None:
    queue: asyncio.PriorityQueue[tuple[float, int, Nothing]] = asyncio.PriorityQueue()

    async def work() -> None:
        while True:
            await (await queue.get())[-1]._invoke()
            queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(WORKERS)]
    for number, event in enumerate(events):
        await queue.put((event.created_at.timestamp(), number, event))
    await queue.join()
    for each in workers:
        each.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def _invoked(events: list[Nothing]) -> None:
    for event in events:
        await event.invoke()


async def _executed(events: list[Nothing]) -> None:
    async with Keeps(CONFIG) as executor:
        for event in events:
            await executor.append(event)
        await executor.join()


def _taken(
    run: Callable[[list[Nothing]], Any], world: Callable[..., Any] = lambda call: call()
) -> float:
    """Return the real nanoseconds for each event."""
    events = [Nothing() for _ in range(EVENTS)]
    return Stopwatch().time(lambda: world(lambda: asyncio.run(run(events)))) / EVENTS


def _throughput() -> Table:
    table = Table(
        "eventflow: throughput", f"{EVENTS:,} events that do nothing, {WORKERS} at once; per event"
    )
    samples = in_turns(
        ROUNDS,
        **{
            "asyncio.PriorityQueue": partial(_taken, _by_hand),
            "invoke() in a loop": partial(_taken, _invoked),
            "executor": partial(_taken, _executed),
            "executor, simulated": partial(_taken, _executed, simclock.run),
        },
    )
    for each in samples:
        value = median(samples[each])
        rate = per_second(value, "events")
        table.add(
            each, nanoseconds(value), ratio(samples, each, "asyncio.PriorityQueue"), note=rate
        )
    return table


def _flow(size: int) -> tuple[Flow[Nothing, Progression], list[Nothing]]:
    """Return a flow of so many pending events, and some of them."""
    events = [Nothing() for _ in range(size)]
    flow: Flow[Nothing, Progression] = Flow(
        events, progressions=[Progression(name=each.value) for each in EventStatus]
    )
    flow.get_progression("pending").extend(events)
    return flow, events[size // 2 : size // 2 + MOVES]


def _moved(flow: Flow[Nothing, Progression], events: list[Nothing]) -> float:
    def move() -> None:
        for _ in range(TIMES):
            for event in events:
                flow._move(event.id, "pending", "processing")
            for event in events:
                flow._move(event.id, "processing", "pending")

    return Stopwatch().time(move) / (2 * MOVES * TIMES)


def _moves() -> Table:
    table = Table(
        "eventflow: a move from status to status", "by how many events there are; per move"
    )
    measured = {f"{size:,} events": partial(_moved, *_flow(size)) for size in SIZES}
    samples = in_turns(ROUNDS, **measured)
    first = next(iter(samples))
    for each in samples:
        table.add(each, nanoseconds(median(samples[each])), ratio(samples, each, first))
    return table


def _weight(build: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        kept = build()
        return tracemalloc.get_traced_memory()[0] if kept is not None else 0
    finally:
        tracemalloc.stop()


def _in_pile() -> object:
    return Pile([Nothing() for _ in range(WEIGHED)])


def _in_flow() -> object:
    flow: Flow[Nothing, Progression] = Flow(
        [Nothing() for _ in range(WEIGHED)],
        progressions=[Progression(name=each.value) for each in EventStatus],
    )
    flow.get_progression("pending").extend(flow.items)
    return flow


def _in_executor() -> object:
    async def fill() -> Keeps:
        executor = Keeps()
        for _ in range(WEIGHED):
            await executor.append(Nothing())
        return executor

    return asyncio.run(fill())


def _memory() -> Table:
    table = Table("eventflow: memory", f"{WEIGHED:,} pending events, by tracemalloc; per event")
    weights = {"pile": _in_pile, "flow, seven statuses": _in_flow, "executor": _in_executor}
    found = {name: _weight(build) for name, build in weights.items()}
    for name, weight in found.items():
        table.add(name, f"{weight / WEIGHED:,.0f} bytes", weight / found["pile"])
    return table


def run() -> Generator[Table, None, None]:
    """Measure throughput, moves and memory."""
    yield _throughput()
    yield _moves()
    yield _memory()
