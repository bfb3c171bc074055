"""Concurrency libraries as plugins: found here, by programs as by the simulator.

    runner = flavours.get("trio").start()
    future = runner.adopt(fetch)       # in the background, from any thread
    value = runner.execute(compute)    # wait for it
    runner.close()

A flavour is named by its library's module. ``asyncio``, ``threading`` and
``trio`` are built in; others come by the hook ``simclock_flavours``. To import
this loads no simulator.
"""

from simclock.flavours.contract import (
    Flavour,
    PayloadFuture,
    Runner,
    WaitingTask,
    awaited,
    check_payload,
    name_of,
    stop_requested,
    stopped_by,
    tree,
)
from simclock.flavours.finding import get, registered, running
from simclock.flavours.loops import LoopRunner
from simclock.flavours.sites import site_of

__all__ = [
    "Flavour",
    "LoopRunner",
    "PayloadFuture",
    "Runner",
    "WaitingTask",
    "awaited",
    "check_payload",
    "get",
    "name_of",
    "registered",
    "running",
    "site_of",
    "stop_requested",
    "stopped_by",
    "tree",
]
