"""Programs with known bugs, for those who search."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

import simclock


def lost_update():
    """Two threads add one, each in two steps; one of them may be lost."""
    shared = SimpleNamespace(value=0)

    def add():
        value = shared.value
        simclock.active().checkpoint("read")
        shared.value = value + 1

    together(add, add)
    assert shared.value == 2


def no_update_lost():
    lock = threading.Lock()
    shared = SimpleNamespace(value=0)

    def add():
        with lock:
            value = shared.value
            simclock.active().checkpoint("read")
            shared.value = value + 1

    together(add, add)
    assert shared.value == 2


def lock_order():
    """Each of two threads takes two locks, in another order: they may wait for each other."""
    locks = [threading.Lock(), threading.Lock()]

    def take(first, second):
        with first, second:
            pass

    together(lambda: take(*locks), lambda: take(*reversed(locks)))


def together(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def programs():
    """Scenarios: functions without arguments, and what runs functions in threads."""
    return SimpleNamespace(
        lost_update=lost_update,
        no_update_lost=no_update_lost,
        lock_order=lock_order,
        together=together,
    )
