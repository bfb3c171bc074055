"""Searches over the races of start, stop, adopt, shutdown and signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time

import pytest

import simclock
from simclock.systems._shared.signals import on_signals
from simclock.systems.services import (
    BackgroundFailure,
    NotRunning,
    ServiceRunner,
    State,
    service,
    stop_token,
)

RUNS = int(os.environ.get("SERVICES_RUNS", "200"))
# Each of their lines is a place where another thread may go on.
LINES = [f"simclock.systems.services.{name}" for name in ("run", "runner", "units", "work")]
LINES.append("simclock.systems._shared.lifecycle")


def search(scenario, runs=RUNS):
    """A run that dead-locks, leaves a thread or raises fails the search."""
    assert simclock.explore(scenario, runs=runs, lines=LINES).check().verdict == "passed"


def started(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for each in threads:
        each.start()
    return threads


def joined(threads):
    for each in threads:
        each.join()


def test_no_stop_is_lost():
    def scenario():
        runner = ServiceRunner()
        threads = started(runner.accept, runner.shutdown, runner.shutdown)
        runner.shutdown()
        joined(threads)
        assert runner.state is State.STOPPED
        assert not runner.running.is_set()

    search(scenario)


def test_no_stop_of_a_second_run_is_lost_once_that_accepts():
    def scenario():
        runner = ServiceRunner()
        runner.shutdown()
        runner.accept()
        threads = started(runner.accept)
        runner.running.wait()
        report = runner.shutdown()
        joined(threads)
        assert report.abandoned == ()

    search(scenario)


@pytest.mark.parametrize("flavour", ["asyncio", "threading", "trio"])
def test_no_payload_is_lost(flavour):
    """Who adopts is told, or it is taken: it has run, was ended by the stop, or is kept."""

    def scenario():
        runner, taken, outcomes = ServiceRunner(), [], []

        def function(number):
            outcomes.append(number)

        async def coroutine(number):
            outcomes.append(number)

        def adopt():
            payload = function if flavour == "threading" else coroutine
            for number in range(2):
                try:
                    runner.adopt(payload, number, flavour=flavour)
                except NotRunning:
                    return
                taken.append(number)

        threads = started(runner.accept, adopt)
        runner.running.wait()
        runner.shutdown()
        ended = list(outcomes)
        joined(threads)
        # Nothing runs after shutdown has returned.
        assert outcomes == ended
        if len(outcomes) < len(taken):
            # What came before the run was ready: the next one has it.
            threads = started(runner.accept)
            runner.running.wait()
            time.sleep(1)
            runner.shutdown()
            joined(threads)
        if flavour == "threading":
            assert sorted(outcomes) == taken
        assert set(outcomes) <= set(taken)

    search(scenario)


def test_what_is_adopted_before_is_run_or_kept():
    def scenario():
        runner, log = ServiceRunner(), []
        runner.adopt(log.append, 1, flavour=threading)
        threads = started(runner.shutdown)
        runner.accept()
        joined(threads)
        if not log:
            threads = started(runner.accept)
            runner.running.wait()
            time.sleep(1)
            runner.shutdown()
            joined(threads)
        assert log == [1]

    search(scenario)


@pytest.mark.slow
def test_no_failure_is_lost():
    def scenario():
        runner, begun = ServiceRunner(), []

        def fails():
            begun.append(1)
            raise KeyError

        runner.adopt(fails, flavour=threading)
        runner.adopt(fails, flavour=threading)
        threads = started(runner.shutdown)
        count = 0
        try:
            runner.accept()
        except BackgroundFailure as error:
            count = len(error.exceptions)
        joined(threads)
        assert count == len(begun)

    search(scenario)


def test_who_executes_is_always_answered():
    def scenario():
        runner, answers = ServiceRunner(), []

        async def payload():
            await asyncio.sleep(0)
            return "value"

        def execute():
            try:
                answers.append(runner.execute(payload, flavour=asyncio))
            except NotRunning:
                answers.append("told")

        threads = started(runner.accept, execute)
        runner.shutdown()
        joined(threads)
        assert answers in (["value"], ["told"])

    search(scenario)


@pytest.mark.slow
def test_a_service_that_is_made_while_runners_start_is_run_once_by_one():
    def scenario():
        runs, one, two = [], ServiceRunner(), ServiceRunner()

        @service(flavour=threading)
        class Counts:
            def run(self):
                runs.append(1)
                stop_token().wait()

        threads = started(one.accept, two.accept)
        made = Counts()
        one.running.wait()
        two.running.wait()
        time.sleep(1)
        assert runs == [1]
        assert made.__service_unit__.running
        one.shutdown()
        two.shutdown()
        joined(threads)
        assert not made.__service_unit__.running

    search(scenario, RUNS // 2)  # which take long


@pytest.mark.slow
def test_no_cancel_of_a_service_is_lost():
    def scenario():
        @service(flavour=threading)
        class Waits:
            def run(self):
                stop_token().wait()

        runner, unit = ServiceRunner(), (made := Waits()).__service_unit__
        threads = started(runner.accept, unit.cancel)
        runner.running.wait()
        time.sleep(1)
        assert not unit.running
        runner.shutdown()
        joined(threads)
        assert made

    search(scenario, RUNS // 2)  # which take long


def test_a_signal_a_shutdown_and_a_failure_at_once_end_it():
    def scenario():
        runner = ServiceRunner()
        runner.adopt(lambda: 7, flavour=threading)
        # Before `accept` has its own handlers.
        with on_signals(lambda _: runner.shutdown()):
            threads = started(lambda: os.kill(os.getpid(), signal.SIGTERM), runner.shutdown)
            with contextlib.suppress(BackgroundFailure):
                runner.accept()
            joined(threads)
        assert runner.state in {State.STOPPED, State.FAILED}

    search(scenario)
