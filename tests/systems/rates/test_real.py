"""The same in real time, as in production: what must hold on any machine, however busy."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from simclock.systems.rates import Node, RateExecutor, SyncRateExecutor

pytestmark = pytest.mark.real

# Seconds that anything which is to happen at once may take.
AT_ONCE = 5.0


def test_a_coroutine_at_a_rate_and_a_stop_from_another_thread():
    called = []

    async def tick():
        called.append(time.perf_counter())

    async def main():
        executor = RateExecutor(tick, 100)
        threading.Timer(0.2, executor.stop).start()
        began = time.perf_counter()
        await executor.run()
        return began, executor.statistics()

    began, statistics = asyncio.run(main())

    assert 2 <= len(called) == statistics.ticks
    # The grid begins after `began`, and no tick is early.
    assert all(at >= began + number * 0.01 for number, at in enumerate(called))


def test_a_thread_at_a_rate():
    called = []
    executor = SyncRateExecutor(lambda: called.append(time.perf_counter()), 100)
    threading.Timer(0.2, executor.stop).start()
    began = time.perf_counter()
    executor.run()

    assert 2 <= len(called) == executor.statistics().ticks
    assert all(at >= began + number * 0.01 for number, at in enumerate(called))


def test_missed_ticks_are_caught_up():
    called = []

    def tick():
        called.append(1)
        if len(called) == 1:
            time.sleep(0.1)
        if len(called) == 11:
            executor.stop()

    executor = SyncRateExecutor(tick, 100)
    began = time.perf_counter()
    executor.run()

    assert executor.statistics().dropped == 0
    assert time.perf_counter() - began >= 0.1


def test_a_stop_wakes_who_sleeps():
    executor = SyncRateExecutor(lambda: None, 1 / 60)
    thread = threading.Thread(target=executor.run)
    thread.start()
    time.sleep(0.05)
    executor.stop()
    thread.join(AT_ONCE)

    assert not thread.is_alive()


def test_a_stop_wakes_a_coroutine_that_sleeps():
    async def tick():
        pass

    executor = RateExecutor(tick, 1 / 60)
    thread = threading.Thread(target=lambda: asyncio.run(executor.run()))
    thread.start()
    time.sleep(0.05)
    executor.stop()
    thread.join(AT_ONCE)

    assert not thread.is_alive()


def test_a_node_twice():
    called = []

    async def tick():
        called.append("async")

    node = Node()
    node.create_timer(0.01, tick)
    node.create_timer(0.01, lambda: called.append("sync"), "sync")
    for _ in range(2):
        called.clear()
        node.spawn_thread(lambda stop: called.append(stop.wait(AT_ONCE)))
        threading.Timer(0.1, node.stop).start()
        asyncio.run(node.run())
        assert {"async", "sync", True} == set(called)
    assert node.close_sync() == []


def test_an_interrupt_ends_what_spins():
    node = Node()
    node.create_timer(60, lambda: None, "sync")
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        node.spin(AT_ONCE)

    assert node.close_sync() == []


def test_a_signal_handler_may_stop_a_node():
    async def tick():
        pass

    node = Node()
    node.create_timer(60, tick)
    before = signal.signal(signal.SIGUSR1, lambda *_: node.stop())
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        asyncio.run(asyncio.wait_for(node.run(), AT_ONCE))
    finally:
        signal.signal(signal.SIGUSR1, before)
