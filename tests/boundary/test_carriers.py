"""OS threads are used again; what runs on them cannot tell."""

from __future__ import annotations

import _thread
import contextvars
import faulthandler
import sys
import threading
import time
import weakref

import pytest

import simclock
from simclock._boundary import _native

# Made at import: they outlive every thread and every simulation.
LOCAL = threading.local()
VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


def run_in_threads(*functions):
    """Run each in a simulated thread of its own, one after another; return their OS idents."""
    idents = []
    for function in functions:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
        idents.append(thread.ident)
    return idents


def test_an_os_thread_is_used_again_within_and_across_simulations():
    with simclock.Simulation():
        first = run_in_threads(*[int] * 10)
    with simclock.Simulation():
        second = run_in_threads(*[int] * 10)

    # Two if the OS thread of a thread that an earlier test left stuck in C came back meanwhile.
    assert len({*first, *second}) <= 2


def test_the_pool_of_idle_os_threads_is_bounded():
    def wide():
        with simclock.Simulation():
            for _ in range(100):
                threading.Thread(target=time.sleep, args=(1,)).start()

    wide()
    # Those beyond the limit end by themselves; so do those that an earlier test let go late.
    for _ in range(200):
        alive, idle = _native.carriers()
        if alive == idle:
            break
        time.sleep(0.05)
    assert idle <= 64
    assert alive == idle


def test_thread_locals_are_new_each_time():
    log = []

    def visit():
        log.append(getattr(LOCAL, "value", "unset"))
        LOCAL.value = "set by a thread before"

    with simclock.Simulation():
        run_in_threads(visit, visit)
    with simclock.Simulation():
        run_in_threads(visit)

    assert log == ["unset", "unset", "unset"]
    assert not hasattr(LOCAL, "value")


def test_a_subclass_of_local_is_initialised_in_each_thread():
    class Counted(threading.local):
        made = 0

        def __init__(self):
            Counted.made += 1

    counted = Counted()
    with simclock.Simulation():
        run_in_threads(lambda: counted.made, lambda: counted.made)

    assert Counted.made == 3


def test_context_variables_are_new_each_time():
    log = []

    def visit():
        log.append(VARIABLE.get())
        VARIABLE.set("set by a thread before")

    with simclock.Simulation():
        VARIABLE.set("set by the root")
        run_in_threads(visit, visit)
    with simclock.Simulation():
        run_in_threads(visit)

    VARIABLE.set("unset")
    assert log == ["unset", "unset", "unset"]


def test_tracers_set_in_a_thread_end_with_it():
    log = []

    def visit():
        # By their types: coverage gives each thread a tracer of its own.
        log.append((type(sys.gettrace()), type(sys.getprofile())))
        sys.settrace(lambda *_: None)
        sys.setprofile(lambda *_: None)

    outside = sys.gettrace(), sys.getprofile()
    with simclock.Simulation():
        run_in_threads(visit, visit)

    assert log[1] == log[0]
    assert (sys.gettrace(), sys.getprofile()) == outside


def test_a_current_exception_and_a_pending_one_do_not_pass_on():
    log = []

    def ends_while_handling():
        try:
            raise ValueError
        except ValueError:
            raise SystemExit from None

    with simclock.Simulation():
        for function in (ends_while_handling, lambda: log.append(sys.exc_info())):
            _thread.start_new_thread(function, ())
            time.sleep(1)

    assert log == [(None, None, None)]


class Farewell:
    """Says goodbye when it is destroyed, from wherever that is."""

    def __init__(self, say):
        self.say = say

    def __del__(self):
        self.say()


@pytest.mark.parametrize("again", [1, 2])
def test_destructors_of_thread_locals_run_in_simulated_time_before_the_thread_has_ended(again):
    log = []

    def visit(thread_name):
        def say():
            # In C, after the last line of Python of the thread: it still waits virtually.
            time.sleep(2)
            log.append((sim.elapsed, thread_name, time.monotonic() - 1000.0, _native.simulated()))

        LOCAL.farewell = Farewell(say)
        time.sleep(1)

    with simclock.Simulation() as sim:
        for _ in range(again):
            thread = threading.Thread(target=visit, args=("a",))
            thread.start()
            while sim.threads[1:]:
                sim.sleep(0.25)
            thread.join()
            log.append((sim.elapsed, "joined"))

    expected = [(3.0, "a", 3.0, True), (3.0, "joined"), (6.0, "a", 6.0, True), (6.0, "joined")]
    assert log == expected[: 2 * again]


def test_destructors_run_one_thread_at_a_time():
    log = []

    def visit(name):
        def say():
            for step in range(3):
                log.append((sim.elapsed, name, step))
                time.sleep(1)

        LOCAL.farewell = Farewell(say)

    with simclock.Simulation() as sim:
        threads = [threading.Thread(target=visit, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sim.sleep(10)

    assert log == [(float(step), name, step) for step in range(3) for name in "ab"]


def test_a_destructor_may_take_a_lock_that_another_thread_owns():
    log = []
    lock = threading.Lock()

    def visit():
        def say():
            with lock:
                log.append(sim.elapsed)

        LOCAL.farewell = Farewell(say)

    with simclock.Simulation() as sim:
        with lock:
            _thread.start_new_thread(visit, ())
            time.sleep(4)
        time.sleep(1)

    assert log == [4.0]


def test_a_thread_that_has_ended_keeps_nothing_alive():
    class Thing:
        pass

    kept = []

    def visit(thing):
        LOCAL.thing = thing
        kept.append(weakref.ref(thing))

    with simclock.Simulation():
        thread = threading.Thread(target=visit, args=(Thing(),))
        thread.start()
        thread.join()
        del thread
        inside = kept[0]()

    assert (inside, kept[0]()) == (None, None)


def test_exceptions_below_threading_are_reported_as_unraisable(monkeypatch):
    reports = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reports.append(args.exc_type))

    def fails():
        raise ValueError

    with simclock.Simulation():
        _thread.start_new_thread(fails, ())
        _thread.start_new_thread(sys.exit, ())
        time.sleep(1)

    assert reports == [ValueError]


def test_faulthandler_shows_parked_threads(tmp_path):
    def waits_here():
        time.sleep(5)

    with simclock.Simulation(), (tmp_path / "dump").open("w+") as dump:
        threading.Thread(target=waits_here).start()
        time.sleep(1)
        faulthandler.dump_traceback(dump)
        dump.seek(0)
        text = dump.read()

    assert "in waits_here" in text


def test_stack_size_set_inside_is_that_of_the_os_threads_used_from_then_on(child):
    lines = child("""
        import threading, simclock
        def run():
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            return thread.ident
        with simclock.Simulation():
            big = run()
            threading.stack_size(256 * 1024)
            small = run(), run()
            threading.stack_size(0)
            print(big == run(), small[0] == small[1], big != small[0])
    """)

    assert lines == ["True True True"]
