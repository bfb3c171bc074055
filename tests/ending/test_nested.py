from __future__ import annotations

import threading
import time

import pytest

import simclock
from simclock import Deadlock, Simulation


def test_the_outer_clock_stands_still_and_the_inner_one_begins_anew():
    log = []
    with Simulation() as outer:
        time.sleep(3)
        with Simulation() as inner:
            log.append((time.monotonic(), time.time()))
            time.sleep(100)
            log.append((inner.elapsed, outer.elapsed))
            assert simclock.active() is inner
        log.append((time.monotonic(), time.time()))
        assert simclock.active() is outer
        time.sleep(1)
    assert log == [(1000.0, 946684800.0), (100.0, 3.0), (1003.0, 946684803.0)]
    assert (outer.elapsed, inner.elapsed) == (4.0, 100.0)


def test_the_outer_threads_stand_still():
    log = []

    def work():
        for _ in range(3):
            time.sleep(1)
            log.append((simclock.active().elapsed, "outer"))

    with Simulation():
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(1.5)
        with Simulation():
            inner = threading.Timer(10, lambda: log.append((simclock.active().elapsed, "inner")))
            inner.start()
            inner.join()
        thread.join()
    assert log == [(1.0, "outer"), (10.0, "inner"), (2.0, "outer"), (3.0, "outer")]


def test_one_opened_in_a_thread_of_the_outer():
    log = []

    def work():
        time.sleep(1)
        log.append(simclock.run(lambda: time.sleep(50) or simclock.active().elapsed))
        log.append(simclock.active().elapsed)

    with Simulation() as outer:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        time.sleep(1)
    assert log == [50.0, 1.0]
    assert outer.elapsed == 2.0


def test_an_error_of_the_inner_one_is_not_the_outers():
    with Simulation() as outer:
        with pytest.raises(Deadlock, match="1 thread can never run again"), Simulation() as inner:
            threading.Event().wait()
        assert isinstance(inner.failure, Deadlock)
        time.sleep(2)
    assert outer.failure is None
    assert outer.elapsed == 2.0


def test_an_exception_passes_through_both():
    with pytest.raises(KeyError, match="mine"), Simulation(), Simulation():
        raise KeyError("mine")
    assert simclock.active() is None
    assert simclock.run(lambda: time.sleep(1) or time.monotonic()) == 1001.0


def test_a_lock_that_an_outer_thread_owns_is_a_deadlock_inside():
    lock = threading.Lock()

    def own():
        with lock:
            time.sleep(10)

    with Simulation() as outer:
        threading.Thread(target=own).start()
        time.sleep(1)
        with pytest.raises(Deadlock), Simulation():
            lock.acquire()
        with lock:
            assert outer.elapsed == 10.0


def test_five_deep():
    def open_another(depth):
        with Simulation() as sim:
            time.sleep(depth)
            below = open_another(depth - 1) if depth > 1 else []
            time.sleep(depth)
            return [*below, sim.elapsed]

    assert open_another(5) == [2.0, 4.0, 6.0, 8.0, 10.0]
