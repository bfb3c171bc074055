"""Calls from tracers, sub-interpreters, the kernel and foreign threads are not simulated."""

from __future__ import annotations

import sys
import threading
import time
import weakref

import pytest

import simclock
from simclock._boundary import _native

if sys.version_info >= (3, 13):
    import _interpreters
else:
    import _xxsubinterpreters as _interpreters


def in_sub_interpreter(program: str) -> None:
    # The isolated kind refuses extension modules, and `time` is one up to 3.11.
    arguments = ("legacy",) if sys.version_info >= (3, 13) else ()
    interpreter = (
        _interpreters.create(*arguments)
        if sys.version_info >= (3, 13)
        else _interpreters.create(isolated=False)
    )
    try:
        failed = (
            _interpreters.run_string(interpreter, program)
            if sys.version_info < (3, 13)
            else _interpreters.exec(interpreter, program)
        )
        assert failed is None
    finally:
        _interpreters.destroy(interpreter)


ASK = """
import os, time
now = time.monotonic()
time.sleep(0.001)
os.write({descriptor}, b"%d" % (now == 1000.0 or time.monotonic() == now))
"""


@pytest.mark.parametrize("where", ["root", "thread"])
def test_a_sub_interpreter_in_a_simulated_thread_is_in_real_time(where):
    import os

    reader, writer = os.pipe()
    program = ASK.format(descriptor=writer)

    with simclock.Simulation() as sim:
        if where == "root":
            in_sub_interpreter(program)
        else:
            thread = threading.Thread(target=in_sub_interpreter, args=(program,))
            thread.start()
            thread.join()
        elapsed = sim.elapsed

    answer = os.read(reader, 10)
    os.close(reader)
    os.close(writer)
    assert (answer, elapsed) == (b"0", 0.0)


def workload(sim):
    """Threads that meet at locks, queues and sleeps; what they do is in the digest."""
    lock, condition = threading.Lock(), threading.Condition()
    log = []

    def work(name):
        for step in range(5):
            with lock:
                time.sleep(0.25)
            with condition:
                condition.notify_all()
                condition.wait(0.5)
            log.append((sim.elapsed, name, step))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return log


def run_workload():
    with simclock.Simulation() as sim:
        log = workload(sim)
        return log, sim.trace.digest


class Tracer:
    """Takes a lock and sleeps at each event, as coverage and debuggers may."""

    def __init__(self):
        self.lock = threading.Lock()
        self.simulated = set()
        self.events = 0

    def __call__(self, frame, event, arg):
        with self.lock:
            self.events += 1
            self.simulated.add(_native.simulated())
            time.sleep(0)
            time.monotonic()
        return self


@pytest.mark.parametrize("kind", ["settrace", "setprofile"])
def test_a_tracer_changes_nothing(kind):
    expected = run_workload()
    tracer = Tracer()
    # The two differ under coverage, which gives each thread a tracer of its own.
    before = [(module, getattr(module, f"get{kind[3:]}")()) for module in (sys, threading)]
    getattr(threading, kind)(tracer)
    getattr(sys, kind)(tracer)
    try:
        traced = run_workload()
    finally:
        for module, function in before:
            getattr(module, kind)(function)

    assert traced == expected
    assert tracer.events > 1000
    assert tracer.simulated == {False}


PROGRAM = """
import sys, threading, time
import simclock

def work(lock):
    for _ in range(20):
        with lock:
            time.sleep(0.1)

with simclock.Simulation() as sim:
    lock = threading.Lock()
    threads = [threading.Thread(target=work, args=(lock,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sim.elapsed, sim.trace.digest)
"""


@pytest.mark.parametrize(
    "core",
    [
        None,
        "pytrace",
        pytest.param(
            "sysmon",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring"),
        ),
    ],
)
def test_coverage_changes_nothing(child, tmp_path, core, monkeypatch):
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # one measurement is enough
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    run = f"import runpy; runpy.run_path({str(program)!r})"
    plain = child(run)
    settings = tmp_path / "settings"
    settings.write_text(f"[run]\ncore = {core or 'ctrace'}\ndata_file = {tmp_path}/data\n")
    measured = child(f"""
        import sys
        sys.argv = ["coverage", "run", "--rcfile={settings}", {str(program)!r}]
        from coverage.cmdline import main
        main()
    """)

    assert measured == plain
    assert plain[0].startswith("6.0 ")


class Noisy:
    """Takes a lock and sleeps when it goes."""

    def __init__(self, log, lock):
        self.log = log
        self.lock = lock

    def __del__(self):
        with self.lock:
            time.sleep(1)
            self.log.append(time.monotonic() - 1000.0)


def test_a_destructor_in_user_code_waits_like_any_code():
    log = []
    lock = threading.Lock()

    with simclock.Simulation() as sim:

        def own():
            with lock:
                time.sleep(2)

        threading.Thread(target=own).start()
        time.sleep(1)
        Noisy(log, lock)
        log.append(sim.elapsed)

    assert log == [3.0, 3.0]


def test_destructors_of_cyclic_garbage_run_at_the_same_steps_each_time():
    def run():
        log = []

        class Node:
            def __init__(self):
                self.me = self

            def __del__(self):
                with lock:
                    log.append(time.monotonic_ns())

        with simclock.Simulation() as sim:
            lock = threading.Lock()

            def work():
                for _ in range(3000):
                    Node()
                    time.sleep(0.001)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return list(log), sim.trace.digest

    first, junk, second = run(), [[object()] for _ in range(5000)], run()

    assert len(junk) == 5000
    assert first == second
    assert len(first[0]) > 0


def test_weakref_callbacks_may_take_locks_in_any_thread():
    log = []

    class Thing:
        pass

    with simclock.Simulation() as sim:
        lock = threading.Lock()

        def callback(_):
            with lock:
                log.append(sim.elapsed)

        def work(thing, seconds):
            time.sleep(seconds)
            with lock:
                time.sleep(1)
            del thing

        kept = []
        for seconds in (1, 1.5):
            thing = Thing()
            kept.append(weakref.ref(thing, callback))
            threading.Thread(target=work, args=(thing, seconds)).start()
            del thing
        time.sleep(10)
        gone = [reference() for reference in kept]

    assert gone == [None, None]
    assert log == [2.0, 3.0]


def test_the_kernel_s_own_calls_are_the_originals():
    seen = []
    with simclock.Simulation():
        _native.call_kernel(lambda: seen.append((_native.simulated(), time.monotonic() != 1000.0)))

    assert seen == [(False, True)]


def test_a_foreign_thread_is_in_real_time():
    seen = []

    def ask():
        seen.append((_native.simulated(), time.monotonic() != 1000.0, time.time() > 1.6e9))

    foreign = threading.Thread(target=ask)
    with simclock.Simulation() as sim, sim.real_time():
        foreign.start()
        foreign.join()

    assert seen == [(False, True, True)]
