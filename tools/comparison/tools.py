"""The tools that are compared."""

from __future__ import annotations

import importlib.metadata
from typing import NamedTuple


class Tool(NamedTuple):
    """A tool.

    Attributes:
        name: Its function in the modules of `under`.
        label: What the tables call it.
        distribution: What to install.
        speed: What the page about speed calls it; empty if it is not there.
        purpose: What it is for, by its own documentation.
    """

    name: str
    label: str
    distribution: str
    speed: str
    purpose: str

    @property
    def version(self) -> str:
        """The installed version."""
        return importlib.metadata.version(self.distribution)


TOOLS = (
    Tool(
        "simclock",
        "simclock",
        "simclock",
        "simclock: a simulation",
        "runs threads, asyncio and trio on one virtual clock, and searches their schedules",
    ),
    Tool("freezegun", "freezegun", "freezegun", "", "sets and freezes the wall clock"),
    Tool("time_machine", "time-machine", "time-machine", "", "sets the wall clock, in C"),
    Tool(
        "looptime",
        "looptime",
        "looptime",
        "looptime",
        "lets the time of asyncio's loops jump, under pytest; not that of threads or of the wall",
    ),
    Tool(
        "async_solipsism",
        "async-solipsism",
        "async-solipsism",
        "async-solipsism",
        "is an event loop whose time jumps, with sockets of its own and nothing outside",
    ),
    Tool(
        "aiotools",
        "aiotools",
        "aiotools",
        "aiotools VirtualClock",
        "has `VirtualClock`, which lets a loop's time jump, among many other things for asyncio",
    ),
    Tool(
        "trio",
        "trio MockClock",
        "trio",
        "trio MockClock",
        "has a clock for tests that jumps when all tasks wait",
    ),
    Tool(
        "seedloop",
        "seedloop",
        "seedloop",
        "seedloop",
        "runs asyncio programs that speak by its transport, under seeds for network and faults",
    ),
    Tool(
        "simloop",
        "simloop",
        "simloop",
        "simloop",
        "runs asyncio programs under seeded schedules, on a simulated network",
    ),
    Tool(
        "simloom",
        "simloom",
        "simloom",
        "simloom",
        "runs asyncio programs under seeded or all schedules, in a simulated world",
    ),
    Tool(
        "frontrun",
        "frontrun",
        "frontrun",
        "",
        "explores the schedules of given functions in threads, tasks or processes, by bytecodes",
    ),
    Tool(
        "interleave_test",
        "interleave-test",
        "interleave-test",
        "",
        "explores the schedules of threads, by bytecodes or lines; sleeping takes no time in it",
    ),
    Tool(
        "hypothesis",
        "Hypothesis",
        "hypothesis",
        "",
        "draws and shrinks the data of tests; by itself it leaves time and schedules alone",
    ),
)
BY_NAME = {tool.name: tool for tool in TOOLS}
