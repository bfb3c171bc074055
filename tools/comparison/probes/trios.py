"""What programs of trio wait for."""

from __future__ import annotations

import datetime as dt
import time

import trio

HOUR = 3600


async def sleep() -> float:
    """Sleep for an hour; answer how long it was."""
    began = trio.current_time()
    await trio.sleep(HOUR)
    return trio.current_time() - began


async def exact() -> float:
    """Sleep a tenth of a second, a thousand times; answer how long it was."""
    began = trio.current_time()
    for _ in range(1000):
        await trio.sleep(0.1)
    return trio.current_time() - began


async def wall() -> float:
    """Sleep for an hour; answer how far the wall clock went."""
    began = dt.datetime.now()
    await trio.sleep(HOUR)
    return (dt.datetime.now() - began).total_seconds()


async def thread() -> float:
    """Wait up to two hours for a thread that sleeps for one; answer how long it was."""
    began = trio.current_time()
    with trio.fail_after(2 * HOUR):
        await trio.to_thread.run_sync(time.sleep, HOUR)
    return trio.current_time() - began


def compute() -> int:
    """Compute for a real fraction of a second."""
    return sum(number % 7 for number in range(5_000_000))


async def computing() -> str:
    """Wait up to five seconds for a thread that computes for less; answer whether it was done."""
    with trio.fail_after(5):
        await trio.to_thread.run_sync(compute)
    return "done"


async def deadlock() -> str:
    """Wait for an event that nobody sets."""
    await trio.Event().wait()
    return "it ended"


async def polling() -> str:
    """Ask for ever, without a pause, whether something has happened."""
    happened = trio.Event()
    while not happened.is_set():
        await trio.lowlevel.checkpoint()
    return "it ended"
