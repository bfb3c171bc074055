"""Searches of schedules: whoever starts and stops at once, no stop is lost and nobody hangs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time

import pytest

import simclock
from simclock.systems.rates import AlreadyRunningError, Node, RateExecutor, SyncRateExecutor

RUNS = 150
# So long that who waits for the next tick has missed the stop.
PERIOD = 3600.0


async def tick():
    pass


def in_a_thread():
    """Return an executor of either kind, and what a thread runs."""
    executor = SyncRateExecutor(lambda: None, 1 / PERIOD)
    return executor, executor.run


def in_a_loop():
    executor = RateExecutor(tick, 1 / PERIOD)
    return executor, lambda: asyncio.run(executor.run())


def started(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for each in threads:
        each.start()
    return threads


def ended_in_time(threads):
    began = time.monotonic()
    for each in threads:
        each.join()
    assert time.monotonic() - began < PERIOD / 2


def search(scenario):
    report = simclock.explore(scenario, runs=RUNS)

    assert report.verdict == "passed", str(report)
    assert report.distinct > 1


@pytest.fixture(params=[in_a_thread, in_a_loop], ids=["sync", "async"])
def make(request):
    return request.param


def test_a_stop_at_any_moment_of_the_first_run(make):
    def scenario():
        executor, run = make()
        threads = started(run, executor.stop)
        ended_in_time(threads)
        assert not executor.running

    search(scenario)


def test_a_stop_at_any_moment_of_a_later_run(make):
    def scenario():
        executor, run = make()
        for _ in range(2):
            executor.start()
            threads = started(run)
            executor.stop()
            ended_in_time(threads)

    search(scenario)


def test_two_stops_concern_one_run(make):
    def scenario():
        executor, run = make()
        ended_in_time(started(run, executor.stop, executor.stop))
        executor.start()
        threads = started(run)
        time.sleep(1)
        assert executor.running
        executor.stop()
        ended_in_time(threads)

    search(scenario)


def test_one_of_two_runs_is_refused_or_comes_after_the_other(make):
    def scenario():
        executor, run = make()
        outcomes = []

        def one():
            try:
                run()
            except AlreadyRunningError:
                outcomes.append("refused")
            else:
                outcomes.append("returned")

        threads = started(one, one)
        time.sleep(1)
        executor.stop()
        ended_in_time(threads)
        assert sorted(outcomes) == ["refused", "returned"]

    search(scenario)


def test_stop_and_cancel():
    async def main():
        executor = RateExecutor(tick, 1 / PERIOD)
        task = asyncio.ensure_future(executor.run())
        loop = asyncio.get_running_loop()
        threads = started(executor.stop, functools.partial(loop.call_soon_threadsafe, task.cancel))
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not executor.running
        ended_in_time(threads)

    search(lambda: asyncio.run(main()))


def test_a_node_that_is_stopped_while_it_starts_and_gets_a_timer():
    def scenario():
        node = Node()
        node.create_timer(PERIOD, tick)
        ended_in_time(
            started(
                lambda: asyncio.run(node.run()),
                lambda: node.create_timer(PERIOD, lambda: None, "sync"),
                node.stop,
            )
        )
        assert not node.running
        assert node.close_sync() == []

    search(scenario)


def test_a_node_that_spins_and_is_closed_and_spins_again():
    def scenario():
        node = Node()
        node.create_timer(PERIOD, lambda: None, "sync")
        for _ in range(2):
            node.start()
            threads = started(node.spin, lambda: node.spawn_thread(lambda stop: stop.wait(1)))
            node.close_sync()
            ended_in_time(threads)
            assert not node.running
        time.sleep(1)
        assert node.close_sync() == []

    search(scenario)


def test_nothing_of_a_node_runs_after_close():
    def scenario():
        closed = False

        def check(*_):
            assert not closed

        async def check_async():
            check()

        errors = []
        handler = logging.Handler()
        handler.emit = errors.append
        logging.getLogger("simclock.systems.rates").addHandler(handler)
        try:
            node = Node()
            node.create_timer(0.01, check, "sync")
            node.create_timer(0.01, check_async)
            node.start()
            threads = started(lambda: asyncio.run(node.run()))
            node.spawn_thread(lambda stop: (stop.wait(), check()))
            assert node.close_sync() == []
            closed = True
            ended_in_time(threads)
            time.sleep(1)
        finally:
            logging.getLogger("simclock.systems.rates").removeHandler(handler)
        assert not errors

    search(scenario)


# The places where one thread can be between two of the node's own steps.
LINES = [f"simclock.systems.rates.{name}" for name in ("node", "switch", "synchronous", "works")]


def test_a_stop_of_a_node_concerns_all_of_its_next_run_or_nothing():
    def scenario():
        ticks = []
        node = Node()
        node.create_timer(1, lambda: ticks.append(1), "sync")
        node.spin(timeout=0.5)
        ticks.clear()
        began = time.monotonic()
        threads = started(functools.partial(node.spin, 10.5))
        node.stop()
        threads[0].join()
        # Before the run there was nothing to stop; in it, all ends at once.
        assert time.monotonic() - began < 1 or len(ticks) >= 10

    report = simclock.explore(scenario, runs=RUNS, lines=LINES)

    assert report.verdict == "passed", str(report)


def test_a_lost_stop_would_be_found():
    """The search itself: it finds the race of the originals, whose `run` begins with `start`."""

    class Original(SyncRateExecutor):
        def run(self):
            self._switch = type(self._switch)()
            super().run()

    def scenario():
        executor = Original(lambda: None, 1 / PERIOD)
        threads = started(executor.run)
        executor.stop()
        for each in threads:
            each.join(10)
        lost = threads[0].is_alive()
        executor.stop()
        assert not lost

    assert simclock.explore(scenario, runs=RUNS, shrink=0).verdict == "failed"
