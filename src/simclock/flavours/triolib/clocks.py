"""trio's clocks in a simulation.

Trio counts in floats, and a deadline is a sum of them: to be exact, a clock
that has come to within less than a nanosecond of one is there.

A ``MockClock`` that jumps by itself goes on by what its loop waits, in virtual
time. Its own way, to jump when all tasks of its loop are blocked, would know
nothing of the threads and loops beside that one, and their time would stand
still.
"""

from __future__ import annotations

import functools
import threading
from math import inf
from typing import TYPE_CHECKING, Any

from simclock.lowlevel import SECOND, monotonic, now_ns, simulated

if TYPE_CHECKING:
    from simclock.lowlevel import Overlay

# In seconds: what is nearer to a deadline is what the arithmetic of floats has left.
NOISE = 5e-10
# The deadline that the loop in each thread has asked for last.
_due: dict[int, float] = {}


def put_system_clock(overlay: Overlay, run: Any) -> None:
    """Make the usual clock exact."""
    _replace(overlay, run.SystemClock, _exact(run.SystemClock))
    overlay.replace(run.Runner, "current_time", _reading(run.Runner))
    overlay.at_end(_due.clear)


def put_mock_clock(overlay: Overlay, module: Any) -> None:
    """Let each clock that jumps by itself go on by waiting instead."""
    _replace(overlay, module.MockClock, _patient(module))


def _replace(overlay: Overlay, clock: Any, methods: dict[str, Any]) -> None:
    for name, method in methods.items():
        overlay.replace(clock, name, method)


# Made once: a simulation is to be opened in no time.


@functools.cache
def _exact(clock: Any) -> dict[str, Any]:
    usual_time, usual_sleep = clock.current_time, clock.deadline_to_sleep_time

    @functools.wraps(usual_time)
    def current_time(self: Any) -> Any:
        if not simulated():
            return usual_time(self)
        # No reading of the clock: the loop asks in each turn, and one that spins must not move it.
        time, due = self.offset + now_ns() / SECOND, _due.get(threading.get_ident(), 0.0)
        return due if abs(due - time) < NOISE else time

    @functools.wraps(usual_sleep)
    def deadline_to_sleep_time(self: Any, deadline: float) -> Any:
        if not simulated():
            return usual_sleep(self, deadline)
        _due[threading.get_ident()] = deadline
        return deadline - current_time(self)

    return {"current_time": current_time, "deadline_to_sleep_time": deadline_to_sleep_time}


@functools.cache
def _reading(runner: Any) -> Any:
    usual = runner.current_time

    @functools.wraps(usual)
    def current_time(self: Any) -> Any:
        if simulated():
            monotonic()  # it is the program that reads the clock: if it goes on so, time passes
        return usual(self)

    return current_time


@functools.cache
def _patient(module: Any) -> dict[str, Any]:
    clock = module.MockClock
    usual_resync = clock._try_resync_autojump_threshold
    usual_sleep = clock.deadline_to_sleep_time

    @functools.wraps(usual_resync)
    def resync(self: Any) -> None:
        usual_resync(self)
        runner = getattr(module.GLOBAL_RUN_CONTEXT, "runner", None)
        if simulated() and runner is not None and runner.clock is self:
            runner.clock_autojump_threshold = inf

    @functools.wraps(usual_sleep)
    def deadline_to_sleep_time(self: Any, deadline: float) -> Any:
        if not simulated() or self._rate > 0:
            return usual_sleep(self, deadline)
        self._simclock_due = deadline
        if deadline <= self._virtual_base or _is_patient(self):
            return deadline - self._virtual_base
        return inf  # it stands still: a loop without any other hope is a deadlock

    return {
        "_try_resync_autojump_threshold": resync,
        "deadline_to_sleep_time": deadline_to_sleep_time,
    }


def _is_patient(clock: Any) -> bool:
    return bool(clock._rate == 0 and clock._autojump_threshold < inf)


def has_waited(clock: Any, duration_ns: int) -> None:
    """Let the clock of a loop go on that has waited, if it is one that would have jumped."""
    if hasattr(clock, "_autojump_threshold") and _is_patient(clock):
        time = clock._virtual_base + duration_ns / SECOND
        due = vars(clock).get("_simclock_due", inf)
        # No further than to the deadline: what tasks read is what they have asked for.
        # Never back: another thread may have jumped meanwhile.
        clock._virtual_base = max(clock._virtual_base, due) if time > due - NOISE else time
