"""What trio's tasks wait for."""

from __future__ import annotations

from typing import Any

from simclock.flavours.contract import WaitingTask
from simclock.flavours.sites import Sites
from simclock.flavours.triolib.loops import in_order, running


def waiting(ident: int) -> list[WaitingTask]:
    """Return the tasks of the loop in a thread, below their parents, in order of creation."""
    runner = running(ident)
    if runner is None:
        return []
    sites = Sites("trio")
    # What programs have started beside the main task; trio's own system tasks are elsewhere.
    others = in_order(runner.system_nursery.child_tasks)
    return [_of(task, sites) for task in (runner.main_task, *others)]


def _of(task: Any, sites: Sites) -> WaitingTask:
    children = [
        _of(child, sites)
        for nursery in task.child_nurseries
        for child in in_order(nursery.child_tasks)
    ]
    return WaitingTask(_name_of(task), sites.of_coroutine(task.coro), children)


def _name_of(task: Any) -> str:
    """Return the name of a task without where its function is."""
    frame = getattr(task.coro, "cr_frame", None)
    module = "" if frame is None else f"{frame.f_globals.get('__name__')}."
    return str(task.name).removeprefix(module).rpartition(".<locals>.")[2]
