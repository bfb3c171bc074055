"""How one invocation is run, and what becomes of it when the store or the owner is lost."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import RunnerContext, current_invocation
from simclock.systems.runners.execution import run_invocation, run_invocation_async
from simclock.systems.runners.failures import (
    DamagedRecordError,
    InvocationStatusRaceConditionError,
    RetryError,
    StateBackendError,
    TaskFailedError,
)
from simclock.systems.runners.identifiers import CallId, TaskId
from simclock.systems.runners.results import value_of
from simclock.systems.runners.statuses import InvocationStatus

pytestmark = pytest.mark.simclock
declared = Pynenc({"app_id": "executions"})
RUNNER = RunnerContext("Runner", "one")
NOTES = []


class Waits:
    """Waits for nobody."""


class OddError(BaseException):
    """None that `except Exception` takes."""


@declared.task(max_retries=1)
def runs(what):
    NOTES.append(what)
    if what == "retry":
        raise RetryError(what)
    if what == "stop":
        current_invocation().stop.set()
        current_invocation().checkpoint()
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "odd":
        raise OddError(what)
    if what == "cancelled":
        raise asyncio.CancelledError
    if what == "sleep":
        time.sleep(3)
    return what


@declared.task
async def awaits(what):
    NOTES.append(what)
    if what == "interrupt":
        raise KeyboardInterrupt
    await asyncio.sleep(3)
    if what == "stop":
        current_invocation().stop.set()
        current_invocation().checkpoint()
    return what


@pytest.fixture
def app():
    NOTES.clear()
    return declared.copy()


def taken(app, task, what):
    """Register an invocation, and take it as a runner does."""
    app.get_task(task.task_id)(what)
    [stored] = app.orchestrator.get_invocations_to_run(1, RUNNER)
    return stored


def run(app, stored, stop=None):
    run_invocation(app, stored, RUNNER, stop=stop or threading.Event(), waits=Waits())
    return status(app, stored)


async def run_async(app, stored, stop=None):
    stop = stop or threading.Event()
    await run_invocation_async(app, stored, RUNNER, stop=stop, waits=Waits())
    return status(app, stored)


def status(app, stored):
    return app.orchestrator.get(stored.id).status.value


@pytest.mark.parametrize(
    ("what", "ends_as"),
    [("return", "success"), ("retry", "retry"), ("stop", "rerouted"), ("cancelled", "failed")],
)
def test_what_a_body_does_decides_the_status(app, what, ends_as):
    assert run(app, taken(app, runs, what)) == ends_as


@pytest.mark.parametrize(
    ("task", "what", "ends_as"),
    [
        (runs, "return", "success"),
        (runs, "retry", "retry"),
        (runs, "sleep", "success"),
        (awaits, "return", "success"),
        (awaits, "stop", "rerouted"),
    ],
)
async def test_also_on_an_event_loop_that_is_not_blocked(app, sim, task, what, ends_as):
    ticks = []

    async def tick():
        while True:
            ticks.append(sim.elapsed)
            await asyncio.sleep(1)

    ticking = asyncio.create_task(tick())
    status = await run_async(app, taken(app, task, what))
    ticking.cancel()

    assert status == ends_as
    assert ticks[:3] == [0.0, 1.0, 2.0][: len(ticks)]
    assert len(ticks) > 2 or sim.elapsed < 1


@pytest.mark.parametrize("what", ["interrupt", "odd"])
def test_whatever_ends_a_body_is_a_failure_of_the_task(app, what):
    """Its owner lives on: the recovery would leave it as it is, for ever."""
    stored = taken(app, runs, what)

    assert run(app, stored) == "failed"
    with pytest.raises(
        TaskFailedError, match="KeyboardInterrupt" if what == "interrupt" else "Odd"
    ):
        value_of(app, app.orchestrator.get(stored.id))


async def test_also_of_a_coroutine(app):
    assert await run_async(app, taken(app, awaits, "interrupt")) == "failed"


async def test_a_cancelled_body_of_a_runner_that_stops_is_left_to_it(app, sim):
    stop = threading.Event()
    stored = taken(app, awaits, "return")
    running = asyncio.create_task(run_async(app, stored, stop))
    await asyncio.sleep(1)
    stop.set()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (status(app, stored), sim.elapsed) == ("running", 1)


def test_the_body_knows_what_it_is(app):
    assert current_invocation() is None
    stored = taken(app, knows, "x")
    run(app, stored)

    [note] = NOTES
    assert note == (stored.id, app, RUNNER, 0, False)
    assert current_invocation() is None


@declared.task
def knows(what):
    invocation = knows.invocation
    assert invocation is current_invocation()
    NOTES.append(
        (
            invocation.id,
            invocation.app,
            invocation.runner,
            invocation.retries,
            invocation.should_stop,
        )
    )
    invocation.checkpoint()


# ---------------------------------------------------------------------------- lost owners


def test_what_was_taken_away_before_it_began_is_not_run(app):
    stored = taken(app, runs, "return")
    app.orchestrator.kill_and_reroute(stored.id, RUNNER, orderly=True)

    assert run(app, stored) == "rerouted"
    assert NOTES == []


def test_what_was_taken_away_meanwhile_is_not_ended(app):
    """Also if the same runner has it again."""
    stored = taken(app, runs, "sleep")
    thread = threading.Thread(target=run, args=(app, stored))
    thread.start()
    time.sleep(1)
    app.orchestrator.kill_and_reroute(stored.id, RUNNER, orderly=True)
    [again] = app.orchestrator.get_invocations_to_run(1, RUNNER)
    app.orchestrator.start(again.id, RUNNER, routing=again.routing)
    thread.join()

    assert app.orchestrator.get(stored.id).status is InvocationStatus.RUNNING
    assert app.orchestrator.get(stored.id).executions == 2


def test_what_was_purged_meanwhile_is_dropped(app):
    stored = taken(app, runs, "sleep")
    threading.Timer(1, app.purge).start()
    run_invocation(app, stored, RUNNER, stop=threading.Event(), waits=Waits())

    assert app.orchestrator.count_invocations() == 0


def test_a_task_that_is_not_here_has_failed(app):
    task = TaskId("nowhere", "at_all")
    app.orchestrator.route_call(task, CallId.of(task, {}), {})
    [stored] = app.orchestrator.get_invocations_to_run(1, RUNNER)

    assert run(app, stored) == "failed"
    assert app.orchestrator.get(stored.id).error.type_name == "TaskNotFoundError"


def test_arguments_that_cannot_be_read_are_a_failure(app):
    app.orchestrator.route_call(runs.task_id, CallId.of(runs.task_id, {"what": "?"}), {"what": "?"})
    [stored] = app.orchestrator.get_invocations_to_run(1, RUNNER)

    assert run(app, stored) == "failed"
    assert app.orchestrator.get(stored.id).error.text.startswith("argument 'what': text that is no")


# ---------------------------------------------------------------------------- lost stores


class FailsSoOften:
    """An operation of the orchestrator that fails a few times, before or after it was done."""

    def __init__(self, operation, times, error=StateBackendError, *, done):
        self.operation, self.times, self.error, self.done = operation, times, error, done
        self.instants = []

    def __call__(self, *args, **kwargs):
        self.instants.append(round(time.monotonic(), 6))
        if self.times >= len(self.instants):
            if self.done and len(self.instants) == 1:
                self.operation(*args, **kwargs)
            raise self.error("x", 3) if self.error is not StateBackendError else self.error("gone")
        return self.operation(*args, **kwargs)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("error", [StateBackendError, InvocationStatusRaceConditionError])
@pytest.mark.parametrize("operation", ["start", "succeed"])
def test_a_store_that_fails_is_told_again_until_it_knows(app, monkeypatch, operation, error, done):
    fails = FailsSoOften(getattr(app.orchestrator, operation), 4, error, done=done)
    monkeypatch.setattr(app.orchestrator, operation, fails)
    stored = taken(app, runs, "return")

    assert run(app, stored) == "success"
    first = fails.instants[0]
    assert [round(each - first, 3) for each in fails.instants] == [0, 0.1, 0.3, 0.7, 1.5]
    assert app.orchestrator.get(stored.id).executions == 1
    assert NOTES == ["return"]


def test_it_is_given_up_when_the_runner_stops(app, monkeypatch):
    fails = FailsSoOften(app.orchestrator.succeed, 10**6, done=False)
    monkeypatch.setattr(app.orchestrator, "succeed", fails)
    stored, stop = taken(app, runs, "return"), threading.Event()
    threading.Timer(60, stop.set).start()
    began = time.monotonic()

    assert run(app, stored, stop) == "running"
    assert time.monotonic() - began == 60
    assert max(b - a for a, b in zip(fails.instants, fails.instants[1:], strict=False)) == 5.0


def test_a_record_that_was_damaged_meanwhile_is_not_told_for_ever(app, monkeypatch):
    def succeed(*_, **__):
        raise DamagedRecordError("of another version")

    monkeypatch.setattr(app.orchestrator, "succeed", succeed)
    began = time.monotonic()

    assert run(app, taken(app, runs, "return")) == "running"
    assert time.monotonic() == began


def test_a_module_that_ends_its_process_is_no_end_of_the_runner(app, monkeypatch, tmp_path):
    (tmp_path / "module_that_exits.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    task = TaskId("module_that_exits", "runs")
    app.orchestrator.route_call(task, CallId.of(task, {}), {})

    [stored] = app.orchestrator.get_invocations_to_run(1, RUNNER)
    assert run(app, stored) == "failed"
