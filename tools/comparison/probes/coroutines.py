"""What programs of asyncio wait for."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import socket
import sys
import time
import uuid

HOUR = 3600
DAY = 86_400
HOST = "127.0.0.1"
with socket.create_server((HOST, 0)) as free:  # not all simulated servers say which they took
    PORT = free.getsockname()[1]


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def sleep() -> float:
    """Sleep for an hour; answer how long it was."""
    began = now()
    await asyncio.sleep(HOUR)
    return now() - began


async def exact() -> float:
    """Sleep a tenth of a second, a thousand times; answer how long it was."""
    began = now()
    for _ in range(1000):
        await asyncio.sleep(0.1)
    return now() - began


async def early() -> int:
    """Sleep for times of whole nanoseconds; answer how many sleeps were too short."""
    drawn = random.Random(0)
    short = 0
    for _ in range(300):
        seconds = drawn.randrange(1, 10**9) / 10**9
        began = now()
        await asyncio.sleep(seconds)
        short += now() - began < seconds - 1e-9
    return short


async def year() -> float:
    """Sleep for a year; answer how many days it was."""
    began = now()
    await asyncio.sleep(365 * DAY)
    return (now() - began) / DAY


async def wall() -> float:
    """Sleep for an hour; answer how far the wall clock went."""
    began = dt.datetime.now()
    await asyncio.sleep(HOUR)
    return (dt.datetime.now() - began).total_seconds()


async def thread() -> float:
    """Wait up to two hours for a thread that sleeps for one; answer how long it was."""
    began = now()
    await asyncio.wait_for(asyncio.to_thread(time.sleep, HOUR), timeout=2 * HOUR)
    return now() - began


async def late_thread() -> float:
    """Wait a minute less than a thread sleeps; answer how long it was."""
    began = now()
    try:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, HOUR), timeout=HOUR - 60)
    except asyncio.TimeoutError:  # another one before Python 3.11
        return now() - began
    return now() - began


def compute() -> int:
    """Compute for a real fraction of a second."""
    return sum(number % 7 for number in range(5_000_000))


async def computing() -> str:
    """Wait up to five seconds for a thread that computes for less; answer whether it was done."""
    await asyncio.wait_for(asyncio.to_thread(compute), timeout=5)
    return "done"


async def child() -> str:
    """Wait up to five seconds for a child process that takes less; answer whether it was done."""
    program = "import time; time.sleep(0.2); print('done')"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), timeout=5)
    return output.decode().strip()


async def server() -> list[object]:
    """Ask a server of the same loop, which answers after an hour; answer what and how long."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        await asyncio.sleep(HOUR)
        writer.write(line)
        await writer.drain()
        writer.close()

    began = now()
    serving = await asyncio.start_server(handle, HOST, PORT)
    async with serving:
        reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.write(b"hello\n")
        received = await asyncio.wait_for(reader.readline(), timeout=2 * HOUR)
        took = now() - began
        writer.close()
    return [received.decode().strip(), round(took)]


async def random_number() -> float:
    """Answer a random number."""
    return random.random()


async def identifier() -> str:
    """Answer a random UUID."""
    return str(uuid.uuid4())


async def entropy() -> str:
    """Answer random bytes of the operating system."""
    return os.urandom(8).hex()


async def deadlock() -> str:
    """Wait for an event that nobody sets."""
    await asyncio.Event().wait()
    return "it ended"


async def polling() -> str:
    """Ask for ever, without a pause, whether something has happened."""
    happened = asyncio.Event()
    while not happened.is_set():  # noqa: ASYNC110 - what is asked
        await asyncio.sleep(0)
    return "it ended"
