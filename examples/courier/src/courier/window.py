"""How many of late."""

from __future__ import annotations

import threading
import time
from collections import deque


class RollingCount:
    """Counts what happened within the last *seconds*."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._times: deque[float] = deque()

    def add(self) -> None:
        """Count one, now."""
        with self._lock:
            self._times.append(time.monotonic())

    def count(self) -> int:
        """Return how many were counted of late."""
        with self._lock:
            oldest = time.monotonic() - self._seconds
            while self._times and self._times[0] <= oldest:
                self._times.popleft()
            return len(self._times)

    def per_second(self) -> float:
        """Return the mean rate of late."""
        return self.count() / self._seconds
