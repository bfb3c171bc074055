"""An event that signal handlers may set."""

from __future__ import annotations

import contextlib
import threading


class StopEvent(threading.Event):
    """An event that a signal handler may set, whatever it has interrupted.

    The original's `set` takes a lock that its `wait` owns for a moment: a
    handler that runs there, in the thread that waits, would wait for itself.
    Here nothing is locked. Each who waits has a lock of its own, owned from the
    start, which `set` and `wake` release.

    All methods may be called by any thread; `set`, `wake` and `is_set` by handlers too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False
        self._waiters: list[threading.Lock] = []

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        # In this order: who begins to wait is found by `wake`, or finds this.
        self._is_set = True
        self.wake()

    def wake(self) -> None:
        """Wake all who wait without setting it: their `wait` returns True all the same."""
        for each in self._waiters.copy():
            # Two who do this at once find the same waiters.
            with contextlib.suppress(RuntimeError):
                each.release()

    def clear(self) -> None:
        """Make it as new; whoever waits goes on waiting."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many seconds are over; return whether it was set."""
        if self._is_set:
            return True
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        try:
            return self.is_set() or waiter.acquire(
                timeout=-1 if timeout is None else max(0.0, timeout)
            )
        finally:
            self._waiters.remove(waiter)
