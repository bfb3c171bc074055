"""Data is written in two stages, each under a lock of its own; a reader reads in two as well.

After SCTBench's ``twostage_bad`` and its versions with many writers. Fails: a writer has done the
first stage and no writer the second one when the reader reads both.
"""

from __future__ import annotations

import contextlib
import threading

from .threads import together


def bug(writers=1):
    """Lock each stage."""
    _run(writers, contextlib.nullcontext())


def fixed(writers=1):
    """Lock both stages together."""
    _run(writers, threading.Lock())


def _run(writers, both):
    first_lock, second_lock = threading.Lock(), threading.Lock()
    first = second = 0

    def write():
        nonlocal first, second
        with both:
            with first_lock:
                first = 1
            with second_lock:
                second = first + 1

    def read():
        with both:
            with first_lock:
                seen = first
            if seen == 0:
                return
            with second_lock:
                assert second == seen + 1

    together(*[write] * writers, read)
