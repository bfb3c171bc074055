"""anyio as it is, on either backend."""

from __future__ import annotations

import threading
import time

import anyio
import pytest
from anyio import from_thread, to_thread

import simclock
from simclock import Deadlock, Simulation


@pytest.fixture(params=["asyncio", "trio"])
def backend(request):
    return request.param


def program(backend):
    """Return what a bit of everything does, with its times."""
    log, start = [], time.monotonic()

    def note(*what):
        log.append((round(time.monotonic() - start, 9), *what))

    async def producer(sender):
        async with sender:
            for number in range(3):
                await anyio.sleep(1)
                await sender.send(number)

    async def consumer(name, receiver):
        async with receiver:
            async for number in receiver:
                note(name, number)
                await anyio.sleep(0.25)

    def block():
        time.sleep(2)
        from_thread.run(anyio.sleep, 0.5)
        from_thread.run_sync(note, "from a thread")

    async def cancelled():
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.125)
            note("cleaned up")

    async def main():
        sender, receiver = anyio.create_memory_object_stream(0)
        async with anyio.create_task_group() as group:
            group.start_soon(producer, sender)
            for name in ("first", "second"):
                group.start_soon(consumer, name, receiver.clone())
            receiver.close()
            group.start_soon(to_thread.run_sync, block)
        with anyio.move_on_after(1):
            await cancelled()
        note("moved on")
        with pytest.raises(TimeoutError), anyio.fail_after(1):
            await anyio.Event().wait()
        note("timed out")

    anyio.run(main, backend=backend)
    return log


def test_a_bit_of_everything_is_exact_and_the_same_each_time(backend):
    first = simclock.run(program, backend)

    assert simclock.run(program, backend) == first
    assert [(time, *what[:1]) for time, *what in first if what[0] not in {"first", "second"}] == [
        (2.5, "from a thread"),
        (4.375, "cleaned up"),
        (4.375, "moved on"),
        (5.375, "timed out"),
    ]
    assert [(time, number) for time, _, *number in first if number] == [
        (1.0, [0]),
        (2.0, [1]),
        (3.0, [2]),
    ]


def test_both_backends_and_a_thread_share_one_clock():
    log = []

    async def ticks(name):
        for _ in range(3):
            await anyio.sleep(1)
            log.append((time.monotonic() - 1000, name))

    def in_thread():
        for _ in range(3):
            time.sleep(1)
            log.append((time.monotonic() - 1000, "thread"))

    def mixed():
        log.clear()
        threads = [
            threading.Thread(target=anyio.run, args=(ticks, name), kwargs={"backend": name})
            for name in ("asyncio", "trio")
        ]
        for thread in [*threads, plain := threading.Thread(target=in_thread)]:
            thread.start()
        for thread in [*threads, plain]:
            thread.join()
        return list(log)

    first = simclock.run(mixed)

    assert simclock.run(mixed) == first
    assert sorted(first) == [
        (at, name) for at in (1.0, 2.0, 3.0) for name in ("asyncio", "thread", "trio")
    ]


def test_a_deadlock_shows_the_tasks_of_a_group(backend):
    async def stuck():
        await anyio.Event().wait()

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(stuck, name="one")
            group.start_soon(stuck, name="two")

    with pytest.raises(Deadlock) as caught, Simulation():
        anyio.run(main, backend=backend)

    lines = [line for line in str(caught.value).splitlines() if " waits at " in line]
    stuck_line = stuck.__code__.co_firstlineno + 1
    assert [line.strip().partition(" waits at ")[::2] for line in lines[-2:]] == [
        ("task one", f"test_anyio.py:{stuck_line} wait"),
        ("task two", f"test_anyio.py:{stuck_line} wait"),
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [4, 6, 6]
