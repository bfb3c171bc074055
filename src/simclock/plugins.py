"""Who extends simclock, and what each of them gave.

One manager for the process. The built-ins are a plugin like any other, and
the first.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from simclock import hookspecs
from simclock._boundary import freezing, rows, table, travelling
from simclock._boundary.active import kernels
from simclock.errors import PluginError, Unsupported
from simclock.hookspecs import PROJECT, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simclock._boundary.rows import Row
    from simclock._boundary.wallclock import WallClock
    from simclock._core.threads import SimThread
    from simclock._core.trace import Observer

BUILT_IN = "boundary"
# What a `WallClock` has.
CLOCK_PARTS = ("name", "start", "stop", "read_ns")


class Boundary:
    """The built-in rows and wall clocks."""

    @hookimpl
    def simclock_boundary_rows(self) -> list[Row]:
        """Return the table."""
        return table.REDIRECTED

    @hookimpl
    def simclock_wall_clocks(self) -> list[type[WallClock]]:
        """Return the clocks that simclock comes with."""
        return [travelling.TimeMachine, freezing.Freezegun]


class _Given(NamedTuple):
    """What a plugin gave to the process."""

    plugin: object
    rows: list[Row]
    wall_clocks: list[type[WallClock]]


_manager = pluggy.PluginManager(PROJECT)
_manager.add_hookspecs(hookspecs)
_loaded = False
# Whether somebody came or went since `prepare` was last done.
_changed = True
# Stands for a plugin that was unregistered.
_GONE = object()
# By the plugin's name, in order of registration.
_given: dict[str, _Given] = {}


# ------------------------------------------------------------ coming and going


def register(plugin: object, name: str | None = None) -> str:
    """Let *plugin* take part in every simulation that is opened from now on; return its name.

    What it may implement, and when it is asked, is in `simclock.hookspecs`.
    May be called at any time; one found through an entry point needs no call.

    Raises:
        PluginError: It implements no hook, an unknown one or a known one
            wrongly, or it is registered already.
    """
    global _changed  # noqa: PLW0603
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
    _changed = True
    return called


def unregister(plugin: object) -> None:
    """Undo `register`: *plugin* takes no part in simulations that are opened from now on.

    Raises:
        PluginError: It is not registered.
    """
    global _changed  # noqa: PLW0603
    if not _manager.is_registered(plugin):
        raise PluginError(
            f"this plugin is not registered: {plugin!r}\ngive the object that was registered"
        )
    name = str(_manager.get_name(plugin))
    _manager.unregister(plugin)
    if name in _given:
        # Until the next opening its rows are there, and then they are taken away: also if the
        # same plugin has come again.
        _given[name] = _given[name]._replace(plugin=_GONE)
    _changed = True


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


def _load() -> None:
    """Register what other distributions announce."""
    global _loaded  # noqa: PLW0603
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


# ---------------------------------------------------- what belongs to the process


def prepare() -> None:
    """Redirect what the plugins want redirected, as they are now, and what waited to be loaded.

    Asks nobody while a simulation is open: its built-ins are in use.
    """
    global _changed  # noqa: PLW0603
    if rows.claim():
        _given.clear()
        _changed = True
    if _changed and not kernels:
        _ask()
    rows.redirect_loaded()


def _ask() -> None:
    global _changed  # noqa: PLW0603
    if not _loaded:
        _load()
    # Before anybody is asked: who registers another one meanwhile means the next opening.
    _changed = False
    try:
        _take_all()
    except BaseException:
        _changed = True
        raise


def _take_all() -> None:
    """Take from those who have gone, and ask those who have come."""
    present = dict(_manager.list_name_plugin())
    for name in [name for name, given in _given.items() if present.get(name) is not given.plugin]:
        rows.release(_given.pop(name).rows)
    for name, plugin in present.items():
        if name not in _given:
            _given[name] = _take(name, plugin)


def _take(name: str, plugin: object) -> _Given:
    """Ask a plugin that is new for what belongs to the process."""
    clocks = list(_wall_clocks_of(name))
    found = [row for _, row in _answers("simclock_boundary_rows", only=name)]
    for row in found:
        if not isinstance(row, rows.Row):
            raise PluginError(
                f"plugin {name!r} returned {row!r} from simclock_boundary_rows\n"
                "return a list of simclock.lowlevel.Row"
            )
        module = rows.module_of(row)
        if name != BUILT_IN and importlib.util.find_spec(module) is None:
            raise PluginError(
                f"plugin {name!r} cannot redirect {row.name}: there is no module {module!r}\n"
                "mend the row, or unregister the plugin"
            )
        owner = next((n for n, given in _given.items() if row.name in _names(given)), None)
        if owner is not None:
            raise PluginError(
                f"plugin {name!r} cannot redirect {row.name}: plugin {owner!r} does already\n"
                "take the row out of one of them"
            )
    try:
        rows.redirect(found)
    except Unsupported as error:
        if name == BUILT_IN:
            raise
        reason = str(error).partition("\n")[0]
        raise PluginError(
            f"plugin {name!r}: {reason}\nmend the row, or unregister the plugin"
        ) from error
    return _Given(plugin, found, clocks)


def _names(given: _Given) -> set[str]:
    return {row.name for row in given.rows if row.replacement is not None and row.present}


def _wall_clocks_of(name: str) -> Iterator[Any]:
    taken = {clock.name: n for n, given in _given.items() for clock in given.wall_clocks}
    for _, clock in _answers("simclock_wall_clocks", only=name):
        if not (callable(clock) and all(hasattr(clock, part) for part in CLOCK_PARTS)):
            raise PluginError(
                f"plugin {name!r} returned {clock!r} from simclock_wall_clocks\n"
                f"return a list of classes with {', '.join(CLOCK_PARTS)}"
            )
        if clock.name in taken:
            raise PluginError(
                f"plugin {name!r} has a wall clock {clock.name!r}: "
                f"plugin {taken[clock.name]!r} has one already\ngive it another name"
            )
        taken[clock.name] = name
        yield clock


def wall_clock(name: str) -> type[WallClock]:
    """Return the wall clock called *name*. To be called after `prepare`."""
    known = {clock.name: clock for given in _given.values() for clock in given.wall_clocks}
    if name not in known:
        raise ValueError(f"unknown wall clock: {name!r}\nchoose one of {', '.join(known)}")
    return known[name]


# ------------------------------------------------------------- during a simulation


def has_trace_observers() -> bool:
    """Return whether anybody might want to see records."""
    return bool(_manager.hook.simclock_trace_observers.get_hookimpls())


def trace_observers(simulation: object) -> list[Observer]:
    """Return what is to see each record of *simulation*, each with a name for errors."""
    found = []
    for name, observer in _answers("simclock_trace_observers", simulation=simulation):
        if not callable(observer):
            raise PluginError(
                f"plugin {name!r} returned {observer!r} from simclock_trace_observers\n"
                "return a list of functions that take a Record"
            )
        called = getattr(observer, "__qualname__", type(observer).__qualname__)
        found.append((f"{called} of plugin {name!r}", observer))
    return found


def describe_deadlock(simulation: object, threads: Sequence[SimThread]) -> list[str]:
    """Return what plugins say about a deadlock. Raises only what is to end the program."""
    lines: list[str] = []
    hook = "simclock_describe_deadlock"
    for name in _implementers(hook):
        try:
            said = _answers(hook, only=name, simulation=simulation, threads=threads)
            lines += [line for _, text in said for line in str(text).splitlines()]
        except Exception as error:  # noqa: BLE001 - the deadlock is what must be told
            lines.append(str(error).partition("\n")[0])
    return lines


def _implementers(hook: str) -> list[str]:
    """Return the names of the plugins that implement *hook*, in pluggy's order of calls."""
    return [impl.plugin_name for impl in reversed(getattr(_manager.hook, hook).get_hookimpls())]


def _answers(
    hook: str, *, only: str | None = None, **arguments: object
) -> Iterator[tuple[str, Any]]:
    """Yield each item that an implementation of *hook* returned, with its plugin's name."""
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


register(Boundary(), BUILT_IN)
