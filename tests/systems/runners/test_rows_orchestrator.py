"""One test for each oddity of the original orchestrator: each fails on how that behaves."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.failures import ConcurrencyControlledError
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.stored import StoredError

# What the original does, and what is done instead. Others have theirs beside the runners' tests.
ROWS = {
    "p3": "running concurrency compares what the registration option says: what its own says",
    "p6": "retries follow at once, each after the other: after delays that grow, if wanted",
    "p7": "one invocation that others change ends the recovery of all: of that one only",
    "p10": "each change leaves a thread and a lock behind: nothing",
    "p18": "a rerouted one that may not run ends its runner: it is ended, the runner goes on",
}

pytestmark = pytest.mark.simclock
ERROR = StoredError("ValueError", "it was wrong")


def test_p3_running_concurrency_compares_what_its_own_option_says(make_bench, runner):
    bench = make_bench(options=TaskOptions(running_concurrency=C.ARGUMENTS))
    bench.started(runner(), order="7")
    equal, other = bench.routed(order="7"), bench.routed(order="8")

    assert bench.take(runner("b"), 9) == [other]
    assert bench.orchestrator.status(equal).status is S.CONCURRENCY_CONTROLLED_FINAL


def test_p3_the_result_of_one_that_was_not_run_is_a_typed_error(bench, runner):
    bench.options = TaskOptions(running_concurrency=C.TASK)
    bench.started(runner())
    second = bench.routed()
    bench.take(runner("b"))

    from simclock.systems.runners.results import value_of

    app = Pynenc({"app_id": "rows"}, storage=bench.storage)
    with pytest.raises(ConcurrencyControlledError, match=f"invocation {second} was not run"):
        value_of(app, bench.orchestrator.get(second))


def test_p6_retries_wait_and_back_off(make_bench, runner, note):
    bench = make_bench(options=TaskOptions(max_retries=3, retry_delay=2.0, backoff=2.0))
    new = bench.routed()
    is_tried_again = True
    while is_tried_again:
        while not bench.take(runner()):
            time.sleep(0.25)
        bench.orchestrator.start(new, runner())
        note("runs")
        is_tried_again = bench.orchestrator.retry(new, runner(), ERROR)

    assert note.log == [(0, "runs"), (2, "runs"), (6, "runs"), (14, "runs")]


def test_p7_one_that_others_change_does_not_end_the_recovery(bench, runner):
    ids = [bench.started(runner(), order=str(number)) for number in range(5)]
    recovery = Recovery(bench.orchestrator)
    change, raced = bench.orchestrator.ledger.change, []

    def change_after_others(invocation_id, decide):
        if invocation_id == ids[2] and not raced:
            raced.append(invocation_id)
            bench.orchestrator.succeed(ids[2], runner(), "paid after all")
        return change(invocation_id, decide)

    for _ in range(3):
        recovery.step(runner("b"))
        time.sleep(25)
    bench.orchestrator.ledger.change = change_after_others

    assert recovery.step(runner("b")) == 4
    statuses = [bench.orchestrator.status(each).status for each in ids]
    assert statuses == [S.REROUTED, S.REROUTED, S.SUCCESS, S.REROUTED, S.REROUTED]


def test_p10_changes_leave_no_threads_and_no_locks(bench, runner):
    def left():
        gc.collect()
        locks = sum(isinstance(each, type(threading.Lock())) for each in gc.get_objects())
        return threading.active_count(), locks

    before = left()
    for number in range(50):
        new = bench.started(runner(), order=str(number))
        bench.orchestrator.succeed(new, runner(), "paid")

    assert left() == before


@pytest.mark.parametrize("status", ["rerouted", "retry"])
def test_p18_one_that_comes_again_and_may_not_run_is_ended(make_bench, runner, status):
    bench = make_bench(options=TaskOptions(running_concurrency=C.TASK, max_retries=1))
    first = bench.started(runner())
    if status == "retry":
        bench.orchestrator.retry(first, runner(), ERROR)
    else:
        bench.orchestrator.kill_and_reroute(first, runner(), orderly=True)
    # One that is taken meanwhile, by another hint: the first one is behind it.
    second = bench.routed()
    bench.orchestrator.hints.push_awaited(bench.orchestrator.get(second))
    assert bench.take(runner("b")) == [second]

    assert bench.take(runner(), 9) == []
    assert bench.history(first)[-2:] == [status, "concurrency_controlled_final"]
    third = bench.routed()
    bench.orchestrator.start(second, runner("b"))
    bench.orchestrator.succeed(second, runner("b"), "paid")
    assert bench.take(runner(), 9) == [third]
