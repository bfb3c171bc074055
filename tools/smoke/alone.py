"""A day in simulated time: threads, an event loop, a deadlock, a search; and what is shipped."""

from __future__ import annotations

import asyncio
import importlib.resources
import platform
import threading
import time

import simclock
from simclock.systems.rates import SyncRateExecutor


def waits_for_hours():
    """Show that time passes at once, and exactly."""
    log = []

    def worker():
        for _ in range(3):
            time.sleep(3600)
            log.append(sim.elapsed)

    began = time.perf_counter()
    with simclock.Simulation() as sim:
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join()
        asyncio.run(asyncio.sleep(3600))
        log.append(sim.elapsed)
    assert log == [3600.0, 7200.0, 10800.0, 14400.0], log
    assert time.perf_counter() - began < 60


def finds_a_deadlock():
    """Show that a deadlock is an error."""
    try:
        simclock.run(threading.Event().wait)
    except simclock.Deadlock as error:
        assert str(error).startswith("deadlock: 1 thread can never run again"), error
    else:
        raise AssertionError("no deadlock was found")


def finds_a_race():
    """Show that a search finds what one order of threads does not show."""

    def program():
        seen = []
        threads = [threading.Thread(target=seen.append, args=[number]) for number in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert seen == [0, 1]

    report = simclock.explore(program, runs=100)
    assert report.failure is not None, report
    assert report.failure.reproduced == report.failure.repetitions


def runs_a_system():
    """Show that a system works, in simulated time."""
    ticks = []

    def tick():
        ticks.append(sim.elapsed)
        if len(ticks) == 3:
            executor.stop()

    executor = SyncRateExecutor(tick, 0.5)
    with simclock.Simulation() as sim:
        executor.run()
    assert ticks == [0.0, 2.0, 4.0], ticks


def is_complete():
    """Show that what is no Python file is there, too."""
    files = importlib.resources.files(simclock)
    for name in ("py.typed", "_report/timeline.html", "_boundary/_native.pyi"):
        assert files.joinpath(name).is_file(), name


for check in (waits_for_hours, finds_a_deadlock, finds_a_race, runs_a_system, is_complete):
    check()
print("alone: all well on", platform.python_implementation(), platform.python_version())
