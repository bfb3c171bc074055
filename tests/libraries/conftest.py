"""A package that was written for real time."""

from __future__ import annotations

import sys
import textwrap
import types

import pytest

SLOW = """
import ctypes, threading, time

def answer(seconds):
    '''Have a thread of its own answer; return what that saw and what the waiter got.'''
    seen = []
    done = threading.Event()

    def work():
        began = time.monotonic()
        time.sleep(seconds)
        seen.append(time.monotonic() - began)
        done.set()

    thread = threading.Thread(target=work, name="worker of slow")
    thread.start()
    got = done.wait()
    thread.join()
    return got, seen

def wait(timeout):
    return threading.Event().wait(timeout)

def sleep(seconds):
    time.sleep(seconds)

def start(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread

def call(function):
    return function()

def stick(seconds):
    ctypes.CDLL(None).usleep(int(seconds * 1e6))
"""


@pytest.fixture
def slow(monkeypatch):
    """Return a module of a package called ``slow``."""
    module = types.ModuleType("slow.client")
    monkeypatch.setitem(sys.modules, "slow.client", module)
    exec(textwrap.dedent(SLOW), vars(module))
    return module
