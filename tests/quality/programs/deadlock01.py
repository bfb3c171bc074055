"""Two threads take two locks, in opposite orders.

After SCTBench's ``deadlock01_bad``. Fails: 1 takes a, 2 takes b, and each waits for the other's.
"""

from __future__ import annotations

import threading

from .threads import together


def bug():
    """Take the locks in opposite orders."""
    a, b = threading.Lock(), threading.Lock()
    _run((a, b), (b, a))


def fixed():
    """Take the locks in one order."""
    a, b = threading.Lock(), threading.Lock()
    _run((a, b), (a, b))


def _run(*orders):
    counter = 0

    def count(first, second):
        nonlocal counter
        with first, second:
            counter += 1

    together(*(lambda order=order: count(*order) for order in orders))
    assert counter == 2
