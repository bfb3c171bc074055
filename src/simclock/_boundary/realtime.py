"""The real clock, for what happens outside virtual time. The one module that reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simclock._boundary import worlds

if TYPE_CHECKING:
    from collections.abc import Callable

# Not by itself: freezegun replaces the functions that it finds in a module.
_CLOCK: dict[str, Callable[[], float]] = {"monotonic": worlds.builtin("monotonic")}


def now() -> float:
    """Return real monotonic seconds, in the kernel or in a foreign thread."""
    return _CLOCK["monotonic"]()


def cpu_seconds(ident: int) -> float:
    """Return the CPU time that the thread called *ident* has used."""
    return time.clock_gettime(time.pthread_getcpuclockid(ident))
