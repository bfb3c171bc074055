"""Whether a handler of a signal has interrupted what must go on before others can."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

# Their functions own locks that the end of a run takes, if only to log what it does.
_MODULES = (
    "simclock.systems.services.run",
    "simclock.systems.services.runner",
    "simclock.systems.services.units",
    "simclock.systems.services.work",
    "simclock.systems._shared.lifecycle",
    "logging",
)
# Between them and what they call: not by themselves a reason, as programs use these, too.
_BETWEEN = ("simclock.flavours",)
# Those that call constructors of services, or a payload that is executed.
_CALLING_OUT: set[CodeType] = set()


def calls_out(function: Function) -> Function:
    """Mark a function that calls the program's own code, and owns no lock meanwhile.

    Nor do those of ours that have called it.
    """
    _CALLING_OUT.add(function.__code__)
    return function


def interrupts_a_call(running: threading.Event) -> bool:
    """Return whether the caller's caller is on top of a call that may own a lock.

    So it is if a handler of a signal has interrupted that. Only in the main
    thread, where Python runs handlers.

    Args:
        running: An event that is set and cleared at the end: the program may
            wait for it by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    frame = sys._getframe(1).f_back
    is_called_out = False
    while frame is not None:
        if _is_in(frame, _BETWEEN):
            pass
        elif not _is_ours(frame, running):
            is_called_out = False
        elif frame.f_code in _CALLING_OUT:
            is_called_out = True
        elif not is_called_out:
            return True
        frame = frame.f_back
    return False


def _is_ours(frame: FrameType, running: threading.Event) -> bool:
    if _is_in(frame, _MODULES):
        return True
    return frame.f_code in _OF_EVENTS and frame.f_locals.get("self") is running


def _is_in(frame: FrameType, modules: tuple[str, ...]) -> bool:
    name = frame.f_globals.get("__name__", "")
    return any(name == module or name.startswith(f"{module}.") for module in modules)


_OF_EVENTS = {
    function.__code__
    for function in vars(threading.Event).values()
    if hasattr(function, "__code__")
}
