"""Instants and durations are integer nanoseconds; floats exist only at the edge."""

from __future__ import annotations

import math

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000

# Whole, so that a float difference of two readings is exact; not 0, which programs take for
# "never"; below 2**24, where asyncio's own clock arithmetic still resolves a nanosecond.
START_NS = 1000 * SECOND


def to_ns(seconds: float) -> int:
    """Return *seconds* in nanoseconds, rounded up: no positive duration becomes 0."""
    return seconds * SECOND if isinstance(seconds, int) else math.ceil(seconds * 1e9)


def to_seconds(nanoseconds: int) -> float:
    """Return *nanoseconds* in seconds."""
    return nanoseconds / 1e9
