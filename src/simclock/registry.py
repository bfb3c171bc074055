"""Who extends simclock: plugins come and go, and their hooks are called.

One manager for the process. The built-ins are registered like any other
plugin. Knows nothing of simulations: what a program needs to find
flavours is here, without them.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import itertools
from typing import TYPE_CHECKING, Any

import pluggy

from simclock import hookspecs
from simclock.errors import PluginError
from simclock.hookspecs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

_manager = pluggy.PluginManager(PROJECT)
_manager.add_hookspecs(hookspecs)
_loaded = False
# By the plugin's name: the number of its coming. Who comes again gets another one.
_comings: dict[str, int] = {}
_numbers = itertools.count(1)


def register(plugin: object, name: str | None = None) -> str:
    """Let *plugin* take part in every simulation that is opened from now on; return its name.

    What it may implement, and when it is asked, is in `simclock.hookspecs`.
    May be called at any time; one found through an entry point needs no call.

    Raises:
        PluginError: It implements no hook, an unknown one or a known one
            wrongly, or it is registered already.
    """
    called = name or str(getattr(plugin, "__name__", None) or type(plugin).__name__)
    if _manager.is_registered(plugin) or _manager.has_plugin(called):
        raise PluginError(
            f"plugin {called!r} is registered already\nregister it once, or give it another name"
        )
    try:
        _manager.register(plugin, called)
        _check(plugin, called)
    except BaseException as error:
        _manager.unregister(name=called)
        if not isinstance(error, pluggy.PluginValidationError):
            raise
        raise PluginError(
            f"plugin {called!r} is not as specified: {error}\nsee help('simclock.hookspecs')"
        ) from error
    _comings[called] = next(_numbers)
    return called


def unregister(plugin: object) -> None:
    """Undo `register`: *plugin* takes no part in simulations that are opened from now on.

    Raises:
        PluginError: It is not registered.
    """
    if not _manager.is_registered(plugin):
        raise PluginError(
            f"this plugin is not registered: {plugin!r}\ngive the object that was registered"
        )
    name = str(_manager.get_name(plugin))
    _manager.unregister(plugin)
    del _comings[name]


def comings() -> dict[str, int]:
    """Return who is registered, in order: by name, a number that no other coming has."""
    return _comings


def _check(plugin: object, name: str) -> None:
    known = [hook for hook in vars(hookspecs) if hook.startswith(f"{PROJECT}_")]
    callers = _manager.get_hookcallers(plugin) or []
    implemented = [caller.name for caller in callers]
    for caller in callers:
        if not caller.has_spec():
            close = difflib.get_close_matches(caller.name, known, n=1) or known
            raise PluginError(
                f"plugin {name!r} implements an unknown hook: {caller.name}\n"
                f"meant is perhaps {', '.join(close)}"
            )
        if any(i.wrapper or i.hookwrapper for i in caller.get_hookimpls()):
            raise PluginError(
                f"plugin {name!r} wraps {caller.name}: wrappers are not called\n"
                "implement the hook without wrapper=True"
            )
    for hook in known:
        if hook not in implemented and hasattr(plugin, hook):
            raise PluginError(
                f"plugin {name!r} has a {hook} that is not marked\nput @simclock.hookimpl above it"
            )
    if not implemented:
        raise PluginError(
            f"plugin {name!r} implements no hook\nimplement one of {', '.join(known)}"
        )


def load() -> None:
    """Register what other distributions announce, once."""
    global _loaded  # noqa: PLW0603
    if _loaded:
        return
    for entry in importlib.metadata.entry_points(group=PROJECT):
        if _manager.has_plugin(entry.name):
            continue
        try:
            plugin = entry.load()
        except Exception as error:
            raise PluginError(
                f"plugin {entry.name!r} ({entry.value}) cannot be loaded: {error!r}\n"
                "mend or uninstall the distribution that announces it"
            ) from error
        if not _manager.is_registered(plugin):
            register(plugin, entry.name)
    _loaded = True


def implementers(hook: str) -> list[str]:
    """Return the names of the plugins that implement *hook*, the last registered first."""
    return [impl.plugin_name for impl in reversed(getattr(_manager.hook, hook).get_hookimpls())]


def any_of(hook: str, **arguments: object) -> bool:
    """Return whether an implementation of *hook* returned True; the last registered is asked first.

    One that raises counts as one that did not.
    """
    for impl in reversed(getattr(_manager.hook, hook).get_hookimpls()):
        # It is asked on the way of another error, which goes on then.
        with contextlib.suppress(Exception):
            if impl.function(*(arguments[argument] for argument in impl.argnames)):
                return True
    return False


def answers(
    hook: str, *, only: str | None = None, **arguments: object
) -> Iterator[tuple[str, Any]]:
    """Yield each item that an implementation of *hook* returned, with its plugin's name.

    Raises:
        PluginError: An implementation raised, or returned no list.
    """
    for impl in reversed(getattr(_manager.hook, hook).get_hookimpls()):
        if only not in (None, impl.plugin_name):
            continue
        try:
            answer = impl.function(*(arguments[argument] for argument in impl.argnames))
        except Exception as error:
            raise PluginError(
                f"plugin {impl.plugin_name!r} failed in {hook}: {error!r}\n"
                "mend it, or unregister it"
            ) from error
        if not isinstance(answer, (list, tuple, type(None))):
            raise PluginError(
                f"plugin {impl.plugin_name!r} returned {answer!r} from {hook}\nreturn a list"
            )
        for item in answer or ():
            yield impl.plugin_name, item
