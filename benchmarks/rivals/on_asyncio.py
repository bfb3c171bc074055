"""The programs for whatever runs asyncio.

Each function returns a program: a coroutine function without arguments. What it
returns is how much time its loop says has passed, where it does not say otherwise.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.rivals.cases import ITEMS, JOB_SECONDS, PAUSES, WORK, draw_sleeps, phase

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks.rivals.cases import Size

    Program = Callable[[], Coroutine[None, None, float]]


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
            await asyncio.sleep(duration)

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(sleeper(mine) for mine in durations))
        return loop.time() - began

    return main


memory = sleeps


def yields(size: Size) -> Program:
    """Run tasks that only let the others run."""
    tasks, times = size

    async def yielder() -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(yielder() for _ in range(tasks)))
        return loop.time() - began

    return main


def queue(_: Size) -> Program:
    """Send items from two producers to two consumers."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        items: asyncio.Queue[tuple[float, int] | None] = asyncio.Queue(2)
        got = []

        async def produce(pause: float) -> None:
            for number in range(ITEMS):
                await asyncio.sleep(pause)
                await items.put((pause, number))

        async def consume() -> None:
            while (item := await items.get()) is not None:
                await asyncio.sleep(WORK)
                got.append(item)

        consumers = [asyncio.create_task(consume()) for _ in range(2)]
        await asyncio.gather(*(asyncio.create_task(produce(pause)) for pause in PAUSES))
        for _ in consumers:
            await items.put(None)
        await asyncio.gather(*consumers)
        assert sorted(got) == [(pause, number) for pause in PAUSES for number in range(ITEMS)]
        return loop.time() - began

    return main


def timers(size: Size) -> Program:
    """Let timers arm themselves again and again."""
    count, fires = size

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = loop.create_future()
        running = count

        def fire(left: int) -> None:
            nonlocal running
            if left:
                loop.call_later(1, fire, left - 1)
                return
            running -= 1
            if not running:
                done.set_result(None)

        for number in range(count):
            loop.call_later(phase(number, count), fire, fires - 1)
        await done
        return loop.time() - began

    return main


def executor(size: Size) -> Program:
    """Have an executor do one job after the other; return how many the loop's thread did itself."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        mine, inline = threading.get_ident(), 0
        for _ in range(size[0]):
            inline += await loop.run_in_executor(None, threading.get_ident) == mine
        return inline

    return main


def threads(size: Size) -> Program:
    """Have threads sleep one after the other."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(size[0]):
            await asyncio.to_thread(time.sleep, JOB_SECONDS)
        return loop.time() - began

    return main
