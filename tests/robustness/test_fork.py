"""A forked child is in real time, whole, and knows nothing of its parent's simulation."""

from __future__ import annotations

import pytest

# What each child asserts before it ends with its code; anything else is a traceback and code 1.
PRELUDE = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")  # of forking a process with several threads
import simclock
from simclock._boundary import _native, active, signals

handler = lambda *_: None
signal.signal(signal.SIGUSR1, handler)

def check(*, simulates=True):
    assert _native.redirected() == [], _native.redirected()
    assert active.kernels == [] and simclock.active() is None and _native.current() is None
    assert signal.getsignal(signal.SIGUSR1) is handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert time.time() > 1.6e9
    before = time.perf_counter()
    time.sleep(0.01)
    assert time.perf_counter() - before >= 0.01
    done = []
    threads = [threading.Thread(target=lambda: done.append(time.sleep(0.001))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [None] * 3
    assert os.urandom(8) != os.urandom(8)
    if not simulates:
        return
    with simclock.Simulation() as inner:
        thread = threading.Thread(target=time.sleep, args=(5,))
        thread.start()
        thread.join()
    assert inner.elapsed == 5.0

def in_child(end):
    # Never returns.
    code = 1
    try:
        check()
        code = 7
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        end(code)

def wait_for(pid):
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""

SIMULATION = """
with simclock.Simulation() as sim:
    stopped = threading.Event()
    threading.Thread(target=stopped.wait).start()   # a thread that is not there in the child
    time.sleep(1)
    {block}
    time.sleep(1)
    stopped.set()
print(sim.elapsed, _native.redirected())
"""

FORK = """
    pid = os.fork()
    if pid == 0:
        in_child(os._exit)
    wait_for(pid)
"""


def program(block):
    return PRELUDE + SIMULATION.format(block=block.strip())


@pytest.mark.hang_limit(90)
def test_in_the_thread_that_opened_the_simulation(child):
    assert child(program(FORK)) == ["7", "2.0 []"]


def test_in_another_simulated_thread(child):
    block = """
    def forks():
        pid = os.fork()
        if pid == 0:
            in_child(os._exit)
        wait_for(pid)
    thread = threading.Thread(target=forks)
    thread.start()
    thread.join()
"""
    assert child(program(block)) == ["7", "2.0 []"]


def test_in_a_foreign_thread(child):
    block = """
    def forks():
        pid = os.fork()
        if pid == 0:
            in_child(os._exit)
        wait_for(pid)
    with sim.real_time():
        foreign = threading.Thread(target=forks)
        foreign.start()
        foreign.join()
"""
    assert child(program(block)) == ["7", "2.0 []"]


def test_inside_a_real_time_block_that_the_child_leaves(child):
    block = """
    with sim.real_time():
        pid = os.fork()
    if pid == 0:
        in_child(os._exit)
    wait_for(pid)
"""
    assert child(program(block)) == ["7", "2.0 []"]


def test_the_child_leaves_the_block_and_the_interpreter(child):
    """By the ordinary way out: the ``with`` statement ends, then the program, then the interpreter."""
    lines = child(
        PRELUDE
        + """
pid = -1
with simclock.Simulation() as sim:
    time.sleep(1)
    pid = os.fork()
if pid == 0:
    check()
    sys.exit(7)
wait_for(pid)
print(sim.elapsed)
"""
    )

    assert lines == ["7", "1.0"]


def test_a_child_that_raises_out_of_the_block(child):
    lines = child(
        PRELUDE
        + """
pid = -1
try:
    with simclock.Simulation() as sim:
        pid = os.fork()
        if pid == 0:
            raise ZeroDivisionError
except ZeroDivisionError:
    in_child(os._exit)
wait_for(pid)
"""
    )

    assert lines == ["7"]


def test_a_child_of_a_simulated_thread_whose_function_returns(child):
    """Such a child ends with code 0 when the thread does, as without a simulation."""
    block = """
    def forks():
        pid = os.fork()
        if pid == 0:
            check(simulates=False)  # its idle threads would live on
            return
        wait_for(pid)
    thread = threading.Thread(target=forks)
    thread.start()
    thread.join()
"""
    assert child(program(block)) == ["0", "2.0 []"]


def test_a_grandchild(child):
    block = """
    pid = os.fork()
    if pid == 0:
        check()
        again = os.fork()
        if again == 0:
            in_child(os._exit)
        wait_for(again)
        os._exit(8)
    wait_for(pid)
"""
    assert child(program(block)) == ["7", "8", "2.0 []"]


def test_inside_nested_simulations(child):
    block = """
    with simclock.Simulation() as inner:
        time.sleep(1)
        pid = os.fork()
        if pid == 0:
            in_child(os._exit)
        wait_for(pid)
"""
    assert child(program(block)) == ["7", "2.0 []"]


def test_while_other_threads_are_inside_redirected_calls(child):
    lines = child(
        PRELUDE
        + """
stop = threading.Event()
def hammer():
    lock = threading.Lock()
    while not stop.is_set():
        with lock:
            time.sleep(0)
threads = [threading.Thread(target=hammer) for _ in range(2)]
for thread in threads:
    thread.start()
codes = set()
for _ in range(20):
    with simclock.Simulation(external="ignore") as sim:
        pid = os.fork()
        if pid == 0:
            in_child(os._exit)
        with sim.real_time():
            codes.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop.set()
for thread in threads:
    thread.join()
print(codes)
"""
    )

    assert lines == ["{7}"]


@pytest.mark.parametrize("where", ["inside", "in real time"])
def test_a_child_of_multiprocessing(child, where):
    lines = child(
        PRELUDE
        + f"""
import multiprocessing
context = multiprocessing.get_context("fork")
def run(queue):
    check()
    queue.put(7)
with simclock.Simulation() as sim:
    queue = context.SimpleQueue()
    process = context.Process(target=run, args=(queue,))
    if {where == "in real time"}:
        with sim.real_time():
            process.start()
            got = queue.get()
            process.join()
    else:
        process.start()
        got = queue.get()
        process.join()
    print(got, process.exitcode)
"""
    )

    assert lines == ["7 0"]


def test_a_child_with_the_memory_debugger(child):
    assert child(program(FORK), "-X", "dev", PYTHONMALLOC="debug") == ["7", "2.0 []"]
