"""Order of identity: sets and sorts that would follow addresses follow creation instead."""

from __future__ import annotations

import itertools
import sys
import threading
import uuid
from abc import ABCMeta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MISSING = object()
# What to put back, one list for each open simulation.
_undo: list[list[tuple[Any, str, Any]]] = []
# Classes are made once: an object may outlive its simulation, and must stay what it is.
_numbered: dict[type, type] = {}
_numbers: Iterator[int] = itertools.count(1)
# What numbers tasks without a name, one for each open simulation.
_names: list[Callable[[], int]] = []


def prepare() -> None:
    """Import what has to be shadowed: if a simulation did, its first run would be another."""
    import_module("asyncio")
    import_module("concurrent.futures.thread")


def task_names() -> Callable[[], int]:
    """Return what numbers the tasks of this simulation."""
    return _names[-1]


def start(seed: int, new_event_loop: Callable[[], Any]) -> None:
    """Shadow what depends on addresses, and start the counters behind default names anew.

    *new_event_loop* makes asyncio's default event loops meanwhile, in each thread of the process.

    Modules are imported here although `prepare` did: pytester, for one, forgets
    what was imported while its runs went on.
    """
    global _numbers  # noqa: PLW0603 - one sequence for each simulation
    _numbers = itertools.count(1)
    _names.append(itertools.count(1).__next__)
    done: list[tuple[Any, str, Any]] = []
    _undo.append(done)
    _shadow(done, threading, "_counter", itertools.count(1).__next__)
    _shadow(done, uuid, "_last_timestamp", None)
    _shadow_futures(done)
    _shadow_asyncio(done, new_event_loop)
    _shadow_anyio(done)
    _shadow_trio(done, seed)


def stop() -> None:
    """Undo the last `start`."""
    _names.pop()
    for module, name, value in reversed(_undo.pop()):
        if value is _MISSING:
            delattr(module, name)
        else:
            setattr(module, name, value)


def _shadow(done: list[tuple[Any, str, Any]], module: Any, name: str, value: Any) -> None:
    done.append((module, name, vars(module).get(name, _MISSING)))
    setattr(module, name, value)


def _module(name: str) -> Any:
    # Looked up first: an import that finds everything done takes longer than all of this.
    return sys.modules.get(name) or import_module(name)


def _shadow_futures(done: list[tuple[Any, str, Any]]) -> None:
    base = _module("concurrent.futures._base")
    # `as_completed` and `wait` go through sets of futures, and sort them by `id`.
    _shadow(done, base, "Future", _numbered_class(base.Future))
    _shadow(done, base, "id", _number_of)
    pool = _module("concurrent.futures.thread")
    _shadow(done, pool.ThreadPoolExecutor, "_counter", itertools.count().__next__)
    # The set of its threads, which it joins in the set's order.
    _shadow(done, pool, "set", _InOrder)


def _shadow_asyncio(done: list[tuple[Any, str, Any]], new_event_loop: Callable[[], Any]) -> None:
    package = _module("asyncio")
    tasks = _module("asyncio.tasks")
    futures = _module("asyncio.futures")
    task = _numbered_class(tasks.Task, named=True)
    future = _numbered_class(futures.Future)
    for module in (package, tasks):
        _shadow(done, module, "Task", task)
    for module in (package, futures):
        _shadow(done, module, "Future", future)
    policy = _module("asyncio.unix_events")._UnixDefaultEventLoopPolicy
    _shadow(done, policy, "_loop_factory", staticmethod(new_event_loop))


def _shadow_anyio(done: list[tuple[Any, str, Any]]) -> None:
    # It loads this when it is first used: in a simulation, then, and too late for that one.
    if "anyio" in sys.modules:
        backend = _module("anyio._backends._asyncio")
        # Whom a cancellation reaches first follows a set of these.
        _shadow(done, backend, "CancelScope", _numbered_class(backend.CancelScope))


def _shadow_trio(done: list[tuple[Any, str, Any]], seed: int) -> None:
    run: Any = sys.modules.get("trio._core._run")
    if run is not None:
        # A tie-break of heaps: numbers that grow put equal deadlines in arming order.
        numbers = itertools.count(1)
        _shadow(done, run, "id", lambda _: next(numbers))
        _shadow(done, run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
        _shadow(done, run, "_r", type(run._r)(f"{seed}:trio"))


class _InOrder(dict[Any, None]):
    """What a pool uses a set for, in the order in which things were added."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)

    remove = dict.__delitem__


def _number_of(subject: Any) -> int:
    return getattr(subject, "_simclock_number", None) or id(subject)


def _numbered_class(base: type, *, named: bool = False) -> type:
    """Return a subclass of *base* whose hash is the number of its creation.

    *named*: its default names count up too.
    """
    if hasattr(base, "_simclock_base"):
        base = base._simclock_base
    found = _numbered.get(base)
    if found is None:
        found = _numbered[base] = _make_numbered(base, named=named)
    return found


class _Shadow(ABCMeta):
    """Whose classes stand for their bases: what is one of these is one of those."""

    def __instancecheck__(cls, instance: Any) -> bool:
        base = vars(cls).get("_simclock_base")
        return super().__instancecheck__(instance) if base is None else isinstance(instance, base)

    def __subclasscheck__(cls, subclass: type) -> bool:
        base = vars(cls).get("_simclock_base")
        return super().__subclasscheck__(subclass) if base is None else issubclass(subclass, base)


def _make_numbered(base: Any, *, named: bool) -> type:
    class Numbered(base, metaclass=_Shadow):  # type: ignore[misc]
        __slots__ = ("_simclock_number",)
        _simclock_base = base

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            simulated = _native.simulated()
            # A foreign thread's objects must not take numbers: when it makes them is chance.
            self._simclock_number = next(_numbers) if simulated else id(self)
            if named and simulated and kwargs.get("name") is None:
                kwargs["name"] = f"Task-{_names[-1]()}"
            super().__init__(*args, **kwargs)

        def __hash__(self) -> int:
            return self._simclock_number

    Numbered.__name__ = Numbered.__qualname__ = base.__name__
    Numbered.__module__ = base.__module__
    return Numbered
