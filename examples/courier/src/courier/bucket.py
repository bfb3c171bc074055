"""Not more than so many a second."""

from __future__ import annotations

import threading
import time


class TokenBucket:
    """A rate limit that allows bursts: *burst* tokens, refilled at *rate* a second.

    Safe to use from any number of threads; who asks first is served first.
    """

    def __init__(self, rate: float, burst: int) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"no token would ever come: rate {rate}, burst {burst}")
        self.rate = rate
        self.burst = burst
        self._lock = threading.Lock()
        # Negative while threads sleep for tokens that they have already been promised.
        self._tokens = float(burst)
        self._filled_at = time.monotonic()

    def _fill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now

    def available(self) -> int:
        """Return how many tokens could be taken now."""
        with self._lock:
            self._fill()
            return max(0, int(self._tokens))

    def take(self, timeout: float | None = None) -> bool:
        """Take a token, waiting for it up to *timeout* seconds; return whether there was one.

        It is known at once if it would take too long: then nobody waits.
        """
        with self._lock:
            self._fill()
            wait = max(0.0, (1 - self._tokens) / self.rate)
            if timeout is not None and wait > timeout:
                return False
            self._tokens -= 1
        time.sleep(wait)
        return True

    def next_in(self) -> float:
        """Return after how many seconds there will be a token."""
        with self._lock:
            self._fill()
            return max(0.0, (1 - self._tokens) / self.rate)
