"""What the kernel asks of this machine, where a whole simulation does not show it."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from types import SimpleNamespace

import pytest

import simclock
from simclock import SimThread
from simclock._boundary import port as module
from simclock._boundary.port import NativePort
from simclock._boundary.rows import originals


@pytest.fixture
def port():
    return NativePort(0, 0, is_main=True)


@pytest.fixture
def thread():
    return SimThread("0.1", None, "worker", daemon=True)


def test_who_joins_a_handle_is_told_once_that_its_thread_has_ended(port, thread):
    done = []
    thread.handle = handle = SimpleNamespace(_set_done=lambda: done.append("done"))

    assert port.ended(thread) == [id(handle)]
    assert done == ["done"]
    assert thread.handle is None
    assert port.ended(thread) == []


def test_who_joins_a_sentinel_is_told_once_too(port, thread):
    thread.sentinel = sentinel = _thread.allocate_lock()

    assert port.ended(thread) == [id(sentinel)]
    assert thread.sentinel is None
    assert port.ended(thread) == []


def test_a_thread_that_never_ran_runs_no_line_of_its_function():
    log = []

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), simclock.Simulation() as sim:
        kernel = sim._kernel
        kernel._drain = kernel.settle = interrupted
        _thread.start_new_thread(log.append, ("ran",))

    assert log == []
    assert not kernel.others()


def test_a_foreign_thread_runs_when_starting_it_returns(monkeypatch):
    """In a thread of `threading`, so that it is one for tracers as well."""
    started, ended = [], threading.Event()

    def start(function, args):
        started.append(threading.Thread(target=function, args=args))
        started[0].start()

    monkeypatch.setitem(originals, "_thread.start_new_thread", start)
    module.start_foreign(ended.set)

    assert started
    assert ended.wait(60)
    started[0].join()


def test_a_pending_signal_is_never_for_a_root_that_is_not_the_main_thread():
    assert not NativePort(0, 0, is_main=False).signals_wanted()


def test_a_generator_made_at_the_bottom_of_a_stack_is_seeded_too():
    """Who asks for it is looked up on the stack, which has an end."""
    import random

    drawn = []

    class Noted(random.Random):
        def __init__(self):
            super().__init__()
            drawn.append(self.random())

    def run():
        _thread.start_new_thread(Noted, ())
        _thread.start_new_thread(random.Random, ())
        time.sleep(1)

    simclock.run(run)
    simclock.run(run)

    assert drawn[0] == drawn[1]


def test_an_abandoned_worker_is_not_waited_for_when_the_interpreter_ends(port, thread, monkeypatch):
    from concurrent.futures import thread as pools

    thread.ident = 1
    worker, other = threading.Thread(), threading.Thread()
    worker._ident, other._ident = 1, 2
    queues = {worker: None, other: None}
    monkeypatch.setattr(pools, "_threads_queues", queues)
    monkeypatch.setattr(module, "_abandoned", set())

    port.abandon(thread)

    assert list(queues) == [other]
    assert module._abandoned == {1}


def test_a_process_without_pools_has_none_to_abandon(port, thread, monkeypatch):
    monkeypatch.delitem(sys.modules, "concurrent.futures.thread", raising=False)
    monkeypatch.setattr(module, "_abandoned", set())

    port.abandon(thread)

    assert module._abandoned == {thread.ident}


def test_a_module_that_was_forgotten_is_shadowed_again(child):
    """As pytester leaves it when the first simulation was one of its runs."""
    lines = child("""
        import sys, simclock

        def name():
            from concurrent.futures import ThreadPoolExecutor
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: __import__("threading").current_thread().name).result()

        print(simclock.run(name))
        for module in [m for m in sys.modules if m.startswith(("concurrent", "asyncio"))]:
            del sys.modules[module]
        print(simclock.run(name))
        print(simclock.run(name))
    """)

    assert lines == ["ThreadPoolExecutor-0_0"] * 3
