"""A recursion limit reached in or near the kernel leaves it whole."""

from __future__ import annotations

import queue
import sys
import threading
import time

import pytest

import simclock

MARGIN = 80  # frames before the limit at which calls are tried; the kernel uses some twenty


def at_depth(depth, function):
    """Call *function* below *depth* further frames of Python."""
    if depth:
        return at_depth(depth - 1, function)
    return function()


def room():
    """Return how many frames there are to the limit from here."""
    depth = 0
    while True:
        try:
            at_depth(depth, int)
        except RecursionError:
            return depth
        depth += 1


@pytest.fixture
def low_limit():
    """A limit so low that each depth can be tried."""
    frames, frame = 0, sys._getframe()
    while frame is not None:
        frames, frame = frames + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(frames + 200)
    yield
    sys.setrecursionlimit(before)


OPERATIONS = {
    "sleep": lambda lock, items: time.sleep(0.001),
    "monotonic": lambda lock, items: time.monotonic(),
    "lock": lambda lock, items: lock.acquire() and lock.release(),
    "contended": lambda lock, items: lock.acquire(timeout=0.5) and lock.release(),
    "put": lambda lock, items: items.put(1),
    "get": lambda lock, items: items.get(timeout=0.001),
    "checkpoint": lambda lock, items: simclock.active().checkpoint(),
    "thread": lambda lock, items: threading.Thread(target=int, daemon=True).start(),
}


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("contended", [False, True], ids=["alone", "beside others"])
def test_every_depth_near_the_limit_raises_or_works_and_the_kernel_goes_on(operation, contended):
    call = OPERATIONS[operation]
    outcomes = []

    with simclock.Simulation() as sim:
        lock, items = threading.Lock(), queue.SimpleQueue()
        stop = threading.Event()

        def disturb():
            while not stop.is_set():
                if lock.acquire(timeout=1):
                    time.sleep(0.0005)
                    lock.release()
                stop.wait(0.0005)

        if contended:
            for _ in range(2):
                threading.Thread(target=disturb).start()
        most = room()
        for depth in range(max(0, most - MARGIN), most + 1):
            try:
                at_depth(depth, lambda: call(lock, items))
            except RecursionError:
                outcomes.append("RecursionError")
            except queue.Empty:
                outcomes.append("done")
            else:
                outcomes.append("done")
        # The kernel is whole: its invariants hold, and others run to their exact times.
        simclock.active()._kernel.scheduler.check()
        stop.set()
        sim.sleep(10)
        before = sim.elapsed
        other = threading.Thread(target=time.sleep, args=(3,))
        other.start()
        other.join()
        passed = round(sim.elapsed - before, 6)

    assert set(outcomes) == {"done", "RecursionError"}
    assert passed == 3.0


def test_endless_recursion_through_a_lock_raises_as_without_a_simulation():
    lock = threading.RLock()

    def forever():
        with lock:
            forever()

    with simclock.Simulation() as sim:
        with pytest.raises(RecursionError):
            forever()
        taken_elsewhere = []
        thread = threading.Thread(target=lambda: taken_elsewhere.append(lock.acquire(timeout=1)))
        thread.start()
        thread.join()

    assert taken_elsewhere == [True]
    assert sim.elapsed == 0.0


def test_endless_recursion_in_another_thread_ends_that_thread_only():
    raised = []

    def forever():
        time.sleep(0.001)
        forever()

    def run():
        try:
            forever()
        except RecursionError:
            raised.append("RecursionError")

    with simclock.Simulation() as sim:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        time.sleep(5)
        rest = sim.elapsed

    assert raised == ["RecursionError"]
    assert rest > 5.5


def test_the_room_for_recursion_is_the_same_before_and_after_kernel_calls():
    with simclock.Simulation():
        before = room()
        for _ in range(300):
            time.sleep(1)
            thread = threading.Thread(target=time.sleep, args=(0.5,))
            thread.start()
            thread.join()
        after = room()

    assert after == before
