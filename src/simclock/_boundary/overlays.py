"""What plugins replace in their libraries for the time of a simulation.

Mostly order: sets and sorts that would follow addresses follow creation instead.
"""

from __future__ import annotations

import itertools
import sys
import uuid
from abc import ABCMeta
from collections.abc import Iterable, Iterator, MutableSet
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, rows
from simclock._boundary.active import kernel
from simclock._boundary.interludes import as_interlude
from simclock.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

_MISSING = object()
# Of each open simulation, innermost last.
_open: list[Overlay] = []
# Classes are made once: an object may outlive its simulation, and must stay what it is.
_numbered: dict[type, type] = {}


class OrderedSet(MutableSet[Any]):
    """A set in the order in which things were added, for modules that iterate over theirs."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._items = dict.fromkeys(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: Any) -> None:
        """Add *value*, as the last one if it is new."""
        self._items[value] = None

    def discard(self, value: Any) -> None:
        """Remove *value* if it is there."""
        self._items.pop(value, None)

    def update(self, *others: Iterable[Any]) -> None:
        """Add the items of all *others*, in their order."""
        for other in others:
            self._items.update(dict.fromkeys(other))


class Overlay:
    """What is different in loaded modules while one simulation is open.

    To be used while that is being opened, and by what was put in place then.

    Attributes:
        seed: The simulation's.
        chaos: Whether its schedule has, too, what is never so in reality.
    """

    def __init__(self, seed: int, *, chaos: bool = False) -> None:
        self.seed = seed
        self.chaos = chaos
        # What to put back, and what to call then, as functions and arguments.
        self._undo: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._counters: dict[str, Callable[[], int]] = {}
        # Of objects whose classes are numbered.
        self.next_number: Callable[[], int] = itertools.count(1).__next__
        # By module: what waits for its being loaded.
        self._waiting: dict[str, list[Callable[[Any], None]]] = {}
        # Locks at which there is nothing to choose.
        self._quiet: list[Any] = []

    # ---------------------------------------------------------------- replacing

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Let the attribute *name* of a module or class be *value* meanwhile.

        Threads that are not simulated see it too: it must do the usual for them
        (`is_callers` tells).
        """
        before = vars(owner).get(name, _MISSING)
        self._undo.append((_put_back, (owner, name, before)))
        setattr(owner, name, value)

    def make_interludes(self, owner: type, *names: str) -> None:
        """Let methods of a class be no steps of a run: they last no time, nothing is chosen there.

        Unless they have to wait. What somebody has put in the place of a plain function is left
        alone.
        """
        for name in names:
            function = vars(owner).get(name)
            if isinstance(function, FunctionType):
                self.replace(owner, name, as_interlude(function))

    def hush(self, lock: Any) -> None:
        """Let there be nothing to choose where a thread takes or releases *lock*."""
        self._quiet.append(lock)

    def at_end(self, undo: Callable[[], None]) -> None:
        """Call *undo* when the simulation has ended, the last given first. It must not raise."""
        self._undo.append((undo, ()))

    def is_callers(self) -> bool:
        """Return whether the calling thread is one of this simulation, and not in real time.

        Not if another one is open inside of it, which has an overlay of its own.
        """
        return _native.simulated() and _open[-1] is self

    def module(self, name: str) -> Any:
        """Return a module, imported if it is not yet."""
        # Looked up first: an import that finds everything done takes longer than all of this.
        return sys.modules.get(name) or import_module(name)

    def when_loaded(self, name: str, change: Callable[[Any], None]) -> None:
        """Call *change* with the module *name*: now if it is loaded, else when it has been.

        In the latter case it is called in the kernel, right after the import,
        and must not wait.
        """
        if rows.loaded(name):
            change(sys.modules[name])
        else:
            self._waiting.setdefault(name, []).append(change)

    # -------------------------------------------------------------------- order

    def counter(self, name: str, start: int = 1) -> Callable[[], int]:
        """Return what counts *name* in this simulation: the same one whenever asked."""
        found = self._counters.get(name)
        if found is None:
            found = self._counters[name] = itertools.count(start).__next__
        return found

    def numbered(self, base: type, default_name: Callable[[], str] | None = None) -> type:
        """Return a subclass of *base* whose hash is the number of its creation.

        Sets of its objects have the same order in each run. What is one of
        *base* counts as one of these. *default_name*: gives the argument
        ``name`` where that is left out.
        """
        base = getattr(base, "_simclock_base", base)
        found = _numbered.get(base)
        if found is None:
            found = _numbered[base] = _make_numbered(base, default_name)
        return found

    @staticmethod
    def number_of(subject: Any) -> int:
        """Return the number that an object of a `numbered` class has; of another one, its id."""
        return getattr(subject, "_simclock_number", None) or id(subject)

    @staticmethod
    def choose(bound: int, label: str) -> int:
        """Return a number below *bound*, at least 2, from the schedule; 0 is the canonical one.

        For the order of what is ready at once. To be called in a simulated
        thread; *label* says what is chosen.
        """
        return _native.call_kernel(kernel().choose, bound, label)  # type: ignore[no-any-return]

    # ---------------------------------------------------------- opening and closing

    def apply_loaded(self) -> None:
        """Make the changes that wait for modules which are loaded by now."""
        for name in [name for name in self._waiting if name in sys.modules]:
            if rows.loaded(name):
                for change in self._waiting.pop(name):
                    _change(change, name)

    def undo(self) -> None:
        """Put everything back."""
        self._waiting.clear()  # changes have the overlay in turn
        while self._undo:
            function, arguments = self._undo.pop()
            function(*arguments)


def start(seed: int, change: Callable[[Overlay], None], *, chaos: bool = False) -> None:
    """Make the *change* of all who have one; a simulation is being opened."""
    overlay = Overlay(seed, chaos=chaos)
    _open.append(overlay)
    try:
        overlay.replace(uuid, "_last_timestamp", None)
        change(overlay)
    except BaseException:
        stop()
        raise


def quiet() -> list[Any]:
    """Return the locks of the innermost simulation at which there is nothing to choose."""
    return _open[-1]._quiet


def stop() -> None:
    """Undo the last `start`."""
    _open.pop().undo()


def apply_loaded() -> None:
    """Make the changes that wait for modules which are loaded by now, in each simulation."""
    for overlay in _open:
        overlay.apply_loaded()


def counter(name: str) -> Callable[[], int]:
    """Return what counts *name* in the innermost simulation, from 1 unless it is there already."""
    return _open[-1].counter(name)


def _change(change: Callable[[Any], None], name: str) -> None:
    try:
        change(sys.modules[name])
    except Exception as error:
        raise PluginError(
            f"what a plugin does when {name!r} is loaded failed: {error!r}\n"
            f"mend {change!r}, or unregister its plugin"
        ) from error


def _put_back(owner: Any, name: str, before: Any) -> None:
    if before is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


class _Shadow(ABCMeta):
    """Whose classes stand for their bases: what is one of these is one of those."""

    def __instancecheck__(cls, instance: Any) -> bool:
        base = vars(cls).get("_simclock_base")
        return super().__instancecheck__(instance) if base is None else isinstance(instance, base)

    def __subclasscheck__(cls, subclass: type) -> bool:
        base = vars(cls).get("_simclock_base")
        return super().__subclasscheck__(subclass) if base is None else issubclass(subclass, base)


def _make_numbered(base: Any, default_name: Callable[[], str] | None) -> type:
    class Numbered(base, metaclass=_Shadow):  # type: ignore[misc]
        __slots__ = ("_simclock_number",)
        _simclock_base = base

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            simulated = _native.simulated()
            # A foreign thread's objects must not take numbers: when it makes them is chance.
            self._simclock_number = _open[-1].next_number() if simulated else id(self)
            if default_name is not None and simulated and kwargs.get("name") is None:
                kwargs["name"] = default_name()
            super().__init__(*args, **kwargs)

        def __hash__(self) -> int:
            return self._simclock_number

    Numbered.__name__ = Numbered.__qualname__ = base.__name__
    Numbered.__module__ = base.__module__
    return Numbered
