"""Signals to simulated processes: to whom, and what becomes of them.

What the system does by default is done: most end the process at once, without
any ``finally``. A handler runs in the process' main thread, as Python has it.
"""

from __future__ import annotations

import functools
import operator
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel, own_group
from simclock._boundary.rows import Row, originals
from simclock._boundary.shared import owns_shared
from simclock._core import stopping

if TYPE_CHECKING:
    from types import FrameType

    from simclock._core.groups import Group
    from simclock._core.kernel import Kernel

# Python itself ignores the first two of these by default, the system the others.
_IGNORED = {
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGCHLD,
    signal.SIGURG,
    signal.SIGWINCH,
    signal.SIGCONT,
}
_STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_WRONG_THREAD = "signal only works in main thread of the main interpreter"
_WRONG_HANDLER = "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"


def send(simulation: Kernel, group: Group, signum: int, *, later: bool = False) -> None:
    """Send a signal to a simulated process, as ``os.kill`` does.

    Args:
        simulation: The innermost.
        group: The process.
        signum: The signal.
        later: Whether nothing is to happen before its main thread's next wait or checkpoint: for
            callers that are no thread, such as timers.
    """
    if group.ended or not signum:
        return
    if signum == signal.SIGCONT:
        stopping.resume(simulation, group)
    handler = _handler(group, signum)
    if handler == signal.SIG_DFL and not later:
        _act_by_default(simulation, group, signum)
    elif handler != signal.SIG_IGN and not group.doomed:
        group.pending[signum] = functools.partial(_deliver, simulation, group, signum)
        stopping.wake(simulation, group)
        if group.main is simulation.current and not later:
            stopping.deliver(simulation, group)


def _handler(group: Group, signum: int) -> Any:
    if signum == signal.SIGKILL:
        return signal.SIG_DFL
    return group.context.handlers.get(signum, default(signum))


def default(signum: int) -> Any:
    """Return the handler that Python begins with."""
    return signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL


def _act_by_default(simulation: Kernel, group: Group, signum: int) -> None:
    if signum in _STOPPING:
        stopping.pause(simulation, group)
    elif signum not in _IGNORED:
        stopping.kill(simulation, group, -signum, owns_shared)


def _deliver(simulation: Kernel, group: Group, signum: int) -> None:
    """In the main thread of *group*, do what is to be done about a signal by now."""
    handler = _handler(group, signum)
    if handler == signal.SIG_DFL:
        _native.call_kernel(_act_by_default, simulation, group, signum)
    elif handler != signal.SIG_IGN:
        if group.context.wakeup >= 0:
            _wake_up(group.context.wakeup, signum)
        try:
            handler(int(signum), _frame())  # as Python does, whatever was sent
        finally:
            group.context.handled += 1


def _wake_up(fd: int, signum: int) -> None:
    try:
        os.write(fd, bytes([signum]))
    except BlockingIOError:
        pass  # whoever reads it has enough to read
    except OSError as error:
        sys.stderr.write(f"the wakeup descriptor cannot be told of a signal: {error}\n")


def _frame() -> FrameType | None:
    """Return the innermost frame of the program."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("simclock."):
        frame = frame.f_back
    return frame


# ------------------------------------------------------- what a process does with its own


def of_number(number: Any) -> Group | None:
    """Return the simulated process with this pid, if there is one."""
    return kernel().groups.get(number)


def set_handler(group: Group, *args: Any) -> Any:
    """Do what ``signal.signal`` does."""
    if len(args) != 2:
        return originals["_signal.signal"](*args)  # raises what is wrong
    _check_thread(group)
    signum, handler = args
    if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
        # The original would find first that this is not the real main thread.
        raise TypeError(_WRONG_HANDLER)
    before = get_handler(group, signum)  # raises where there is no such signal
    if signum in (signal.SIGKILL, signal.SIGSTOP):
        raise OSError(22, os.strerror(22))
    group.context.handlers[int(signum)] = handler
    return before


def get_handler(group: Group, signum: Any) -> Any:
    """Do what ``signal.getsignal`` does."""
    originals["_signal.getsignal"](signum)
    return group.context.handlers.get(int(signum), default(int(signum)))


def _set_wakeup_fd(fd: Any, **kwargs: Any) -> Any:
    group = own_group()
    if kwargs.keys() - {"warn_on_full_buffer"}:
        return originals["_signal.set_wakeup_fd"](fd, **kwargs)  # raises what is wrong
    if group.main is not kernel().current:
        raise ValueError("set_wakeup_fd only works in main thread of the main interpreter")
    if fd != -1:
        os.fstat(fd)
    before, group.context.wakeup = group.context.wakeup, fd
    return before


def _check_thread(group: Group) -> None:
    if group.main is not kernel().current:
        raise ValueError(_WRONG_THREAD)


def code_of(exit_: SystemExit) -> int:
    """Return the exit code of a process that this ends; print what it says, as Python does."""
    if exit_.code is None:
        return 0
    if isinstance(exit_.code, int):
        return exit_.code & 0xFF
    sys.stderr.write(f"{exit_.code}\n")
    return 1


def _exit(status: Any) -> None:
    # Never the original: it would end the real process. What this one owns it takes with it.
    stopping.kill(kernel(), own_group(), operator.index(status) & 0xFF, _owns_nothing)


def _abort() -> None:
    stopping.kill(kernel(), own_group(), -signal.SIGABRT, _owns_nothing)


def _owns_nothing(_: Any) -> bool:
    return False


def _register(function: Any, *args: Any, **kwargs: Any) -> Any:
    if not callable(function):
        return originals["atexit.register"](function)  # raises what is wrong
    own_group().context.at_exit.append(functools.partial(function, *args, **kwargs))
    return function


def _unregister(function: Any) -> None:
    kept = own_group().context.at_exit
    kept[:] = [each for each in kept if each.func != function]


_OWN = "in a simulated process its own"

ROWS = [
    Row("_signal.set_wakeup_fd", "simulated", _OWN, _set_wakeup_fd, _native.OWN),
    Row(
        "posix._exit", "simulated", "ends a simulated process, not the real one", _exit, _native.OWN
    ),
    Row("posix.abort", "simulated", "the same", _abort, _native.OWN),
    Row(
        "atexit.register", "simulated", "in a simulated process at its end", _register, _native.OWN
    ),
    Row("atexit.unregister", "simulated", "likewise", _unregister, _native.OWN),
]
