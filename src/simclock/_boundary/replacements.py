"""What the replacement of a built-in may ask of the kernel."""

from __future__ import annotations

from simclock._boundary.active import kernel


def now_ns() -> int:
    """Return the virtual instant, in nanoseconds. Takes no time, and is no reading of the clock."""
    return kernel().world.now_ns


def park_until(deadline_ns: int, reason: str) -> None:
    """Park the calling thread until an instant; others run meanwhile.

    *reason* is what reports and the trace say that it waits for. An instant
    that has passed lets the others go first.
    """
    kernel().wait(reason, None, deadline_ns)
