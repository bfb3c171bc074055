"""The flavour tinyloop passes what every flavour passes, and tinyloop runs in simulated time."""

from __future__ import annotations

import threading
import time

import pytest
import simclock
from simclock import flavours
from simclock.testing import FlavourContract

import tinyloop


async def forever():
    await tinyloop.Event().wait()


class TestTinyloop(FlavourContract):
    flavour = "tinyloop"
    waits_forever = forever, "forever"


@pytest.fixture(autouse=True)
def no_idle_threads(monkeypatch):
    """End them with their test: some tests count threads."""
    monkeypatch.setattr(tinyloop, "IDLE_S", 0.01)
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=1)


def program(log):
    """Let three tasks, a call in a thread and a thread meet on one clock."""
    start = time.monotonic()

    def note(what):
        log.append((time.monotonic() - start, what))

    def in_a_thread():
        time.sleep(2.5)
        note("thread")

    async def tick(name, seconds):
        try:
            while True:
                await tinyloop.sleep(seconds)
                note(name)
        except tinyloop.Cancelled:
            note(f"{name} is cancelled")

    async def main():
        tasks = [tinyloop.spawn(tick("a", 1)), tinyloop.spawn(tick("b", 2))]
        await tinyloop.in_thread(lambda: time.sleep(3.5))
        note("call")
        for task in tasks:
            task.cancel()

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    tinyloop.run(main())
    thread.join()


def test_tasks_and_threads_are_on_one_clock(sim):
    log = []

    program(log)

    assert log == [
        (1.0, "a"), (2.0, "b"), (2.0, "a"), (2.5, "thread"), (3.0, "a"), (3.5, "call"),
        (3.5, "a is cancelled"), (3.5, "b is cancelled"),
    ]  # fmt: skip
    assert sim.elapsed == 3.5


def test_idle_threads_serve_real_time_or_one_simulation(monkeypatch):
    monkeypatch.setattr(tinyloop, "IDLE_S", 1)

    async def helper():
        return await tinyloop.in_thread(threading.current_thread)

    def two():
        return [tinyloop.run(helper()) for _ in range(2)]

    real = two()
    simulated = simclock.run(two)
    afterwards = two()

    assert simulated[0] is simulated[1]
    assert simulated[0] not in {*real, *afterwards}


def test_the_main_thread_s_own_loop_ends_at_a_deadlock():
    ended = []

    async def main():
        try:
            await tinyloop.Event().wait()
        finally:
            ended.append("main")

    with pytest.raises(simclock.Deadlock, match=r"task main waits at test_tinyloop\.py:\d+ wait"):
        simclock.run(lambda: tinyloop.run(main()))
    assert ended == ["main"]
    assert flavours.get("tinyloop").is_running() is False
