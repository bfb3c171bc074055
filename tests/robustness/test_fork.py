"""A forked child starts with every redirection off; nothing changes in its parent."""

from __future__ import annotations

import sys

import pytest

# From 3.12 on Python warns of forks beside threads; that is what is tested here.
FORKS = ["-W", "ignore::DeprecationWarning"]

CHECK = """
import gc, os, random, signal, sys, threading, time
import simclock
from simclock._boundary import _native

before = (signal.getsignal(signal.SIGINT), random.getstate())

def check():
    '''Exit with 0 if this process is as if there had never been a simulation.'''
    assert _native.redirected() == []
    assert simclock.active() is None
    assert gc.isenabled() and gc.get_freeze_count() < 1000
    assert signal.getsignal(signal.SIGINT) is before[0]
    assert random.getstate() == before[1]
    began = time.monotonic()
    time.sleep(0.05)
    assert 0.04 < time.monotonic() - began < 30
    log = []
    thread = threading.Thread(target=log.append, args=(1,))
    thread.start()
    thread.join()
    assert log == [1]
    with simclock.Simulation() as sim:
        time.sleep(100)
        thread = threading.Thread(target=time.sleep, args=(5,))
        thread.start()
        thread.join()
        assert sim.elapsed == 105
    os._exit(0)

def fork(then):
    pid = os.fork()
    if pid == 0:
        try:
            then()
        except BaseException:
            import traceback
            traceback.print_exc()
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def test_in_the_root_thread(child):
    assert child(
        CHECK
        + """
with simclock.Simulation() as sim:
    time.sleep(1)
    print(fork(check))
    time.sleep(1)
    print(sim.elapsed)
""",
        *FORKS,
    ) == ["0", "2.0"]


def test_in_another_simulated_thread(child):
    assert child(
        CHECK
        + """
with simclock.Simulation() as sim:
    log = []
    thread = threading.Thread(target=lambda: log.append(fork(check)))
    thread.start()
    time.sleep(1)
    thread.join()
    print(log, sim.elapsed)
""",
        *FORKS,
    ) == ["[0] 1.0"]


def test_in_a_foreign_thread(child):
    assert child(
        CHECK
        + """
log = []
go = threading.Event()

def foreign():
    go.wait()
    log.append(fork(check))

thread = threading.Thread(target=foreign)
thread.start()
with simclock.Simulation() as sim:
    time.sleep(1)
    go.set()
    thread.join()
    print(log, sim.elapsed)
""",
        *FORKS,
    ) == ["[0] 1.0"]


def test_inside_a_nested_simulation(child):
    assert child(
        CHECK
        + """
with simclock.Simulation() as outer:
    with simclock.Simulation() as inner:
        time.sleep(1)
        print(fork(check))
    print(inner.elapsed, outer.elapsed)
""",
        *FORKS,
    ) == ["0", "1.0 0.0"]


def test_a_child_may_leave_the_block_that_its_parent_opened(child):
    assert child(
        CHECK
        + """
with simclock.Simulation() as sim:
    pid = os.fork()
if pid == 0:
    check()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), sim.elapsed)
""",
        *FORKS,
    ) == ["0 0.0"]


def test_a_child_ends_with_the_thread_that_it_was_forked_in(child):
    assert child(
        CHECK
        + """
def forks():
    pid = os.fork()
    if pid:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

with simclock.Simulation():
    thread = threading.Thread(target=forks)
    thread.start()
    thread.join()
""",
        *FORKS,
    ) == ["0"]


@pytest.mark.skipif(
    sys.platform == "darwin", reason="fork is not safe beside system libraries there"
)
def test_multiprocessing_by_fork_runs_its_children_for_real(child):
    assert child(
        CHECK
        + """
import multiprocessing

def work(queue):
    queue.put((simclock.active() is None, time.monotonic() < 900 or time.monotonic() > 1100))

context = multiprocessing.get_context("fork")
with simclock.Simulation():
    queue = context.SimpleQueue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    print(queue.get()[0])
    process.join()
    print(process.exitcode)
""",
        *FORKS,
    ) == ["True", "0"]
