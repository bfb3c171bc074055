"""A daemon for services of several concurrency libraries, in one runtime.

    @service(flavour=threading)
    class Beat:
        def run(self):
            while not stop_token().wait(5):
                print("beat")

    beat = Beat()
    runtime.accept()          # until shutdown(), SIGINT, SIGTERM or a failure

What the parts are: `service` makes the instances of a class services; a
`ServiceRunner` runs them, and other payloads that it adopts or executes;
`runtime` is the process' own runner, whose methods are also here by
themselves.
"""

from simclock.systems._shared.lifecycle import State, StopReport
from simclock.systems.services.failures import (
    BackgroundFailure,
    NotRunning,
    OrphanedReturn,
    PayloadCancelled,
    PayloadExit,
)
from simclock.systems.services.runner import (
    ServiceRunner,
    accept,
    adopt,
    execute,
    runtime,
    shutdown,
)
from simclock.systems.services.units import ServiceUnit, service
from simclock.systems.services.work import StopToken, stop_token

__all__ = [
    "BackgroundFailure",
    "NotRunning",
    "OrphanedReturn",
    "PayloadCancelled",
    "PayloadExit",
    "ServiceRunner",
    "ServiceUnit",
    "State",
    "StopReport",
    "StopToken",
    "accept",
    "adopt",
    "execute",
    "runtime",
    "service",
    "shutdown",
    "stop_token",
]
