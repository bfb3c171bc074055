"""Whose time it is: real time, and each open simulation, is a *world*.

A process has one stack of travellers (time-machine's) and one of frozen clocks
(freezegun's). What is pushed onto them belongs to the world of the thread that
pushed it; a reading is answered by the topmost entry of the reader's world.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native

if TYPE_CHECKING:
    from collections.abc import Iterator


class World:
    """Marks what belongs to one open simulation. Real time has none."""


# Those of the open simulations, innermost last. Only threads of the last one can run.
_worlds: list[World] = []


def world() -> World | None:
    """Return the world of the calling thread, None for real time."""
    return _worlds[-1] if _worlds and _native.simulated() else None


def enter() -> World:
    """Make the world of a simulation that is being opened."""
    _worlds.append(World())
    return _worlds[-1]


def innermost() -> World:
    """Return the world of the innermost simulation."""
    return _worlds[-1]


def leave() -> None:
    """Forget the innermost world."""
    _worlds.pop()


def builtin(name: str) -> Any:
    """Return a built-in of ``time``, also while freezegun has another function in its place."""
    freezegun = sys.modules.get("freezegun.api")
    return getattr(freezegun, f"real_{name}", None) or getattr(time, name)


@contextlib.contextmanager
def unfrozen() -> Iterator[None]:
    """Put the built-ins back for a block while freezegun has other functions in their place.

    For an import of what keeps C pointers to them: time-machine crashes otherwise.
    """
    freezegun: Any = sys.modules.get("freezegun.api")
    if freezegun is None or not freezegun.freeze_factories:
        yield
        return
    owners = {
        dt: ("date", "datetime"),
        time: ("time", "time_ns", "gmtime", "localtime", "strftime"),
    }
    fakes = [
        (owner, name, getattr(owner, name)) for owner, names in owners.items() for name in names
    ]
    try:
        for owner, name, _ in fakes:
            setattr(owner, name, getattr(freezegun, f"real_{name}"))
        yield
    finally:
        for owner, name, fake in fakes:
            setattr(owner, name, fake)


def stopped(user: Any) -> None:
    """Let the next ``stop()`` of *user*, a travel or a freeze that was ended for it, do nothing.

    Whoever started it in a simulation may only stop it when that is over.
    """

    def forget() -> None:
        del user.start, user.stop

    def start() -> Any:
        forget()
        return user.start()

    user.start, user.stop = start, forget
