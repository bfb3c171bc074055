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


FREEZEGUN = "freezegun.api"


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
    freezegun = sys.modules.get(FREEZEGUN)
    return getattr(freezegun, f"real_{name}", None) or getattr(time, name)


@contextlib.contextmanager
def unfrozen() -> Iterator[None]:
    """Put the built-ins back for a block while freezegun has other functions in their place.

    For an import of what keeps C pointers to them: time-machine crashes otherwise.
    """
    freezegun: Any = sys.modules.get(FREEZEGUN)
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


class Hooks:
    """What is replaced in a library while a simulation is open."""

    def __init__(self) -> None:
        self._depth = 0
        # Owner, name, original.
        self._kept: list[tuple[Any, str, Any]] = []

    @property
    def wanted(self) -> bool:
        """Whether a simulation is open, and nothing is replaced yet."""
        return bool(self._depth) and not self._kept

    def begin(self) -> None:
        """Note that a simulation is being opened."""
        self._depth += 1

    def finish(self) -> None:
        """Note that one was closed; put everything back after the last."""
        self._depth -= 1
        while self._kept and not self._depth:
            owner, name, original = self._kept.pop()
            setattr(owner, name, original)

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Replace an attribute, until the last `finish`."""
        self._kept.append((owner, name, getattr(owner, name)))
        setattr(owner, name, replacement)

    def original(self, owner: Any, name: str) -> Any:
        """Return an attribute as the library has it, also after the end."""
        kept = (kept for hooked, key, kept in self._kept if (hooked, key) == (owner, name))
        return next(kept, getattr(owner, name))


def to_stop(stack: list[Any], ours: type, link: str, user: Any) -> Any:
    """Return the entry of *stack* that *user*, a travel or a freeze, is to stop, or None.

    Its own, which has it as its attribute *link*; else the last one that this
    world has started; else the last one of before the simulation was opened.
    Never one of *ours*.
    """
    mine = world()
    users = [entry for entry in reversed(stack) if not isinstance(entry, ours)]
    for candidates in (
        [entry for entry in users if getattr(entry, link, None) is user],
        [entry for entry in users if getattr(entry, "world", None) is mine],
        [entry for entry in users if not hasattr(entry, "world")],
    ):
        if candidates:
            return candidates[0]
    return None


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
