"""What a plugin may add to simclock: the docstring of each hook is its specification.

A plugin is any object (a module, an instance) whose implementations carry
`hookimpl`. It is registered with `simclock.register`, or found by itself
through an entry point of the group ``simclock``. Every built-in is registered
through the same hooks.

An implementation may leave out arguments that it does not need. ``None``
means the same as an empty list. Wrappers are refused: each implementation is
called by itself, so that an error can name its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simclock._core.threads import SimThread
    from simclock._core.trace import Record
    from simclock._strategies.base import Strategy
    from simclock.flavours import Flavour, WaitingTask
    from simclock.lowlevel import Overlay, ProcessModel, Row, WallClock

PROJECT = "simclock"

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
# Marks an implementation: a function named like the hook.
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


# ------------------------------------------------------------------- process
#
# What belongs to the process, not to a run: built-ins, wall clocks, models of processes and
# flavours are there once.


@hookspec
def simclock_boundary_rows() -> list[Row] | None:
    """Return rows for further built-ins that are to be redirected.

    Called once for each plugin, when the first simulation is opened after its
    registration (one that is not opened inside another), by the thread that
    opens it, in real time; plugins in order of their registration. From then
    on the built-ins are redirected in every simulation, until the plugin is
    unregistered: then from the next such opening on they are not.

    A replacement is called with the arguments of the built-in, in the
    simulated thread, in the kernel: redirected calls that it makes are the
    original ones. To wait in virtual time it uses `simclock.lowlevel`. What it
    raises is raised by the call. Where it does not take the arguments, the
    original is called, to say so.

    A row whose built-in is no function or method written in C, is not there,
    or is redirected already raises `PluginError` at the opening, and none of
    the plugin's rows counts. One whose module is not loaded waits until it is;
    what is wrong with it is `Unsupported` then.
    """


@hookspec
def simclock_wall_clocks() -> list[type[WallClock]] | None:
    """Return classes of wall clocks that ``Simulation(wall_clock=name)`` may choose.

    Called when `simclock_boundary_rows` is. A class is called without
    arguments, once for each simulation that uses it; what it must have is
    said in `simclock.lowlevel.WallClock`. A class that lacks some of it, or
    whose name is taken, raises `PluginError` at the opening.
    """


@hookspec
def simclock_process_models() -> list[type[ProcessModel]] | None:
    """Return models of processes that ``Simulation(processes=name)`` may choose.

    Called when `simclock_boundary_rows` is. A class is called without
    arguments, once for each simulation that uses it; what it must have is
    said in `simclock.lowlevel.ProcessModel`. A class that lacks some of it, or
    whose name is taken, raises `PluginError` at the opening.

    The built-in ``"real"`` changes nothing; with ``"simulated"``, processes of
    `multiprocessing` are groups of simulated threads.
    """


@hookspec
def simclock_flavours() -> list[Flavour] | None:
    """Return flavours: concurrency libraries whose payloads programs may run.

    Called once for each plugin, when somebody first looks for a flavour after
    its registration; plugins in order of their registration. No simulator need
    be loaded then, and should not be: what the other hooks need of
    `simclock.lowlevel` is imported inside of them. What a flavour must have is
    said in `simclock.flavours.Flavour`. One that lacks some of it, or whose
    name is taken, raises `PluginError`.
    """


# ----------------------------------------------------------------------- run


@hookspec
def simclock_strategies() -> list[type[Strategy]] | None:
    """Return strategies that may be chosen by name: subclasses of `simclock.Strategy`.

    Called whenever a search begins, in real time. Keyword-only parameters of
    the class that are annotated as whole numbers, numbers or texts are its
    options: ``--simclock-strategy=name:option=value``.

    A name that is taken raises `PluginError` in ``simclock.explore``, and so
    does what the strategy raises there, or a choice that there is not.
    """


@hookspec
def simclock_simulate(overlay: Overlay) -> None:
    """Make a library fit for a simulation: the same order in each run, its caches apart.

    Called for each simulation, while it is being opened, by the thread that
    opens it, in real time; plugins in order of their registration, the
    built-in ones for ``threading``, ``asyncio`` and ``trio`` first. *overlay*
    is a `simclock.lowlevel.Overlay`: what is replaced through it is put back
    at the end, and a library that is not loaded yet is waited for.
    """


@hookspec
def simclock_trace_observers(
    simulation: Any,
) -> list[Callable[[Record], object]] | None:
    """Return functions that are to see each record of *simulation*'s trace.

    Called once for each simulation, while it is being opened and before its
    first record, by the thread that opens it; the last registered plugin
    first. *simulation* is a `Simulation` to be kept for later: nothing runs in
    it yet.

    An observer is called with a `Record` right after it was added, in the
    kernel, by the thread that has the baton; for the ``fail`` of a `Stalled`
    it is the watchdog's. It must not wait, and takes no virtual time; the
    trace and its digest are the same with or without it. If it raises, it is
    called no more, and the run fails with a `PluginError` that names it.

    Without observers a record costs what it cost before.
    """


# ------------------------------------------------------------------- failure


@hookspec
def simclock_waiting_tasks(ident: int) -> list[WaitingTask] | None:
    """Return the tasks that have not ended in a thread, each a `simclock.flavours.WaitingTask`.

    Called for each thread that an error shows. *ident* is what
    ``threading.get_ident()`` returns in it. It stands still meanwhile, but in a
    report of `Stalled`, which the watchdog's thread makes. In the kernel, by the
    thread that has found the error: it must not wait. The same order in each
    run. One that raises is named in the report.
    """


@hookspec
def simclock_tell_task(error: BaseException, ident: int) -> bool | None:
    """Let a task of the loop that runs in a thread raise *error*; return whether one will.

    Called when the thread that opened the simulation is to raise what the
    kernel has found, for the first time, at a wait of its own: for loops that
    would not survive that, or would leave behind the task that it is about. In
    the kernel, by that thread, whose ``threading.get_ident()`` is *ident*; the
    last registered plugin first, until one returns True; one that raises counts
    as one that did not. It must not wait, and
    has to see to it that the loop goes on. Not needed for a loop that lets an
    exception of its wait through and closes its tasks.
    """


@hookspec
def simclock_describe_deadlock(simulation: Any, threads: Sequence[SimThread]) -> list[str] | None:
    """Return lines to be added to the report of a deadlock.

    Called when *simulation* has come to a deadlock, before `Deadlock` is
    raised, in the kernel, by the thread that found it; the last registered
    plugin first. *threads* are those that can never run again, in order of
    their start. It must not wait.

    An implementation that raises is named in the report; it never hides the
    deadlock. Only ``KeyboardInterrupt`` and ``SystemExit`` go through, to the
    wait of the thread that opened the simulation.
    """
