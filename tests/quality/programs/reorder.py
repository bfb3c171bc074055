"""Writers set two variables one after the other; a checker must find both set or none.

After SCTBench's ``reorder_N_bad``, of N threads. Fails: one writer or more has set the first
variable, and none the second, when the checker looks.
"""

from __future__ import annotations

import contextlib
import threading
import time

from .threads import together


def bug(threads=3):
    """Set the two without a lock."""
    _run(threads - 1, contextlib.nullcontext())


def fixed(threads=3):
    """Set and read the two under a lock."""
    _run(threads - 1, threading.Lock())


def _run(writers, lock):
    a, b = 0, 0

    def write():
        nonlocal a, b
        with lock:
            a = 1
            time.sleep(0)
            b = -1

    def check():
        with lock:
            assert (a, b) in ((0, 0), (1, -1))

    together(*[write] * writers, check)
