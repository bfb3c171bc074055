from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from simclock import Deadlock, LimitReached, Simulation

SIGALRM, SIGUSR1 = signal.SIGALRM, signal.SIGUSR1


@pytest.fixture
def ringing(log):
    """Log each SIGALRM."""
    before = signal.signal(SIGALRM, lambda signum, _frame: log(signal.Signals(signum).name))
    yield
    signal.signal(SIGALRM, before)


@pytest.fixture
def blocked():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [SIGALRM, SIGUSR1])
    yield
    assert signal.sigpending() & {SIGALRM, SIGUSR1} == set()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ------------------------------------------------------------------------- timers


@pytest.mark.usefixtures("ringing")
def test_a_timer_rings_at_its_virtual_instants_until_it_is_disarmed(log):
    with Simulation() as sim:
        signal.setitimer(signal.ITIMER_REAL, 1.5, 1)
        time.sleep(4)
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(10)
        assert sim.elapsed == 14.0

    assert log == [(1.5, "SIGALRM"), (2.5, "SIGALRM"), (3.5, "SIGALRM")]


@pytest.mark.usefixtures("ringing")
def test_an_alarm_rings_once_and_replaces_the_one_before(log):
    with Simulation():
        signal.alarm(3)
        signal.alarm(5)
        time.sleep(20)

    assert log == [(5.0, "SIGALRM")]


def test_a_handler_that_raises_ends_a_sleep_at_that_instant(log):
    def interrupt(signum, frame):
        raise TimeoutError

    before = signal.signal(SIGALRM, interrupt)
    try:
        with Simulation():
            signal.alarm(2)
            with pytest.raises(TimeoutError):
                time.sleep(60)
            log("interrupted")
    finally:
        signal.signal(SIGALRM, before)

    assert log == [(2.0, "interrupted")]


@pytest.mark.usefixtures("ringing")
def test_the_handler_runs_in_the_main_threads_turn(log):
    def worker():
        time.sleep(3)
        log("worker")

    with Simulation():
        thread = threading.Thread(target=worker)
        thread.start()
        signal.alarm(2)
        thread.join()

    assert log == [(2.0, "SIGALRM"), (3.0, "worker")]


@pytest.mark.usefixtures("ringing")
def test_what_the_functions_return_is_what_the_originals_return():
    with Simulation():
        told = [
            signal.getitimer(signal.ITIMER_REAL),
            signal.setitimer(signal.ITIMER_REAL, 10.5, 2.25),
            time.sleep(0.25),
            signal.getitimer(signal.ITIMER_REAL),
            signal.setitimer(signal.ITIMER_REAL, 3.3, 7),
            # To the nearest second, and never 0.
            signal.alarm(5),
            signal.setitimer(signal.ITIMER_REAL, 0.3),
            signal.alarm(100),
            signal.alarm(-1),
            signal.alarm(0),
            signal.setitimer(signal.ITIMER_REAL, 1e-9),
            signal.getitimer(signal.ITIMER_REAL),
            signal.setitimer(signal.ITIMER_REAL, 0, 7),
            signal.getitimer(signal.ITIMER_REAL),
        ]

    assert told == [
        (0.0, 0.0),
        (0.0, 0.0),
        None,
        (10.25, 2.25),
        (10.25, 2.25),
        3,
        (5.0, 0.0),
        1,
        100,
        4294967295,
        (0.0, 0.0),
        (1e-6, 0.0),
        (1e-6, 0.0),
        (0.0, 0.0),
    ]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (signal.setitimer, (signal.ITIMER_REAL, -1)),
        (signal.setitimer, (signal.ITIMER_REAL, 1, -1)),
        (signal.setitimer, (signal.ITIMER_REAL, "soon")),
        (signal.setitimer, (signal.ITIMER_REAL, 1, None)),
        (signal.setitimer, (signal.ITIMER_REAL, float("nan"))),
        (signal.setitimer, (signal.ITIMER_REAL, 1e30)),
        (signal.setitimer, (signal.ITIMER_REAL,)),
        (signal.setitimer, (7, 1)),
        (signal.setitimer, (0.0, 1)),
        (signal.getitimer, (7,)),
        (signal.getitimer, ("real",)),
        (signal.alarm, (1.5,)),
        (signal.alarm, ("soon",)),
        (signal.alarm, (2**40,)),
        (signal.alarm, ()),
        (signal.sigtimedwait, ([SIGUSR1], -1)),
        (signal.sigtimedwait, ([SIGUSR1], "soon")),
        (signal.sigtimedwait, ([SIGUSR1], None)),
        (signal.sigtimedwait, ([SIGUSR1], 1e30)),
        (signal.sigtimedwait, ([SIGUSR1], float("nan"))),
        (signal.sigtimedwait, ([999], 1)),
        (signal.sigtimedwait, (5, 1)),
        (signal.sigwait, ([0],)),
        (signal.sigwait, (None,)),
        (signal.sigwaitinfo, (["SIGUSR1"],)),
        (signal.pause, (1,)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.usefixtures("ringing", "blocked")
def test_errors_are_those_of_the_original(function, arguments, outcome):
    real = outcome(function, *arguments)
    assert real[0] != "returned"

    with Simulation():
        assert outcome(function, *arguments) == real


@pytest.mark.usefixtures("ringing")
def test_a_timer_that_was_armed_before_goes_on_for_real(log):
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with Simulation():
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
            signal.setitimer(signal.ITIMER_REAL, 1)
            time.sleep(1000)
    finally:
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)

    assert log == [(1.0, "SIGALRM")]
    assert 0 < left <= 100


def test_the_other_timers_are_real():
    with Simulation():
        assert signal.setitimer(signal.ITIMER_VIRTUAL, 1000) == (0.0, 0.0)
        left, _ = signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    assert 0 < left <= 1001


@pytest.mark.usefixtures("ringing")
def test_what_is_armed_at_the_end_is_forgotten(log):
    with Simulation(drain=60):
        signal.alarm(1)
        threading.Thread(target=time.sleep, args=[30]).start()
    with Simulation():
        time.sleep(100)

    assert log == []
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.usefixtures("ringing")
def test_an_armed_timer_is_a_deadline_and_when_none_is_left_it_is_a_deadlock(log):
    with pytest.raises(Deadlock, match=r"at virtual \+3 s"), Simulation():
        signal.alarm(3)
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    assert log == [(3.0, "SIGALRM")]


@pytest.mark.usefixtures("ringing")
def test_a_timer_that_rings_in_vain_for_ever_is_named():
    named = r"(?s)the timer of signal.setitimer or alarm, armed at test_alarms.py:\d+, "
    with pytest.raises(LimitReached, match=named + r"due at \+61 s"), Simulation(max_time=60):
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


def test_a_signal_that_nobody_handles_ends_the_process_as_ever(child):
    program = """
        import signal, simclock, time
        with simclock.Simulation():
            signal.alarm(3)
            time.sleep(2)
            print("alive", flush=True)
            time.sleep(2)
            print("not any more", flush=True)
    """

    assert child(program, returncode=-SIGALRM) == ["alive"]


def test_a_loop_of_asyncio_gets_the_signal(log):
    async def program():
        rung = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(SIGALRM, rung.set)
        signal.setitimer(signal.ITIMER_REAL, 2.5)
        await rung.wait()
        log("rung")
        asyncio.get_running_loop().remove_signal_handler(SIGALRM)

    with Simulation():
        asyncio.run(program())

    assert log == [(2.5, "rung")]


# -------------------------------------------------------------------------- waits


# In processes of their own: each thread of a process has to block what one of them waits for, and
# who runs the tests may have some.
BLOCKED = """
import os, signal, simclock, threading, time
from signal import SIGALRM, SIGUSR1
signal.pthread_sigmask(signal.SIG_BLOCK, [SIGALRM, SIGUSR1])
def log(what):
    print(simclock.active().elapsed, what)
"""


def test_sigwait_waits_until_its_signal_comes(child):
    program = """
with simclock.Simulation():
    signal.alarm(3)
    log(signal.sigwait([SIGALRM]) is SIGALRM)
    threading.Timer(2, os.kill, (os.getpid(), SIGUSR1)).start()
    log(signal.sigwait({SIGALRM, SIGUSR1}) == SIGUSR1)
"""

    assert child(BLOCKED + program) == ["3.0 True", "5.0 True"]


def test_sigwaitinfo_and_sigtimedwait_return_what_the_originals_return(child):
    program = """
with simclock.Simulation():
    log(signal.sigtimedwait([SIGUSR1], 2.5))
    log(signal.sigtimedwait([SIGUSR1], 0))
    threading.Timer(2, os.kill, (os.getpid(), SIGUSR1)).start()
    found = signal.sigtimedwait([SIGUSR1], 60)
    log((found.si_signo == SIGUSR1, found.si_pid == os.getpid()))
    os.kill(os.getpid(), SIGUSR1)
    log(signal.sigwaitinfo(iter([SIGUSR1])).si_signo == SIGUSR1)
"""

    assert child(BLOCKED + program) == ["2.5 None", "2.5 None", "4.5 (True, True)", "4.5 True"]


def test_another_thread_may_wait_for_signals_of_the_process_and_for_its_own(child):
    program = """
def waiter():
    log(signal.sigwait([SIGUSR1]) == SIGUSR1)
    log(signal.sigwait([SIGUSR1]) == SIGUSR1)
with simclock.Simulation():
    # A thread that has ended must not take them.
    first = threading.Thread(target=time.sleep, args=[1])
    first.start()
    first.join()
    thread = threading.Thread(target=waiter)
    thread.start()
    time.sleep(1)
    os.kill(os.getpid(), SIGUSR1)
    time.sleep(1)
    signal.pthread_kill(thread.ident, SIGUSR1)
    thread.join()
"""

    assert child(BLOCKED + program) == ["2.0 True", "3.0 True"]


def test_what_is_blocked_before_a_simulation_stays_pending_inside(child):
    """As without: no thread of simclock's own takes it."""
    program = """
def first():
    with simclock.Simulation():
        threading.Thread(target=time.sleep, args=[1]).start()
        time.sleep(2)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [SIGUSR1])
first()
signal.pthread_sigmask(signal.SIG_BLOCK, [SIGUSR1])
with simclock.Simulation():
    os.kill(os.getpid(), SIGUSR1)
    log(SIGUSR1 in signal.sigpending())
    log(signal.sigwait([SIGUSR1]) == SIGUSR1)
"""

    assert child(BLOCKED + program) == ["0.0 True", "0.0 True"]


def test_a_new_thread_has_blocked_what_its_starter_has():
    masks = []

    def look():
        masks.append(SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        masks.append(signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    def run():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        masks.append(signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    with Simulation():
        run()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [SIGUSR1])
        run()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        run()

    assert masks == [False, True, False, True, True, False, False, True, False]


def test_the_mask_is_as_before_after_a_wait():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Simulation():
        signal.sigtimedwait([SIGUSR1], 1)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.usefixtures("blocked")
def test_a_signal_that_nobody_sends_is_a_deadlock():
    with pytest.raises(Deadlock, match="waits for a signal, since"), Simulation():
        signal.sigwait([SIGUSR1])


@pytest.mark.usefixtures("ringing")
def test_pause_waits_until_a_handler_has_run(log):
    with Simulation():
        signal.alarm(2)
        signal.pause()
        log("on")
        threading.Timer(3, os.kill, (os.getpid(), SIGALRM)).start()
        signal.pause()
        log("on")

    assert log == [(2.0, "SIGALRM"), (2.0, "on"), (5.0, "SIGALRM"), (5.0, "on")]


def test_a_child_that_sends_no_signal_is_not_waited_for_for_ever(log):
    with Simulation(watchdog=0.1):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        log(signal.sigtimedwait([SIGUSR1], 0.05))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    assert log == [(0.05, None)]


def test_a_child_that_sends_a_signal_is_waited_for(log):
    def child(parent):
        time.sleep(0.1)
        os.kill(parent, SIGUSR1)
        os._exit(0)

    before = signal.signal(SIGUSR1, lambda *_: log("signal"))
    try:
        with Simulation():
            threading.Timer(5, log, ["timer"]).start()
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                child(parent)
            signal.pause()
            os.waitpid(pid, 0)
            time.sleep(5)
    finally:
        signal.signal(SIGUSR1, before)

    assert log == [(0.0, "signal"), (5.0, "timer")]
