"""What the orchestrator does with an invocation, from its registration to its end."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import pytest

from simclock.systems.runners.failures import (
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
    StateBackendError,
)
from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.stored import LONGEST_HISTORY, StoredError

pytestmark = pytest.mark.simclock
TASK = TaskId("shop", "charge")
ERROR = StoredError("ValueError", "it was wrong", "payload")


@pytest.fixture
def on_each(each_storage, make_bench):
    """A bench on a storage of each kind, in turn."""
    return make_bench(each_storage, TaskOptions(max_retries=2))


def test_an_invocation_is_registered_taken_run_and_ended(on_each, runner):
    new = on_each.routed(order="7")
    assert on_each.take(runner()) == [new]
    assert on_each.orchestrator.start(new, runner()).executions == 1
    on_each.orchestrator.succeed(new, runner(), "paid")

    stored = on_each.orchestrator.get(new)
    assert on_each.history(new) == ["registered", "pending", "running", "success"]
    assert [each.runner_id for each in stored.history] == [None, "a", "a", "a"]
    assert (stored.result, stored.error, stored.owner) == ("paid", None, None)
    assert (stored.arguments, stored.task.key) == ({"order": "7"}, "shop.charge")
    assert on_each.take(runner()) == []


def test_one_that_failed_has_its_error(on_each, runner):
    new = on_each.started(runner())
    on_each.orchestrator.fail(new, runner(), ERROR)

    stored = on_each.orchestrator.get(new)
    assert (stored.status, stored.error, stored.result) == (S.FAILED, ERROR, None)
    assert stored.history[-1].note == "it was wrong"


def test_one_that_waits_for_others_is_paused_and_resumed(on_each, runner):
    new = on_each.started(runner())
    other = on_each.routed(order="8")

    assert on_each.orchestrator.pause(new, runner(), [other]).waits_for == (other,)
    assert on_each.orchestrator.resume(new, runner()).waits_for == ()
    on_each.orchestrator.succeed(new, runner(), "paid")
    assert on_each.history(new)[2:] == ["running", "paused", "resumed", "success"]


def test_invocations_are_taken_in_their_order_as_many_as_are_wanted(on_each, runner):
    ids = [on_each.routed(order=str(number)) for number in range(5)]

    assert on_each.take(runner(), 2) == ids[:2]
    assert on_each.take(runner("b"), 0) == []
    assert on_each.take(runner("b"), 9) == ids[2:]


def test_one_that_is_waited_for_is_taken_before_others(on_each, runner):
    waiting = on_each.started(runner())
    ids = [on_each.routed(order=str(number)) for number in range(3)]

    on_each.orchestrator.pause(waiting, runner(), [ids[1]])
    assert on_each.take(runner(), 9) == [ids[1], ids[0], ids[2]]


def test_each_is_taken_when_it_is_asked_for(bench, runner):
    ids = [bench.routed(order=str(number)) for number in range(2)]

    found = bench.orchestrator.get_invocations_to_run(2, runner())
    assert next(found).id == ids[0]
    assert bench.orchestrator.status(ids[1]).status is S.REGISTERED


def test_a_failed_one_is_tried_again_as_often_as_its_task_says(on_each, runner):
    new = on_each.started(runner())
    for _ in range(2):
        assert on_each.orchestrator.retry(new, runner(), ERROR)
        assert on_each.take(runner()) == [new]
        on_each.orchestrator.start(new, runner())

    assert not on_each.orchestrator.retry(new, runner(), ERROR)
    stored = on_each.orchestrator.get(new)
    assert (stored.status, stored.retries, stored.executions) == (S.RUNNING, 2, 3)


def test_retries_wait_longer_and_longer(make_bench, runner, note):
    options = TaskOptions(max_retries=4, retry_delay=1.0, backoff=3.0, max_delay=10.0)
    bench = make_bench(options=options)
    new = bench.routed()
    while True:
        while not bench.take(runner()):
            time.sleep(0.5)
        bench.orchestrator.start(new, runner())
        note("runs")
        if not bench.orchestrator.retry(new, runner(), ERROR):
            break

    assert note.log == [(0, "runs"), (1, "runs"), (4, "runs"), (13, "runs"), (23, "runs")]


def test_a_call_can_be_delayed(bench, runner, note):
    bench.orchestrator.route_call(TASK, CallId.of(TASK, {}), {}, delay=5.0)

    while not bench.take(runner()):
        time.sleep(1)
    note("taken")
    assert note.log == [(5, "taken")]


@pytest.mark.parametrize("delay", [-1, float("nan"), "soon"])
def test_a_delay_of_no_meaning_is_refused(bench, delay):
    with pytest.raises(ValueError, match="delay has no meaning"):
        bench.orchestrator.route_call(TASK, CallId.of(TASK, {}), {}, delay=delay)
    assert bench.orchestrator.count_invocations() == 0


def test_an_orderly_stop_gives_back_without_counting(on_each, runner):
    new = on_each.routed()
    for _ in range(9):
        assert on_each.take(runner()) == [new]
        on_each.orchestrator.start(new, runner())
        assert on_each.orchestrator.kill_and_reroute(new, runner(), orderly=True)

    stored = on_each.orchestrator.get(new)
    assert (stored.status, stored.recoveries, stored.retries) == (S.REROUTED, 0, 0)
    assert on_each.history(new)[-3:] == ["running", "killed", "rerouted"]


def test_one_that_loses_its_runners_fails_in_the_end(make_bench, runner):
    bench = make_bench(options=TaskOptions(max_recoveries=2))
    new = bench.routed()
    for _ in range(3):
        assert bench.take(runner()) == [new]
        bench.orchestrator.start(new, runner())
        assert bench.orchestrator.kill_and_reroute(new, runner(), orderly=False)

    stored = bench.orchestrator.get(new)
    assert (stored.status, stored.executions, stored.recoveries) == (S.FAILED, 3, 2)
    assert stored.error.type_name == "PoisonedInvocationError"
    assert stored.error.text.startswith(f"invocation {new} lost its runner 3 times")
    assert bench.history(new)[-2:] == ["killed", "failed"]


def test_one_that_is_final_is_not_rerouted(bench, runner):
    new = bench.started(runner())
    bench.orchestrator.succeed(new, runner(), "paid")

    assert not bench.orchestrator.kill_and_reroute(new, runner(), orderly=True)
    assert bench.orchestrator.status(new).status is S.SUCCESS


def test_an_id_that_is_there_already_is_registered_once(on_each, runner):
    new = InvocationId.derived("trigger", "occurrence")
    routed = [
        on_each.orchestrator.route_call(TASK, CallId.of(TASK, {}), {}, invocation_id=new)
        for _ in range(2)
    ]

    assert [(each.id, each.is_reused) for each in routed] == [(new, False), (new, True)]
    assert on_each.take(runner(), 9) == [new]
    assert on_each.take(runner(), 9) == []


def test_calls_are_registered_together(bench, runner):
    calls = [(TASK, CallId.of(TASK, {"x": each}), {"x": each}) for each in "abc"]
    parent = bench.routed()

    ids = bench.orchestrator.route_calls(calls, parent=parent)
    assert [bench.orchestrator.get(each).arguments["x"] for each in ids] == ["a", "b", "c"]
    assert {bench.orchestrator.get(each).parent for each in ids} == {parent}
    assert bench.take(runner(), 9) == [parent, *ids]


def test_statuses_have_instants_that_everybody_understands(bench, runner):
    time.sleep(90)
    new = bench.routed()

    record = bench.orchestrator.status(new)
    assert (record.status, record.runner_id) == (S.REGISTERED, None)
    assert record.timestamp == datetime.fromtimestamp(time.time(), timezone.utc)
    bench.take(runner())
    assert bench.orchestrator.status(new).runner_id == "a"


def test_an_unknown_invocation_is_told(bench, runner):
    unknown = InvocationId("nobody")
    operations = [
        lambda it: it.get(unknown),
        lambda it: it.status(unknown),
        lambda it: it.start(unknown, runner()),
        lambda it: it.retry(unknown, runner(), ERROR),
        lambda it: it.kill_and_reroute(unknown, runner(), orderly=True),
        lambda it: it.filter_by_final([unknown]),
    ]
    for operation in operations:
        with pytest.raises(InvocationNotFoundError, match="there is no invocation nobody"):
            operation(bench.orchestrator)


def test_a_foreign_runner_changes_nothing(on_each, runner):
    new = on_each.started(runner())
    other = runner("b")
    operations = [
        lambda it: it.succeed(new, other, "stolen"),
        lambda it: it.fail(new, other, ERROR),
        lambda it: it.retry(new, other, ERROR),
        lambda it: it.pause(new, other, []),
        lambda it: it.kill_and_reroute(new, other, orderly=True),
    ]
    before = on_each.orchestrator.get(new)
    for operation in operations:
        with pytest.raises(InvocationStatusOwnershipError) as caught:
            operation(on_each.orchestrator)
        assert (caught.value.current_owner, caught.value.attempted_owner) == ("a", "b")
        assert caught.value.invocation_id == new

    assert on_each.orchestrator.get(new) == before


def test_a_status_that_the_table_forbids_changes_nothing(bench, runner):
    new = bench.routed()
    before = bench.orchestrator.get(new)

    with pytest.raises(InvocationStatusTransitionError, match="success cannot follow registered"):
        bench.orchestrator.succeed(new, runner(), "paid")
    assert bench.orchestrator.get(new) == before


def test_a_body_that_outlives_its_execution_is_refused_though_its_runner_has_it_again(
    on_each, runner
):
    new = on_each.started(runner())
    old = on_each.orchestrator.get(new)
    on_each.orchestrator.kill_and_reroute(new, runner(), orderly=True)
    on_each.take(runner())
    again = on_each.orchestrator.start(new, runner())

    with pytest.raises(InvocationStatusOwnershipError, match="it was rerouted after routing 1"):
        on_each.orchestrator.succeed(new, runner(), "late", routing=old.routing)
    on_each.orchestrator.succeed(new, runner(), "paid", routing=again.routing)
    assert on_each.orchestrator.get(new).result == "paid"


def test_a_change_that_is_repeated_is_done_once(bench, runner):
    new = bench.routed()
    bench.take(runner())
    for _ in range(2):
        assert bench.orchestrator.start(new, runner(), routing=1).executions == 1
    for _ in range(2):
        bench.orchestrator.succeed(new, runner(), "paid", routing=1)

    assert bench.history(new) == ["registered", "pending", "running", "success"]
    with pytest.raises(InvocationStatusTransitionError):
        bench.orchestrator.succeed(new, runner(), "paid")


def test_a_retry_and_a_reroute_that_are_repeated_are_done_once(make_bench, runner):
    bench = make_bench(options=TaskOptions(max_retries=1))
    new = bench.started(runner())
    for _ in range(2):
        assert bench.orchestrator.retry(new, runner(), ERROR, routing=1)
    bench.take(runner())
    for _ in range(2):
        assert bench.orchestrator.kill_and_reroute(new, runner(), orderly=False, routing=2)

    stored = bench.orchestrator.get(new)
    assert (stored.retries, stored.recoveries, stored.routing) == (1, 1, 3)


def test_each_change_is_told_after_it_was_made(make_bench, runner):
    bench = make_bench(options=TaskOptions(max_retries=1))
    told = []
    bench.orchestrator.on_change.append(lambda stored: told.append(stored.status.value))
    new = bench.started(runner())
    bench.orchestrator.retry(new, runner(), ERROR)
    bench.take(runner())
    bench.orchestrator.kill_and_reroute(new, runner(), orderly=True)

    assert told == bench.history(new)


def test_an_error_of_who_is_told_is_logged_and_changes_nothing(bench, runner, caplog):
    def fail(stored):
        raise ValueError(stored.status.value)

    bench.orchestrator.on_change.append(fail)
    new = bench.routed()

    assert bench.take(runner()) == [new]
    assert f"a change of invocation {new} could not be told" in caplog.text


def test_the_bell_is_rung_when_something_is_available_or_final(bench, runner):
    rings = []
    bench.storage.bell.subscribe(lambda: rings.append(len(rings)))

    new = bench.routed()
    assert len(rings) == 1
    bench.take(runner())
    bench.orchestrator.start(new, runner())
    assert len(rings) == 1
    bench.orchestrator.succeed(new, runner(), "paid")
    assert len(rings) == 2


def test_a_long_history_keeps_its_begin_and_its_end(bench, runner):
    new = bench.routed()
    for _ in range(LONGEST_HISTORY):
        bench.take(runner())
        bench.orchestrator.kill_and_reroute(new, runner(), orderly=True)

    history = bench.history(new)
    assert len(history) == LONGEST_HISTORY
    assert history[0] == "registered"
    assert history[-3:] == ["pending", "killed", "rerouted"]


def test_questions_about_many(on_each, runner):
    refund = TaskId("shop", "refund")
    ids = []
    for number in range(3):
        time.sleep(1)
        ids.append(on_each.routed(order=str(number % 2)))
    other = on_each.route(task=refund).id
    it = on_each.orchestrator
    on_each.take(runner(), 2)
    it.start(ids[0], runner())
    it.succeed(ids[0], runner(), "paid")

    assert it.count_invocations() == 4
    assert it.count_invocations([S.SUCCESS, S.PENDING]) == 2
    assert it.count_invocations(task=refund) == 1
    assert it.get_invocation_ids_paginated(9, task=TASK) == ids[::-1]
    assert it.get_invocation_ids_paginated(2, 2) == [ids[1], ids[0]]
    assert it.get_invocation_ids_paginated(2, statuses=[S.REGISTERED]) == [other, ids[2]]
    assert it.get_task_invocation_ids(refund) == [other]
    assert it.get_call_invocation_ids(it.get(ids[0]).call_id) == [ids[2], ids[0]]
    assert it.get_invocation_ids_of_runner("a") == [ids[1]]
    assert it.filter_by_status(ids, {S.PENDING, S.SUCCESS}) == ids[:2]
    assert it.filter_by_final(ids) == [ids[0]]


def test_pages_of_no_meaning_are_refused(bench):
    with pytest.raises(ValueError, match="a negative number of records"):
        bench.orchestrator.get_invocation_ids_paginated(-1)


def test_a_purge_removes_all(on_each, runner):
    new = on_each.started(runner())
    on_each.routed()
    on_each.orchestrator.purge()

    assert on_each.orchestrator.count_invocations() == 0
    assert on_each.take(runner()) == []
    with pytest.raises(InvocationNotFoundError):
        on_each.orchestrator.succeed(new, runner(), "paid")


def test_an_invocation_that_cannot_be_read_keeps_nobody_from_others(bench, runner, caplog):
    damaged, fine = bench.routed(), bench.routed(order="8")
    row = bench.storage.invocations.get(damaged)
    bench.storage.invocations.swap(damaged, row.version, row.status, {"layout": 2})

    assert bench.take(runner(), 9) == [fine]
    assert bench.orchestrator.count_invocations() == 1
    with pytest.raises(StateBackendError, match="is of layout 2, not 1"):
        bench.orchestrator.get(damaged)
    assert f"invocation {damaged}" in caplog.text


@pytest.mark.parametrize("value", [None, 3, {"layout": 1}, {"layout": 1, "task": 7}])
def test_a_record_that_is_none_of_an_invocation_is_told(bench, value):
    bench.storage.invocations.create("x", "registered", value, at=1)
    with pytest.raises(StateBackendError, match=r"invocation x is of layout None|no record of"):
        bench.orchestrator.get("x")


def test_what_is_no_hint_is_dropped(bench, runner, caplog):
    for number, payload in enumerate([None, "x", [1]]):
        bench.storage.queue.push(str(number), payload)
    new = bench.routed()

    assert bench.take(runner()) == [new]
    assert caplog.text.count("an entry of the queue is dropped") == 3
    assert bench.orchestrator.hints.count() == 0


def test_two_hints_of_one_invocation_are_one(bench, runner):
    new = bench.routed()
    bench.orchestrator.hints.push_again(bench.orchestrator.get(new), 1)

    assert bench.take(runner(), 9) == [new]
    assert bench.orchestrator.hints.count() == 0


def test_a_hint_of_what_was_rerouted_since_is_dropped(bench, runner):
    new = bench.routed()
    bench.orchestrator.hints.push_again(bench.orchestrator.get(new), 1)
    bench.take(runner())
    bench.orchestrator.kill_and_reroute(new, runner(), orderly=True)

    assert bench.take(runner(), 9) == [new]
    assert bench.orchestrator.get(new).routing == 2


def test_threads_that_share_a_runner_take_each_invocation_once(bench, runner):
    ids = {bench.routed(order=str(number)) for number in range(20)}
    taken = []

    def take():
        taken.extend(bench.take(runner(), 20))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20
    assert set(taken) == ids


def test_a_call_whose_hint_failed_can_be_repeated_and_is_run_at_once(bench, runner, monkeypatch):
    new, call = InvocationId.new(), (TASK, CallId.of(TASK, {}), {})

    def push(*_, **__):
        raise StateBackendError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(bench.storage.queue, "push", push, raising=False)
        with pytest.raises(StateBackendError):
            bench.orchestrator.route_call(*call, invocation_id=new)
    assert bench.orchestrator.route_call(*call, invocation_id=new).is_reused

    assert bench.take(runner()) == [new]
    assert bench.orchestrator.route_call(*call, invocation_id=new).id == new
    assert bench.take(runner(), 9) == []
