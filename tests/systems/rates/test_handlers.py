"""Stops in signal handlers, in real time: each in a child process, which is killed if it hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from simclock.systems.rates.events import StopEvent

LIMIT = 60.0


def child(program):
    """Run a program in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        timeout=LIMIT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.real
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that sends signals")
def test_a_stop_in_a_handler_of_the_thread_that_waits_very_often():
    out = child("""
        import random, signal, time
        from simclock.systems.rates import SyncRateExecutor

        random.seed(1)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            executor = SyncRateExecutor(lambda: None, 20_000, catch_up="skip")
            signal.signal(signal.SIGALRM, lambda *_: executor.stop())
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.003))
            executor.run()
        print("ended")
    """)

    assert out == "ended\n"


# At which step of the interpreter the handler runs is counted, so that each one has its turn.
# Lines too, as Python 3.12 tells of hardly any such step.
AT_EACH_STEP = """
import itertools, signal, sys, threading, time
from simclock.systems.rates import Node, SyncRateExecutor

FILES = ("threading.py", "/_shared/signals.py", *(f"/rates/{name}.py" for name in (
    "events", "switch", "works", "synchronous", "node")))

def at_step(number, function):
    steps = itertools.count()
    def trace(frame, event, argument):
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        frame.f_trace_opcodes = True
        if event in ("opcode", "line") and next(steps) == number:
            signal.raise_signal(signal.SIGINT)
        return trace
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    return next(steps) > number

def search(make, every):
    for number in itertools.count(step=every):
        subject, run = make()
        signal.signal(signal.SIGINT, lambda *_: subject.stop())
        if not at_step(number, run):
            return number
"""


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    "make",
    [
        "SyncRateExecutor(lambda: None, 100); run = lambda: (subject.start(), subject.run())",
        "Node(); run = lambda: (subject.start(), subject.spin(timeout=0.01))",
    ],
    ids=["executor", "node"],
)
def test_a_stop_in_a_handler_at_any_step(make):
    out = child(f"""{AT_EACH_STEP}
def make():
    subject = {make}
    if isinstance(subject, SyncRateExecutor):
        ticks = iter(range(1))
        subject.func = lambda: next(ticks, None) is None and subject.stop()
    return subject, run

number = search(make, 1)
print(number > 100 or number)
""")

    assert out == "True\n"


# The main thread blocks the signal, so the system gives it to the other one, as it may at any time.
TO_ANOTHER_THREAD = """
import os, signal, threading, time
from simclock.systems.rates import Node, SyncRateExecutor

def send(number):
    other = threading.Thread(target=time.sleep, args=[60], daemon=True)
    other.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    threading.Timer(0.3, os.kill, [os.getpid(), number]).start()

"""
WAITS = {
    "spin": "subject = Node(); run = subject.spin",
    "spin-timeout": "subject = Node(); run = lambda: subject.spin(50)",
    "executor": "subject = SyncRateExecutor(lambda: None, 1 / 50); run = subject.run",
}
real_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_sigmask"), reason="no signals of single threads"
)


@pytest.mark.real
@real_signals
@pytest.mark.parametrize("waits", WAITS)
def test_a_signal_that_another_thread_was_given_runs_its_handler_at_once(waits):
    out = child(f"""{TO_ANOTHER_THREAD}
{WAITS[waits]}
signal.signal(signal.SIGTERM, lambda *_: subject.stop())
send(signal.SIGTERM)
began = time.monotonic()
run()
print(time.monotonic() - began < 30, signal.set_wakeup_fd(-1))
""")

    assert out == "True -1\n"


@pytest.mark.real
@real_signals
@pytest.mark.parametrize("waits", WAITS)
def test_an_interrupt_that_another_thread_was_given_is_raised_at_once(waits):
    out = child(f"""{TO_ANOTHER_THREAD}
{WAITS[waits]}
send(signal.SIGINT)
began = time.monotonic()
try:
    run()
except KeyboardInterrupt:
    print(time.monotonic() - began < 30, subject.running, signal.set_wakeup_fd(-1))
""")

    assert out == "True False -1\n"


@pytest.mark.real
@real_signals
def test_a_signal_whose_handler_does_not_stop_it_does_not_end_it():
    out = child(f"""{TO_ANOTHER_THREAD}
node = Node()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
send(signal.SIGTERM)
began = time.monotonic()
node.spin(timeout=1)
print(time.monotonic() - began >= 1, node.running)
""")

    assert out == "handled\nTrue False\n"


# ------------------------------------------------------------------------ the event itself


def test_an_event_is_cleared_and_set_again():
    event = StopEvent()
    event.set()
    event.clear()

    assert not event.is_set()
    assert not event.wait(0)
    assert not event.wait(-1)
    event.set()
    assert event.wait()


def test_all_who_wait_are_woken(logged):
    with logged() as it:
        event = StopEvent()
        waits = [lambda: it.note(event.wait()), lambda: it.note(event.wait(5))]
        threads = [
            threading.Thread(target=each) for each in [*waits, lambda: it.note(event.wait(1))]
        ]
        for each in threads:
            each.start()
        threading.Timer(2, event.set).start()
        for each in threads:
            each.join()

    assert it.log == [(1.0, False), (2.0, True), (2.0, True)]


def test_who_waits_is_woken_for_nothing(logged):
    with logged() as it:
        event = StopEvent()
        threading.Timer(1, event.wake).start()
        event.wait(5)
        it.note(event.is_set(), event.wait(1))

    assert it.log == [(2.0, False, False)]


def test_two_may_set_it_at_once():
    event = StopEvent()
    waiter = threading.Lock()
    # As if another one had woken who waits, who is not gone yet.
    event._waiters.append(waiter)
    event.set()

    assert event.wait()
