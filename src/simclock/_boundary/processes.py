"""Child processes: who waits for one parks, and the clock stands still until it ends."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.gates import DebtorGate
from simclock._boundary.held import announce, held
from simclock._boundary.outside import outside, pid_of
from simclock._boundary.rows import Row, originals
from simclock._core.instants import MILLISECOND, plain, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simclock._boundary.children import Child

# After this much virtual time a sleep has nothing to do with the poll before it.
AT_ONCE_NS = MILLISECOND
# How many calls lie between a row and the `subprocess.Popen._wait` that it answers.
CALLERS = 6
_POPEN_WAIT = getattr(subprocess.Popen._wait, "__code__", None)  # type: ignore[attr-defined]
_CALL = (lambda original, args: original(*args)).__code__
_STATES = {os.WUNTRACED: os.WSTOPPED, os.WCONTINUED: os.WCONTINUED}


# -------------------------------------------------------------------------- the wait


class ChildGate(DebtorGate):
    """The wait for child processes, *chosen* out of all: by number, or None for any of them."""

    __slots__ = ("_pidfds", "chosen")

    def __init__(self, chosen: int | None, patience: float | None = None) -> None:
        super().__init__(patience)
        self.chosen = chosen
        self._pidfds: dict[int, int] = {}

    def free(self) -> bool:
        """Return False: only the clock ends it."""
        return False

    def debtors(self) -> list[Child]:
        """Return those who owe the end of this wait: now, whatever they did before it."""
        known = outside()
        children = known.children.values() if self.chosen is None else [known.child(self.chosen)]
        for child in children:
            child.owes = child.owes or not self.given_up
        return known.owing(lambda child: self.chosen in (None, child.pid))

    def descriptors(self) -> list[tuple[int, int]]:
        """Return a descriptor for each child, where the system has such."""
        found = []
        for child in self.debtors():
            if child.pid not in self._pidfds:
                with contextlib.suppress(OSError, AttributeError):
                    self._pidfds[child.pid] = os.pidfd_open(child.pid)
            if child.pid in self._pidfds:
                found.append((self._pidfds[child.pid], select.POLLIN))
        return found

    def close(self) -> None:
        """Close the descriptors: the wait is over."""
        while self._pidfds:
            os.close(self._pidfds.popitem()[1])


class ReapGate(ChildGate):
    """The wait of a call that returns how a child process ended."""

    __slots__ = ("_ask", "_selection", "result")

    def __init__(
        self,
        chosen: int | None,
        selection: tuple[int, int, int],
        ask: Callable[[], Any],
        patience: float | None,
    ) -> None:
        super().__init__(chosen, patience)
        self._selection = selection
        self._ask = ask
        self.result: Any = None

    def free(self) -> bool:
        """Return whether there is one to tell of, or none to wait for."""
        kind, number, states = self._selection
        try:
            return os.waitid(kind, number, states | os.WNOHANG | os.WNOWAIT) is not None
        except OSError:
            return True

    def outside(self) -> str:
        """Return the children it waits for, known or not."""
        unknown = self.chosen is None and not self.given_up and not outside().children
        return "a child process" if unknown else super().outside()

    def take(self) -> bool:
        """Ask how it ended."""
        self.result = self._ask()
        return _found(self.result)


def _found(result: Any) -> bool:
    """Return whether a call with ``WNOHANG`` tells of a process: of its number, that is."""
    return result is not None and bool(result[0] != 0)


def _reap(
    what: str, selection: tuple[int, int, int], options: int, ask: Callable[[int], Any]
) -> Any:
    """Ask for the end of a child process with *options*; park until there is one."""
    simulation = kernel()
    simulation.step(what)
    end = _end_of_popen_wait(sys._getframe(1)) if options & os.WNOHANG else None
    if options & os.WNOHANG and end is None:
        result = ask(options)
        if not _found(result):
            simulation.count_step()
            _polled(_chosen(selection))
        return _reaped(result)
    timeout, deadline_ns = end or (None, None)
    gate = ReapGate(_chosen(selection), selection, lambda: ask(options | os.WNOHANG), timeout)
    try:
        if not gate.take():
            simulation.wait_polled(what, gate, deadline_ns)
    finally:
        gate.close()
    return _reaped(gate.result)


def _end_of_popen_wait(frame: FrameType | None) -> tuple[float, int] | None:
    """Return the timeout and the deadline of the `subprocess.Popen.wait` that polls, if one does.

    It would go on to sleep and poll again until then: how often depends on
    real time. A wait that is over when the child ends does not.
    """
    for _ in range(CALLERS):
        if frame is None:
            break
        if frame.f_code is _POPEN_WAIT:
            timeout, end = frame.f_locals.get("timeout"), frame.f_locals.get("endtime")
            if isinstance(timeout, (int, float)) and isinstance(end, float):
                return max(float(timeout), 0.0), to_ns(end)
        frame = frame.f_back
    return None


def _reaped(result: Any) -> Any:
    """Forget the child process that *result* tells of, unless it has only stopped."""
    if _found(result):
        known = outside()
        child = known.children.get(result[0])
        if child is not None and not child.exists():
            known.reaped(child.pid)
    return result


def _chosen(selection: tuple[int, int, int]) -> int | None:
    kind, number, _ = selection
    if kind == os.P_PID:
        return number
    return pid_of(number) if kind == getattr(os, "P_PIDFD", None) else None


def _selection(pid: int, options: int) -> tuple[int, int, int]:
    """Return what `os.waitid` calls what `os.waitpid` waits for."""
    states = os.WEXITED
    for option, state in _STATES.items():
        states |= state if options & option else 0
    if pid > 0:
        return os.P_PID, pid, states
    if pid == -1:
        return os.P_ALL, 0, states
    return os.P_PGID, -pid or os.getpgrp(), states


def _waitpid(*args: Any) -> Any:
    return _wait_for_pid("waitpid", *args)


def _wait4(*args: Any, **kwargs: Any) -> Any:
    if "options" in kwargs and len(kwargs) + len(args) == 2:
        args = (kwargs.get("pid", *args), kwargs["options"])
        kwargs = {}
    return _wait_for_pid("wait4", *args, **kwargs)


def _wait_for_pid(name: str, *given: Any, **kwargs: Any) -> Any:
    args = tuple(map(plain, given))
    original = originals[f"posix.{name}"]
    if kwargs or len(args) != 2 or not all(isinstance(arg, int) for arg in args):
        return original(*args, **kwargs)  # raises what is wrong
    pid, options = args
    try:
        selection = _selection(pid, options)
        return _reap(name, selection, options, lambda options: original(pid, options))
    except OverflowError:
        return original(*args)  # likewise


def _wait3(*args: Any, **kwargs: Any) -> Any:
    original = originals["posix.wait3"]
    given = [*args, *kwargs.values()]
    if len(given) != 1 or not isinstance(given[0], int) or kwargs.keys() - {"options"}:
        return original(*args, **kwargs)
    return _reap("wait3", _selection(-1, given[0]), given[0], original)


def _wait() -> Any:
    original = originals["posix.waitpid"]
    return _reap("wait", _selection(-1, 0), 0, lambda options: original(-1, options))


def _waitid(*given: Any) -> Any:
    args = tuple(map(plain, given))
    original = originals["posix.waitid"]
    if len(args) != 3 or not all(isinstance(arg, int) for arg in args):
        return original(*args)
    kind, number, options = args
    states = options & ~(os.WNOHANG | os.WNOWAIT)
    ask: Callable[[int], Any] = lambda options: original(kind, number, options)  # noqa: E731
    return _reap("waitid", (kind, number, states), options, ask)


# ------------------------------------------------------------------- polls and sleeps


class Poll(NamedTuple):
    """A question after a child process that still runs."""

    chosen: int | None
    now_ns: int


def _polled(chosen: int | None) -> None:
    """Note that the current thread has found nobody to reap: it is about to sleep until then."""
    simulation = kernel()
    if chosen is not None:
        outside().child(chosen)
    poll = Poll(chosen, simulation.world.now_ns)
    outside().polled[simulation.current.path] = poll


def sleep(deadline_ns: int) -> bool:
    """Sleep until *deadline_ns* if this is the sleep after a poll; return whether it was.

    The clock is held until the child process that was polled has ended.
    """
    gate = polled_now()
    if gate is None:
        return False
    try:
        kernel().wait_polled("sleep", gate, deadline_ns)
    finally:
        gate.close()
    return True


def polled_now() -> SleepGate | None:
    """Return the wait for what the current thread has just polled for in vain, if so; once."""
    polled = outside().polled
    if not polled:
        return None
    simulation = kernel()
    poll: Poll | None = polled.pop(simulation.current.path, None)
    if poll is None or simulation.world.now_ns > poll.now_ns + AT_ONCE_NS:
        return None
    return SleepGate(poll.chosen)


class SleepGate(ChildGate):
    """A sleep between two polls for a child process."""

    __slots__ = ()

    def debtors(self) -> list[Child]:
        """Return those who owe the end of this sleep, unless they kept us waiting before it."""
        return outside().owing(lambda child: self.chosen in (None, child.pid))


# -------------------------------------------------------------------------- the start


def _for_the_caller(original: Callable[..., Any], *args: Any) -> Any:
    """Call *original* as user code: what is run at a fork may wait.

    It may warn of the threads there are, which is for the caller to hear:
    so the call is made by a function of the caller's module.
    """
    frame = sys._getframe(2)
    code = _CALL.replace(co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno)
    return _native.call_user(FunctionType(code, frame.f_globals), original, args)


def _start(what: str) -> None:
    """Count the start of a child process, or raise `Escape` where nothing may be outside."""
    simulation = kernel()
    simulation.step(what)
    if simulation.external == "strict":
        announce(simulation, what)


def _fork(*args: Any) -> Any:
    _start("fork")
    pid = _for_the_caller(originals["posix.fork"], *args)
    if pid:  # pragma: no branch - else there is no simulation here, and nothing to measure
        outside().starts(pid, f"forked at {kernel().site()}")
    return pid


def _forkpty(*args: Any) -> Any:
    _start("forkpty")
    pid, fd = _for_the_caller(originals["posix.forkpty"], *args)
    if pid:  # pragma: no branch - as above
        outside().starts(pid, f"forked at {kernel().site()}")
    return pid, fd


def _fork_exec(*args: Any) -> Any:
    _start("fork_exec")
    pid = _for_the_caller(originals["_posixsubprocess.fork_exec"], *args)
    outside().starts(pid, _named(args[0]))
    return pid


def _spawns(name: str) -> Callable[..., Any]:
    def spawn(*args: Any, **kwargs: Any) -> Any:
        _start(name)
        pid = originals[f"posix.{name}"](*args, **kwargs)
        outside().starts(pid, _named(args[1] if len(args) > 1 else kwargs["argv"]))
        return pid

    return spawn


def _named(argv: Any) -> str:
    return repr([os.fsdecode(word) for word in argv])


def _system(*args: Any, **kwargs: Any) -> Any:
    kernel().step("system")
    return held("system", originals["posix.system"], *args, **kwargs)


def _killpg(*args: Any) -> None:
    originals["posix.killpg"](*args)
    outside().signals(0)


def _pidfd_send_signal(*args: Any) -> None:
    originals["_signal.pidfd_send_signal"](*args)
    outside().signals(pid_of(args[0]))


_WAITS = "tries without waiting, else parks; the clock is held while the child runs"
_STARTS = "the original, noted: the clock is held while somebody waits for the child"
_NOTED = "the original, noted: the child has something to do"

ROWS = [
    Row("posix.waitpid", "simulated", _WAITS, _waitpid),
    Row("posix.wait", "simulated", _WAITS, _wait),
    Row("posix.wait3", "simulated", _WAITS, _wait3),
    Row("posix.wait4", "simulated", _WAITS, _wait4),
    Row("posix.waitid", "simulated", _WAITS, _waitid),
    Row("posix.fork", "simulated", _STARTS, _fork),
    Row("posix.forkpty", "simulated", _STARTS, _forkpty),
    Row("_posixsubprocess.fork_exec", "simulated", _STARTS, _fork_exec),
    Row("posix.posix_spawn", "simulated", _STARTS, _spawns("posix_spawn")),
    Row("posix.posix_spawnp", "simulated", _STARTS, _spawns("posix_spawnp")),
    Row("posix.killpg", "simulated", _NOTED, _killpg),
    Row("_signal.pidfd_send_signal", "simulated", _NOTED, _pidfd_send_signal),
    Row("posix.system", "held", "runs for real with the clock held", _system),
]
