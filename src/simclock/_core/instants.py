"""Instants and durations are integer nanoseconds; floats exist only at the edge."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import timedelta

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000

# Whole, so that a float difference of two readings is exact; not 0, which programs take for
# "never"; below 2**24, where asyncio's own clock arithmetic still resolves a nanosecond.
START_NS = 1000 * SECOND
# As far as a monotonic clock goes: with the latest epoch added, still a 64-bit number.
LAST_NS = 3_000_000_000 * SECOND

# What the wall clock of a machine may be away from the simulation's, and what it may gain, in
# seconds each.
FARTHEST = 1e9
FASTEST = 0.5


# Less than this is what float arithmetic leaves: 0.067 * 1e9 is more than 67,000,000, and so is
# a deadline minus a reading of the clock. It keeps whole nanoseconds whole for about 12 days.
NOISE_NS = 0.25


def to_ns(seconds: float) -> int:
    """Return *seconds* in nanoseconds, rounded up: no positive duration becomes 0."""
    if isinstance(seconds, float):
        return math.ceil(seconds * 1e9 - NOISE_NS) or int(seconds > 0)
    return operator.index(seconds) * SECOND


def delta_to_ns(delta: timedelta) -> int:
    """Return *delta* in nanoseconds, exactly."""
    return (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds * MICROSECOND


def to_seconds(nanoseconds: int) -> float:
    """Return *nanoseconds* in seconds."""
    return nanoseconds / 1e9


def shown_seconds(seconds: float) -> str:
    """Return *seconds* in six digits; short ones to the nanosecond, without an exponent."""
    text = f"{seconds:g}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") if "e-" in text else text


def plain(number: Any) -> Any:
    """Return what stands for an integer as one, as C code takes it; anything else as it is."""
    if isinstance(number, (int, float)):
        return number
    try:
        return operator.index(number)
    except TypeError:
        return number
