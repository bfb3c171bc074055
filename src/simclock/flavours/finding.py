"""Which flavours there are."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import TYPE_CHECKING

from simclock import registry
from simclock.errors import PluginError
from simclock.flavours.asyncio import Asyncio
from simclock.flavours.threading import Threading
from simclock.flavours.trio import Trio
from simclock.hookspecs import hookimpl

if TYPE_CHECKING:
    from simclock.flavours.contract import Flavour


class BuiltIn:
    """The flavours that simclock comes with, as a plugin like any other."""

    @hookimpl
    def simclock_flavours(self) -> list[Flavour]:
        """Return one for each library."""
        return [Asyncio(), Threading(), Trio()]


# By plugin and the number of its coming: what it gave.
_given: dict[tuple[str, int], list[Flavour]] = {}
_lock = threading.RLock()
_NEEDED = ("name", "is_async", "start", "sleep", "is_running", "in_thread")


def registered() -> dict[str, Flavour]:
    """Return every flavour by its name, the built-in ones first.

    Raises:
        PluginError: A plugin returned what is none, or a name is taken.
    """
    registry.load()
    found: dict[str, Flavour] = {}
    with _lock:
        present = list(registry.comings().items())
        for gone in _given.keys() - set(present):
            del _given[gone]
        for key in present:
            if key not in _given:
                _given[key] = [f for _, f in registry.answers("simclock_flavours", only=key[0])]
            for flavour in _given[key]:
                _check(key[0], flavour, found)
                found[flavour.name] = flavour
    return found


def _check(plugin: str, flavour: Flavour, found: dict[str, Flavour]) -> None:
    missing = [part for part in _NEEDED if not hasattr(flavour, part)]
    if missing:
        raise PluginError(
            f"plugin {plugin!r} returned {flavour!r} from simclock_flavours, "
            f"which has no {', '.join(missing)}\n"
            "return a list of objects of simclock.flavours.Flavour"
        )
    if flavour.name in found:
        raise PluginError(
            f"plugin {plugin!r} has a flavour {flavour.name!r}: there is one already\n"
            "give it the name of its library's module, or unregister one of the two"
        )


def get(flavour: str | ModuleType) -> Flavour:
    """Return a flavour by its name, or by its library's module.

    Raises:
        LookupError: There is none.
    """
    name = flavour.__name__ if isinstance(flavour, ModuleType) else flavour
    known = registered()
    if name not in known:
        raise LookupError(
            f"unknown flavour: {flavour!r}\n"
            f"choose one of {', '.join(known)}, or register a plugin that has it"
        )
    return known[name]


def running() -> Flavour | None:
    """Return the flavour that the caller is a task of, or None."""
    known = registered().values()
    return next((each for each in known if each.is_async and each.is_running()), None)


registry.register(BuiltIn(), "flavours")
