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
    from simclock.lowlevel import Row, WallClock

PROJECT = "simclock"

hookspec = pluggy.HookspecMarker(PROJECT)
# Marks an implementation: a function named like the hook.
hookimpl = pluggy.HookimplMarker(PROJECT)


# ------------------------------------------------------------------- process
#
# What belongs to the process, not to a run: built-ins and wall clocks are there once.


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


# ----------------------------------------------------------------------- run


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
