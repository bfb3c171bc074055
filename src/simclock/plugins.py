"""What plugins gave to the process and to its simulations.

Rows, wall clocks and models of processes are there once; who observes a run is asked for each.
"""

from __future__ import annotations

import importlib.util
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock import registry
from simclock._boundary import freezing, rows, table, travelling
from simclock._boundary.active import kernels
from simclock._processes.models import RealProcesses, SimulatedProcesses
from simclock.errors import PluginError, Unsupported
from simclock.flavours import tree
from simclock.flavours.aio.simulated import Asyncio
from simclock.flavours.threads import Threading
from simclock.flavours.triolib.simulated import Trio
from simclock.hookspecs import hookimpl
from simclock.registry import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simclock._boundary.rows import Row
    from simclock._boundary.wallclock import WallClock
    from simclock._core.threads import SimThread
    from simclock._core.trace import Observer
    from simclock._processes.models import ProcessModel
    from simclock.lowlevel import Overlay


BOUNDARY = "boundary"
# What a `WallClock` has.
CLOCK_PARTS = ("name", "start", "stop", "read_ns")
# What a `ProcessModel` has.
MODEL_PARTS = ("name", "change")


class Boundary:
    """The built-in rows, wall clocks and models of processes."""

    @hookimpl
    def simclock_boundary_rows(self) -> list[Row]:
        """Return the table."""
        return table.REDIRECTED

    @hookimpl
    def simclock_wall_clocks(self) -> list[type[WallClock]]:
        """Return the clocks that simclock comes with."""
        return [travelling.TimeMachine, freezing.Freezegun]

    @hookimpl
    def simclock_process_models(self) -> list[type[ProcessModel]]:
        """Return the models that simclock comes with."""
        return [RealProcesses, SimulatedProcesses]


# In this order each takes part in a simulation. By name: a plugin of somebody else may have come
# first, and have one of these.
BUILT_IN: dict[str, object] = {
    BOUNDARY: Boundary(),
    "simulated threading": Threading(),
    "simulated asyncio": Asyncio(),
    "simulated trio": Trio(),
}


class _Given(NamedTuple):
    """What a plugin gave to the process, when it came for the time *coming*."""

    coming: int
    rows: list[Row]
    wall_clocks: list[type[WallClock]]
    process_models: list[type[ProcessModel]]


# Who was registered when `prepare` last asked.
_asked: dict[str, int] = {}
# By the plugin's name, in order of registration.
_given: dict[str, _Given] = {}


# ---------------------------------------------------- what belongs to the process


def prepare() -> None:
    """Redirect what the plugins want redirected, as they are now, and what waited to be loaded.

    Asks nobody while a simulation is open: its built-ins are in use.
    """
    if rows.claim():
        _given.clear()
        _asked.clear()
    if not kernels:
        registry.load()
        if _asked != registry.comings():
            _take_all()
    rows.redirect_loaded()


def _take_all() -> None:
    """Take from those who have gone, and ask those who have come."""
    # Before anybody is asked: who registers another one meanwhile means the next opening.
    present = dict(registry.comings())
    _asked.clear()  # if this fails half-way, it is to be done again
    for name in [name for name, given in _given.items() if present.get(name) != given.coming]:
        rows.release(_given.pop(name).rows)
    # The built-ins first, whenever they were registered: whose row is there already is the other.
    for name, coming in sorted(present.items(), key=lambda item: item[0] != BOUNDARY):
        if name not in _given:
            _given[name] = _take(name, coming)
    _asked.update(present)


def _take(name: str, coming: int) -> _Given:
    """Ask a plugin that is new for what belongs to the process."""
    clocks, models = list(_wall_clocks_of(name)), list(_process_models_of(name))
    found = [row for _, row in answers("simclock_boundary_rows", only=name)]
    for row in found:
        if not isinstance(row, rows.Row):
            raise PluginError(
                f"plugin {name!r} returned {row!r} from simclock_boundary_rows\n"
                "return a list of simclock.lowlevel.Row"
            )
        module = rows.module_of(row)
        if name != BOUNDARY and importlib.util.find_spec(module) is None:
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
        if name == BOUNDARY:
            raise
        reason = str(error).partition("\n")[0]
        raise PluginError(
            f"plugin {name!r}: {reason}\nmend the row, or unregister the plugin"
        ) from error
    return _Given(coming, found, clocks, models)


def _names(given: _Given) -> set[str]:
    return {row.name for row in given.rows if row.replacement is not None and row.present}


def _wall_clocks_of(name: str) -> Iterator[Any]:
    taken = {clock.name: n for n, given in _given.items() for clock in given.wall_clocks}
    return _named_by(name, "simclock_wall_clocks", "wall clock", CLOCK_PARTS, taken)


def _process_models_of(name: str) -> Iterator[Any]:
    taken = {model.name: n for n, given in _given.items() for model in given.process_models}
    return _named_by(name, "simclock_process_models", "process model", MODEL_PARTS, taken)


def _named_by(
    plugin: str, hook: str, what: str, parts: tuple[str, ...], taken: dict[str, str]
) -> Iterator[Any]:
    """Yield the classes that *plugin* gave, to be chosen by names that are not *taken*."""
    for _, given in answers(hook, only=plugin):
        if not (callable(given) and all(hasattr(given, part) for part in parts)):
            raise PluginError(
                f"plugin {plugin!r} returned {given!r} from {hook}\n"
                f"return a list of classes with {', '.join(parts)}"
            )
        if given.name in taken:
            raise PluginError(
                f"plugin {plugin!r} has a {what} {given.name!r}: "
                f"plugin {taken[given.name]!r} has one already\ngive it another name"
            )
        taken[given.name] = plugin
        yield given


def wall_clock(name: str) -> type[WallClock]:
    """Return the wall clock called *name*. To be called after `prepare`."""
    known = {clock.name: clock for given in _given.values() for clock in given.wall_clocks}
    if name not in known:
        raise ValueError(f"unknown wall clock: {name!r}\nchoose one of {', '.join(known)}")
    return known[name]


def process_model(name: str) -> type[ProcessModel]:
    """Return the model of processes called *name*. To be called after `prepare`."""
    known = {model.name: model for given in _given.values() for model in given.process_models}
    if name not in known:
        raise ValueError(f"unknown process model: {name!r}\nchoose one of {', '.join(known)}")
    return known[name]


# ------------------------------------------------------------- during a simulation


def has_trace_observers() -> bool:
    """Return whether anybody might want to see records."""
    return bool(registry.implementers("simclock_trace_observers"))


def trace_observers(simulation: object) -> list[Observer]:
    """Return what is to see each record of *simulation*, each with a name for errors."""
    found = []
    for name, observer in answers("simclock_trace_observers", simulation=simulation):
        if not callable(observer):
            raise PluginError(
                f"plugin {name!r} returned {observer!r} from simclock_trace_observers\n"
                "return a list of functions that take a Record"
            )
        called = getattr(observer, "__qualname__", type(observer).__qualname__)
        found.append((f"{called} of plugin {name!r}", observer))
    return found


def simulate(overlay: Overlay, model: ProcessModel) -> None:
    """Let plugins change their libraries for a simulation, in order of registration.

    And *model* at last.
    """
    hook = "simclock_simulate"
    # The built-ins first, whenever they were registered.
    names = registry.implementers(hook)[::-1]
    names.sort(key=lambda name: name not in BUILT_IN)
    for name in names:
        list(answers(hook, only=name, overlay=overlay))
    model.change(overlay)


def describe_deadlock(simulation: object, threads: Sequence[SimThread]) -> list[str]:
    """Return what plugins say about a deadlock. Raises only what is to end the program."""
    return _say("simclock_describe_deadlock", _lines, simulation=simulation, threads=threads)


def describe_thread(thread: SimThread) -> list[str]:
    """Return what the tasks in *thread* wait for. Raises only what is to end the program."""
    return _say("simclock_waiting_tasks", tree, ident=thread.ident)


def _lines(texts: Iterable[object]) -> list[str]:
    return [line for text in texts for line in str(text).splitlines()]


def _say(hook: str, show: Callable[[list[Any]], list[str]], **arguments: object) -> list[str]:
    """Return what plugins say in an error; one that fails says that, and does not hide it."""
    lines: list[str] = []
    for name in registry.implementers(hook):
        try:
            lines += show([said for _, said in answers(hook, only=name, **arguments)])
        except PluginError as error:
            lines.append(str(error).partition("\n")[0])
        except Exception as error:  # noqa: BLE001 - the first error is what must be told
            lines.append(f"plugin {name!r} returned something else from {hook}: {error!r}")
    return lines


def tell_task(error: BaseException) -> bool:
    """Let a task in the calling thread raise *error*; return whether one does."""
    return registry.any_of("simclock_tell_task", error=error, ident=get_ident())


for _name, _plugin in BUILT_IN.items():
    registry.register(_plugin, _name)
