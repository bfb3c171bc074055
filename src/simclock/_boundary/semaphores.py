"""``SemLock``, what the locks of `multiprocessing` are made of."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.gates import Gate
from simclock._boundary.outside import living_children
from simclock._boundary.rows import Row, originals
from simclock._core.instants import LAST_NS, SECOND, to_ns
from simclock._core.waits import FOREIGN

if TYPE_CHECKING:
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign

_SEMLOCK = "_multiprocessing.SemLock."
# It acquires what is released by who gets from the queue, not by who has put into it before.
_PUT = ("multiprocessing.queues", "put")


class SemaphoreGate(Gate):
    """The wait for a semaphore that other processes may share."""

    __slots__ = ("_is_slot", "semaphore")

    def __init__(self, semaphore: Any, patience: float | None, *, is_slot: bool) -> None:
        super().__init__(patience)
        self.key = id(semaphore)
        self.semaphore = semaphore
        self._is_slot = is_slot

    def free(self) -> bool:
        """Return whether it can be acquired."""
        return not self.semaphore._is_zero()

    def take(self) -> bool:
        """Acquire it if it is free."""
        if not originals[f"{_SEMLOCK}acquire"](self.semaphore, False):
            return False
        _native.own(self.semaphore)
        return True

    def owner(self) -> SimThread | Foreign | None:
        """Return who acquired it last, if that is who has to release it."""
        if not self._is_ours():
            return None
        serial = _native.owner(self.semaphore)
        return FOREIGN if serial < 0 else kernel().thread_of(serial)

    def outside(self) -> str:
        """Return the child processes, any of which may have it, unless this process has."""
        if self.given_up or self._is_ours():
            return ""
        return ", ".join(living_children())

    def _is_ours(self) -> bool:
        """Return whether this process has acquired it as often as it can be."""
        return not self._is_slot and self.semaphore._count() >= self.semaphore.maxvalue


def _acquire(semaphore: Any, block: Any = True, timeout: Any = None) -> bool:
    # What is wrong with a timeout is what is wrong with any number.
    seconds = None if timeout is None else max(math.fsum((timeout,)), 0.0)
    simulation = kernel()
    simulation.step("acquire")
    # With a timeout of 0 the original does not wait, and judges what it was given.
    if originals[f"{_SEMLOCK}acquire"](semaphore, block, 0):
        _native.own(semaphore)
        return True
    if not block or seconds == 0:
        simulation.count_step()
        return False
    deadline_ns = None
    if seconds is not None and seconds < LAST_NS / SECOND:
        deadline_ns = simulation.world.now_ns + to_ns(seconds)
    caller = sys._getframe(1)
    is_slot = (caller.f_globals.get("__name__"), caller.f_code.co_name) == _PUT
    gate = SemaphoreGate(semaphore, seconds, is_slot=is_slot)
    return simulation.wait_polled("SemLock", gate, deadline_ns)


def _enter(semaphore: Any) -> bool:
    return _acquire(semaphore)


def _release(semaphore: Any) -> None:
    simulation = kernel()
    try:
        originals[f"{_SEMLOCK}release"](semaphore)
    except (AssertionError, ValueError):
        if simulation.unwinding:
            return  # it could not be acquired again on the way out
        raise
    if semaphore._count() <= 0:
        _native.disown(semaphore)
    simulation.hint(id(semaphore))
    simulation.checkpoint("release")


def _exit(semaphore: Any, _type: Any = None, _value: Any = None, _traceback: Any = None) -> None:
    _release(semaphore)


_GATED = "tries without waiting, else parks until it is free or the virtual deadline"
_FREES = "the original, then a checkpoint"

ROWS = [
    Row(f"{_SEMLOCK}acquire", "simulated", _GATED, _acquire, _native.ACQUIRE),
    Row(f"{_SEMLOCK}__enter__", "simulated", _GATED, _enter, _native.ACQUIRE),
    Row(f"{_SEMLOCK}release", "simulated", _FREES, _release, _native.RELEASE),
    Row(f"{_SEMLOCK}__exit__", "simulated", _FREES, _exit, _native.RELEASE),
]
