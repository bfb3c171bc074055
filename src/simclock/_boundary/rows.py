"""A row of the boundary: one built-in and what happens to it in a simulated thread."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from simclock._boundary import _native, worlds
from simclock.errors import Unsupported

Original = Callable[..., Any]


class Row(NamedTuple):
    """One built-in.

    Attributes:
        name: Module and qualified name, as in ``_thread.LockType.acquire``.
        status: ``simulated`` (goes to the kernel), ``held`` (runs for real
            while the clock stands still) or ``escape`` (an `Escape` error).
        note: What happens instead, for the table.
        replacement: Called with the built-in's arguments; None if it is not redirected.
        kind: Which short answer there is in C.
        since: First Python version that has it.
        until: First Python version that has it no more.
    """

    name: str
    status: str
    note: str
    replacement: Callable[..., Any] | None = None
    kind: int = _native.PLAIN
    since: tuple[int, int] = (3, 10)
    until: tuple[int, int] = (4, 0)

    @property
    def present(self) -> bool:
        """Whether this Python has it."""
        return self.since <= sys.version_info < self.until


# Filled by `redirect`: the original of each redirected row, callable by the kernel.
originals: dict[str, Original] = {}
# Rows whose module is not loaded, by its name: we load none for a program that does not use it.
_waiting: dict[str, list[Row]] = {}


# What looking a built-in up and redirecting it may raise.
_REFUSALS = (TypeError, LookupError, AttributeError, ImportError, ValueError, RuntimeError)


def claim() -> bool:
    """Make the redirection this import's; return whether all is to be redirected anew."""
    try:
        changed = _native.claim(originals)
    except RuntimeError as error:
        raise Unsupported(f"cannot simulate: {error}\nclose that one first") from error
    if changed:
        _waiting.clear()
    return changed


def redirect(rows: Iterable[Row]) -> None:
    """Make a slot for each row that this Python has, or let it wait for its module.

    If one cannot be made, those before it are released again.
    """
    done: list[Row] = []
    for row in rows:
        if row.present and row.replacement is not None:
            module = module_of(row)
            if loaded(module):
                try:
                    _redirect(row)
                except Unsupported:
                    release(done)
                    raise
            else:
                _waiting.setdefault(module, []).append(row)
            done.append(row)


def redirect_loaded() -> None:
    """Make the slots of rows that waited for a module which is loaded by now.

    While a simulation is open, they are redirected at once.
    """
    # Few are loaded, if any: at each opening this must take next to no time.
    for module in _waiting.keys() & sys.modules.keys():
        if not loaded(module):
            continue
        rows = _waiting[module]
        while rows:
            _redirect(rows[0])
            del rows[0]
        del _waiting[module]


def release(rows: Iterable[Row]) -> None:
    """Undo `redirect`: from the next simulation on these built-ins are what they were."""
    for row in rows:
        if row.name in originals:
            _native.release(originals.pop(row.name))
        elif row in _waiting.get(module_of(row), ()):
            _waiting[module_of(row)].remove(row)


def loaded(module: str) -> bool:
    """Return whether a module has been imported, to its end."""
    found = sys.modules.get(module)
    spec = getattr(found, "__spec__", None)
    return found is not None and not getattr(spec, "_initializing", False)


def module_of(row: Row) -> str:
    """Return the name of the module that has the built-in."""
    return row.name.partition(".")[0]


def _redirect(row: Row) -> None:
    assert row.replacement is not None
    try:
        builtin = _find(row.name)
        originals[row.name] = _native.redirect(builtin, row.replacement, row.kind)
    except _REFUSALS as error:
        version = ".".join(map(str, sys.version_info[:3]))
        raise Unsupported(
            f"cannot redirect {row.name} of Python {version}: {error}\n"
            "use a Python version that simclock supports, or report this line"
        ) from error


def _find(name: str) -> Any:
    """Return a built-in by name; methods as they are in their type, unbound."""
    module_name, *path, last = name.split(".")
    owner: Any = importlib.import_module(module_name)
    for part in path:
        owner = getattr(owner, part)
    if not hasattr(owner, "__dict__"):
        owner = type(owner())  # `select.poll` is a function that makes objects of a nameless type
    return worlds.builtin(last) if owner is time else vars(owner)[last]
