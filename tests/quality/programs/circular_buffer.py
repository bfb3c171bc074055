"""Two producers and a consumer share a ring of four slots.

After SCTBench's ``circular_buffer_bad``. Fails: four items are put before one is taken; the ring
then looks empty, and the consumer loses them.
"""

from __future__ import annotations

import threading

from .threads import together

SLOTS = 4
EACH = 3


def bug():
    """Put without asking whether the ring is full."""
    _run(wait_for_room=False)


def fixed():
    """Put when there is room."""
    _run(wait_for_room=True)


class Ring:
    """A queue in an array; one slot stays free, for a full ring would look empty."""

    def __init__(self):
        self._slots = [None] * SLOTS
        self._head = self._tail = 0

    def empty(self):
        return self._head == self._tail

    def full(self):
        return (self._tail + 1) % SLOTS == self._head

    def put(self, item):
        self._slots[self._tail] = item
        self._tail = (self._tail + 1) % SLOTS

    def get(self):
        item = self._slots[self._head]
        self._head = (self._head + 1) % SLOTS
        return item


def _run(*, wait_for_room):
    ring = Ring()
    changed = threading.Condition()
    received = []

    def produce(first):
        for item in range(first, first + EACH):
            with changed:
                if wait_for_room:
                    changed.wait_for(lambda: not ring.full())
                ring.put(item)
                changed.notify_all()

    def consume():
        for _ in range(2 * EACH):
            with changed:
                changed.wait_for(lambda: not ring.empty())
                received.append(ring.get())
                changed.notify_all()

    together(lambda: produce(0), consume, lambda: produce(EACH))
    assert sorted(received) == list(range(2 * EACH))
