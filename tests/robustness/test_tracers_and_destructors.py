"""Tracers and destructors: what runs inside kernel frames changes nothing."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref

import pytest

import simclock

PROGRAM = """
import queue, threading, time
import simclock

def work(inbox, log, name):
    while (item := inbox.get()) is not None:
        time.sleep(item)
        log.append((time.monotonic() - 1000, name))

def program():
    inbox, log = queue.Queue(), []
    threads = [threading.Thread(target=work, args=(inbox, log, n)) for n in range(3)]
    for thread in threads:
        thread.start()
    for item in (3, 1, 2, 0.5, 0.25):
        inbox.put(item)
    for _ in threads:
        inbox.put(None)
    for thread in threads:
        thread.join()
    return log

with simclock.Simulation() as sim:
    print(program())
print(sim.trace.digest)
"""


def test_a_program_under_coverage_takes_the_same_steps(child, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)

    plain = child(f"import runpy; runpy.run_path({str(path)!r})")
    traced = child(
        f"""
        import coverage, runpy
        measured = coverage.Coverage(data_file=None, config_file=False, include=[{str(path)!r}])
        measured.start()
        runpy.run_path({str(path)!r})
        measured.stop()
        """
    )

    assert plain == traced


def work_for_tracers():
    log = []

    def work(n):
        time.sleep(n)
        log.append((time.monotonic(), n))

    threads = [threading.Thread(target=work, args=(n,)) for n in (2, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return log


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_a_tracer_that_takes_locks_and_reads_the_clock_sees_real_ones(kind):
    lock = threading.Lock()
    readings = []
    # The two differ under coverage, which gives each thread a tracer of its own.
    before = [(module, getattr(module, f"get{kind}")()) for module in (sys, threading)]

    def tracer(frame, event, arg):
        with lock:
            readings.append(time.monotonic())
        return tracer

    with simclock.Simulation() as sim:
        getattr(threading, f"set{kind}")(tracer)
        getattr(sys, f"set{kind}")(tracer)
        try:
            log = work_for_tracers()
        finally:
            for module, function in before:
                getattr(module, f"set{kind}")(function)

    assert log == [(1001.0, 1), (1002.0, 2)]
    assert sim.elapsed == 2
    assert readings
    assert not {1000.0, 1001.0, 1002.0} & set(readings)


def test_destructors_and_weak_reference_callbacks_may_wait():
    log = []
    lock = threading.Lock()

    class Slow:
        def __del__(self):
            with lock:
                time.sleep(1)
            log.append((time.monotonic(), "deleted"))

    class Plain:
        pass

    def called(_):
        time.sleep(2)
        log.append((time.monotonic(), "called back"))

    def drop():
        slow, plain = Slow(), Plain()
        reference = weakref.ref(plain, called)
        del plain
        del slow
        assert reference() is None

    with simclock.Simulation():
        threads = [threading.Thread(target=drop) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert log == [
        (1002.0, "called back"),
        (1002.0, "called back"),
        (1003.0, "deleted"),
        (1004.0, "deleted"),
    ]


def test_cyclic_garbage_is_collected_at_the_same_steps_each_time():
    log = []

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            log.append(time.monotonic())

    def run():
        log.clear()
        with simclock.Simulation():
            Cycle()
            for _ in range(25_000):
                time.sleep(1)
        return list(log)

    first = run()

    assert len(first) == 1
    assert 1000 < first[0] < 26_000
    gc.collect()
    assert run() == first
