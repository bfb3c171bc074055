"""The foreign thread that notices when the owner of the baton makes no progress."""

from __future__ import annotations

import _thread
import contextlib
import dis
import faulthandler
import signal
import sys
import threading
import weakref
from abc import ABCMeta
from collections import deque
from itertools import islice
from types import GetSetDescriptorType
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, libraries, realtime
from simclock._boundary.active import kernels
from simclock._boundary.port import start_foreign
from simclock._boundary.rows import originals
from simclock._core import report
from simclock.errors import Stalled

if TYPE_CHECKING:
    from types import FrameType

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread

# Looks within the time after which a thread has stalled.
LOOKS = 20
LONGEST_LOOK = 1.0
# How much of a thread's state is compared: frames, and parts of each value.
DEPTH = 20
WIDTH = 16
LONG = 1000
# Share of real time that C code must spend computing to pass for an honest computation. Little:
# on an overloaded machine a computation gets little, and what is stuck uses next to nothing.
BUSY = 0.02
# What a thread's own fault sends, to be reported where it happens.
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
DEBUGGERS = ("pdb", "bdb", "pydevd", "debugpy", "IPython.terminal.debugger", "code", "pudb")
# Instructions that take no time by themselves: a thread that is always at one of these spins.
_IDLE_OPCODES = ("JUMP", "POP_JUMP", "LOAD", "NOP", "RESUME", "STORE", "EXTENDED_ARG", "POP_TOP")


class Watchdog:
    """Watches the innermost simulation. One for the process; it sleeps while there is none."""

    def __init__(self) -> None:
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._running = False
        self._asleep = False
        self._pause = LONGEST_LOOK

    def watch(self, stall: float) -> None:
        """Be awake from now on; a simulation that allows *stall* seconds was opened."""
        pause = min(stall / LOOKS, LONGEST_LOOK)
        if not self._running:
            self._running = True
            self._pause = pause
            # What the program blocks in its own threads must stay pending, for it to wait for.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FAULTS)
            start_foreign(self._run)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        elif self._asleep or pause < self._pause:
            self._pause = pause
            with contextlib.suppress(RuntimeError):  # it is rung already
                originals["_thread.LockType.release"](self._bell)

    def forget(self) -> None:
        """Note that the watching thread is gone: this is a forked child."""
        self.__init__()  # type: ignore[misc]

    def _run(self) -> None:
        watched: _Watched | None = None
        while True:
            self._asleep = not kernels
            # The original: what foreign threads do to locks is counted, but not what we do.
            originals["_thread.LockType.acquire"](
                self._bell, True, -1 if self._asleep else self._pause
            )
            self._asleep = False
            kernel = kernels[-1] if kernels else None
            if kernel is None:
                watched = None
            elif watched is None or watched.kernel() is not kernel:
                watched = _Watched(kernel)
                self._pause = min(kernel.limits.stall / LOOKS, LONGEST_LOOK)
            else:
                watched.look(kernel)
            del kernel


class _Watched:
    """What was seen of one simulation since it last made progress."""

    def __init__(self, kernel: Kernel) -> None:
        # Weakly: this lives on while the watchdog sleeps.
        self.kernel: weakref.ref[Kernel] = weakref.ref(kernel)
        self._events: object = None
        # Hashes of fingerprints: they must not keep what a program has dropped.
        self._seen: set[int] = set()
        self._looks = 0
        self._since = realtime.now()
        self._looked = self._since
        self._cpu = 0.0
        self._spins = False

    def look(self, kernel: Kernel) -> None:
        """Look once at it; report if the time is over."""
        owner = kernel.current
        world = kernel.world
        events = (owner.path, kernel.steps, world.reads_left, world.steps_left, len(kernel.trace))
        now = realtime.now()
        elapsed, self._looked = now - self._looked, now
        if events != self._events:
            self._events = events
            self._seen.clear()
            self._start_again(now)
            self._spins = False
            return
        if kernel.outside or owner.baton.in_kernel:
            self._start_again(now)
            return
        frame = sys._current_frames().get(owner.ident)
        self._looks += 1
        if frame is None or self._progresses(owner.ident, frame, elapsed):
            self._start_again(now)
        # Time alone proves nothing: the machine may have suspended the whole process.
        elif now - self._since > kernel.limits.stall and self._looks >= LOOKS:
            # Again after as long, if it is swallowed: the next wait may be the one that hangs.
            self._start_again(now)
            self._report(kernel, owner)

    def _start_again(self, now: float) -> None:
        self._since = now
        self._looks = 0

    def _progresses(self, ident: int, frame: FrameType, elapsed: float) -> bool:
        if _debugged(frame):
            return True
        print_ = hash(_fingerprint(frame))
        before, self._cpu = self._cpu, realtime.cpu_seconds(ident)
        if print_ not in self._seen:
            self._seen.add(print_)
            self._spins = False
            return True
        busy = self._cpu - before > BUSY * elapsed
        self._spins = self._spins or (busy and _spins(frame))
        return busy and not self._spins

    def _report(self, kernel: Kernel, owner: SimThread) -> None:
        ident = owner.ident
        stuck = not self._spins
        what = "stuck in C code" if stuck else "spins without reaching anything that simclock sees"
        advice: list[str] = []
        if stuck:
            package, advice = libraries.stuck_in(kernel, owner)
            what += f", in a call into {package}" if package else ""
        text = report.stall(kernel, what, in_c=stuck, advice=advice)
        with contextlib.suppress(OSError, ValueError):
            faulthandler.dump_traceback(sys.__stderr__ or 2)
        is_root = owner is kernel.root
        if not is_root:
            kernel.port.silence(owner)
        kernel.stall(Stalled(text), stuck=stuck)
        if not is_root or not stuck:
            _native.raise_in(ident, _stalled_class(text))
        elif ident == threading.main_thread().ident:
            # Ends the system call that it is stuck in; the handler then raises the error.
            signal.pthread_kill(ident, signal.SIGINT)


def _stalled_class(text: str) -> type[Stalled]:
    """Return a class to raise asynchronously, which takes no arguments."""

    def __init__(self: Stalled, *args: object) -> None:  # noqa: N807
        Stalled.__init__(self, *(args or (text,)))

    return type("Stalled", (Stalled,), {"__init__": __init__, "__module__": Stalled.__module__})


def _debugged(frame: FrameType | None) -> bool:
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.split(".", maxsplit=1)[0] in DEBUGGERS or name in DEBUGGERS:
            return True
        frame = frame.f_back
    return False


def _fingerprint(frame: FrameType | None) -> object:
    """Return what tells two states of a computation apart, cheaply and without user code.

    That is every variable in sight, and one level into what they refer to.
    """
    levels: list[Any] = []
    while frame is not None and len(levels) < DEPTH:
        # Copied in one step: the thread goes on meanwhile.
        prints = [_print_of(value) for value in tuple(frame.f_locals.values())]
        prints += [_print_of(frame.f_globals.get(name)) for name in frame.f_code.co_names]
        levels.append((id(frame.f_code), tuple(prints)))
        frame = frame.f_back
    return tuple(levels)


def _print_of(value: Any, *, deep: bool = True) -> object:
    kind = type(value)
    if kind in (int, float) or (kind in (str, bytes) and len(value) < LONG):
        return value
    parts: Any = ()
    if kind in (list, tuple, deque):
        parts = value
    elif kind is dict:
        parts = value.values()
    elif _is_plain(kind):
        parts = object.__getattribute__(value, "__dict__").values()
    size = len(value) if kind in (list, dict, set, deque) else 0
    if not deep:
        return id(value), size
    seen = tuple(islice(parts, WIDTH))
    return id(value), size, *(_print_of(part, deep=False) for part in seen)


def _is_plain(kind: type) -> bool:
    """Return whether instances have a ``__dict__`` that can be read without user code."""
    if type(kind) not in (type, ABCMeta) or not kind.__dictoffset__:
        return False
    found = (base.__dict__["__dict__"] for base in kind.__mro__ if "__dict__" in base.__dict__)
    return type(next(found, None)) is GetSetDescriptorType


def _spins(frame: FrameType) -> bool:
    """Return whether the innermost instruction cannot be what takes the time."""
    code = frame.f_code.co_code
    name = dis.opname[code[frame.f_lasti]] if 0 <= frame.f_lasti < len(code) else ""
    return name.startswith(_IDLE_OPCODES)


watchdog = Watchdog()
