"""Run ordinary, unmodified Python threads in simulated time: hours pass at once, and repeatably.

    with simclock.Simulation() as sim:
        threading.Timer(3600, done.set).start()
        done.wait()
        print(sim.elapsed)  # 3600.0, at once

Inside the block every thread started from it sleeps, waits and reads the clock
in virtual time, one at a time; a deadlock is an error that names threads, locks
and stacks. `run` does so for one call.

In tests, the pytest plugin comes along: ``pytest --simclock`` runs a whole
suite so, ``@pytest.mark.simclock`` or the fixture ``sim`` one test. What has to
run for real does so in ``with sim.real_time():``.

What goes wrong is a `SimclockError`, whose last line says what to do next or
where to look; a wrong argument is a `TypeError` or a `ValueError`. Who wants to
extend simclock reads ``help("simclock.hookspecs")``. The documentation is in
``docs/index.md`` of the source, the options of the plugin in
``docs/reference/pytest.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._lazy import lazily
from simclock.errors import (
    Deadlock,
    Divergence,
    Escape,
    Leak,
    LimitReached,
    Livelock,
    PluginError,
    SimclockError,
    Stalled,
    Unsupported,
    Violation,
)
from simclock.faults import buggify
from simclock.hookspecs import hookimpl
from simclock.registry import register, unregister

if TYPE_CHECKING:
    from simclock._core.choices import Candidate, ChoicePoint
    from simclock._core.schedule import Schedule
    from simclock._core.threads import SimThread, ThreadState
    from simclock._core.trace import Record, Trace
    from simclock._explore.exploring import check, explore, replay
    from simclock._explore.outcomes import Outcome, Outcomes, outcomes
    from simclock._explore.report import Evidence, Failure, Report, ScheduleFailure
    from simclock._faults.control import Faults
    from simclock._faults.plans import Fault, FaultPlan
    from simclock._report.timeline import Timeline
    from simclock._strategies.base import Strategy
    from simclock.flavours.aio.loop import SimEventLoop
    from simclock.hosts import Host, Process
    from simclock.network import Network
    from simclock.simulation import Simulation, active, run

    __version__: str

__all__ = [  # noqa: RUF022 - what is used first comes first
    "Simulation",
    "run",
    "active",
    "explore",
    "replay",
    "check",
    "outcomes",
    "Report",
    "Failure",
    "Evidence",
    "Outcomes",
    "Outcome",
    "Timeline",
    "buggify",
    "Faults",
    "FaultPlan",
    "Fault",
    "Host",
    "Process",
    "Network",
    "Schedule",
    "Strategy",
    "ChoicePoint",
    "Candidate",
    "SimEventLoop",
    "SimclockError",
    "Deadlock",
    "Livelock",
    "LimitReached",
    "Stalled",
    "Escape",
    "Leak",
    "Divergence",
    "ScheduleFailure",
    "Violation",
    "Unsupported",
    "PluginError",
    "SimThread",
    "ThreadState",
    "Trace",
    "Record",
    "register",
    "unregister",
    "hookimpl",
]

# Not for type checkers: to them any name would be one of its.
if not TYPE_CHECKING:
    __getattr__ = lazily(
        __name__,
        {
            "Simulation": "simclock.simulation",
            "run": "simclock.simulation",
            "active": "simclock.simulation",
            "explore": "simclock._explore.exploring",
            "replay": "simclock._explore.exploring",
            "check": "simclock._explore.exploring",
            "outcomes": "simclock._explore.outcomes",
            "Outcome": "simclock._explore.outcomes",
            "Outcomes": "simclock._explore.outcomes",
            "Report": "simclock._explore.report",
            "Failure": "simclock._explore.report",
            "Evidence": "simclock._explore.report",
            "ScheduleFailure": "simclock._explore.report",
            "Timeline": "simclock._report.timeline",
            "Faults": "simclock._faults.control",
            "FaultPlan": "simclock._faults.plans",
            "Fault": "simclock._faults.plans",
            "Host": "simclock.hosts",
            "Process": "simclock.hosts",
            "Network": "simclock.network",
            "Schedule": "simclock._core.schedule",
            "Strategy": "simclock._strategies.base",
            "ChoicePoint": "simclock._core.choices",
            "Candidate": "simclock._core.choices",
            "SimEventLoop": "simclock.flavours.aio.loop",
            "SimThread": "simclock._core.threads",
            "ThreadState": "simclock._core.threads",
            "Trace": "simclock._core.trace",
            "Record": "simclock._core.trace",
        },
    )
