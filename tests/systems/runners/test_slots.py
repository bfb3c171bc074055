"""Concurrency control: what is run, or registered, by one only."""

from __future__ import annotations

import time

import pytest

from simclock.systems.runners.failures import (
    InvocationConcurrencyWithDifferentArgumentsError,
    StateBackendError,
)
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.stored import StoredError

pytestmark = pytest.mark.simclock
ERROR = StoredError("ValueError", "it was wrong")


def running(control, **options):
    return TaskOptions(
        running_concurrency=control, reroute_on_concurrency_control=True, max_retries=9, **options
    )


@pytest.mark.parametrize(
    ("control", "taken"),
    [(C.DISABLED, "abcd"), (C.TASK, "a"), (C.ARGUMENTS, "abc"), (C.KEYS, "ac")],
)
def test_those_that_keep_each_other_from_running(each_storage, make_bench, runner, control, taken):
    bench = make_bench(each_storage, running(control, key_arguments=("x",)))
    names = {
        bench.routed(x="1", y="1"): "a",
        bench.routed(x="1", y="2"): "b",
        bench.routed(x="2", y="2"): "c",
        bench.routed(x="1", y="1"): "d",
    }
    assert "".join(names[each] for each in bench.take(runner(), 9)) == taken


def test_one_that_may_not_run_now_is_run_when_the_other_has_ended(make_bench, runner, note):
    bench = make_bench(options=running(C.TASK))
    first = bench.started(runner())
    second = bench.routed()

    def take_until(instant):
        while True:
            time.sleep(0.5)
            if taken := bench.take(runner("b")):
                return note("taken", taken == [second])
            if time.monotonic() >= instant:
                return note("nothing")

    take_until(time.monotonic() + 10)
    bench.orchestrator.succeed(first, runner(), "")
    take_until(time.monotonic() + 10)
    assert note.log == [(10, "nothing"), (10.5, "taken", True)]
    assert bench.history(second)[:3] == ["registered", "concurrency_controlled", "rerouted"]


def test_the_end_of_one_lets_the_next_run_at_once(each_storage, make_bench, runner):
    bench = make_bench(each_storage, running(C.TASK))
    first = bench.started(runner())
    others = [bench.routed() for _ in range(3)]
    assert bench.take(runner("b"), 9) == []

    ran = [first]
    for _ in others:
        bench.orchestrator.succeed(ran[-1], runner(), "")
        ran += bench.take(runner())
        bench.orchestrator.start(ran[-1], runner())

    assert ran == [first, *others]
    assert bench.take(runner("b"), 9) == []


@pytest.mark.parametrize("end", ["retry", "give back"])
def test_one_that_is_to_run_again_lets_the_next_run_meanwhile(make_bench, runner, end):
    bench = make_bench(options=running(C.TASK, retry_delay=100.0))
    first = bench.started(runner())
    second = bench.routed()
    assert bench.take(runner("b"), 9) == []
    if end == "retry":
        bench.orchestrator.retry(first, runner(), ERROR)
        assert bench.take(runner("b"), 9) == [second]
    else:
        bench.orchestrator.kill_and_reroute(first, runner(), orderly=True)
        # Both can run now. One does.
        assert bench.take(runner("b"), 9) == [first]


def test_who_waits_for_a_slot_and_is_gone_keeps_no_other_from_it(make_bench, runner):
    bench = make_bench(options=running(C.TASK))
    first = bench.started(runner())
    gone, other = bench.routed(), bench.routed()
    assert bench.take(runner("b"), 9) == []
    bench.storage.invocations.delete(gone)
    bench.orchestrator.succeed(first, runner(), "")

    assert bench.take(runner("b"), 9) == [other]


def test_so_many_that_wait_are_noted_and_the_others_look_by_themselves(make_bench, runner):
    bench = make_bench(options=running(C.TASK))
    ran = [bench.started(runner())]
    others = {bench.routed() for _ in range(103)}
    assert bench.take(runner("b"), 9) == []
    assert bench.take(runner("b"), 9) == []
    begin = time.monotonic()
    for number in range(103):
        if number == 100:
            assert bench.take(runner()) == []
            time.sleep(1)
        bench.orchestrator.succeed(ran[-1], runner(), "")
        ran += bench.take(runner())
        bench.orchestrator.start(ran[-1], runner())

    assert set(ran[1:]) == others
    assert time.monotonic() - begin == pytest.approx(1)


def test_a_store_that_is_away_when_one_ends_is_no_error_of_it(
    make_bench, runner, monkeypatch, caplog
):
    bench = make_bench(options=running(C.TASK))
    first = bench.started(runner())
    second = bench.routed()
    assert bench.take(runner("b"), 9) == []

    def away(*_):
        raise StateBackendError("a server is away")

    with monkeypatch.context() as patch:
        patch.setattr(bench.storage.slots, "get", away)
        bench.orchestrator.succeed(first, runner(), "")
    assert caplog.messages == ["nobody is told of a slot that is free: a server is away"]
    assert bench.take(runner("b"), 9) == []
    time.sleep(1)
    assert bench.take(runner("b"), 9) == [second]


def test_one_that_may_not_run_now_is_ended_if_it_is_not_to_be_rerouted(
    each_storage, make_bench, runner
):
    bench = make_bench(each_storage, TaskOptions(running_concurrency=C.TASK))
    bench.started(runner())
    second = bench.routed()

    assert bench.take(runner("b")) == []
    assert bench.history(second) == ["registered", "concurrency_controlled_final"]
    assert bench.orchestrator.status(second).runner_id is None
    assert bench.orchestrator.hints.count() == 0


@pytest.mark.parametrize("end", ["succeed", "fail", "retry", "give back", "lose"])
def test_a_slot_is_free_when_its_invocation_is_final_or_rerouted(make_bench, runner, end):
    bench = make_bench(options=running(C.TASK, retry_delay=100.0))
    first = bench.started(runner())
    second = bench.routed()
    it = bench.orchestrator
    {
        "succeed": lambda: it.succeed(first, runner(), ""),
        "fail": lambda: it.fail(first, runner(), ERROR),
        "retry": lambda: it.retry(first, runner(), ERROR),
        "give back": lambda: it.kill_and_reroute(first, runner(), orderly=True),
        "lose": lambda: it.kill_and_reroute(first, runner(), orderly=False),
    }[end]()

    assert bench.take(runner("b"), 1) == [second]
    assert bench.take(runner("c"), 9) == []


@pytest.mark.parametrize("status", ["PAUSED", "RESUMED"])
def test_one_that_is_paused_keeps_its_slot(make_bench, runner, status):
    bench = make_bench(options=running(C.TASK))
    first = bench.started(runner())
    bench.orchestrator.pause(first, runner(), [])
    if status == "RESUMED":
        bench.orchestrator.resume(first, runner())
    bench.routed()

    assert bench.take(runner("b")) == []


def test_the_slot_of_one_that_was_purged_is_free(make_bench, runner):
    bench = make_bench(options=running(C.TASK))
    first = bench.started(runner())
    bench.storage.invocations.delete(first)
    second = bench.routed()

    assert bench.take(runner("b")) == [second]


def test_tasks_have_slots_of_their_own(make_bench, runner):
    from simclock.systems.runners.identifiers import TaskId

    bench = make_bench(options=running(C.TASK))
    bench.started(runner())
    other = bench.route(task=TaskId("shop", "refund")).id

    assert bench.take(runner("b")) == [other]


def registering(control, **options):
    return TaskOptions(registration_concurrency=control, **options)


@pytest.mark.parametrize(
    ("control", "made"), [(C.DISABLED, 4), (C.TASK, 1), (C.ARGUMENTS, 3), (C.KEYS, 2)]
)
def test_those_that_keep_each_other_from_being_registered(
    each_storage, make_bench, runner, control, made
):
    bench = make_bench(each_storage, registering(control, key_arguments=("x",)))
    calls = [{"x": "1", "y": "1"}, {"x": "1", "y": "2"}, {"x": "2", "y": "2"}, {"x": "1", "y": "1"}]
    routed = [bench.route(**each) for each in calls]

    assert len({each.id for each in routed}) == made
    assert sum(not each.is_reused for each in routed) == made
    assert len(bench.take(runner(), 9)) == made


def test_one_that_was_taken_is_reused_no_more(each_storage, make_bench, runner):
    bench = make_bench(each_storage, registering(C.TASK))
    first = bench.routed()
    bench.take(runner())
    second = bench.route()

    assert second.id != first
    assert not second.is_reused
    assert bench.route().id == second.id


def test_a_call_that_differs_is_told_how(make_bench):
    bench = make_bench(options=registering(C.KEYS, key_arguments=("x",)))
    first = bench.routed(x="1", y="1")

    assert bench.route(x="1", y="1").differing is None
    assert bench.route(x="1", y="2") == (first, True, {"y": "2"})


def test_a_call_that_differs_can_be_an_error(make_bench):
    options = registering(C.KEYS, key_arguments=("x",), on_diff_non_key_args_raise=True)
    bench = make_bench(options=options)
    first = bench.routed(x="1", y="1")

    assert bench.route(x="1", y="1").id == first
    with pytest.raises(
        InvocationConcurrencyWithDifferentArgumentsError, match="with other arguments: y"
    ) as caught:
        bench.route(x="1", y="2")
    assert caught.value.invocation_id == first


def test_one_that_was_registered_is_found_by_its_own_id_again(make_bench):
    from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId

    bench = make_bench(options=registering(C.TASK))
    task, new = TaskId("shop", "charge"), InvocationId.derived("x")
    for is_reused in (False, True):
        routed = bench.orchestrator.route_call(task, CallId.of(task, {}), {}, invocation_id=new)
        assert routed == (new, is_reused, None)


def test_what_its_caller_has_not_come_to_is_registered_by_the_next_call(make_bench, runner):
    bench = make_bench(options=registering(C.TASK))
    create = bench.orchestrator.ledger.create
    bench.orchestrator.ledger.create = lambda stored: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bench.route(x="1")
    bench.orchestrator.ledger.create = create

    routed = bench.route(x="2")
    assert (routed.is_reused, routed.differing) == (True, {"x": "2"})
    assert bench.take(runner(), 9) == [routed.id]
    assert bench.orchestrator.get(routed.id).arguments == {"x": "1"}


def test_a_slot_whose_invocation_was_purged_is_another_ones(make_bench):
    bench = make_bench(options=registering(C.TASK))
    bench.storage.invocations.delete(bench.routed())

    assert not bench.route().is_reused
    assert bench.orchestrator.count_invocations([S.REGISTERED]) == 1
