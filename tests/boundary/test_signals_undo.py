"""Handlers are put back whatever happened to them, and whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

import simclock
from simclock._boundary import signals

USR1 = signal.SIGUSR1


@pytest.fixture
def calls():
    """Have a handler of our own for the time of the test; return what it was called with."""
    made = []

    def handler(signum, frame):
        made.append(signum)

    before = signal.signal(USR1, handler)
    yield made
    signal.signal(USR1, before)


def test_a_handler_set_in_real_time_inside_stays(calls):
    with simclock.Simulation() as sim:
        with sim.real_time():
            signal.signal(USR1, signal.SIG_IGN)
        assert signal.getsignal(USR1) is signal.SIG_IGN

    assert signal.getsignal(USR1) is signal.SIG_IGN


def test_an_interrupt_while_they_are_put_back_comes_when_all_are(calls, monkeypatch):
    theirs = {signum: signal.getsignal(signum) for signum in signal.valid_signals()}
    put = signals._set
    interrupts = [KeyboardInterrupt]

    def put_and_be_interrupted(signum, handler):
        put(signum, handler)
        if interrupts and handler is not signals._deferring:
            raise interrupts.pop()

    with pytest.raises(KeyboardInterrupt), simclock.Simulation():
        monkeypatch.setattr(signals, "_set", put_and_be_interrupted)

    assert not interrupts
    assert {signum: signal.getsignal(signum) for signum in signal.valid_signals()} == theirs
    assert not signals._hushed
    signal.raise_signal(USR1)
    assert calls == [USR1]


def test_a_signal_that_comes_when_its_handler_is_gone_is_nobody_s(calls):
    signals._deferring(USR1, None)

    assert calls == []


@signals.uninterrupted
def opening():
    return sys._getframe()


def closing_within(function):
    return function()


def test_a_function_is_uninterrupted_with_all_that_it_calls():
    assert signals._is_uninterrupted(opening())
    assert not signals._is_uninterrupted(sys._getframe())
    assert not signals._is_uninterrupted(closing_within(sys._getframe))


def test_a_signal_for_somebody_else_gives_the_root_no_turn(calls):
    """The main thread is asked to handle signals; another process or thread is not it."""
    log = []

    def send():
        os.kill(os.getppid(), 0)
        signal.pthread_kill(threading.get_ident(), 0)
        log.append("sent")
        time.sleep(1)

    with simclock.Simulation() as sim:
        threading.Thread(target=send).start()
        time.sleep(1)
        switches = sum(record.kind == "choice" for record in sim.trace.records)

    assert log == ["sent"]
    assert calls == []
    assert switches == 0
