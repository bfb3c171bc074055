"""What all stores demand of numbers, so that none takes what another one cannot."""

from __future__ import annotations

import math
from typing import Any

# Redis keeps scores as floats, and these are the whole numbers that floats have.
HIGHEST_PRIORITY = 2**53


def check_priority(priority: Any) -> int:
    """Return *priority*.

    Raises:
        ValueError: It is no whole number from -2**53 to 2**53.
    """
    if not isinstance(priority, int) or abs(priority) > HIGHEST_PRIORITY:
        raise ValueError(
            f"a priority that a queue cannot keep: {priority!r}\n"
            "give a whole number from -2**53 to 2**53; lower ones are claimed first"
        )
    return int(priority)


def check_instant(instant: Any, what: str) -> float:
    """Return *instant* as a float.

    Raises:
        ValueError: It is no finite number.
    """
    if not isinstance(instant, (int, float)) or not math.isfinite(instant):
        raise ValueError(
            f"{what} is no instant: {instant!r}\n"
            "give seconds of the wall clock, as time.time() does"
        )
    return float(instant)


def check_expiry(expires: float | None) -> float | None:
    """Return *expires*, which may be None: never."""
    return None if expires is None else check_instant(expires, "expires")


def check_page(limit: int | None, offset: int) -> None:
    """Raise a `ValueError` if *limit* or *offset* is negative."""
    if offset < 0 or (limit is not None and limit < 0):
        raise ValueError(
            f"a negative number of records: limit={limit!r}, offset={offset!r}\n"
            "give numbers from 0 on, and limit=None for all"
        )
