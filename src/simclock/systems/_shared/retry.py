"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

# Seconds. What a back-off grows to at most, also without a bound: three years.
LONGEST_DELAY = 1e8


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try again, and after how long.

    Before retry *n*, counted from 1, one waits ``delay * backoff ** (n - 1)``
    seconds, *max_delay* at most, and then more or less by a random part.

    Attributes:
        max_retries: How often it is tried after the first time.
        delay: Seconds before the first retry.
        backoff: What each delay is multiplied by for the next one; 1: all are the same.
        max_delay: The longest delay, in seconds; the random part may not exceed it either.
        jitter: How much the random part is, of the delay: 0.1 is up to 10 % more or less.

    Raises:
        ValueError: One of them has no meaning.
    """

    max_retries: int
    delay: float
    backoff: float = 1.0
    max_delay: float | None = None
    jitter: float = 0.0

    def __post_init__(self) -> None:
        check_count("max_retries", self.max_retries)
        check_number("retry_delay", self.delay, most=LONGEST_DELAY)
        check_number("backoff", self.backoff, least=1.0)
        if self.max_delay is not None:
            check_number("max_delay", self.max_delay, most=LONGEST_DELAY)
        check_number("jitter", self.jitter, most=1.0)

    def delay_of(self, retry: int, random: random.Random) -> float:
        """Return how many seconds to wait before that retry; the first one is 1."""
        longest = LONGEST_DELAY if self.max_delay is None else self.max_delay
        delay = min(self._grown(retry), longest)
        if self.jitter:
            # Not drawn without need: who replays a run has drawn the same numbers.
            delay *= 1 + self.jitter * (2 * random.random() - 1)
        return min(delay, longest)

    def _grown(self, retry: int) -> float:
        try:
            return self.delay * self.backoff ** (retry - 1)
        except OverflowError:
            return math.inf if self.delay else 0.0


def check_number(
    setting: str, value: Any, *, least: float = 0.0, most: float = math.inf, zero: bool = True
) -> None:
    """Raise a `ValueError` unless *value* is a finite number in that range.

    Args:
        setting: What messages call it.
        value: What was given.
        least: The smallest one allowed.
        most: The largest one allowed.
        zero: Whether 0 is allowed, if *least* is.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and least <= value <= most and (zero or value):
        return
    start = f"from {least:g}" if zero or least else f"above {least:g}"
    end = "on" if most == math.inf else f"to {most:g}"
    raise ValueError(f"{setting} has no meaning: {value!r}\ngive a number {start} {end}")


def check_count(setting: str, value: Any, *, least: int = 0) -> None:
    """Raise a `ValueError` unless *value* is a whole number, *least* or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"{setting} has no meaning: {value!r}\ngive a whole number from {least} on"
        )
