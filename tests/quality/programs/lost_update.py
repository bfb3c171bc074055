"""Two threads add one to a number that each of them has read before.

Fails: both read, both write.
"""

from __future__ import annotations

import contextlib
import threading
import time

from .threads import together


def bug():
    """Read and write without a lock."""
    _run(contextlib.nullcontext())


def fixed():
    """Read and write under a lock."""
    _run(threading.Lock())


def _run(lock):
    value = 0

    def add():
        nonlocal value
        with lock:
            read = value
            time.sleep(0)
            value = read + 1

    together(add, add)
    assert value == 2
