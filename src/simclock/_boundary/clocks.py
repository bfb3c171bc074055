"""Monotonic clocks and sleep."""

from __future__ import annotations

import time
from typing import Any

from simclock._boundary import _native, processes
from simclock._boundary.active import kernel
from simclock._boundary.rows import Row, originals
from simclock._core.instants import SECOND, plain, to_ns

_MONOTONIC = tuple(
    getattr(time, name)
    for name in ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME")
    if hasattr(time, name)
)
# The longest sleep that the original takes; beyond it, it raises at once.
_LONGEST_NS = 2**63 - 1


def _monotonic_ns() -> int:
    return kernel().read_clock() + kernel().world.skew_ns


def _monotonic() -> float:
    return _monotonic_ns() / 1e9


def _clock_gettime_ns(clock: Any, *rest: Any) -> Any:
    if rest or clock not in _MONOTONIC:
        return _native.call_user(_wall_clock_ns, clock, *rest)
    world = kernel().world
    world.reads_left -= 1
    if world.reads_left < 0:
        return _monotonic_ns()
    world.now_ns += world.step_ns
    return world.now_ns + world.skew_ns


def _clock_gettime(clock: Any, *rest: Any) -> Any:
    if rest or clock not in _MONOTONIC:
        return _native.call_user(_wall_clock, clock, *rest)
    return _clock_gettime_ns(clock) / 1e9


def _wall_clock_ns(*args: Any) -> Any:
    if args == (time.CLOCK_REALTIME,):
        return _native.call_user(time.time_ns)  # wherever it was moved to
    return originals["time.clock_gettime_ns"](*args)


def _wall_clock(*args: Any) -> Any:
    if args == (time.CLOCK_REALTIME,):
        return _native.call_user(time.time)
    return originals["time.clock_gettime"](*args)


def _sleep(seconds: Any) -> None:
    duration_ns = _duration_ns(seconds)
    simulation = kernel()
    if duration_ns is None:
        originals["time.sleep"](seconds)  # raises what is wrong with it
    elif duration_ns == 0:
        simulation.count_step()
        simulation.checkpoint("sleep(0)")
    else:
        deadline_ns = simulation.world.now_ns + duration_ns
        if not processes.sleep(deadline_ns):
            simulation.sleep_until(deadline_ns)


def _duration_ns(seconds: Any) -> int | None:
    """Return how long to sleep, or None if the original has to refuse it."""
    seconds = plain(seconds)
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LONGEST_NS // SECOND:
        return None
    return to_ns(seconds)


def _ctime(*args: Any) -> Any:
    if args in ((), (None,)):
        args = (_native.call_user(time.time),)
    return originals["time.ctime"](*args)


def _asctime(*args: Any) -> Any:
    return originals["time.asctime"](*args or (_native.call_user(time.localtime),))


ROWS = [
    Row("time.monotonic", "simulated", "the virtual clock", _monotonic, _native.CLOCK),
    Row("time.monotonic_ns", "simulated", "the virtual clock", _monotonic_ns, _native.CLOCK_NS),
    Row("time.perf_counter", "simulated", "the virtual clock", _monotonic, _native.CLOCK),
    Row("time.perf_counter_ns", "simulated", "the virtual clock", _monotonic_ns, _native.CLOCK_NS),
    Row(
        "time.clock_gettime", "simulated", "the virtual clock, also the wall clock", _clock_gettime
    ),
    Row("time.clock_gettime_ns", "simulated", "likewise", _clock_gettime_ns),
    Row("time.sleep", "simulated", "parks until the deadline; sleep(0) is a checkpoint", _sleep),
    # These two read the wall clock where time-machine does not look.
    Row("time.ctime", "simulated", "the virtual wall clock", _ctime),
    Row("time.asctime", "simulated", "the virtual wall clock", _asctime),
]
