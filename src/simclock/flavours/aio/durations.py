"""From what a program calls a time to integer nanoseconds."""

from __future__ import annotations

import math

from simclock.lowlevel import MICROSECOND, MILLISECOND, SECOND, to_ns

# A deadline that never comes, in nanoseconds: further off than any clock goes.
NEVER = 10**30
# Up to here, in seconds, a float tells nanoseconds apart, and rounding it does no harm.
FINE = 2.0**20


def duration_ns(seconds: float) -> int:
    """Return a duration in nanoseconds, rounded up; at least `NEVER` for what is never over."""
    if isinstance(seconds, int):
        return to_ns(seconds)
    # Whatever adds to a float, as for the stock loop: fractions, numbers of libraries.
    seconds = float(0.0 + seconds)
    if math.isnan(seconds):
        raise ValueError("this is no time: nan\ngive a number of seconds")
    if abs(seconds) >= NEVER / SECOND:
        return 2 * NEVER if seconds > 0 else -2 * NEVER
    return to_ns(seconds)


def instant_ns(when: float, now_ns: int) -> int:
    """Return an instant of the loop's clock in nanoseconds.

    Far from the clock's zero a float has less than nanoseconds. There, of the
    durations from now on that it may stand for, the roundest is meant: whoever
    wrote ``loop.time() + 0.1`` meant 0.1.
    """
    if isinstance(when, int) or not FINE <= abs(when) < NEVER / SECOND:
        return duration_ns(when)
    numerator, denominator = float(when).as_integer_ratio()
    delay_ns = numerator * SECOND // denominator - now_ns
    # The reading was rounded, and so was the sum.
    blur_ns = math.ceil(2 * math.ulp(when) * SECOND)
    for unit in (SECOND, MILLISECOND, MICROSECOND):
        rounded = (delay_ns + unit // 2) // unit * unit
        if rounded and abs(rounded - delay_ns) <= blur_ns:
            return now_ns + rounded
    return now_ns + delay_ns
