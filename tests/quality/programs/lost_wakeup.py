"""A thread looks whether there is something to wait for, and waits.

Fails: it looks, the other one says that it is ready, it waits for ever.
"""

from __future__ import annotations

import threading
import time

from .threads import together


def bug():
    """Look before taking the lock."""
    changed = threading.Condition()
    ready = False

    def wait():
        if not ready:
            time.sleep(0)
            with changed:
                changed.wait()

    def tell():
        nonlocal ready
        with changed:
            ready = True
            changed.notify()

    together(wait, tell)


def fixed():
    """Look with the lock, until it is so."""
    changed = threading.Condition()
    ready = False

    def wait():
        with changed:
            while not ready:
                changed.wait()

    def tell():
        nonlocal ready
        with changed:
            ready = True
            changed.notify()

    together(wait, tell)
