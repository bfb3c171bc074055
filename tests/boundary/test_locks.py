"""Locks at their edges: released by who does not own them, and while a thread is unwound."""

from __future__ import annotations

import threading
import time

import pytest

import simclock
from simclock._boundary.locks import RLockGate


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_a_lock_that_is_not_owned_refuses_to_be_released_at_every_step(make):
    """Also where the kernel is asked, as it is once in a thousand steps."""
    lock = make()
    refused = 0
    with simclock.Simulation():
        for _ in range(2100):
            try:
                lock.release()
            except RuntimeError:
                refused += 1

    assert refused == 2100


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_a_waiter_that_cannot_have_its_lock_again_is_unwound_in_silence(make, capfd):
    condition = threading.Condition(make())
    log = []

    def wait():
        with condition:
            try:
                condition.wait()
            finally:
                log.append("waiter leaves")

    def own():
        with condition:
            try:
                time.sleep(10**6)
            finally:
                log.append("owner leaves")

    with simclock.Simulation():
        for target in (wait, own):
            threading.Thread(target=target, daemon=True).start()
            time.sleep(1)

    assert log == ["waiter leaves", "owner leaves"]
    assert capfd.readouterr() == ("", "")


def test_a_reentrant_lock_that_is_free_has_no_owner():
    with simclock.Simulation():
        assert RLockGate(threading.RLock()).owner() is None
