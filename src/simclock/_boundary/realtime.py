"""The real clock, for what happens outside virtual time. The one module that reads it."""

from __future__ import annotations

import time


def now() -> float:
    """Return real monotonic seconds, in the kernel or in a foreign thread."""
    return time.monotonic()


def cpu_seconds(ident: int) -> float:
    """Return the CPU time that the thread called *ident* has used."""
    return time.clock_gettime(time.pthread_getcpuclockid(ident))
