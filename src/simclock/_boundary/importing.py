"""Imports of modules that are not loaded yet are no steps of a run: see `Interlude`."""

from __future__ import annotations

import importlib._bootstrap as bootstrap
from typing import TYPE_CHECKING, Any

from simclock._boundary import entropy
from simclock._boundary.interludes import as_interlude

if TYPE_CHECKING:
    from collections.abc import Callable

# What the interpreter calls, also in C and by this name, for each import of what is not in
# `sys.modules`, or is None there.
_NAME = "_find_and_load"
# What was there, and what is there instead.
_replaced: list[tuple[Callable[..., Any], Callable[..., Any]]] = []


def start() -> None:
    """See imports from now on: the outermost simulation is being opened."""
    before: Callable[..., Any] = getattr(bootstrap, _NAME)
    instead = as_interlude(before, _set_aside)
    _replaced.append((before, instead))
    setattr(bootstrap, _NAME, instead)


def stop() -> None:
    """Undo `start`, unless somebody else has put something in its place."""
    before, instead = _replaced.pop()
    if getattr(bootstrap, _NAME) is instead:
        setattr(bootstrap, _NAME, before)


def _set_aside(name: str, *_: object) -> Callable[[], None]:
    # What modules draw at their top is none of what the run draws.
    return entropy.set_aside(f"import {name}")
