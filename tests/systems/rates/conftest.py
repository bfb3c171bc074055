"""A simulation with a log, and executors of both kinds that are driven in the same way."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import simclock
from simclock.systems.rates import RateExecutor, SyncRateExecutor


class Logged:
    """A simulation, and what was noted in it with the instant."""

    def __init__(self, **options):
        # So that a loop that never ends is an error, and no hang.
        self.sim = simclock.Simulation(max_time=3600, **options)
        self.log = []

    def note(self, *what):
        self.log.append((round(self.sim.elapsed, 9), *what))

    def times(self):
        """Return when something was noted, without what."""
        return [instant for instant, *_ in self.log]

    def run(self, coroutine):
        return asyncio.run(coroutine)

    def __enter__(self):
        self.sim.__enter__()
        return self

    def __exit__(self, *error):
        return self.sim.__exit__(*error)


class InLoop:
    """An executor of coroutines, in an event loop in a thread of its own."""

    name = "async"

    def __init__(self, func, rate_hz, **options):
        async def called(*args, **kwargs):
            func(*args, **kwargs)

        self.executor = RateExecutor(called, rate_hz, **options)
        self.outcome = None

    def begin(self, *args, **kwargs):
        self._thread = threading.Thread(target=self._main, args=(args, kwargs))
        self._thread.start()

    def _main(self, args, kwargs):
        try:
            asyncio.run(self.executor.run(*args, **kwargs))
        except BaseException as error:
            self.outcome = type(error).__name__
        else:
            self.outcome = "returned"

    def join(self):
        self._thread.join()


class InThread(InLoop):
    """An executor of plain functions, in a thread."""

    name = "sync"

    def __init__(self, func, rate_hz, **options):
        self.executor = SyncRateExecutor(func, rate_hz, **options)
        self.outcome = None

    def _main(self, args, kwargs):
        try:
            self.executor.run(*args, **kwargs)
        except BaseException as error:
            self.outcome = type(error).__name__
        else:
            self.outcome = "returned"


@pytest.fixture
def logged():
    return Logged


@pytest.fixture(params=[InLoop, InThread], ids=lambda kind: kind.name)
def driven(request):
    """Return the class of an executor that is driven from outside: `begin`, `executor`, `join`."""
    return request.param


@pytest.fixture
def ticks(logged, driven):
    """Return a function that runs an executor for some time and returns when it has ticked."""

    def run(rate_hz, seconds, work=lambda number: None, **options):
        with logged() as it:
            numbers = iter(range(10**9))

            def tick():
                it.note("tick")
                work(next(numbers))

            one = driven(tick, rate_hz, **options)
            one.begin()
            time.sleep(seconds)
            one.executor.stop()
            one.join()
            it.note("ended")
        return it, one.executor

    return run


@pytest.fixture(scope="session")
def execute():
    """Return a function that runs an executor, and returns when it has called, and its figures."""

    def run(kind, rate, stop, work, **options):
        called = []

        def tick():
            number = len(called)
            called.append(time.perf_counter_ns() - origin)
            work(number)

        with simclock.Simulation():
            origin = time.perf_counter_ns()
            # Only the callback sleeps, so the loop begins in the first instant.
            one = (InLoop if kind == "async" else InThread)(tick, rate, **options)
            one.begin()
            time.sleep(stop / 1e9)
            one.executor.stop()
            one.join()
        return called, one.executor.statistics()

    return run
