"""Leave alone who is down."""

from __future__ import annotations

import enum
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class State(enum.Enum):
    """What a breaker lets through: everything, nothing, or one trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitOpen(Exception):
    """Not even tried: too many failures in a row, not long ago."""


class CircuitBreaker:
    """Opens after a number of failures in a row, and lets one trial through after the cool-down.

    Safe to use from any number of threads.
    """

    def __init__(self, failures: int = 5, cooldown: float = 30.0) -> None:
        self._limit = failures
        self._cooldown = cooldown
        self._lock = threading.Lock()
        self._failures = 0
        # Invariant: None exactly while the breaker is closed.
        self._opened_at: float | None = None
        self._trial = False

    @property
    def state(self) -> State:
        """The present state."""
        with self._lock:
            return self._state()

    def _state(self) -> State:
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self._cooling() > 0 else State.HALF_OPEN

    def _cooling(self) -> float:
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._cooldown - time.monotonic())

    def retry_in(self) -> float:
        """Return after how many seconds it makes sense to ask again."""
        with self._lock:
            # Someone else's trial is under way: it will not take long to be told how it went.
            return self._cooling() or (0.1 if self._trial else 0.0)

    def allow(self) -> bool:
        """Return whether a call may be made; its outcome must then be told."""
        with self._lock:
            state = self._state()
            if state is State.HALF_OPEN and not self._trial:
                self._trial = True
                return True
            return state is State.CLOSED

    def succeeded(self) -> None:
        """Tell that a call went well."""
        with self._lock:
            self._failures = 0
            self._opened_at = None
            self._trial = False

    def failed(self) -> None:
        """Tell that a call went wrong."""
        with self._lock:
            self._failures += 1
            if self._trial or self._failures >= self._limit:
                self._opened_at = time.monotonic()
            self._trial = False

    def call(self, function: Callable[[], T]) -> T:
        """Return what *function* returns; raise CircuitOpen if it may not be called."""
        if not self.allow():
            raise CircuitOpen(f"open for another {self.retry_in():.1f} s")
        try:
            result = function()
        except Exception:
            self.failed()
            raise
        self.succeeded()
        return result
