"""Functions that are no step of a run when a simulated thread calls them: see `Interlude`."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._core.interludes import Interlude

if TYPE_CHECKING:
    from collections.abc import Callable


# All that were made.
_unseen: set[Any] = set()


@functools.lru_cache(maxsize=64)
def unseen(
    function: Callable[..., Any], setting_aside: Callable[..., Callable[[], None]] | None = None
) -> Callable[..., Any]:
    """Return *function* as one that is no step of a run.

    It is the same one each time; of one that is it already it is itself.

    *setting_aside* is called with the same arguments before, in the kernel, and returns what is
    called at the end of the interlude.
    """
    if function in _unseen:
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        if not _native.simulated():
            return function(*args, **kwargs)
        end = _native.call_kernel(_begin, setting_aside, args)
        try:
            return function(*args, **kwargs)
        finally:
            _native.call_kernel(end)

    # Whoever looks for the first caller outside of a module takes this for a part of it: `logging`
    # does, and the interpreter when it shortens the traceback of an import that fails.
    if isinstance(function, FunctionType):
        call.__code__ = call.__code__.replace(co_filename=function.__code__.co_filename)
    functools.update_wrapper(call, function)
    _unseen.add(call)
    return call


def _begin(
    setting_aside: Callable[..., Callable[[], None]] | None, args: tuple[Any, ...]
) -> Callable[[], None]:
    """Begin an interlude; return how to end it."""
    simulation = kernel()
    # Modules import others: it is all one. And who has lost its turn is not the current thread.
    if simulation.current.interlude is not None or not simulation.is_orderly():
        return _go_on
    return Interlude(simulation, None if setting_aside is None else setting_aside(*args)).end


def _go_on() -> None:
    """Leave it to the interlude around this one."""
