"""The scope in which SIGINT and SIGTERM are somebody's."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import simclock
from simclock.systems._shared.signals import SIGNALS, on_signals, woken_by_signals


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_each_signal_is_told_in_a_block_and_only_there(world):
    got = []

    def program():
        before = handlers()
        with on_signals(got.append):
            for number in SIGNALS:
                signal.raise_signal(number)
        assert handlers() == before

    program() if world == "real" else simclock.run(program)

    assert got == [signal.SIGINT, signal.SIGTERM]


def test_handlers_are_put_back_whatever_is_raised():
    before = handlers()
    with pytest.raises(KeyError), on_signals(print):
        raise KeyError

    assert handlers() == before


def test_scopes_may_be_nested():
    outer, inner = [], []
    with on_signals(outer.append):
        with on_signals(inner.append):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert (outer, inner) == ([signal.SIGTERM], [signal.SIGTERM])


def test_in_another_thread_they_do_what_they_did():
    found = []

    def program():
        before = handlers()
        with on_signals(print):
            found.append(handlers() == before)

    thread = threading.Thread(target=program)
    thread.start()
    thread.join()

    assert found == [True]


def test_a_handler_that_could_not_be_put_back_is_left(monkeypatch):
    """One that a library in C has set: Python does not know it."""
    changed = []
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    monkeypatch.setattr(signal, "signal", lambda *args: changed.append(args))
    with on_signals(print):
        pass

    assert changed == []


def test_a_handler_may_wake_the_thread_that_waits(sim):
    letters = queue.SimpleQueue()
    threading.Timer(5, lambda: signal.raise_signal(signal.SIGTERM)).start()
    with on_signals(letters.put):
        assert letters.get() == signal.SIGTERM

    assert sim.elapsed == 5.0


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_one_that_is_ignored_stays_so(world):
    def program():
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with on_signals(got.append):
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)

    got = []
    program() if world == "real" else simclock.run(program)

    assert got == [signal.SIGTERM]


# ----------------------------------------------- the thread that wakes the main thread


def descriptors():
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_who_waits_is_woken_and_nothing_is_left(world):
    def program():
        before = descriptors(), threading.enumerate()
        woken = queue.SimpleQueue()
        with on_signals(got.append, lambda: woken.put("woken")):
            signal.raise_signal(signal.SIGTERM)
            got.append(woken.get())
        assert (descriptors(), threading.enumerate()) == before
        assert signal.set_wakeup_fd(-1) == -1

    got = []
    program() if world == "real" else simclock.run(program)

    assert got == [signal.SIGTERM, "woken"]


def test_a_wakeup_descriptor_of_somebody_else_is_left_to_them():
    before = descriptors()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    got = []
    try:
        with on_signals(got.append, lambda: got.append("woken")):
            signal.raise_signal(signal.SIGTERM)
    finally:
        assert signal.set_wakeup_fd(-1) == writer
    told = os.read(reader, 2)
    os.close(reader)
    os.close(writer)

    assert (got, told) == ([signal.SIGTERM], bytes([signal.SIGTERM]))
    assert descriptors() == before


def test_where_python_takes_no_wakeup_descriptor_there_is_none(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("set_wakeup_fd only works in main thread of the main interpreter")

    monkeypatch.setattr(signal, "set_wakeup_fd", refuse)
    got = []
    with on_signals(got.append, lambda: got.append("woken")):
        signal.raise_signal(signal.SIGTERM)

    assert got == [signal.SIGTERM]


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_without_handlers_of_ours_those_of_others_act_as_ever(world):
    def program():
        before = descriptors(), threading.enumerate(), handlers()
        woken = queue.SimpleQueue()
        with pytest.raises(KeyboardInterrupt), woken_by_signals(lambda: woken.put("woken")):
            assert handlers() == before[2]
            signal.raise_signal(signal.SIGINT)
            woken.get()
        assert (descriptors(), threading.enumerate(), handlers()) == before
        assert signal.set_wakeup_fd(-1) == -1

    program() if world == "real" else simclock.run(program)


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_nothing_is_done_outside_of_the_main_thread(world):
    def in_thread():
        before = descriptors(), threading.enumerate()
        with woken_by_signals(print):
            found.append((descriptors(), threading.enumerate()) == before)

    def program():
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()

    found = []
    program() if world == "real" else simclock.run(program)

    assert found == [True]


def test_a_descriptor_that_somebody_takes_meanwhile_stays_theirs():
    before = descriptors()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with woken_by_signals(print):
        signal.set_wakeup_fd(writer)
    assert signal.set_wakeup_fd(-1) == writer
    os.close(reader)
    os.close(writer)

    assert descriptors() == before


def test_in_a_simulated_process_too(sim):
    got = []

    def main():
        letters = queue.SimpleQueue()
        with on_signals(letters.put, lambda: letters.put("woken")):
            got.extend([letters.get(), letters.get()])
        assert signal.set_wakeup_fd(-1) == -1

    process = sim.host("a").start(main)
    time.sleep(1)
    os.kill(process.pid, signal.SIGTERM)
    process.join()

    assert process.exitcode == 0
    assert sorted(map(str, got)) == sorted(map(str, [signal.SIGTERM.value, "woken"]))


LOAD = """
    import os, signal, subprocess, sys, threading, time
    from simclock.systems.services import ServiceRunner, stop_token

    # A signal from within would mostly be taken by the thread that sends it.
    KILLER = "import sys, os, signal\\nfor _ in sys.stdin: os.kill(os.getppid(), signal.SIGTERM)"

    def busy():
        token = stop_token()
        while not token.is_set():
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()

    def ask(runner, done):
        runner.running.wait()
        time.sleep(0.01)
        killer.stdin.write("x\\n")
        killer.stdin.flush()
        if not done.wait(5):
            print("lost", flush=True)
            os._exit(1)

    with subprocess.Popen([sys.executable, "-c", KILLER], stdin=subprocess.PIPE, text=True) as killer:
        for _ in range(30):
            runner, done = ServiceRunner(), threading.Event()
            for _ in range(2):
                runner.adopt(busy, flavour=threading)
            asks = threading.Thread(target=ask, args=[runner, done])
            asks.start()
            runner.accept()
            done.set()
            asks.join()
        killer.stdin.close()
    print("none lost", threading.active_count())
"""


@pytest.mark.real
def test_no_signal_is_lost_while_other_threads_start_threads():
    """The kernel gives it to any thread that is in Python, whose handlers run in the main one."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOAD)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.returncode) == ("none lost 1\n", 0), done.stderr
