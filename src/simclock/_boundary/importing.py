"""Imports of modules that are not loaded yet: see `simclock._core.loading`."""

from __future__ import annotations

import importlib._bootstrap as bootstrap
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, entropy
from simclock._boundary.active import kernel
from simclock._core.loading import Loading

if TYPE_CHECKING:
    from collections.abc import Callable

# What the interpreter calls, also in C and by this name, for each import of what is not in
# `sys.modules`, and for nothing else.
_NAME = "_find_and_load"
_original: Callable[..., Any] = getattr(bootstrap, _NAME)


def start() -> None:
    """See imports from now on: the outermost simulation is being opened."""
    global _original  # noqa: PLW0603
    _original = getattr(bootstrap, _NAME)
    setattr(bootstrap, _NAME, _find_and_load)


def stop() -> None:
    """Undo `start`, unless somebody else has put something in its place."""
    if getattr(bootstrap, _NAME) is _find_and_load:
        setattr(bootstrap, _NAME, _original)


def _find_and_load(name: str, *args: Any) -> Any:
    if not _native.simulated():
        return _original(name, *args)
    end = _native.call_kernel(_begin, name)
    try:
        return _original(name, *args)
    finally:
        _native.call_kernel(end)


# The interpreter leaves what is of this file out of the traceback of an import that fails.
_find_and_load.__code__ = _find_and_load.__code__.replace(
    co_filename=_original.__code__.co_filename
)


def _begin(name: str) -> Callable[[], None]:
    """Begin an import; return how to end it."""
    simulation = kernel()
    if simulation.current.loading is not None:
        return _go_on  # modules import others: it is all one
    return Loading(simulation, entropy.set_aside(f"import {name}")).end


def _go_on() -> None:
    """Leave it to the import around this one."""
