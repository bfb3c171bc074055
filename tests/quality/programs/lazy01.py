"""Two threads add to a number; a third takes a sum of three for impossible.

After SCTBench's ``lazy01_bad``. Fails: add 1, add 2 (either first), check.
"""

from __future__ import annotations

import threading

from .threads import together


def bug():
    """Allow less than both threads add."""
    _run(most=2)


def fixed():
    """Allow what both threads add."""
    _run(most=3)


def _run(most):
    lock = threading.Lock()
    data = 0

    def add(amount):
        nonlocal data
        with lock:
            data += amount

    def check():
        with lock:
            assert data <= most

    together(check, lambda: add(1), lambda: add(2))
