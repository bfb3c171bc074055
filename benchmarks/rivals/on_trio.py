"""The same programs for trio, as somebody who knows trio would write them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import trio

from benchmarks.rivals.cases import ITEMS, JOB_SECONDS, PAUSES, WORK, draw_sleeps, phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.rivals.cases import Size

    Program = Callable[[], Awaitable[float]]


def start(_: Size) -> Program:
    """Do nothing."""

    async def main() -> float:
        return 0.0

    return main


def sleeps(size: Size) -> Program:
    """Run tasks that sleep for random times."""
    durations = draw_sleeps(size)

    async def sleeper(mine: list[float]) -> None:
        for duration in mine:
            await trio.sleep(duration)

    async def main() -> float:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for mine in durations:
                nursery.start_soon(sleeper, mine)
        return trio.current_time() - began

    return main


memory = sleeps


def yields(size: Size) -> Program:
    """Run tasks that only let the others run."""
    tasks, times = size

    async def yielder() -> None:
        for _ in range(times):
            await trio.sleep(0)  # noqa: ASYNC115 - what the others call

    async def main() -> float:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(yielder)
        return trio.current_time() - began

    return main


def queue(_: Size) -> Program:
    """Send items from two producers to two consumers."""

    async def main() -> float:
        began = trio.current_time()
        send, receive = trio.open_memory_channel[tuple[float, int]](2)
        got = []

        async def produce(pause: float, into: trio.MemorySendChannel[tuple[float, int]]) -> None:
            async with into:
                for number in range(ITEMS):
                    await trio.sleep(pause)
                    await into.send((pause, number))

        async def consume() -> None:
            async for item in receive:
                await trio.sleep(WORK)
                got.append(item)

        async with trio.open_nursery() as nursery, send:
            for _ in range(2):
                nursery.start_soon(consume)
            for pause in PAUSES:
                nursery.start_soon(produce, pause, send.clone())
        assert sorted(got) == [(pause, number) for pause in PAUSES for number in range(ITEMS)]
        return trio.current_time() - began

    return main


def timers(size: Size) -> Program:
    """Let tasks wait from second to second: trio has no callbacks."""
    count, fires = size

    async def timer(number: int) -> None:
        await trio.sleep(phase(number, count))
        for _ in range(fires - 1):
            await trio.sleep(1)

    async def main() -> float:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(timer, number)
        return trio.current_time() - began

    return main


def executor(size: Size) -> Program:
    """Have threads do one job after the other; return how many trio's own thread did."""

    async def main() -> float:
        mine, inline = threading.get_ident(), 0
        for _ in range(size[0]):
            inline += await trio.to_thread.run_sync(threading.get_ident) == mine
        return inline

    return main


def threads(size: Size) -> Program:
    """Have threads sleep one after the other."""

    async def main() -> float:
        began = trio.current_time()
        for _ in range(size[0]):
            await trio.to_thread.run_sync(time.sleep, JOB_SECONDS)
        return trio.current_time() - began

    return main
