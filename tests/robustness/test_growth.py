"""Many threads, many simulations: nothing grows, nothing is left."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time

import pytest

import simclock
from simclock._boundary import _native


def several_threads():
    with simclock.Simulation() as sim:
        condition = threading.Condition()

        def work(n):
            time.sleep(n)
            with condition:
                condition.notify_all()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        with condition:
            condition.wait(timeout=1.5)
        for thread in threads:
            thread.join()
    return sim.elapsed


def resources():
    """Return OS threads, descriptors, and objects that the collector tracks."""
    gc.collect()
    return (
        len(os.listdir("/proc/self/task")),
        len(os.listdir("/proc/self/fd")),
        len(gc.get_objects()),
    )


def test_a_thousand_simulations_leave_no_thread_descriptor_or_object():
    for _ in range(50):
        several_threads()
    threads, descriptors, objects = resources()

    for _ in range(1000):
        assert several_threads() == 2.0

    after = resources()
    assert after[:2] == (threads, descriptors)
    # A few caches of the interpreter; one object for each simulation would be 1000.
    assert after[2] - objects < 100


def test_the_c_part_keeps_no_reference():
    """What goes through a slot is counted before and after: arguments, results, errors."""
    lock, item = threading.Lock(), object()
    queue = __import__("_queue").SimpleQueue()
    world = _native.World()
    watched = (lock, item, queue, world, None, True, False, time.sleep)

    def use():
        with simclock.Simulation():
            for _ in range(100):
                with lock:
                    time.monotonic()
                lock.acquire(blocking=True, timeout=1)
                lock.release()
                queue.put(item)
                assert queue.get(timeout=1) is item
                _native.Baton(world)
                with pytest.raises(TypeError):
                    lock.acquire(nonsense=item)
                with pytest.raises(ValueError, match="non-negative"):
                    time.sleep(-1)

    use()
    gc.collect()
    before = [sys.getrefcount(subject) for subject in watched]

    use()
    gc.collect()
    after = [sys.getrefcount(subject) for subject in watched]
    # One for each of the hundred rounds would be 100.
    assert [abs(b - a) < 50 for a, b in zip(before, after, strict=True)] == [True] * len(watched)


@pytest.mark.hang_limit(300)
def test_ten_thousand_threads_in_one_simulation():
    ended = []

    def work(n):
        time.sleep(n % 7)
        ended.append(n)

    before = threading.stack_size(256 * 1024)
    try:
        with simclock.Simulation() as sim:
            # Daemons: up to 3.12 each start of another kind looks through all that there are.
            threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(10_000)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sim.elapsed == 6
            assert len(sim.threads) == 1
    finally:
        threading.stack_size(before)

    assert ended == [n for second in range(7) for n in range(second, 10_000, 7)]
    alive, idle = _native.carriers()
    assert alive == idle <= 64
