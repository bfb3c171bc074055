"""The development mode: tasks are run when they are called."""

from __future__ import annotations

import asyncio
import time

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import current_invocation
from simclock.systems.runners.failures import (
    RetryError,
    RunnerNotExecutableError,
    SerializationError,
)
from simclock.systems.runners.invocations import DistributedInvocation
from simclock.systems.runners.statuses import InvocationStatus

pytestmark = pytest.mark.simclock
app = Pynenc({"app_id": "development", "dev_mode_force_sync_tasks": True})
distributed = Pynenc({"app_id": "distributed"})
NOTES = []


@app.task(max_retries=2, retry_delay=1.0, backoff=3.0)
def fails_so_often(times):
    NOTES.append(time.monotonic())
    if current_invocation().retries < times:
        raise RetryError("again")
    return "done"


@app.task
async def sleeps(seconds):
    await asyncio.sleep(seconds)
    return seconds


@app.task
def doubles(number):
    return 2 * number


@app.task
def quadruples(number):
    return doubles(doubles(number).result).result


@app.direct_task(parallel_func=lambda arguments: [(1,), (2,)], aggregate_func=sum)
def squares(number):
    return number**2


@distributed.task
def elsewhere():
    """Is run by nobody."""


@app.task
def waits_for_one_elsewhere():
    return DistributedInvocation(app, elsewhere_id()).result


def elsewhere_id():
    routed = app.orchestrator.route_call(doubles.task_id, doubles(1).call.call_id, {"number": "1"})
    return routed.id


@app.task
async def waits_for_one_elsewhere_async():
    return await DistributedInvocation(app, elsewhere_id()).async_result()


def test_retries_wait_as_they_do_elsewhere(sim):
    NOTES.clear()
    invocation = fails_so_often(2)

    assert [each - NOTES[0] for each in NOTES] == [0, 1, 4]
    assert (invocation.result, invocation.num_retries) == ("done", 2)
    assert invocation.status is InvocationStatus.SUCCESS


def test_a_task_that_was_retried_often_enough_has_failed():
    invocation = fails_so_often(3)

    assert (invocation.status, invocation.num_retries) == (InvocationStatus.FAILED, 2)
    with pytest.raises(RetryError, match="again"):
        _ = invocation.result


def test_a_coroutine_function_is_run_in_a_loop_of_its_own(sim):
    assert sleeps(3).result == 3
    assert sim.elapsed == 3


async def test_also_where_a_loop_runs_already(sim):
    assert await sleeps(3).async_result() == 3
    assert sim.elapsed == 3


async def test_its_errors_are_kept_there_too():
    invocation = sleeps("x")

    with pytest.raises(TypeError):
        _ = invocation.result


def test_tasks_may_call_tasks():
    assert quadruples(3).result == 12


def test_groups_are_run_one_after_the_other(sim):
    group = sleeps.parallelize([(2,), {"seconds": 1}])

    assert list(group.results) == [2, 1]
    assert (sim.elapsed, len(group)) == (3, 2)
    assert [each.status for each in group] == 2 * [InvocationStatus.SUCCESS]


async def test_the_results_of_groups_may_be_awaited():
    group = doubles.parallelize([(2,), (1,)])

    assert [each async for each in group.async_results()] == [4, 2]


def test_direct_tasks_are_spread_here_too():
    assert squares(7) == 5


def test_what_could_not_be_passed_to_a_runner_is_told():
    with pytest.raises(SerializationError, match="argument 'number' of"):
        doubles(object())


@pytest.mark.parametrize("task", [waits_for_one_elsewhere, waits_for_one_elsewhere_async])
def test_waiting_for_a_runner_is_told_at_once(task, sim):
    with pytest.raises(
        RunnerNotExecutableError, match="a task in development mode waits for one of a runner"
    ):
        _ = task().result
    assert sim.elapsed == 0


def test_a_call_outside_may_be_of_a_runner():
    assert isinstance(elsewhere(), DistributedInvocation)
