"""Whatever happens in a simulation, afterwards every built-in is what it was."""

from __future__ import annotations

import _thread
import gc
import queue
import sys
import threading
import time
from time import monotonic, sleep

import pytest

import simclock
from simclock._boundary import _native, activation, entropy, overlays, signals, wallclock
from simclock._boundary.active import kernels
from simclock._boundary.rows import originals


def raised(error):
    try:
        with simclock.Simulation():
            threading.Thread(target=time.sleep, args=(5,)).start()
            raise error
    except BaseException as caught:
        return caught
    return None


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), MemoryError()],
    ids=lambda error: type(error).__name__,
)
def test_after_an_exception_in_the_block(error):
    assert raised(error) is error
    assert (_native.redirected(), kernels, simclock.active()) == ([], [], None)


def test_after_a_failure_of_the_simulation():
    with pytest.raises(simclock.errors.Deadlock), simclock.Simulation():
        threading.Event().wait()

    assert (_native.redirected(), kernels, simclock.active()) == ([], [], None)


def fails(*_, **__):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (wallclock.Provided, "start"),
        (wallclock.Provided, "check"),
        (_native, "enable"),
        (activation.Collector, "start"),
        (signals, "start"),
        (entropy, "start"),
        (overlays, "start"),
        (activation.watchdog, "watch"),
        (_native, "open"),
    ],
    ids=lambda place: getattr(place, "__name__", type(place).__name__).rpartition(".")[2],
)
def test_after_an_error_in_a_step_of_opening(monkeypatch, module, step):
    monkeypatch.setattr(module, step, fails)

    with pytest.raises(ZeroDivisionError), simclock.Simulation():
        pass

    assert (_native.redirected(), kernels, simclock.active()) == ([], [], None)
    monkeypatch.undo()
    with simclock.Simulation() as sim:
        sleep(2)
    assert sim.elapsed == 2.0


@pytest.mark.parametrize(
    ("module", "step"),
    [(wallclock.Provided, "stop"), (entropy, "stop"), (overlays, "stop"), (signals, "stop")],
    ids=lambda place: getattr(place, "__name__", str(place)).rpartition(".")[2],
)
def test_an_error_in_a_step_of_closing_is_raised_and_the_other_steps_are_done(
    monkeypatch, module, step
):
    really = getattr(module, step)

    def stop(*args):
        really(*args)
        raise ZeroDivisionError

    monkeypatch.setattr(module, step, stop)

    with pytest.raises(ZeroDivisionError), simclock.Simulation():
        pass

    assert (_native.redirected(), kernels, simclock.active()) == ([], [], None)


def test_an_inner_simulation_leaves_the_outer_one_redirected():
    with simclock.Simulation() as outer:
        sleep(1)
        with pytest.raises(ZeroDivisionError), simclock.Simulation() as inner:
            sleep(50)
            raise ZeroDivisionError
        assert _native.redirected() != []
        sleep(1)

    assert (inner.elapsed, outer.elapsed) == (50.0, 2.0)
    assert _native.redirected() == []


def spin(count):
    for _ in range(count):
        monotonic()
    return monotonic()


def test_a_specialised_call_site_is_redirected_and_restored():
    spin(20_000)

    with simclock.Simulation():
        inside = spin(500)

    assert inside == 1000.0
    assert abs(spin(20_000) - originals["time.monotonic"]()) < 60


def test_a_call_site_specialised_inside_is_restored():
    def warm(count):
        lock = _thread.allocate_lock()
        for _ in range(count):
            lock.acquire()
            lock.release()
        return monotonic()

    with simclock.Simulation():
        assert warm(20_000) == 1000.0

    assert abs(warm(20_000) - originals["time.monotonic"]()) < 60


def hammer(stop, counts, index):
    lock, rlock, items = threading.Lock(), threading.RLock(), queue.SimpleQueue()
    while not stop.is_set():
        with lock, rlock:
            items.put(1)
        items.get(timeout=5)
        assert time.monotonic() != 1000.0
        assert time.time() > 1.6e9  # none of the year 2000
        lock.acquire(timeout=1)
        lock.release()
        sleep(0)
        counts[index] += 1


@pytest.mark.hang_limit(300)
def test_many_cycles_while_foreign_threads_are_inside_the_calls():
    stop = threading.Event()
    counts = [0, 0, 0]
    threads = [threading.Thread(target=hammer, args=(stop, counts, n)) for n in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        # The redirection itself, thousands of times, ...
        for _ in range(3_000):
            _native.enable()
            _native.disable()
        # ... and whole simulations.
        elapsed = set()
        for _ in range(40):
            with simclock.Simulation(external="ignore") as sim:
                sleep(1)
            elapsed.add(sim.elapsed)
    finally:
        sys.setswitchinterval(before)
        stop.set()
        for thread in threads:
            thread.join()

    assert elapsed == {1.0}
    assert min(counts) > 0
    assert _native.redirected() == []


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_garbage_collector_is_as_before(enabled, frozen):
    was = gc.isenabled()
    if frozen:
        gc.freeze()
    try:
        (gc.enable if enabled else gc.disable)()
        with simclock.Simulation():
            inside = gc.isenabled(), gc.get_freeze_count() > 0
        after = gc.isenabled(), gc.get_freeze_count() > 0
    finally:
        (gc.enable if was else gc.disable)()
        gc.unfreeze()

    assert inside == (False, True)
    assert after == (enabled, frozen)


def test_garbage_that_existed_before_can_be_collected_after():
    class Node:
        def __init__(self):
            self.me = self

        def __del__(self):
            log.append("gone")

    log = []
    gc.disable()
    try:
        Node()
        with simclock.Simulation():
            gc.collect()
            inside = list(log)
    finally:
        gc.enable()
    gc.collect()

    assert (inside, log) == ([], ["gone"])
