"""A buffer for one item, with one condition for those who wait for an item and for room.

Fails: both consumers wait; the producer puts an item, which wakes the first of them, and waits for
room before that one runs; the first consumer takes the item, which wakes the second one in place of
the producer; that one finds nothing and waits again.
"""

from __future__ import annotations

import threading

from .threads import together


def bug():
    """Wake one of those who wait."""
    changed = threading.Condition()
    _run(changed, changed.notify)


def fixed():
    """Wake all who wait."""
    changed = threading.Condition()
    _run(changed, changed.notify_all)


def _run(changed, wake):
    items = []

    def produce():
        for number in range(2):
            with changed:
                while items:
                    changed.wait()
                items.append(number)
                wake()

    def consume():
        with changed:
            while not items:
                changed.wait()
            items.pop()
            wake()

    together(produce, consume, consume)
