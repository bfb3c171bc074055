"""Threads count under a lock, but one of them under another one.

After SCTBench's ``wronglock_N_bad``, with N threads under the wrong lock. Fails: the one thread
reads, another counts, the one thread counts (or the other way round).
"""

from __future__ import annotations

import threading
import time

from .threads import together


def bug(others=3):
    """Give the others a lock of their own."""
    _run(others, threading.Lock(), threading.Lock())


def fixed(others=3):
    """Give all the same lock."""
    lock = threading.Lock()
    _run(others, lock, lock)


def _run(others, lock, lock_of_others):
    value = 0

    def count(lock):
        nonlocal value
        with lock:
            before = value
            time.sleep(0)
            value += 1
            assert value == before + 1

    together(lambda: count(lock), *[lambda: count(lock_of_others)] * others)
