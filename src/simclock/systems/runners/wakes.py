"""What ends the wait of one thread early, whoever has news for it."""

from __future__ import annotations

import queue


class Wake:
    """One thread waits, any others ring; a ring that comes before the wait ends it at once.

    No `threading.Event`: handlers of signals ring too, and may do so while the
    thread that they interrupt owns the lock of an event.
    """

    def __init__(self) -> None:
        # Invariant: it has something in it from a ring on until a wait has returned for it.
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """End the wait of this moment, or else the next one."""
        # Who waits looks around after it has emptied this: one ring stands for many.
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, seconds: float | None) -> bool:
        """Wait until somebody rings, or so many seconds; return whether somebody did."""
        try:
            self._rings.get(timeout=seconds)
        except queue.Empty:
            return False
        while not self._rings.empty():  # two may have seen it empty at the same time
            self._rings.get()
        return True
