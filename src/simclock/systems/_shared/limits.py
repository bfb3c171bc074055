"""How much of something may be done: tokens, windows of time, and a breaker for what fails.

They count by ``time.monotonic_ns``, in integers: of sums of floats one would
now and then let one too many through. They wait for nothing, and may be used
from any thread; what waits is built on them.
"""

from __future__ import annotations

import enum
import math
import threading
import time
from collections import deque
from fractions import Fraction
from typing import NamedTuple

from simclock.systems._shared.retry import check_count, check_number

_SECOND = 10**9
# Rates are taken as the simplest fractions next to them, so that 0.1 is a tenth.
_FINEST = 10**12


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / _SECOND


class Tokens:
    """Tokens that come back at a constant rate, until the bucket is full.

    In any *T* seconds it gives ``capacity + rate * T`` of them at most, but
    for those that were given back or filled in.

    Args:
        capacity: How many it holds.
        rate: How many come back in a second.
        initial: How many it has at first; ``None``: it is full.

    Raises:
        ValueError: An argument has no meaning.
    """

    def __init__(self, capacity: int, rate: float, initial: int | None = None) -> None:
        check_count("capacity", capacity, least=1)
        check_number("refill_rate", rate, zero=False)
        first = capacity if initial is None else initial
        check_count("initial_tokens", first)
        if first > capacity:
            raise ValueError(
                f"initial_tokens exceeds the capacity: {first} of {capacity}\ngive no more"
            )
        exact = Fraction(rate).limit_denominator(_FINEST) or Fraction(rate)
        # Levels are in parts of a token, so small that whole ones come in each nanosecond.
        self._per_nanosecond = exact.numerator
        self._token = exact.denominator * _SECOND
        self._full = capacity * self._token
        self._level = first * self._token
        self._at = time.monotonic_ns()
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        """How many there are now."""
        with self._lock:
            return self._refilled() / self._token

    def try_take(self, count: int) -> bool:
        """Take so many, or none; return whether they were there."""
        needed = count * self._token
        with self._lock:
            if self._refilled() < needed:
                return False
            self._level -= needed
            return True

    def wait_of(self, count: int) -> float:
        """Return the seconds until there are so many, if nobody takes any; 0.0 if there are."""
        with self._lock:
            missing = count * self._token - self._refilled()
        return _seconds(max(0, -(-missing // self._per_nanosecond)))

    def give_back(self, count: int) -> None:
        """Put so many in; what the bucket does not hold is lost."""
        with self._lock:
            self._level = min(self._full, self._refilled() + count * self._token)

    def fill(self) -> None:
        """Make it full."""
        with self._lock:
            self._refilled()
            self._level = self._full

    def _refilled(self) -> int:
        now = time.monotonic_ns()
        self._level = min(self._full, self._level + (now - self._at) * self._per_nanosecond)
        self._at = now
        return self._level


class Window:
    """At most so many grants in *any* stretch of so many seconds.

    A stretch has its beginning and not its end: with 1 in 2 seconds, there may
    be grants at 0, 2 and 4.

    Args:
        limit: How many.
        seconds: The length of a stretch.

    Raises:
        ValueError: An argument has no meaning.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        check_count("limit", limit, least=1)
        check_number("seconds", seconds, zero=False)
        self.limit = limit
        self._length = math.ceil(seconds * _SECOND)
        # Invariant: instants of grants, in order, no more than the limit.
        self._grants: deque[int] = deque()
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """How many grants there may be in this instant."""
        with self._lock:
            self._forget(time.monotonic_ns())
            return self.limit - len(self._grants)

    def set_free(self, count: int) -> None:
        """Go on as if so many grants were left; the others are taken for given just now."""
        now = time.monotonic_ns()
        with self._lock:
            self._forget(now)
            while self.limit - len(self._grants) < count:
                self._grants.popleft()
            while self.limit - len(self._grants) > count:
                self._grants.append(now)

    def try_take(self) -> bool:
        """Give one grant, if there may be one; return whether there was."""
        now = time.monotonic_ns()
        with self._lock:
            self._forget(now)
            if len(self._grants) >= self.limit:
                return False
            self._grants.append(now)
            return True

    def wait_of(self) -> float:
        """Return the seconds until there may be a grant, 0.0 if there may be one now."""
        now = time.monotonic_ns()
        with self._lock:
            self._forget(now)
            if len(self._grants) < self.limit:
                return 0.0
            return _seconds(self._grants[0] + self._length - now)

    def _forget(self, now: int) -> None:
        while self._grants and self._grants[0] + self._length <= now:
            self._grants.popleft()


class BreakerState(enum.Enum):
    """What a `Breaker` lets through: all calls, none, or a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CallEnd(enum.Enum):
    """How a call ended, as far as a `Breaker` cares."""

    SUCCESS = "success"
    FAILURE = "failure"
    # Of no significance, such as one that was cancelled.
    NEITHER = "neither"


class Change(NamedTuple):
    """One change of a breaker's state.

    Attributes:
        before: The state it had.
        after: The one it has got.
        at: When, by ``time.monotonic``.
    """

    before: BreakerState
    after: BreakerState
    at: float


class Breaker:
    """Lets calls through until so many in succession have failed; then none for some time.

    After that it lets a few probes through, and the first that ends says what
    becomes of it: CLOSED again, or OPEN for the same time. Calls that began
    before the last change of its state say nothing about the present one.

    Args:
        threshold: How many failures, one after the other, open it.
        recovery: Seconds that it stays open.
        probes: How many calls may be under way while it is half open.

    Raises:
        ValueError: An argument has no meaning.
    """

    def __init__(self, threshold: int, recovery: float, probes: int) -> None:
        check_count("failure_threshold", threshold, least=1)
        check_number("recovery_time", recovery, zero=False)
        check_count("half_open_max_calls", probes, least=1)
        self._threshold = threshold
        self._recovery = math.ceil(recovery * _SECOND)
        self._most_probes = probes
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._probes = 0
        self._opened = 0
        # The last ones only: a breaker may live for years.
        self._changes: deque[Change] = deque(maxlen=1000)
        # Counts changes: calls of an earlier epoch are not heard.
        self._epoch = 0
        self._lock = threading.Lock()

    @property
    def state(self) -> BreakerState:
        """The state of this moment; one that may be probed is HALF_OPEN only when that is done."""
        return self._state

    @property
    def failures(self) -> int:
        """How many calls have failed since one has not."""
        return self._failures

    @property
    def changes(self) -> list[Change]:
        """The last changes of the state, 1000 at most, the oldest first."""
        with self._lock:
            return list(self._changes)

    def enter(self) -> int | None:
        """Let a call through and return what `leave` wants; ``None``: it must not be made."""
        with self._lock:
            if self._state is BreakerState.OPEN and not self._remaining():
                self._become(BreakerState.HALF_OPEN)
            if self._state is BreakerState.OPEN:
                return None
            if self._state is BreakerState.HALF_OPEN:
                if self._probes >= self._most_probes:
                    return None
                self._probes += 1
            return self._epoch

    def leave(self, call: int, end: CallEnd) -> None:
        """Be told how a call has ended; each is to be told of once, whatever happens to it."""
        with self._lock:
            if call != self._epoch:
                return
            self._probes = max(0, self._probes - 1)
            if end is CallEnd.FAILURE:
                self._failures += 1
                if self._state is BreakerState.HALF_OPEN or self._failures >= self._threshold:
                    self._opened = time.monotonic_ns()
                    self._become(BreakerState.OPEN)
            elif end is CallEnd.SUCCESS:
                self._failures = 0
                if self._state is BreakerState.HALF_OPEN:
                    self._become(BreakerState.CLOSED)

    def wait_of(self) -> float:
        """Return the seconds until a probe may be let through; 0.0 unless it is open."""
        with self._lock:
            return _seconds(self._remaining()) if self._state is BreakerState.OPEN else 0.0

    def _remaining(self) -> int:
        return max(0, self._opened + self._recovery - time.monotonic_ns())

    def _become(self, state: BreakerState) -> None:
        self._changes.append(Change(self._state, state, time.monotonic()))
        self._state = state
        self._probes = 0
        self._epoch += 1
