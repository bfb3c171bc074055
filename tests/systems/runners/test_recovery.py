"""What a crash leaves behind is mended: each status of each invocation, one after the other."""

from __future__ import annotations

import dataclasses
import time

import pytest

from simclock.systems.runners.failures import InvocationStatusError
from simclock.systems.runners.options import ConcurrencyControlType, TaskOptions
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.stored import StoredError

pytestmark = pytest.mark.simclock
ERROR = StoredError("ValueError", "it was wrong")
SETTINGS = {
    "heartbeat_interval": 5.0,
    "runner_considered_dead_after": 20.0,
    "max_pending_seconds": 60.0,
    "claim": 30.0,
    "unclaimed_after": 40.0,
}


@pytest.fixture
def bench(make_bench):
    return make_bench(**SETTINGS)


def recover(bench, recoverer, seconds, *, living=(), step=1.0):
    """Recover for so long; return at which instants something was mended, and how much."""
    recovery = Recovery(bench.orchestrator)
    log, begin = [], time.monotonic()
    while True:
        bench.orchestrator.register_runner_heartbeats([recoverer, *living])
        if mended := recovery.step(recoverer):
            log.append((time.monotonic() - begin, mended))
        if time.monotonic() - begin >= seconds:
            return log
        time.sleep(step)


def put(bench, invocation_id, **fields):
    """Overwrite an invocation, as a crash could have left it."""
    row = bench.storage.invocations.get(invocation_id)
    stored = dataclasses.replace(bench.orchestrator.get(invocation_id), **fields)
    value = stored.to_value()
    assert bench.storage.invocations.swap(invocation_id, row.version, stored.status.value, value)


def bring_to(bench, runner, status):
    """Return the id of a new invocation of that runner with this status."""
    new = bench.routed()
    bench.take(runner)
    if status is not S.PENDING:
        bench.orchestrator.start(new, runner)
    if status in {S.PAUSED, S.RESUMED}:
        bench.orchestrator.pause(new, runner, [])
    if status is S.RESUMED:
        bench.orchestrator.resume(new, runner)
    return new


OWNED = [S.PENDING, S.RUNNING, S.PAUSED, S.RESUMED]


@pytest.mark.parametrize("status", OWNED)
def test_what_a_dead_runner_owned_is_rerouted(each_storage, make_bench, runner, status):
    bench = make_bench(each_storage, **SETTINGS)
    bench.orchestrator.register_runner_heartbeats([runner()])
    new = bring_to(bench, runner(), status)

    assert recover(bench, runner("b"), 25) == [(21, 1)]
    recovery = "pending_recovery" if status is S.PENDING else "running_recovery"
    assert bench.history(new)[-2:] == [recovery, "rerouted"]
    stored = bench.orchestrator.get(new)
    assert stored.recoveries == (status is not S.PENDING)
    assert stored.history[-2].note == "a is dead"
    assert bench.take(runner("b")) == [new]


@pytest.mark.parametrize("status", OWNED)
def test_what_a_living_runner_owns_is_left_alone(bench, runner, status):
    new = bring_to(bench, runner(), status)

    assert recover(bench, runner("b"), 55, living=[runner()]) == []
    assert bench.orchestrator.status(new)[:2] == (status, "a")


def test_what_a_runner_owned_that_never_gave_a_heartbeat_is_rerouted(bench, runner):
    new = bring_to(bench, runner(), S.RUNNING)

    assert recover(bench, runner("b"), 25) == [(21, 1)]
    assert bench.take(runner("b")) == [new]


def test_what_is_pending_for_too_long_is_given_to_others(bench, runner):
    new = bring_to(bench, runner(), S.PENDING)

    assert recover(bench, runner("b"), 65, living=[runner()]) == [(60, 1)]
    assert bench.orchestrator.get(new).history[-2].note == "a did not begin it"
    assert bench.orchestrator.get(new).recoveries == 0


def test_a_dead_runner_that_goes_on_all_the_same_changes_nothing(bench, runner):
    new = bring_to(bench, runner(), S.RUNNING)
    recover(bench, runner("b"), 25)
    for _ in range(2):
        with pytest.raises(InvocationStatusError):
            bench.orchestrator.succeed(new, runner(), "late")
        bench.take(runner("b"))


@pytest.mark.parametrize(
    "status", [S.KILLED, S.PENDING_RECOVERY, S.RUNNING_RECOVERY, S.CONCURRENCY_CONTROLLED]
)
def test_what_was_left_between_two_steps_goes_on(bench, runner, status):
    new = bring_to(bench, runner(), S.RUNNING)
    put(bench, new, status=status, owner=None)

    assert recover(bench, runner("b"), 65) == [(60, 1)]
    assert bench.orchestrator.status(new).status is S.REROUTED
    assert bench.orchestrator.get(new).recoveries == (status is S.RUNNING_RECOVERY)
    assert bench.take(runner("b")) == [new]


@pytest.mark.parametrize("status", [S.REGISTERED, S.REROUTED, S.RETRY])
def test_what_is_available_and_has_no_hint_gets_one(bench, runner, status):
    new = bench.routed()
    put(bench, new, status=status)
    bench.storage.queue.clear()

    assert recover(bench, runner("b"), 45) == [(40, 1)]
    assert bench.take(runner("b")) == [new]


def test_what_waits_long_gets_few_hints(bench, runner):
    new = bench.routed()

    # After 40, 80, 160, ... seconds.
    assert len(recover(bench, runner("b"), 1300, step=5.0)) == 6
    assert bench.orchestrator.hints.count() == 7
    assert bench.take(runner(), 9) == [new]
    assert bench.orchestrator.hints.count() == 0


def test_those_that_are_available_are_looked_at_less_often(bench, runner, monkeypatch):
    looks = []
    of_status = bench.orchestrator.ledger.of_status

    def noted(status):
        looks.append(status)
        return of_status(status)

    monkeypatch.setattr(bench.orchestrator.ledger, "of_status", noted)
    recover(bench, runner("b"), 39)

    # They may be very many, and need no more than one look in 10 s.
    assert looks.count(S.REGISTERED) == 4
    assert looks.count(S.RUNNING) == 40


def test_what_is_delayed_gets_no_hint_before(make_bench, runner):
    bench = make_bench(options=TaskOptions(max_retries=1, retry_delay=100.0), **SETTINGS)
    new = bring_to(bench, runner(), S.RUNNING)
    bench.orchestrator.retry(new, runner(), ERROR)

    assert recover(bench, runner("b"), 145) == [(140, 1)]


def test_what_is_due_by_a_clock_that_was_wrong_is_run(make_bench, runner, sim):
    bench = make_bench(options=TaskOptions(max_retries=1, retry_delay=100.0), **SETTINGS)
    new = bring_to(bench, runner(), S.RUNNING)
    sim.move_wall(86400 * 365)
    bench.orchestrator.retry(new, runner(), ERROR)
    sim.move_wall(-86400 * 365)

    assert recover(bench, runner("b"), 145) == [(140, 1)]
    assert bench.take(runner("b")) == [new]


def test_a_poison_stops_somewhere(make_bench, runner):
    bench = make_bench(options=TaskOptions(max_recoveries=2), **SETTINGS)
    new = bench.routed()
    for name in "abc":
        assert bench.take(runner(name)) == [new]
        bench.orchestrator.start(new, runner(name))
        assert recover(bench, runner("z"), 22) == [(21, 1)]

    stored = bench.orchestrator.get(new)
    assert (stored.status, stored.executions) == (S.FAILED, 3)
    assert stored.error.type_name == "PoisonedInvocationError"
    assert bench.history(new)[-2:] == ["running_recovery", "failed"]


def test_one_that_was_killed_and_never_run_again_is_poison_in_the_end(make_bench, runner):
    bench = make_bench(options=TaskOptions(max_recoveries=0), **SETTINGS)
    new = bring_to(bench, runner(), S.RUNNING)
    put(bench, new, status=S.RUNNING_RECOVERY, owner=None)

    recover(bench, runner("b"), 61)
    assert bench.orchestrator.status(new).status is S.FAILED


def test_what_a_call_has_left_half_way_is_registered(make_bench, runner):
    options = TaskOptions(registration_concurrency=ConcurrencyControlType.TASK)
    bench = make_bench(options=options, **SETTINGS)
    create = bench.orchestrator.ledger.create
    bench.orchestrator.ledger.create = lambda stored: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bench.route()
    bench.orchestrator.ledger.create = create

    assert recover(bench, runner("b"), 0) == [(0, 1)]
    assert len(bench.take(runner("b"), 9)) == 1


def test_records_of_the_dead_are_removed_when_they_own_nothing(bench, runner):
    for name in "ab":
        bench.orchestrator.register_runner_heartbeats([runner(name)])
    bring_to(bench, runner("b"), S.RUNNING)

    recover(bench, runner("z"), 21)
    assert {key for key, _ in bench.storage.runners.with_status("alive")} == {"b", "z"}
    recover(bench, runner("z"), 25)
    assert {key for key, _ in bench.storage.runners.with_status("alive")} == {"z"}


def test_an_invocation_that_cannot_be_read_keeps_no_other_from_being_mended(bench, runner):
    damaged = bench.routed()
    bench.storage.invocations.delete(damaged)
    bench.storage.invocations.create(damaged, "running", {"layout": 9}, at=1)
    new = bring_to(bench, runner(), S.RUNNING)

    recover(bench, runner("b"), 25)
    assert bench.orchestrator.status(new).status is S.REROUTED


@pytest.mark.parametrize(
    "value", [{"invocation": "x", "record": {"layout": 9}}, {"invocation": "x"}, 5]
)
def test_a_registration_that_cannot_be_read_keeps_no_other_from_being_mended(bench, runner, value):
    bench.storage.slots.create("odd", "intended", value, at=1)
    new = bring_to(bench, runner(), S.RUNNING)

    recover(bench, runner("b"), 25)
    assert bench.orchestrator.status(new).status is S.REROUTED
