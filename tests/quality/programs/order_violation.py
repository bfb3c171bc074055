"""One thread sets a variable, another uses it, both under one lock that orders nothing.

Fails: use, set.
"""

from __future__ import annotations

import threading

from .threads import together


def bug():
    """Rely on who was started first."""
    _run(lambda: None)


def fixed():
    """Wait until it is set."""
    ready = threading.Event()
    _run(ready.wait, ready.set)


def _run(wait, tell=lambda: None):
    lock = threading.Lock()
    x = y = 0

    def set_it():
        nonlocal x
        with lock:
            x = 1
        tell()

    def use_it():
        nonlocal y
        wait()
        with lock:
            y = x

    together(set_it, use_it)
    assert y == 1
