"""What goes wrong under some schedules only: answers say whether all is right."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from tools.comparison.probes import Program


class Counter:
    """Counts, without a lock."""

    def __init__(self) -> None:
        self.value = 0

    def increment(self) -> None:
        """Add one, unless another thread comes in between."""
        seen = self.value
        self.value = seen + 1


class Stock:
    """Items in stock: each method is right, and what calls both is not."""

    def __init__(self) -> None:
        self.items = 1
        self.lock = threading.Lock()

    def left(self) -> int:
        """Return how many there are."""
        with self.lock:
            return self.items

    def take(self) -> None:
        """Take one."""
        with self.lock:
            self.items -= 1

    def sell(self) -> None:
        """Take one, if there is one."""
        if self.left() > 0:
            self.take()


def lost_update() -> Program:
    """Two threads add one each."""
    return Program(Counter, (Counter.increment, Counter.increment), lambda it: it.value == 2)


def check_then_act() -> Program:
    """Two threads sell the last item."""
    return Program(Stock, (Stock.sell, Stock.sell), lambda it: it.items == 0)


def pooled() -> Program:
    """One thread has a pool sell the last item, twice."""

    def body(stock: Stock) -> None:
        with ThreadPoolExecutor(2) as executor:
            for job in [executor.submit(stock.sell) for _ in range(2)]:
                job.result()

    return Program(Stock, (body,), lambda it: it.items == 0)


def same_instant() -> Program:
    """Two tasks wake at the same instant after different sleeps, and one needs the other."""

    async def make(made: list[str]) -> None:
        await asyncio.sleep(0.5)
        made.append("it")

    async def use(made: list[str]) -> None:
        await asyncio.sleep(0.25)
        await asyncio.sleep(0.25)
        made.append("used" if made else "missing")

    return Program(list, (make, use), lambda made: "missing" not in made)


def same_sleep() -> Program:
    """Two tasks sleep equally long, one after the other, and the later needs the earlier."""

    async def make(made: list[str]) -> None:
        await asyncio.sleep(1)
        made.append("it")

    async def use(made: list[str]) -> None:
        await asyncio.sleep(1)
        made.append("used" if made else "missing")

    return Program(list, (make, use), lambda made: "missing" not in made)


def jobs() -> Program:
    """Two tasks have a job done in a thread each, and one needs what the other's makes."""

    async def make(made: list[str]) -> None:
        await asyncio.to_thread(made.append, "it")

    async def use(made: list[str]) -> None:
        await asyncio.to_thread(lambda: made.append("used" if made else "missing"))

    return Program(list, (make, use), lambda made: "missing" not in made)
