"""Signals: Python's handlers run in the main thread's turn, never beside the baton's owner."""

from __future__ import annotations

import _thread
import errno
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, posting
from simclock._boundary.active import kernel, kernels
from simclock._boundary.outside import outside
from simclock._boundary.rows import Row, originals

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])
    Handler = Callable[[int, Any], Any]

# As plain numbers, once: the enumeration takes longer to make than all else at a start together.
_SIGNALS = tuple(map(int, signal.valid_signals()))
# How often putting a handler back may be interrupted. What fails more often fails for good.
PATIENCE = 100
# The users' handlers while ours stands before them.
_handlers: dict[int, Handler] = {}
# How many users' handlers were called.
handled = 0
# Whether signals are only noted: the boundary is being opened or closed.
_hushed = False
_uninterrupted: set[CodeType] = set()
_KERNEL = "simclock._core.kernel"
# Raised between two lines of these, an interrupt would leave a block that owns a lock without
# owning it, or the other way round. Each goes on to a call of the kernel, where it is raised.
_OF_CONDITIONS = {
    function.__code__
    for function in (
        threading.Condition.wait,
        threading.Condition._release_save,  # type: ignore[attr-defined]
        threading.Condition._acquire_restore,  # type: ignore[attr-defined]
        threading.Condition.__exit__,
    )
}


def uninterrupted(function: Function) -> Function:
    """Only note signals in *function*, from its entry on.

    Raised there, before its first line even, an interrupt would leave a
    simulation half opened, or for ever open.
    """
    _uninterrupted.add(function.__code__)
    return function


def hush() -> None:
    """Only note signals, until `listen` or `stop`."""
    global _hushed  # noqa: PLW0603 - handlers are the process' own
    _hushed = True


def listen() -> None:
    """Run the handlers of what was noted, and no longer only note signals."""
    global _hushed  # noqa: PLW0603 - see `hush`
    _hushed = False
    _native.check_signals()


def start() -> None:
    """Put the deferring handler before each handler written in Python, and hush."""
    hush()
    get = originals["_signal.getsignal"]
    for signum in _SIGNALS:
        handler = get(signum)
        if callable(handler) and not isinstance(handler, signal.Handlers):
            _handlers[signum] = handler
            _set(signum, _deferring)


def stop() -> None:
    """Put the users' handlers back, with what they did to them meanwhile, and listen."""
    interrupt: BaseException | None = None
    tries = PATIENCE
    while True:
        try:
            while _handlers:
                signum, handler = next(iter(_handlers.items()))
                if _get(signum) is _deferring and tries:
                    _set(signum, handler)
                del _handlers[signum]
                tries = PATIENCE
            break
        except BaseException as error:  # noqa: BLE001 - raised when all are back
            interrupt = error
            tries = max(tries - 1, 0)
    listen()
    if interrupt is not None:
        raise interrupt


def _deferring(signum: int, frame: Any) -> None:
    """Run the user's handler, unless code of ours is on the main thread's stack."""
    baton = _native.current()
    in_kernel = baton is not None and (baton.in_kernel or frame.f_code in _OF_CONDITIONS)
    if in_kernel or _hushed or _is_uninterrupted(frame):
        if _does_nothing(_handlers.get(signum)):
            _native.kick()
        else:
            _native.defer(signum)
        return
    if kernels and kernel().root.error is not None and (baton is not None or _in_real_package()):
        # The watchdog interrupts a main thread that is stuck in C: this is its error's way in.
        error, kernel().root.error = kernel().root.error, None
        assert error is not None
        raise error
    handler = _handlers.get(signum)
    if handler is not None:
        global handled  # noqa: PLW0603 - handlers are the process' own
        handled += 1
        handler(signum, frame)


def _does_nothing(handler: Any) -> bool:
    """Return whether it is asyncio's, whose loop reads the signal's byte.

    Deferring would raise the signal again, and write another one.
    """
    module: Any = sys.modules.get("asyncio.unix_events")
    return module is not None and handler is module._sighandler_noop


def is_deferring(signum: int) -> bool:
    """Return whether a user's handler is to be called in the main thread's turn."""
    return _get(signum) is _deferring


def _in_real_package() -> bool:
    """Return whether the calling thread, a root, is in real time although the watchdog watches."""
    return not kernel().outside and kernel().root.ident == _thread.get_ident()


def _is_uninterrupted(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not listen.__code__:
        if frame.f_code in _uninterrupted:
            return True
        if frame.f_globals.get("__name__") == _KERNEL:
            break  # it runs handlers where they may raise
        frame = frame.f_back
    return False


def _set(signum: int, handler: Any) -> Any:
    return originals["_signal.signal"](signum, handler)


def _get(signum: int) -> Any:
    return originals["_signal.getsignal"](signum)


def _signal(*args: Any) -> Any:
    group = kernel().group
    if group is not None:
        return posting.set_handler(group, *args)
    if len(args) != 2 or not callable(args[1]) or isinstance(args[1], signal.Handlers):
        before = _set(*args)
        return _handlers.pop(args[0], None) if before is _deferring else before
    signum, handler = args
    before = _set(signum, _deferring)
    if before is _deferring:
        before = _handlers.get(signum)
    _handlers[int(signum)] = handler
    return before


def _getsignal(*args: Any) -> Any:
    group = kernel().group
    if group is not None:
        return posting.get_handler(group, *args)
    handler = _get(*args)
    return _handlers.get(int(args[0])) if handler is _deferring else handler


def _let_handle() -> None:
    """Give the main thread its turn now, if it belongs to this simulation."""
    simulation = kernel()
    of_main = simulation.root.ident == threading.main_thread().ident
    if of_main and simulation.current is not simulation.root:
        _native.defer(0)
        simulation.checkpoint("signal")


def _kill(*args: Any) -> None:
    group = posting.of_number(args[0]) if len(args) == 2 else None
    if group is not None:
        if group.ended:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        posting.send(kernel(), group, args[1])
        return
    originals["posix.kill"](*args)
    outside().signals(args[0])
    if args[0] in (os.getpid(), 0):
        _let_handle()


def _raise_signal(*args: Any) -> None:
    group = kernel().group
    if group is not None and len(args) == 1:
        posting.send(kernel(), group, args[0])
        return
    originals["_signal.raise_signal"](*args)
    _let_handle()


def _pthread_kill(*args: Any) -> None:
    thread = kernel().by_ident.get(args[0]) if len(args) == 2 else None
    if thread is not None and thread.group is not None:
        posting.send(kernel(), thread.group, args[1])
        return
    originals["_signal.pthread_kill"](*args)
    if args[0] == threading.main_thread().ident:
        _let_handle()


def _interrupt_main(*args: Any) -> None:
    group = kernel().group
    if group is not None:
        posting.send(kernel(), group, *(args or (signal.SIGINT,)))
        return
    originals["_thread.interrupt_main"](*args)
    _let_handle()


_TURN = "the original, then the main thread gets its turn"

ROWS = [
    Row("_signal.signal", "simulated", "the handler runs in the main thread's turn", _signal),
    Row("_signal.getsignal", "simulated", "the user's own handler", _getsignal),
    Row("posix.kill", "simulated", _TURN + ", if it was meant", _kill),
    Row("_signal.raise_signal", "simulated", _TURN, _raise_signal),
    Row("_signal.pthread_kill", "simulated", _TURN + ", if it was meant", _pthread_kill),
    Row("_thread.interrupt_main", "simulated", _TURN, _interrupt_main),
]
