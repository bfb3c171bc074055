"""Which classes may be restored by their names: those of modules that are registered."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# Names come from files and from other machines: to import any of them would run anybody's code.
_prefixes = {"simclock.systems.eventflow."}


def register_type_prefix(prefix: str) -> None:
    """Let classes be restored whose full names begin with *prefix*, such as ``"shop."``.

    Raises:
        ValueError: It does not end with a dot: ``"shop"`` would allow ``shoplift`` too.
    """
    if not prefix.endswith(".") or not prefix.strip("."):
        raise ValueError(
            f"a prefix of types must end with a dot: {prefix!r}\n"
            f"give the name of a package and a dot, such as {prefix.strip('.') or 'shop'!r} + '.'"
        )
    _prefixes.add(prefix)


def name_of(cls: type) -> str:
    """Return the full name by which *cls* is restored."""
    return f"{cls.__module__}.{cls.__qualname__}"


def class_named(name: str) -> type:
    """Return the class of a full name.

    Raises:
        ValueError: It may not be restored, or there is none of this name.
    """
    if not name.startswith(tuple(_prefixes)):
        raise ValueError(
            f"this class may not be restored: {name}\n"
            "import it and use its own from_dict(), or call register_type_prefix() for its package"
        )
    found = _found(name)
    if not isinstance(found, type):
        raise ValueError(  # noqa: TRY004 - a value of the text
            f"no class has this name: {name}\nit may have moved; those of functions have no name"
        )
    return found


def _found(name: str) -> Any:
    """Return what *name* names; nested classes have several names after their module's."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = _module(".".join(parts[:length]))
        if module is not None:
            found = module
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found
    return None


def _module(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        # The module is there; what it imports is not.
        raise
