"""Which flavours there are."""

from __future__ import annotations

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


# What `registered` found, and who was registered then.
_found: dict[str, Flavour] = {}
_asked: dict[str, int] = {}
_NEEDED = ("name", "is_async", "start", "sleep", "is_running", "in_thread")


def registered() -> dict[str, Flavour]:
    """Return every flavour by its name, the built-in ones first.

    Raises:
        PluginError: A plugin returned what is none, or a name is taken.
    """
    registry.load()
    if _asked != registry.comings():
        present = dict(registry.comings())
        found = _ask()
        _found.clear()
        _found.update(found)
        _asked.clear()
        _asked.update(present)
    return dict(_found)


def _ask() -> dict[str, Flavour]:
    found: dict[str, Flavour] = {}
    for plugin in list(registry.comings()):
        for _, flavour in registry.answers("simclock_flavours", only=plugin):
            _check(plugin, flavour, found)
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
    return next((each for each in registered().values() if each.is_running()), None)


registry.register(BuiltIn(), "flavours")
