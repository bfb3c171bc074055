"""Waits for signals, and the process' interval timer."""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, posting, signals
from simclock._boundary.active import kernel
from simclock._boundary.gates import Gate
from simclock._boundary.outside import living_children
from simclock._boundary.rows import Row, originals
from simclock._core.instants import MICROSECOND, SECOND, plain, to_ns
from simclock._core.waits import Alarm

if TYPE_CHECKING:
    from simclock._core.groups import Group
    from simclock._core.kernel import Kernel

_SIGALRM = int(signal.SIGALRM)
# An interval timer that there is not: the original judges arguments and arms nothing.
_NO_TIMER = 99
# As long as the original takes.
_LONGEST = 2**63 // SECOND


class _SignalWait(Gate):
    """The wait for a signal."""

    __slots__ = ()

    def outside(self) -> str:
        """Return the child processes, each of which may send one or end."""
        return "" if self.given_up else ", ".join(living_children())


class PendingGate(_SignalWait):
    """The wait for one of several blocked signals to be pending."""

    __slots__ = ("_mask", "_status", "_wanted", "found")

    def __init__(self, wanted: Any, numbers: set[int], patience: float | None) -> None:
        super().__init__(patience)
        self._wanted = wanted
        self._mask = sum(1 << (number - 1) for number in numbers)
        self._status = Path(f"/proc/self/task/{threading.get_native_id()}/status")
        self.found: Any = None

    def free(self) -> bool:
        """Return whether one is, for the process or for the thread that waits."""
        return bool(_masks(self._status, "SigPnd:", "ShdPnd:") & self._mask)

    def take(self) -> bool:
        """Take one off, in the thread that waits."""
        self.found = originals["_signal.sigtimedwait"](self._wanted, 0)
        return self.found is not None


class HandledGate(_SignalWait):
    """The wait for a handler to be called, which only the main thread does."""

    __slots__ = ("_before", "_group", "_is_main")

    def __init__(self) -> None:
        super().__init__()
        self._group = kernel().group
        self._before = self._handled()
        self._is_main = threading.get_ident() == threading.main_thread().ident

    def _handled(self) -> int:
        return signals.handled if self._group is None else self._group.context.handled

    def free(self) -> bool:
        """Return whether one was called since."""
        return self._is_main and self._handled() != self._before

    def outside(self) -> str:
        """Return the child processes; a simulated one has its signals from the simulation."""
        return super().outside() if self._group is None else ""


def _masks(path: Path, *names: str) -> int:
    """Return the union of some of the masks of signals that the system tells of a thread."""
    lines = path.read_text().splitlines()
    masks = (int(line.split()[1], 16) for line in lines if line.startswith(names))
    return functools.reduce(operator.or_, masks, 0)


# ------------------------------------------------------------------------- waits


def _wait(wanted: Any, timeout_ns: int | None, patience: float | None = None) -> Any:
    wanted = list(wanted) if not isinstance(wanted, (set, frozenset, list, tuple)) else wanted
    found = originals["_signal.sigtimedwait"](wanted, 0)
    simulation = kernel()
    simulation.step("sigwait")
    if found is not None or timeout_ns == 0:
        return found
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    gate = PendingGate(wanted, set(map(int, wanted)), patience)
    try:
        # While the original waits, the signals are its own, blocked or not.
        deadline_ns = None if timeout_ns is None else simulation.world.now_ns + timeout_ns
        simulation.wait_polled("a signal", gate, deadline_ns)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return gate.found


def _sigwait(sigset: Any) -> Any:
    return _wait(sigset, None).si_signo


def _sigwaitinfo(sigset: Any) -> Any:
    return _wait(sigset, None)


def _sigtimedwait(sigset: Any, timeout: Any) -> Any:
    timeout = plain(timeout)
    if not isinstance(timeout, (int, float)) or not 0 <= timeout < _LONGEST:
        return originals["_signal.sigtimedwait"](sigset, timeout)  # raises what is wrong
    return _wait(sigset, to_ns(timeout), timeout)


def _pause() -> None:
    simulation = kernel()
    simulation.step("pause")
    simulation.wait_polled("a signal", HandledGate(), None)


# ------------------------------------------------------------------------- timer


class IntervalTimer(Alarm):
    """The timer that sends SIGALRM, once or again and again."""

    __slots__ = ("group", "interval_ns")

    def __init__(self, simulation: Kernel, delay_ns: int, interval_ns: int) -> None:
        name = f"the timer of signal.setitimer or alarm, armed at {simulation.site()}"
        deadline_ns = simulation.world.now_ns + delay_ns
        super().__init__(name, deadline_ns, functools.partial(_ring, simulation, self))
        self.interval_ns = interval_ns
        # The simulated process that has armed it.
        self.group = simulation.group


def _ring(simulation: Kernel, timer: IntervalTimer) -> None:
    if simulation.ending and timer.group is None:
        return  # who armed it has gone, and its handler perhaps with it
    if timer.interval_ns:
        timer.deadline_ns += timer.interval_ns
        simulation.scheduler.arm(timer)
    simulation.trace.add(simulation.world.now_ns, "", "mark", "SIGALRM")
    if timer.group is not None:
        posting.send(simulation, timer.group, _SIGALRM, later=True)
    elif signals.is_deferring(_SIGALRM) and not _is_blocked_in_main_thread(_SIGALRM):
        # As if it had come just now, whichever thread the system would have chosen for it.
        _native.defer(_SIGALRM)
    else:
        originals["posix.kill"](os.getpid(), _SIGALRM)


def _is_blocked_in_main_thread(signum: int) -> bool:
    return bool(_masks(Path("/proc/self/status"), "SigBlk:") >> (signum - 1) & 1)


def _state(simulation: Kernel) -> tuple[int, int]:
    """Return how long the timer still runs and what its interval is, in nanoseconds."""
    timer = _whose(simulation).itimer
    if not isinstance(timer, IntervalTimer) or not timer.armed:
        return 0, 0
    return max(timer.deadline_ns - simulation.world.now_ns, MICROSECOND), timer.interval_ns


def _arm(simulation: Kernel, delay_ns: int, interval_ns: int) -> None:
    mine = _whose(simulation)
    if mine.itimer is not None:
        simulation.scheduler.disarm(mine.itimer)
        mine.itimer = None
    if delay_ns:
        mine.itimer = IntervalTimer(simulation, delay_ns, interval_ns)
        simulation.scheduler.arm(mine.itimer)


def _whose(simulation: Kernel) -> Kernel | Group:
    """Return what has the timer of the current process."""
    return simulation if simulation.group is None else simulation.group


def _timeval_ns(seconds: float) -> int:
    """Return *seconds* in nanoseconds, rounded up to whole microseconds as the original does."""
    return -(-to_ns(seconds) // MICROSECOND) * MICROSECOND


def _is_real(which: Any) -> bool:
    return isinstance(which, int) and which == signal.ITIMER_REAL


def _setitimer(which: Any, seconds: Any, interval: Any = 0.0) -> Any:
    original = originals["_signal.setitimer"]
    if not _is_real(which):
        return original(which, seconds, interval)
    with contextlib.suppress(signal.ItimerError):
        original(_NO_TIMER, seconds, interval)
    delay_ns, interval_ns = _timeval_ns(seconds), _timeval_ns(interval)
    if delay_ns < 0 or interval_ns < 0:
        return original(_NO_TIMER, seconds, interval)  # raises what these would
    simulation = kernel()
    before = _state(simulation)
    _arm(simulation, delay_ns, interval_ns)
    return tuple(value / SECOND for value in before)


def _getitimer(which: Any) -> Any:
    if not _is_real(which):
        return originals["_signal.getitimer"](which)
    return tuple(value / SECOND for value in _state(kernel()))


def _alarm(seconds: Any) -> int:
    os.strerror(seconds)  # raises what is wrong with it as a number for C
    simulation = kernel()
    whole, rest = divmod(_state(simulation)[0], SECOND)
    _arm(simulation, operator.index(seconds) % 2**32 * SECOND, 0)
    # As the system rounds.
    return whole + (rest >= SECOND // 2 or (whole == 0 and rest > 0))


_TIMER = "in virtual time: SIGALRM comes at its instant; the other timers are real"

ROWS = [
    Row("_signal.sigwait", "simulated", "parks until one is pending", _sigwait),
    Row("_signal.sigwaitinfo", "simulated", "parks until one is pending", _sigwaitinfo),
    Row("_signal.sigtimedwait", "simulated", "likewise, or the virtual deadline", _sigtimedwait),
    Row("_signal.pause", "simulated", "parks until a handler was called", _pause),
    Row("_signal.setitimer", "simulated", f"ITIMER_REAL {_TIMER}", _setitimer),
    Row("_signal.getitimer", "simulated", "likewise", _getitimer),
    Row("_signal.alarm", "simulated", _TIMER, _alarm),
]
