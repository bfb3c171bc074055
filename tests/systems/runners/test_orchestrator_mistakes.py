"""A storage that is locked, gone or another version's: a typed error in time, and nothing lost."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest

from simclock.systems.runners.failures import (
    InvocationStatusRaceConditionError,
    StateBackendError,
    TaskNotFoundError,
)
from simclock.systems.runners.identifiers import CallId, TaskId
from simclock.systems.runners.options import ConcurrencyControlType, TaskOptions
from simclock.systems.runners.orchestrator import Orchestrator
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.settings import OrchestratorSettings
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.storage import open_storage
from simclock.systems.runners.stored import StoredError

TASK = TaskId("shop", "charge")


def operations(bench, new, runner):
    """Return what runners and callers do."""
    it = bench.orchestrator
    return {
        "call": bench.route,
        "take": lambda: bench.take(runner),
        "succeed": lambda: it.succeed(new, runner, "paid", routing=1),
        "fail": lambda: it.fail(new, runner, StoredError("ValueError", "wrong"), routing=1),
        "status": lambda: it.status(new),
        "heartbeat": lambda: it.register_runner_heartbeats([runner]),
        "recover": lambda: Recovery(it).step(runner),
        "count": it.count_invocations,
    }


# A locked SQLite file answers who only reads.
WRITES = ["call", "take", "succeed", "fail", "heartbeat"]


@pytest.mark.simclock
@pytest.mark.parametrize("name", WRITES)
def test_a_file_that_is_locked_for_long_is_told_and_nothing_is_lost(
    open_kind, make_bench, runner, tmp_path, name
):
    bench = make_bench(open_kind("sqlite"))
    bench.orchestrator.active_runners()  # its table is made
    new = bench.started(runner())
    with contextlib.closing(sqlite3.connect(tmp_path / "runners.db", timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        if name == "take":
            # Who only looks does not write.
            assert bench.take(runner()) == []
        else:
            begin = time.monotonic()
            with pytest.raises(StateBackendError, match="was locked for 10 s"):
                operations(bench, new, runner())[name]()
            assert time.monotonic() - begin < 11
        other.execute("ROLLBACK")

    assert bench.orchestrator.status(new).status is S.RUNNING
    bench.orchestrator.succeed(new, runner(), "paid", routing=1)


@pytest.mark.real
def test_a_server_that_is_gone_is_told(own_redis, make_bench, runner):
    own_redis.start()
    with contextlib.closing(open_storage(own_redis.url)) as storage:
        bench = make_bench(storage)
        new = bench.started(runner())
        own_redis.kill()
        for name, operation in operations(bench, new, runner()).items():
            with pytest.raises(StateBackendError):
                operation()
                pytest.fail(name)


@pytest.mark.simclock
def test_a_file_of_another_version_is_told(open_kind, make_bench, runner, tmp_path):
    bench = make_bench(open_kind("sqlite"))
    new = bench.started(runner())
    Recovery(bench.orchestrator).step(runner())  # all tables are made
    bench.storage.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "runners.db")) as other:
        other.execute("UPDATE simclock_versions SET version = 9")
        other.commit()

    for name, operation in operations(bench, new, runner()).items():
        with pytest.raises(StateBackendError, match="is of version 9, not 1"):
            operation()
            pytest.fail(name)


@pytest.mark.simclock
def test_a_task_that_is_unknown_here_is_not_registered(bench):
    def options_of(task):
        raise TaskNotFoundError(task)

    it = Orchestrator(bench.storage, OrchestratorSettings(), options_of)
    with pytest.raises(TaskNotFoundError, match=r"there is no task shop\.charge"):
        it.route_call(TASK, CallId.of(TASK, {}), {})
    assert it.count_invocations() == 0


@pytest.mark.simclock
def test_an_invocation_whose_task_is_unknown_here_can_be_taken_and_failed(bench, runner):
    def options_of(task):
        raise TaskNotFoundError(task)

    new = bench.routed()
    it = Orchestrator(bench.storage, OrchestratorSettings(), options_of)
    assert [each.id for each in it.get_invocations_to_run(1, runner())] == [new]
    assert not it.retry(it.start(new, runner()).id, runner(), StoredError("TaskNotFoundError", ""))
    it.fail(new, runner(), StoredError("TaskNotFoundError", "there is none"))
    assert it.status(new).status is S.FAILED


class Failing:
    """A store of which one operation answers otherwise, or fails."""

    def __init__(self, store, name, answer):
        self._store = store
        self._name = name
        self._answer = answer

    def __getattr__(self, name):
        return self._answer if name == self._name else getattr(self._store, name)


def fail(*_):
    raise StateBackendError("gone")


@pytest.mark.simclock
def test_a_change_that_others_are_faster_with_again_and_again_is_told(bench, runner):
    new = bench.started(runner())
    bench.orchestrator.ledger._records = Failing(
        bench.storage.invocations, "swap", lambda *_, **__: False
    )

    with pytest.raises(InvocationStatusRaceConditionError, match="by others, 20 times in a row"):
        bench.orchestrator.succeed(new, runner(), "paid")
    assert bench.orchestrator.status(new).status is S.RUNNING


@pytest.mark.simclock
def test_what_others_are_faster_with_again_and_again_is_taken_later(bench, runner):
    new = bench.routed()
    records = bench.orchestrator.ledger._records
    bench.orchestrator.ledger._records = Failing(records, "swap", lambda *_, **__: False)
    assert bench.take(runner(), 9) == []

    bench.orchestrator.ledger._records = records
    assert bench.take(runner(), 9) == []
    time.sleep(1)
    assert bench.take(runner(), 9) == [new]


@pytest.mark.simclock
def test_a_hint_that_cannot_be_dropped_now_is_dropped_later(bench, runner):
    new = bench.routed()
    queue = bench.orchestrator.hints._jobs
    bench.orchestrator.hints._jobs = Failing(queue, "acknowledge", fail)
    assert bench.take(runner()) == [new]
    assert bench.orchestrator.hints.count() == 1

    bench.orchestrator.hints._jobs = queue
    time.sleep(30)
    assert bench.take(runner("b")) == []
    assert bench.orchestrator.hints.count() == 0


@pytest.mark.simclock
def test_a_slot_that_others_are_faster_with_again_and_again_is_tried_later(make_bench, runner):
    bench = make_bench(options=TaskOptions(running_concurrency=ConcurrencyControlType.TASK))
    new = bench.routed()
    slots = bench.orchestrator.slots._slots
    bench.orchestrator.slots._slots = Failing(slots, "create", lambda *_, **__: False)
    assert bench.take(runner()) == []

    bench.orchestrator.slots._slots = slots
    time.sleep(1)
    assert bench.take(runner()) == [new]


@pytest.mark.simclock
def test_a_registration_that_others_are_faster_with_again_and_again_is_told(make_bench):
    bench = make_bench(options=TaskOptions(registration_concurrency=ConcurrencyControlType.TASK))
    registrations = bench.orchestrator.registrations
    registrations._slots = Failing(registrations._slots, "create", lambda *_, **__: False)

    with pytest.raises(InvocationStatusRaceConditionError):
        bench.route()
    assert bench.orchestrator.count_invocations() == 0


@pytest.mark.simclock
def test_a_hint_that_is_damaged_is_dropped(open_kind, make_bench, runner, tmp_path, caplog):
    bench = make_bench(open_kind("sqlite"))
    bench.routed()
    with contextlib.closing(sqlite3.connect(tmp_path / "runners.db")) as other:
        other.execute('UPDATE "pynenc:jobs" SET payload = 3')
        other.commit()

    assert bench.take(runner()) == []
    assert "an entry of the queue is dropped" in caplog.text
    assert bench.orchestrator.hints.count() == 0
