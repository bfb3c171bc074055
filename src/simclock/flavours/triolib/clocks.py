"""trio's clocks in a simulation.

Trio counts in floats, and a deadline is a sum of them: to be exact, a clock
that has come to within less than a nanosecond of one is there.

A ``MockClock`` that jumps by itself follows the virtual clock. Its own way, to
jump when all tasks of its loop are blocked, would know nothing of the threads
and loops beside that one, and their time would stand still.
"""

from __future__ import annotations

import functools
import threading
from math import inf
from typing import TYPE_CHECKING, Any

from simclock.lowlevel import SECOND, monotonic, simulated, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.lowlevel import Overlay

# In seconds: what is nearer to a deadline is what the arithmetic of floats has left.
NOISE = 5e-10
# What a clock that stands still, in seconds, has its loop wait.
NEVER = 999999999
# The deadline that the loop in each thread has asked for last.
_due: dict[int, float] = {}


def put_system_clock(overlay: Overlay, run: Any) -> None:
    """Make the usual clock exact."""
    _replace(overlay, run.SystemClock, _exact(run.SystemClock))
    overlay.at_end(_due.clear)


def put_mock_clock(overlay: Overlay, module: Any) -> None:
    """Let each clock that jumps by itself, and stands still else, follow the virtual one."""
    _replace(overlay, module.MockClock, _following(module))


def _replace(overlay: Overlay, clock: Any, methods: dict[str, Any]) -> None:
    for name, method in methods.items():
        overlay.replace(clock, name, method)


# Made once: a simulation is to be opened in no time.


@functools.cache
def _exact(clock: Any) -> dict[str, Any]:
    return _methods(clock, lambda _: True, lambda self: self.offset + monotonic())


@functools.cache
def _following(module: Any) -> dict[str, Any]:
    clock = module.MockClock
    usual_resync = clock._try_resync_autojump_threshold

    def resync(self: Any) -> None:
        usual_resync(self)
        if simulated():
            _rebase(self)
            runner = getattr(module.GLOBAL_RUN_CONTEXT, "runner", None)
            if runner is not None and runner.clock is self:
                runner.clock_autojump_threshold = inf

    return {
        "_try_resync_autojump_threshold": resync,
        **_methods(clock, _follows, _followed),
    }


def _methods(
    clock: Any, is_ours: Callable[[Any], bool], read: Callable[[Any], float]
) -> dict[str, Any]:
    usual_time, usual_sleep = clock.current_time, clock.deadline_to_sleep_time

    @functools.wraps(usual_time)
    def current_time(self: Any) -> Any:
        if not (simulated() and is_ours(self)):
            return usual_time(self)
        time, due = read(self), _due.get(threading.get_ident(), 0.0)
        return due if abs(due - time) < NOISE else time

    @functools.wraps(usual_sleep)
    def deadline_to_sleep_time(self: Any, deadline: float) -> Any:
        if not (simulated() and is_ours(self)):
            seconds = usual_sleep(self, deadline)
            # It says so much for never: then a loop without any other hope is a deadlock.
            return inf if simulated() and seconds == NEVER else seconds
        _due[threading.get_ident()] = deadline
        return max(0.0, deadline - current_time(self))

    return {"current_time": current_time, "deadline_to_sleep_time": deadline_to_sleep_time}


def _follows(clock: Any) -> bool:
    return bool(clock._rate == 0 and clock._autojump_threshold < inf)


def _rebase(clock: Any) -> None:
    """Count from here on, or no longer."""
    clock._virtual_base = _followed(clock)
    clock._simclock_began_ns = to_ns(monotonic()) if _follows(clock) else None


def _followed(clock: Any) -> float:
    base: float = clock._virtual_base
    began_ns = vars(clock).get("_simclock_began_ns")
    return base if began_ns is None else base + (to_ns(monotonic()) - began_ns) / SECOND
