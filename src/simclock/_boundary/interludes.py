"""Functions that are no step of a run when a simulated thread calls them: see `Interlude`."""

from __future__ import annotations

import functools
import weakref
from types import FunctionType
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._core.interludes import Interlude

if TYPE_CHECKING:
    from collections.abc import Callable

# How many lines below its first one `call` calls the function.
CALL = 8
# All that were made.
_made: weakref.WeakSet[Any] = weakref.WeakSet()


@functools.lru_cache(maxsize=64)
def as_interlude(
    function: Callable[..., Any], setting_aside: Callable[..., Callable[[], None]] | None = None
) -> Callable[..., Any]:
    """Return *function* as one that is no step of a run.

    It is the same one each time; of one that is it already it is itself.

    *setting_aside* is called with the same arguments before, in the kernel, and returns what is
    called at the end of the interlude.
    """
    if function in _made:
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        if not _native.simulated():
            return function(*args, **kwargs)
        interlude = Interlude(kernel())
        set_aside = setting_aside and functools.partial(setting_aside, *args)
        try:
            # In here: a signal's handler may raise as soon as it returns.
            _native.call_kernel(interlude.begin, set_aside)
            return function(*args, **kwargs)
        finally:
            _native.call_kernel(interlude.end)

    if isinstance(function, FunctionType):
        _disguise(call, function)
    functools.update_wrapper(call, function)
    _made.add(call)
    return call


def _disguise(call: Any, function: FunctionType) -> None:
    """Let frames of *call* look like the first line of *function*.

    Whoever looks for the first caller outside of a module takes it for a part of that: `logging`
    does, and the interpreter when it shortens the traceback of an import that fails.
    """
    code, like = call.__code__, function.__code__
    call.__code__ = code.replace(
        co_filename=like.co_filename,
        co_name=like.co_name,
        co_firstlineno=max(1, like.co_firstlineno - CALL),
    )
