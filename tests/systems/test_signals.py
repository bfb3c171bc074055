"""The scope in which SIGINT and SIGTERM are somebody's."""

from __future__ import annotations

import queue
import signal
import threading

import pytest

import simclock
from simclock.systems._shared.signals import SIGNALS, on_signals


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
