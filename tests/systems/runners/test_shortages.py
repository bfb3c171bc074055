"""What runners do when they do not get what they need: threads, processes, the store."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
import time
from multiprocessing.context import SpawnProcess

import pytest

from simclock.systems.runners.app import runner_class
from simclock.systems.runners.failures import (
    PoisonedInvocationError,
    RunnerError,
    StateBackendError,
)
from simclock.systems.runners.orchestrator import Orchestrator
from simclock.systems.runners.threads import ThreadRunner
from simclock.systems.runners.working import OneTaskWorker, ThreadWorker

pytestmark = pytest.mark.simclock(processes="simulated")

# Settings of those that start processes, to have one of them.
ONE = {"ProcessRunner": {"max_processes": 1}, "PersistentProcessRunner": {"num_processes": 1}}


def test_an_invocation_that_gets_no_thread_is_rerouted(make_app, started, tasks, monkeypatch):
    start, began = threading.Thread.start, time.monotonic()

    def fail_at_first(thread):
        if "runner_tasks.add" in thread.name and len(failed) < 3:
            failed.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    failed = []
    monkeypatch.setattr(threading.Thread, "start", fail_at_first)
    app = make_app(thread_runner={"max_threads": 1})
    with started(ThreadRunner(app)):
        call = app.call(tasks.add, 1, 1)
        assert call.get_result(timeout=60) == 2

    # At once, and not by the recovery.
    assert time.monotonic() - began < 1
    assert app.history(call).count("rerouted") == 3
    assert app.orchestrator.get(call.invocation_id).recoveries == 0


@pytest.mark.parametrize("name", ["ProcessRunner", "PersistentProcessRunner"])
def test_a_process_that_cannot_be_started_is_waited_for(
    make_app, started, tasks, monkeypatch, name
):
    start = SpawnProcess.start

    def fail_at_first(process):
        if len(failed) < 3:
            failed.append(time.monotonic())
            raise BlockingIOError(11, "too many processes")
        start(process)

    failed = []
    monkeypatch.setattr(SpawnProcess, "start", fail_at_first)
    app = make_app("sqlite", process_runner={"max_processes": 1})
    with started(runner_class(name)(app)):
        call = app.call(tasks.add, 1, 1)
        assert call.get_result(timeout=60) == 2

    assert time.monotonic() - failed[0] < 2
    # Later and later.
    assert failed[2] - failed[1] > failed[1] - failed[0] >= 0.1
    assert app.orchestrator.get(call.invocation_id).recoveries == 0


@pytest.mark.parametrize("name", ["ProcessRunner", "PersistentProcessRunner"])
def test_a_process_whose_end_nobody_could_see_is_none(make_app, started, tasks, monkeypatch, name):
    start = threading.Thread.start

    def fail_at_first(thread):
        if thread.name.endswith("-watch") and len(failed) < 3:
            failed.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    failed = []
    monkeypatch.setattr(threading.Thread, "start", fail_at_first)
    app = make_app("sqlite", **{runner_class(name).section: ONE[name]})
    runner = runner_class(name)(app)
    with started(runner):
        call = app.call(tasks.add, 1, 1)
        assert call.get_result(timeout=60) == 2
        assert len(app.orchestrator.active_runners()) == 2
    assert len(set(failed)) == (1 if name == "ProcessRunner" else 3)
    assert app.orchestrator.get(call.invocation_id).recoveries == 0


def test_a_process_that_needs_long_to_be_ready_is_waited_for(
    make_app, started, tasks, monkeypatch, sim
):
    def begin_late(worker, stored):
        time.sleep(20)
        run_one(worker, stored)

    run_one = OneTaskWorker.run_one
    monkeypatch.setattr(OneTaskWorker, "run_one", begin_late)
    app = make_app("sqlite", process_runner={"max_processes": 1})
    with started(runner_class("ProcessRunner")(app)):
        call = app.call(tasks.add, 1, 1)
        assert call.get_result(timeout=60) == 2

    assert app.history(call) == ["registered", "pending", "running", "success"]
    assert app.orchestrator.get(call.invocation_id).executions == 1


def test_a_process_that_waits_is_told_once_to_leave(make_app, started, tasks, monkeypatch):
    app = make_app("sqlite")
    runner = runner_class("ProcessRunner")(app)
    said = []
    with started(runner):
        app.call(tasks.wait_for_nobody)
        time.sleep(1)
        (worker,) = runner._workers
        with monkeypatch.context() as patch:
            patch.setattr(worker, "say", said.append)
            for _ in range(3):
                runner._are_over()
    assert said == ["interrupt"]


def test_a_loop_that_cannot_be_opened_ends_the_run(make_app, monkeypatch):
    def fail():
        raise OSError(24, "too many open files")

    runner = runner_class("AsyncRunner")(make_app())
    monkeypatch.setattr(asyncio.events, "new_event_loop", fail)
    with pytest.raises(OSError, match="too many open files"):
        runner.run()
    assert runner.wait_until_stopped(0)


def test_processes_that_end_at_once_are_replaced_later_and_later(
    make_app, started, tasks, monkeypatch, sim
):
    def end(_):
        starts.append(round(sim.elapsed, 1))
        if sim.elapsed < 25:
            os._exit(1)
        run(_)

    starts, run = [], ThreadWorker.run
    monkeypatch.setattr(ThreadWorker, "run", end)
    app = make_app("sqlite", persistent_process_runner={"num_processes": 1})
    with started(runner_class("PersistentProcessRunner")(app)):
        assert app.call(tasks.add, 1, 1).get_result(timeout=60) == 2

    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5], abs=0.21)


@pytest.mark.parametrize(
    "failing", [("pause", False), ("pause", True), ("resume", False), ("resume", True)]
)
def test_waits_go_on_while_the_store_is_away(make_app, started, tasks, monkeypatch, failing):
    method, is_done = failing
    original = getattr(Orchestrator, method)

    def fail_at_first(*args, **kwargs):
        if len(failed) < 3:
            failed.append(method)
            if is_done:
                original(*args, **kwargs)
            raise StateBackendError("the store is away")
        return original(*args, **kwargs)

    failed = []
    monkeypatch.setattr(Orchestrator, method, fail_at_first)
    app = make_app(thread_runner={"max_threads": 1})
    with started(ThreadRunner(app)):
        parents = [app.call(tasks.parent, [1, 2]) for _ in range(4)]
        assert [each.get_result(timeout=60) for each in parents] == [5] * 4
        assert app.call(tasks.add, 1, 1).get_result(timeout=60) == 2
    assert len(failed) == 3


def test_a_body_whose_invocation_was_taken_over_ends_at_its_wait(make_app, started, tasks):
    app = make_app(thread_runner={"max_threads": 1})
    with started(ThreadRunner(app)) as runner:
        waiting = app.call(tasks.parent, [1], 2.0)
        time.sleep(1)
        # As others do who take it for dead.
        runner._kill_and_reroute(waiting.invocation_id)
        assert waiting.get_result(timeout=60) == 1
        time.sleep(5)
        assert [each.name for each in threading.enumerate() if "parent" in each.name] == []
    assert app.history(waiting).count("success") == 1


def test_errors_of_the_machinery_end_no_thread(make_app, started, tasks, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise AssertionError("a mistake")

    app = make_app(thread_runner={"max_threads": 1})
    with started(ThreadRunner(app)):
        with monkeypatch.context() as patch:
            patch.setattr("simclock.systems.runners.bodies.run_invocation", fail)
            call = app.call(tasks.add, 1, 1)
            with pytest.raises(PoisonedInvocationError):
                call.get_result(timeout=1)
        assert app.call(tasks.add, 1, 2).get_result(timeout=60) == 3
    assert "a mistake" in caplog.text


def test_a_coroutine_that_blocks_the_loop_by_a_wait_is_told(make_app, started, tasks):
    app = make_app()
    with started(runner_class("AsyncRunner")(app)):
        call = app.call(tasks.block_the_loop)
        with pytest.raises(RunnerError, match="would block the loop that all others need"):
            call.get_result(timeout=60)


def test_a_coroutine_that_refuses_its_end_is_abandoned(make_app, started, tasks, sim):
    app = make_app(async_runner={"stop_grace": 1.0})
    runner = runner_class("AsyncRunner")(app)
    with started(runner):
        call = app.call(tasks.refuse_to_end)
        time.sleep(1)
        runner.stop_runner_loop()
        assert runner.wait_until_stopped(10)
        assert round(sim.elapsed, 3) == 3  # its grace, and a second for the loop
    assert runner.stop_report.abandoned == (f"runner_tasks.refuse_to_end {call.invocation_id}",)
    time.sleep(30)  # it has ended
    assert call.status.value == "rerouted"


@pytest.mark.parametrize("name", ["ProcessRunner", "PersistentProcessRunner", "MultiThreadRunner"])
def test_a_second_signal_kills_processes_at_once(make_app, tasks, sim, name):
    app = make_app("sqlite")
    runner = runner_class(name)(app)
    nap = app.call(tasks.nap, 30.0)
    thread = threading.Thread(target=runner.run)
    thread.start()
    time.sleep(1)
    runner._life.note_signal(signal.SIGTERM)
    time.sleep(1)
    assert runner.get_active_child_runner_ids()
    runner._life.note_signal(signal.SIGTERM)
    assert runner.wait_until_stopped(0.5)
    thread.join()

    assert runner.get_active_child_runner_ids() == []
    assert app.history(nap)[-2:] == ["killed", "rerouted"]
    assert runner.stop_report.abandoned == ()
