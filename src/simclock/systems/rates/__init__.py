"""Run functions at constant rates: coroutines on an event loop, plain functions in threads.

    executor = RateExecutor(step, rate_hz=100.0)
    await executor.run(world)            # until executor.stop(), which any thread may call

    with Node("robot") as node:
        node.create_timer(0.001, control, mode="sync")
        node.spawn_thread(listen)        # listen(stop_event)
        node.spin(timeout=60)

Ticks lie on a fixed grid that does not drift. Errors are logged, to the logger
``simclock.systems.rates``, and the loop goes on.
"""

from simclock.systems.rates.asynchronous import (
    AsyncCallback,
    AsyncExecutor,
    BaseAsyncExecutor,
    RateExecutor,
)
from simclock.systems.rates.node import Node
from simclock.systems.rates.statistics import RateStatistics
from simclock.systems.rates.switch import AlreadyRunningError
from simclock.systems.rates.synchronous import SyncRateExecutor
from simclock.systems.rates.timers import NodeTimer

__all__ = [
    "AlreadyRunningError",
    "AsyncCallback",
    "AsyncExecutor",
    "BaseAsyncExecutor",
    "Node",
    "NodeTimer",
    "RateExecutor",
    "RateStatistics",
    "SyncRateExecutor",
]
