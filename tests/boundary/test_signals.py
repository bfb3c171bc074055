"""Handlers run in the main thread's turn, at the virtual instant of their signal."""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import threading
import time

import pytest

import simclock
from simclock._boundary import _native, signals

USR1 = signal.SIGUSR1


@pytest.fixture
def as_before():
    before = signal.getsignal(USR1)
    yield
    signal.signal(USR1, before)


pytestmark = pytest.mark.usefixtures("as_before")


def ways_to_send():
    main = threading.main_thread().ident
    return {
        "os.kill": lambda: os.kill(os.getpid(), USR1),
        "raise_signal": lambda: signal.raise_signal(USR1),
        "pthread_kill": lambda: signal.pthread_kill(main, USR1),
        "interrupt_main": lambda: _thread.interrupt_main(USR1),
    }


@pytest.mark.parametrize("way", ways_to_send())
def test_a_handler_runs_at_the_instant_of_the_signal_in_the_main_thread(way):
    send = ways_to_send()[way]
    log = []

    def handler(signum, frame):
        log.append((sim.elapsed, signum, threading.current_thread() is threading.main_thread()))

    def sender():
        time.sleep(5)
        send()
        log.append((sim.elapsed, "sent"))

    with simclock.Simulation() as sim:
        signal.signal(USR1, handler)
        threading.Thread(target=sender).start()
        log.append((threading.Event().wait(30), sim.elapsed))

    assert log == [(5.0, USR1, True), (5.0, "sent"), (False, 30.0)]


def test_a_handler_installed_before_runs_in_the_main_thread_s_turn_too():
    log = []
    signal.signal(USR1, lambda *_: log.append(sim.elapsed))
    with simclock.Simulation() as sim:
        threading.Timer(5, os.kill, (os.getpid(), USR1)).start()
        time.sleep(30)

    assert log == [5.0]


def test_a_handler_may_wait():
    log = []
    lock = threading.Lock()

    def handler(*_):
        with lock:
            time.sleep(2)
            log.append(sim.elapsed)

    def sender():
        with lock:
            time.sleep(5)
            os.kill(os.getpid(), USR1)
            time.sleep(1)

    with simclock.Simulation() as sim:
        signal.signal(USR1, handler)
        threading.Thread(target=sender).start()
        time.sleep(30)
        log.append(sim.elapsed)

    assert log == [8.0, 30.0]


def test_what_a_handler_raises_leaves_the_main_thread_s_wait():
    class Stop(Exception):
        pass

    def handler(*_):
        raise Stop

    log = []
    with simclock.Simulation() as sim:
        signal.signal(USR1, handler)
        threading.Timer(5, signal.raise_signal, (USR1,)).start()
        with pytest.raises(Stop):
            time.sleep(30)
        log.append(sim.elapsed)

    assert log == [5.0]


def test_a_handler_that_signals_again_runs_again():
    log = []

    def handler(*_):
        log.append(sim.elapsed)
        if len(log) < 3:
            time.sleep(1)
            os.kill(os.getpid(), USR1)

    with simclock.Simulation() as sim:
        signal.signal(USR1, handler)
        signal.raise_signal(USR1)

    assert log == [0.0, 1.0, 2.0]


def test_getsignal_and_signal_show_the_user_s_handlers():
    def first(*_): ...

    def second(*_): ...

    signal.signal(USR1, first)
    log = []
    with simclock.Simulation():
        log.append(signal.getsignal(USR1) is first)
        log.append(signal.signal(USR1, second) is first)
        log.append(signal.getsignal(USR1) is second)
        log.append(signal.signal(USR1, signal.SIG_IGN) is second)
        log.append(signal.getsignal(USR1) is signal.SIG_IGN)
        log.append(signal.signal(USR1, first) is signal.SIG_IGN)
        log.append(signal.getsignal(USR1) is first)
        log.append(signal.getsignal(signal.SIGINT) is signal.default_int_handler)

    assert log == [True] * 8
    assert signal.getsignal(USR1) is first


@pytest.mark.parametrize("value", [signal.SIG_IGN, signal.SIG_DFL])
def test_what_the_block_installs_stays_installed(value):
    signal.signal(USR1, lambda *_: None)
    with simclock.Simulation():
        signal.signal(USR1, value)

    assert signal.getsignal(USR1) is value


def test_no_handler_of_ours_is_left():
    with simclock.Simulation():
        signal.signal(USR1, print)

    assert signal.getsignal(USR1) is print
    left = [n for n in signal.valid_signals() if signal.getsignal(n) is signals._deferring]
    assert left == []
    assert signals._handlers == {}


def test_a_handler_that_cannot_be_put_back_does_not_keep_the_others(monkeypatch):
    """As in a thread that is not the main one; it ends, and says what was wrong."""
    put_back, refused = [], []

    def refuse(signum, handler):
        if signum == signal.SIGTERM:
            refused.append(signum)
            raise ValueError("signal only works in main thread")
        put_back.append(signum)

    monkeypatch.setattr(signals, "_handlers", {signal.SIGTERM: print, int(USR1): print})
    monkeypatch.setattr(signals, "_get", lambda signum: signals._deferring)
    monkeypatch.setattr(signals, "_set", refuse)

    with pytest.raises(ValueError, match="only works in main thread"):
        signals.stop()

    assert put_back == [USR1]
    assert len(refused) == 100
    assert signals._handlers == {}


def test_putting_handlers_back_goes_on_after_interrupts(monkeypatch):
    tried = []

    def interrupted(signum, handler):
        tried.append(signum)
        if len(tried) < 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(signals, "_handlers", {int(USR1): print})
    monkeypatch.setattr(signals, "_get", lambda signum: signals._deferring)
    monkeypatch.setattr(signals, "_set", interrupted)

    with pytest.raises(KeyboardInterrupt):
        signals.stop()

    assert tried == [USR1] * 5


@pytest.mark.parametrize(
    "args", [(), (USR1,), (USR1, 5), (999, print), ("x", print), (signal.SIGKILL, print)]
)
def test_wrong_arguments_of_signal_raise_what_the_original_raises(args):
    def outcome():
        try:
            return signal.signal(*args)
        except (TypeError, ValueError, OSError) as error:
            return type(error), str(error)

    outside = outcome()
    with simclock.Simulation():
        inside = outcome()

    assert inside == outside
    assert isinstance(outside, tuple)


def test_signals_can_only_be_handled_from_the_main_thread():
    raised = []

    def install():
        try:
            signal.signal(USR1, print)
        except ValueError as error:
            raised.append(str(error).partition(" ")[0])

    with simclock.Simulation():
        thread = threading.Thread(target=install)
        thread.start()
        thread.join()

    assert raised == ["signal"]
    assert signals._handlers == {}


def test_a_simulation_of_another_thread_leaves_signals_to_the_main_thread():
    log = []
    signal.signal(USR1, lambda *_: log.append("handled"))

    def simulate():
        with simclock.Simulation() as sim:
            sender = threading.Thread(target=os.kill, args=(os.getpid(), USR1))
            sender.start()
            sender.join()
            time.sleep(5)
            log.append(sim.elapsed)
            log.append(_native.wanted())

    thread = threading.Thread(target=simulate)
    thread.start()
    thread.join()

    assert sorted(map(str, log)) == ["5.0", "False", "handled"]


@pytest.mark.parametrize("run", range(20))
def test_asyncio_handlers_and_kill_make_no_spurious_timeout(run):
    """The wake-up byte of asyncio must be found before the clock jumps to the timeout."""
    log = []

    async def main():
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(USR1, done.set)
        threading.Timer(5 + run, os.kill, (os.getpid(), USR1)).start()
        await asyncio.wait_for(done.wait(), 100)
        log.append(round(sim.elapsed, 2))

    with simclock.Simulation() as sim:
        asyncio.run(main())

    assert log == [5.0 + run]


def test_interrupting_asyncio_run_cancels_its_main_task():
    log = []

    async def main():
        try:
            await asyncio.sleep(100)
        finally:
            log.append(round(sim.elapsed, 2))

    with pytest.raises(KeyboardInterrupt), simclock.Simulation() as sim:
        threading.Timer(5, _thread.interrupt_main).start()
        asyncio.run(main())

    assert log == [5.0]
