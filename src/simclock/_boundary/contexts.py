"""What each simulated process has of its own although there is one real process.

Its environment, its main thread, what `multiprocessing` knows of itself, its
descriptors. Swapped when the baton goes from a thread of one process to a
thread of another, as an operating system swaps registers. Foreign threads see
what is in place just then; after the simulation it is what was there before.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from simclock._boundary import descriptors, remains

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simclock._boundary._native import World
    from simclock._core.groups import Group

_MULTIPROCESSING = "multiprocessing.process"
_ITS_OWN = ("_current_process", "_parent_process", "_children", "_process_counter")


class Context:
    """What one simulated process has of its own.

    Attributes:
        own: What is to be in place while it runs: attributes of objects that all processes use.
        descriptors: Those that its threads have opened.
        handlers: Its signal handlers, by number.
        handled: How many calls of one have ended.
        wakeup: The descriptor that is told of each signal, or -1.
        databases: Its connections to SQLite databases, by address: what SQLite has for each.
        database_files: What SQLite may have opened for them, also for those that are closed.
        at_exit: What it has given to ``atexit``.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        encode: Any = os.environ
        data = {encode.encodekey(key): encode.encodevalue(value) for key, value in environ.items()}
        self.own = [_Own(os.environ, "_data", data)]
        self._has_main = self._has_multiprocessing = False
        self.descriptors: set[int] = set()
        self.handlers: dict[int, Any] = {}
        self.handled = 0
        self.wakeup = -1
        self.databases: dict[int, int] = {}
        self.database_files: set[str] = set()
        self.at_exit: list[Callable[[], object]] = []

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Let the attribute *name* of *owner* be its own; to be called before it runs."""
        self.own.append(_Own(owner, name, value))

    def complete(self, group: Group) -> None:
        """Add what is known when its first thread has been started."""
        if not self._has_main and group.main is not None:
            self._has_main = True
            self.own.append(_Own(threading, "_main_thread", group.main.python_thread))
        module = sys.modules.get(_MULTIPROCESSING)
        if module is not None and not self._has_multiprocessing:
            self._has_multiprocessing = True
            fresh: tuple[Any, ...] = (_main_process(module), None, set(), itertools.count(1))
            self.own += map(_Own, [module] * len(_ITS_OWN), _ITS_OWN, fresh)


class _Own:
    """An attribute of an object that all processes use, and what it is in one of them."""

    __slots__ = ("name", "owner", "value")

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self.owner = owner
        self.name = name
        self.value = value

    def swap(self) -> None:
        """Put the value in place, and keep what was there; or the other way round."""
        there = getattr(self.owner, self.name)
        setattr(self.owner, self.name, self.value)
        self.value = there


def _main_process(module: Any) -> Any:
    # Its class is taken off the module.
    kinds = {kind.__name__: kind for kind in module.BaseProcess.__subclasses__()}
    made = kinds["_MainProcess"]()
    # As that of this one: what it talks to is in this simulation.
    made._config = dict(module._current_process._config)
    return made


class Contexts:
    """The process whose things are in place."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._group: Group | None = None
        self._known = descriptors.Known()
        # The descriptors of the real process, and what those of dead ones stand for.
        self._others: set[int] = set()
        # There from the beginning: a program may come to have no descriptor left.
        self._void = descriptors.Void()
        self._known.give(self._void.fd, self._others)

    def enter(self, group: Group | None) -> None:
        """Put the things of *group* in place, None for those of the real process."""
        before = self._group
        self.look()
        if before is not None:
            _swap(before.context)
        self._group = group
        world = self._world
        world.in_process = group is not None
        world.skew_ns = 0 if group is None else group.skew_ns
        self.set_wall(group)
        if group is not None:
            group.context.complete(group)
            _swap(group.context)

    def look(self) -> None:
        """Note which descriptors there are now."""
        group = self._group
        # Whoever closed it, the number may be somebody else's by now.
        for fd in self._void.given_back():
            self._known.forget(fd)
        # A program that has opened all that it may leaves none to look with: later, then.
        with contextlib.suppress(OSError):
            self._known.share_out(self._others if group is None else group.context.descriptors)
        if group is not None:
            self._known.refresh(group.context.descriptors)

    def owned(self, group: Group) -> set[int]:
        """Return the descriptors that *group* has now."""
        self.look()
        return set(self._known.unchanged(group.context.descriptors))

    def let_go(self, group: Group, fds: set[int]) -> None:
        """Let go of what the operating system takes from a process that has ended: of *fds*."""
        remains.let_go(group.context, sorted(fds), self._void)

    def close(self) -> None:
        """Close what dead processes have left open, when the simulation is over."""
        self._void.close()

    def give(self, fd: int, group: Group) -> None:
        """Note that the descriptor *fd*, whoever has opened it, is one of *group*."""
        self.look()
        self._known.give(fd, group.context.descriptors)

    def set_wall(self, group: Group | None) -> None:
        """Let the wall clock be that of the host of *group*."""
        host = None if group is None else group.host
        world = self._world
        world.host_ns, world.drift_ppb, world.drift_from_ns = host.wall_parts if host else (0, 0, 0)


def _swap(context: Context) -> None:
    for each in context.own:
        each.swap()
