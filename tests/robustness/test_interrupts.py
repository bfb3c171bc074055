"""An interrupt at any step of the kernel, of opening and of closing breaks nothing."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import simclock
from simclock._boundary import _native
from simclock._boundary.active import kernels

PACKAGE = str(Path(simclock.__file__).parent)
# Injecting at each of some 1,600 lines takes seconds; the suite takes those of one residue class
# at each Python, all of them when asked.
STRIDE = int(os.environ.get("SIMCLOCK_STRIDE", "7"))


class Injector:
    """Calls *action* before a given line of simclock, counted over all threads."""

    def __init__(self, at, action):
        self.at = at
        self.action = action
        self.lines = 0
        self.where = None

    def __call__(self, frame, event, _):
        if event == "line" and frame.f_code.co_filename.startswith(PACKAGE):
            self.lines += 1
            if self.lines == self.at:
                self.where = f"{frame.f_code.co_name}:{frame.f_lineno}"
                self.action()
        return self

    def run(self, function):
        before, before_threads = sys.gettrace(), threading.gettrace()
        threading.settrace(self)
        sys.settrace(self)
        try:
            return function()
        finally:
            sys.settrace(before)
            threading.settrace(before_threads)


def ping_pong():
    """Two threads hand the baton to and fro, sleep and end."""
    log = []
    ping, pong = threading.Event(), threading.Event()

    def answer():
        for _ in range(2):
            ping.wait()
            ping.clear()
            pong.set()

    with simclock.Simulation() as sim:
        other = threading.Thread(target=answer, daemon=True)
        other.start()
        for _ in range(2):
            ping.set()
            pong.wait()
            pong.clear()
            log.append(sim.elapsed)
        time.sleep(1)
        other.join()
        log.append(sim.elapsed)
    return log


def steps(action):
    """Run `ping_pong` with *action* at each step; return how the runs ended, and what was broken."""
    ping_pong()  # what is done once in a process is done
    counted = Injector(0, None)
    assert counted.run(ping_pong) == [0.0, 0.0, 1.0]
    outcomes, broken = Counter(), []
    for at in range(1, counted.lines + 1, STRIDE):
        injector = Injector(at, action)
        try:
            outcome = str(injector.run(ping_pong))
        except BaseException as error:
            outcome = repr(error)
        if injector.where is None:
            break  # fewer steps than were counted: then, a collection of other tests' garbage ran too
        outcomes[outcome] += 1
        left = [
            what
            for what, found in (
                ("redirected", _native.redirected()),
                ("open", kernels),
                ("simulated", _native.current()),
                ("handler", signal.getsignal(signal.SIGINT) is not handler_before),
            )
            if found
        ]
        if left or ping_pong() != [0.0, 0.0, 1.0]:
            broken.append((at, injector.where, left))
            break
    assert sum(outcomes.values()) > counted.lines // STRIDE // 2
    return outcomes, broken


handler_before = signal.getsignal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _interrupts_are_python_s_own():
    global handler_before  # noqa: PLW0603
    handler_before = signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler_before)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "action",
    [
        lambda: signal.raise_signal(signal.SIGINT),
        lambda: os.kill(os.getpid(), signal.SIGINT),
        _thread.interrupt_main,
    ],
    ids=["raise_signal", "os.kill", "interrupt_main"],
)
def test_a_keyboard_interrupt_at_each_step_leaves_the_block_and_all_is_undone(action):
    outcomes, broken = steps(action)

    assert broken == []
    assert list(outcomes) == ["KeyboardInterrupt()"]


class Odd(BaseException):
    """Raised by a handler of the user's. Not an Exception: `Thread.start` takes those for its own."""


@pytest.mark.parametrize(
    "error", [SystemExit(3), Odd("nested")], ids=["SystemExit", "BaseException"]
)
def test_what_a_handler_raises_at_each_step_leaves_the_block(error):
    def handler(signum, frame):
        try:
            raise ValueError
        except ValueError:
            raise error  # noqa: B904 - nested on purpose

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        outcomes, broken = steps(lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert broken == []
    assert list(outcomes) == [repr(error)]


def test_a_handler_that_returns_changes_nothing_at_any_step():
    handled = []
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.append(_native.current() is None))
    try:
        outcomes, broken = steps(lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert broken == []
    assert list(outcomes) == ["[0.0, 0.0, 1.0]"]
    assert len(handled) == sum(outcomes.values())


# Not a `RuntimeError('release unlocked lock')`: `Condition.wait` has lines where an interrupt would
# do harm, and is not interrupted there.
INTERRUPTED = {"KeyboardInterrupt()"}


@pytest.fixture
def _limbo():
    """Clear what `Thread.start` leaves when it is interrupted before its `try`, as without us."""
    yield
    assert {thread.ident for thread in threading._limbo} <= {None}  # none that was started
    threading._limbo.clear()


def long_run():
    """Many hand-offs: an interrupt from outside hits any of their parts."""
    with simclock.Simulation(drain=0) as sim:
        turns = [threading.Semaphore(0) for _ in range(3)]

        def pass_on(mine, following):
            while True:
                mine.acquire()
                time.sleep(0.001)
                following.release()

        for index in range(3):
            arguments = (turns[index], turns[(index + 1) % 3])
            threading.Thread(target=pass_on, args=arguments, daemon=True).start()
        turns[0].release()
        sim.sleep(10**6)


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="hits coverage's own lock and leaves it")
@pytest.mark.usefixtures("_limbo")
def test_interrupts_from_outside_at_any_real_instant():
    ping_pong()
    outcomes = Counter()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for run in range(150):
            try:
                # From inside the opening to many hand-offs later.
                signal.setitimer(signal.ITIMER_REAL, 20e-6 + (run * 7919 % 150) * 40e-6)
                long_run()
            except BaseException as error:
                outcomes[repr(error)] += 1
            assert (_native.redirected(), kernels, _native.current()) == ([], [], None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert set(outcomes) <= INTERRUPTED
    assert sum(outcomes.values()) == 150
    assert ping_pong() == [0.0, 0.0, 1.0]


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="hits coverage's own lock and leaves it")
@pytest.mark.usefixtures("_limbo")
def test_interrupts_sent_by_a_foreign_thread():
    ping_pong()
    outcomes = Counter()
    go, stop = threading.Semaphore(0), threading.Event()

    def send():
        for run in range(30):
            go.acquire()
            stop.wait((run * 31 % 30) * 100e-6)
            _thread.interrupt_main()

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(30):
        try:
            go.release()
            long_run()
        except BaseException as error:
            outcomes[repr(error)] += 1
        assert (_native.redirected(), kernels, _native.current()) == ([], [], None)
    sender.join()

    assert set(outcomes) <= INTERRUPTED
    assert sum(outcomes.values()) == 30


def test_an_interrupt_that_is_swallowed_leaves_the_simulation_as_it_was():
    log = []
    with simclock.Simulation() as sim:
        for _ in range(3):
            threading.Timer(1, _thread.interrupt_main).start()
            try:
                time.sleep(10)
            except KeyboardInterrupt:
                log.append(sim.elapsed)
        time.sleep(10)
        log.append(sim.elapsed)

    assert log == [1.0, 2.0, 3.0, 13.0]


def test_an_interrupt_is_never_raised_in_another_thread():
    log = []

    def work(name):
        try:
            for _ in range(5):
                time.sleep(1)
        except BaseException as error:
            log.append((name, type(error).__name__))
            raise

    with pytest.raises(KeyboardInterrupt), simclock.Simulation(drain=0):
        for name in "ab":
            threading.Thread(target=work, args=(name,), daemon=True).start()
        time.sleep(2.5)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(100)

    assert log == [("a", "Unwind"), ("b", "Unwind")]


def test_an_interrupted_lock_is_not_lost():
    """The lock is taken or the exception raised, not both and not neither."""
    with simclock.Simulation() as sim:
        lock = threading.Lock()

        def own():
            with lock:
                time.sleep(1)
                _thread.interrupt_main()

        threading.Thread(target=own).start()
        time.sleep(0.5)
        taken = None
        try:
            taken = lock.acquire()
        except KeyboardInterrupt:
            taken = False
        assert lock.locked() is taken or sim.elapsed == 1.0
        if not taken:
            with lock:
                pass
        else:
            lock.release()
        free = not lock.locked()

    assert free
    assert sim.elapsed == 1.0


# ------------------------------------------------ an interrupt, and then another one

TWICE = """
import signal, sys, threading, time
import simclock

signal.signal(signal.SIGINT, signal.default_int_handler)
condition = threading.Condition(threading.LOCK())

def spin():
    print("spins", flush=True)
    n = 0
    while True:
        n += 1

def late():
    time.sleep(1)
    spin()

def late_with_the_lock():
    time.sleep(1)
    with condition:
        spin()

def wait():
    with condition:
        condition.wait()

worker, waits = {
    "start": (spin, None),
    "join": (late, lambda thread: thread.join()),
    "event": (late, lambda thread: threading.Event().wait()),
    "condition": (late, lambda thread: wait()),
    "condition whose lock is taken": (late_with_the_lock, lambda thread: wait()),
}[sys.argv[1]]
with simclock.Simulation():
    thread = threading.Thread(target=worker, daemon=True)
    thread.start()
    waits(thread)
"""


@pytest.mark.parametrize(
    ("where", "lock"),
    [
        ("start", "Lock"),
        ("join", "Lock"),
        ("event", "Lock"),
        ("condition", "Lock"),
        ("condition", "RLock"),
        ("condition whose lock is taken", "Lock"),
        ("condition whose lock is taken", "RLock"),
    ],
)
def test_ctrl_c_twice_while_another_thread_computes_is_a_keyboard_interrupt_and_no_more(
    where, lock
):
    with subprocess.Popen(
        [sys.executable, "-c", TWICE.replace("LOCK", lock), where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "spins\n"
        for _ in range(2):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

    errors = [line for line in err.splitlines() if line and not line.startswith(" ")]
    assert errors == [
        "Traceback (most recent call last):",
        "KeyboardInterrupt: the simulation was aborted by a second interrupt",
    ]


def test_a_thread_interrupted_before_it_entered_itself_leaves_no_entry():
    class Slow(threading.Thread):
        def _set_ident(self):  # called first in the new thread, while its starter waits for it
            super()._set_ident()
            time.sleep(1000)

    with pytest.raises(KeyboardInterrupt), simclock.Simulation(drain=0):
        threading.Timer(1, _thread.interrupt_main).start()
        Slow(daemon=True).start()

    assert threading._limbo == {}
    assert threading.enumerate() == [threading.current_thread()]
