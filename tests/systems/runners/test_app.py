"""Tasks are called in one place and run in another: what callers see."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import current, current_invocation
from simclock.systems.runners.failures import (
    ConcurrencyControlledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
    ResultTimeoutError,
    RetryError,
    SerializationError,
    StateBackendError,
    TaskFailedError,
)
from simclock.systems.runners.identifiers import InvocationId, TaskId
from simclock.systems.runners.invocations import DistributedInvocation, ReusedInvocation
from simclock.systems.runners.options import ConcurrencyControlType
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.threads import ThreadRunner

pytestmark = pytest.mark.simclock
TASK, ARGUMENTS, KEYS = (
    ConcurrencyControlType.TASK,
    ConcurrencyControlType.ARGUMENTS,
    ConcurrencyControlType.KEYS,
)
declared = Pynenc({"app_id": "tests", "max_threads": 4})
NOTES = []


@declared.task
def add(one, two=10):
    return one + two


@declared.task
def sleeps(seconds):
    time.sleep(seconds)
    return seconds


@declared.task
async def sleeps_async(seconds):
    await asyncio.sleep(seconds)
    return seconds


@declared.task
def fails(kind, *args):
    raise {"value": ValueError, "exit": SystemExit, "local": local_error()}[kind](*args)


def local_error():
    class Local(Exception):
        pass

    return Local


@declared.task
def returns_something_strange():
    return object()


@declared.task(max_retries=3, retry_delay=1.0, backoff=2.0)
def fails_so_often(times):
    invocation = current_invocation()
    NOTES.append((time.monotonic(), invocation.retries))
    if invocation.retries < times:
        raise RetryError(f"retry {invocation.retries}")
    return "done"


@declared.task(retry_delay=1800.0, max_retries=1)
def fails_once():
    return fails_so_often.func(1)


@declared.task
def parent_of(seconds):
    """Wait for two children, one after the other."""
    children = [sleeps(seconds), sleeps_async(seconds)]
    return [each.result for each in children]


@declared.task
async def async_parent_of(seconds):
    return [await sleeps(seconds).async_result(), await sleeps_async(seconds).async_result()]


@declared.task
def waits_at_most(timeout):
    try:
        return sleeps(60).get_result(timeout)
    except ResultTimeoutError:
        return "waited"


@declared.task(registration_concurrency=TASK)
def registered_once(number):
    return number


@declared.task(
    registration_concurrency=KEYS, key_arguments=("key",), on_diff_non_key_args_raise=True
)
def registered_by_key(key, number):
    return number


@declared.task(running_concurrency=TASK)
def runs_alone(seconds):
    time.sleep(seconds)


@declared.task(running_concurrency=TASK, reroute_on_concurrency_control=True)
def runs_in_turn(number):
    NOTES.append((time.monotonic(), number))
    time.sleep(0.3)


@declared.task
def goes_on_until_stopped():
    while not goes_on_until_stopped.invocation.should_stop:
        time.sleep(0.5)
    goes_on_until_stopped.invocation.checkpoint()


@declared.direct_task
def sum_of(*numbers):
    return sum(numbers)


@declared.direct_task
async def sum_later(*numbers):
    await asyncio.sleep(1)
    return sum(numbers)


@declared.direct_task(
    parallel_func=lambda arguments: [(each,) for each in range(arguments["count"])],
    aggregate_func=sum,
)
def squares(count):
    return count**2


@declared.direct_task(
    parallel_func=lambda arguments: ({"power": arguments["power"]}, [{"base": 2}, {"base": 3}]),
    aggregate_func=sorted,
)
async def powers(base, power):
    await asyncio.sleep(base)
    return base**power


@pytest.fixture
def app():
    """The application with a storage of its own; it is the one that calls are registered in."""
    NOTES.clear()
    app = declared.copy()
    with current(app, None):
        yield app


@contextlib.contextmanager
def runner_of(app):
    """Have a runner run the tasks of *app* in a block."""
    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop_runner_loop()
        assert runner.wait_until_stopped(30)
        thread.join()


@pytest.fixture
def runner(app):
    with runner_of(app) as runner:
        yield runner


def history(app, invocation):
    return [each.status.value for each in app.orchestrator.get(invocation.invocation_id).history]


# --------------------------------------------------------------------------------- calls


def test_a_call_is_registered_and_returns_at_once(app, sim):
    invocation = add(1, two=2)

    assert isinstance(invocation, DistributedInvocation)
    assert invocation.status is InvocationStatus.REGISTERED
    assert invocation.task.task_id == TaskId(__name__, "add")
    assert invocation.arguments.kwargs == {"one": 1, "two": 2}
    assert sim.elapsed == 0


def test_a_result_is_there_when_a_runner_has_run_it(app, sim):
    invocation = sleeps(3)
    with runner_of(app):
        result = invocation.result
        took = sim.elapsed

    assert (result, round(took, 1)) == (3, 3.0)
    assert history(app, invocation) == ["registered", "pending", "running", "success"]


@pytest.mark.parametrize("task", [sleeps, sleeps_async])
def test_functions_and_coroutine_functions_are_run(runner, task):
    assert task(1).result == 1


def test_what_is_known_by_its_id_only_is_the_same(app, runner):
    invocation = add(1)
    again = DistributedInvocation(app, invocation.invocation_id)

    assert again.result == 11
    assert again.arguments.kwargs == {"one": 1, "two": 10}
    assert (again.task.task_id, again.num_retries) == (add.task_id, 0)
    assert again == invocation
    assert len({again, invocation}) == 1


def test_equal_arguments_have_one_call_id_however_they_are_given(app):
    calls = [add(1).call, add(1, 10).call, add(two=10, one=1).call, add(2).call]

    assert len({each.call_id for each in calls[:3]}) == 1
    assert calls[3].call_id != calls[0].call_id


def test_an_argument_that_cannot_be_passed_is_named(app):
    with pytest.raises(
        SerializationError,
        match=r"argument 'two' of .*\.add: value cannot be serialised: a builtins.object",
    ):
        add(1, object())
    with pytest.raises(SerializationError, match="argument 'two' of"):
        add.parallelize([(1,)], {"two": object()})


def test_a_call_that_is_not_possible_is_refused_where_it_is_made(app):
    with pytest.raises(TypeError, match=r"add\(\): missing a required argument: 'one'"):
        add()


def test_a_call_is_shown_as_the_configuration_says():
    app = Pynenc({"app_id": "tests", "argument_print_mode": "KEYS"})

    assert repr(app.get_task(add.task_id)(1).call) == f"Call({__name__}.add(one, two))"


# ------------------------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("value", "of the task"), ValueError, "of the task"),
        (("exit", 3), SystemExit, "3"),
        (("local", "x"), TaskFailedError, "the task has failed: Local: x"),
    ],
)
def test_what_a_task_raises_is_raised_by_its_result(runner, arguments, error, text):
    invocation = fails(*arguments)
    for _ in range(2):
        with pytest.raises(error, match=text) as caught:
            _ = invocation.result
        assert "in fails" in str(caught.value.__cause__)
    assert invocation.status is InvocationStatus.FAILED


def test_a_result_that_cannot_be_kept_is_a_failure(runner):
    with pytest.raises(
        SerializationError, match=r"the result of .*returns_something_strange: value cannot"
    ):
        _ = returns_something_strange().result


def test_a_wait_may_have_an_end_and_the_invocation_goes_on(runner, sim):
    invocation = sleeps(3)
    with pytest.raises(
        ResultTimeoutError, match=f"{invocation.invocation_id} had no result within 1 s"
    ):
        invocation.get_result(timeout=1)
    waited = sim.elapsed

    assert (waited, invocation.get_result(timeout=10)) == (1.0, 3)


async def test_results_may_be_awaited(runner, sim):
    """The event loop is free meanwhile."""
    ticks = []

    async def tick():
        for _ in range(5):
            ticks.append(sim.elapsed)
            await asyncio.sleep(0.5)

    ticking = asyncio.create_task(tick())
    with pytest.raises(ResultTimeoutError):
        await sleeps(60).async_result(timeout=1)
    result = await sleeps_async(1).async_result()
    await ticking

    assert (result, ticks) == (1, [0, 0.5, 1, 1.5, 2])


def test_a_result_of_nothing_is_refused(app):
    with pytest.raises(InvocationNotFoundError):
        _ = DistributedInvocation(app, InvocationId.new()).result


def test_a_status_is_read_again_after_a_moment(app):
    invocation = sleeps(1)
    log = [invocation.status.value]
    with runner_of(app):
        time.sleep(0.05)
        log.append(invocation.status.value)
        time.sleep(0.06)
        log.append(invocation.status.value)
        invocation.get_result()
    time.sleep(0.1)
    log.append(invocation.status.value)
    app.purge()
    time.sleep(1)
    log.append(invocation.status.value)

    assert log == ["registered", "registered", "running", "success", "success"]


def test_a_store_that_is_gone_is_told_to_who_waits(app, monkeypatch):
    invocation = add(1)

    def gone(key):
        raise StateBackendError("the store is gone")

    monkeypatch.setattr(app.storage.invocations, "get", gone)
    with pytest.raises(StateBackendError, match="the store is gone"):
        _ = invocation.result


# -------------------------------------------------------------------------------- groups


def test_the_results_of_a_group_come_in_the_order_of_their_ends(runner, sim):
    group = sleeps.parallelize([(3,), {"seconds": 1}, sleeps.args(2)])
    log = [(round(sim.elapsed, 1), each) for each in group.results]

    assert log == [(1.0, 1), (2.0, 2), (3.0, 3)]
    assert len(group) == 3


async def test_the_results_of_a_group_may_be_awaited(runner, sim):
    group = sleeps.parallelize([(2,), (1,)])

    assert [(round(sim.elapsed, 1), each) async for each in group.async_results()] == [
        (1.0, 1),
        (2.0, 2),
    ]


def test_the_results_of_a_group_may_have_one_time_for_all(runner, sim):
    results = []
    with pytest.raises(ResultTimeoutError):
        results.extend(sleeps.parallelize([(1,), (3,)]).get_results(timeout=2))

    assert sim.elapsed == 2


def test_arguments_that_all_calls_have_are_serialised_once(app, monkeypatch):
    texts = []
    real = app.serializer.serialize
    monkeypatch.setattr(
        app.serializer, "serialize", lambda value: texts.append(value) or real(value)
    )
    group = add.parallelize([(1,), (2,), {"one": 3}], {"two": 100})
    with runner_of(app):
        results = sorted(group.results)

    assert results == [101, 102, 103]
    assert texts.count(100) == 1


@pytest.mark.parametrize(("size", "batches"), [(100, [5]), (2, [2, 2, 1]), (0, [])])
def test_calls_are_registered_in_batches(monkeypatch, size, batches):
    app = Pynenc()
    task = app.task(parallel_batch_size=size)(add.func)
    sizes = []
    real = app.orchestrator.route_calls

    def route_calls(calls, **more):
        sizes.append(len(calls))
        return real(calls, **more)

    monkeypatch.setattr(app.orchestrator, "route_calls", route_calls)
    group = task.parallelize([(each,) for each in range(5)])

    assert sizes == batches
    assert [each.arguments.kwargs["one"] for each in group] == list(range(5))


@pytest.mark.parametrize("parameters", [3, [1], "a"])
def test_what_is_no_parameters_is_refused(app, parameters):
    with pytest.raises(TypeError, match="these are no parameters of a call: "):
        add.parallelize([parameters])


# ---------------------------------------------------------------------------- serializers


class Parcel:
    """Only pickle takes it."""

    def __init__(self, content):
        self.content = content


@declared.task
def wraps(parcel):
    if parcel.content is None:
        raise LookupError(parcel)
    return Parcel([parcel.content])


def test_pickle_passes_arguments_results_and_errors_that_json_does_not():
    app = Pynenc({"app_id": "pickles", "serializer_cls": "PickleSerializer"})
    task = app.task(wraps.func)
    with runner_of(app):
        result = task(Parcel(3)).result
        with pytest.raises(LookupError) as caught:
            _ = task(Parcel(None)).result

    assert (type(result), result.content) == (Parcel, [3])
    assert type(caught.value.args[0]) is Parcel
    with pytest.raises(SerializationError, match="argument 'parcel' of"):
        declared.get_task(wraps.task_id)(Parcel(3))


def test_each_result_is_an_object_of_its_own(app, runner):
    """No caller changes what another one gets."""
    invocation = lists()
    invocation.result.append(3)

    assert invocation.result == []


@declared.task
def lists():
    return []


# ------------------------------------------------------------------------------- retries


def test_a_task_is_retried_after_a_growing_delay(runner):
    invocation = fails_so_often(3)
    result = invocation.result
    first = NOTES[0][0]

    assert result == "done"
    # Whole seconds: a runner looks ten times in one for what has become due, which is told in floats.
    assert [(round(at - first), retry) for at, retry in NOTES] == [(0, 0), (1, 1), (3, 2), (7, 3)]
    assert invocation.num_retries == 3


def test_a_task_that_was_retried_often_enough_has_failed(app, runner):
    invocation = fails_so_often(9)
    with pytest.raises(RetryError, match="retry 3"):
        _ = invocation.result

    assert len(NOTES) == 4
    assert history(app, invocation).count("retry") == 3


def test_a_wall_clock_that_is_put_forward_retries_at_once(app, runner, sim):
    invocation = fails_once()
    time.sleep(10)
    assert len(NOTES) == 1
    sim.move_wall(3600)
    assert invocation.get_result(timeout=5) == "done"


# --------------------------------------------------------------------------- nested waits


@pytest.fixture
def one_place():
    app = Pynenc({"app_id": "tests", "max_threads": 1})
    for task in declared.tasks.values():
        app.task(max_retries=task.options.max_retries)(task.func)
    return app


@pytest.mark.parametrize("parent", [parent_of, async_parent_of])
def test_an_invocation_that_waits_leaves_its_place_to_others(one_place, parent):
    invocation = one_place.get_task(parent.task_id)(1)
    with runner_of(one_place):
        result = invocation.get_result(timeout=60)

    assert result == [1, 1]
    assert "paused" in history(one_place, invocation)
    assert history(one_place, invocation)[-1] == "success"


def test_children_know_their_parent(app, runner):
    parent = parent_of(1)
    _ = parent.result
    ids = app.orchestrator.get_task_invocation_ids(sleeps.task_id)

    assert [DistributedInvocation(app, each).parent_invocation_id for each in ids] == [
        parent.invocation_id
    ]
    assert parent.parent_invocation_id is None


def test_tasks_that_a_task_calls_belong_to_the_application_that_runs_it(app, runner):
    """A machine of its own has a copy, and the module's task belongs to none of them."""
    assert parent_of(1).result == [1, 1]
    assert declared.orchestrator.count_invocations() == 0


def test_a_wait_inside_of_an_invocation_may_have_an_end(runner, sim):
    result = waits_at_most(2).result

    assert (result, round(sim.elapsed, 1)) == ("waited", 2.0)


def test_a_body_may_see_that_its_runner_stops(app):
    invocation = goes_on_until_stopped()
    with runner_of(app):
        time.sleep(1.2)
    stopped_at = time.monotonic()

    assert history(app, invocation)[2:] == ["running", "killed", "rerouted"]
    assert app.orchestrator.get(invocation.invocation_id).retries == 0
    assert time.monotonic() == stopped_at


# ------------------------------------------------------------------------- concurrency


def test_a_call_that_waits_already_is_reused(app):
    first = registered_once(1)
    second = registered_once(2)
    third = registered_once(1)

    assert isinstance(second, ReusedInvocation)
    assert first == second == third
    assert (second.diff_arg, third.diff_arg) == ({"number": "2"}, None)
    with runner_of(app):
        assert [each.result for each in (first, second, third)] == [1, 1, 1]
        fourth = registered_once(4)
        assert (fourth.result, fourth == first) == (4, False)


def test_a_reused_call_that_differs_may_be_an_error(app):
    first = registered_by_key("a", 1)

    assert registered_by_key("a", 1) == first
    assert registered_by_key("b", 2) != first
    with pytest.raises(
        InvocationConcurrencyWithDifferentArgumentsError, match="other arguments: number"
    ):
        registered_by_key("a", 2)


def test_a_group_may_have_one_invocation_several_times(app):
    group = registered_once.parallelize([(1,), (1,), (1,)])
    with runner_of(app):
        results = list(group.results)

    assert results == [1, 1, 1]
    assert app.orchestrator.count_invocations() == 1


def test_what_was_not_run_is_told_by_its_result(app):
    invocations = [runs_alone(1) for _ in range(2)]
    with runner_of(app):
        assert invocations[0].result is None
        with pytest.raises(ConcurrencyControlledError, match="was not run: running_concurrency"):
            _ = invocations[1].result


def test_what_waits_for_another_to_end_runs_as_soon_as_that_has_ended(app):
    begin = time.monotonic()
    invocations = [runs_in_turn(number) for number in range(5)]
    with runner_of(app):
        for each in invocations:
            each.get_result(timeout=60)

    log = [(round(at - begin, 2), number) for at, number in NOTES]
    assert log == [(0.0, 0), (0.3, 1), (0.6, 2), (0.9, 3), (1.2, 4)]


# -------------------------------------------------------------------------- direct tasks


def test_a_direct_task_returns_its_result(app, runner):
    assert sum_of(1, 2, 3) == 6


async def test_a_direct_task_of_a_coroutine_function_is_awaited(app, runner):
    assert await sum_later(1, 2) == 3


def test_a_direct_task_may_be_spread(app, runner):
    assert squares(4) == 0 + 1 + 4 + 9
    assert app.orchestrator.count_invocations() == 4


async def test_a_direct_task_may_be_spread_with_common_arguments(app, runner, sim):
    assert await powers(0, 3) == [8, 27]
    assert round(sim.elapsed, 1) == 3.0


@pytest.mark.parametrize("given", [{"parallel_func": list}, {"aggregate_func": sum}])
def test_what_spreads_a_call_needs_what_joins_the_results(app, given):
    with pytest.raises(ValueError, match="parallel_func and aggregate_func need each other"):
        app.direct_task(**given)


# ------------------------------------------------------------------- a store that is away


class Away:
    """Has operations of a store fail from one instant to another, by the clock of the test."""

    def __init__(self, monkeypatch, storage):
        self.until = 0.0
        for table, names in (
            (storage.invocations, ("get", "create", "swap")),
            (storage.queue, ("push",)),
        ):
            for name in names:
                monkeypatch.setattr(table, name, self._failing(getattr(table, name)))

    def _failing(self, operation):
        def fails(*arguments, **settings):
            if time.monotonic() < self.until:
                raise StateBackendError("the store is away")
            return operation(*arguments, **settings)

        return fails


@declared.task
def calls_later(seconds):
    time.sleep(1)
    return sleeps(seconds).result


@declared.task
def spreads_later(seconds):
    time.sleep(1)
    return list(sleeps.parallelize([(seconds,), (seconds,)]).results)


@pytest.mark.parametrize("task", [parent_of, async_parent_of, calls_later, spreads_later])
@pytest.mark.parametrize("began", [0.5, 1.0, 1.02])
def test_a_body_waits_for_a_store_that_is_away_for_a_while(app, runner, monkeypatch, task, began):
    away = Away(monkeypatch, app.storage)
    invocation = task(1)
    time.sleep(began)
    away.until = time.monotonic() + 20
    time.sleep(20)

    assert invocation.get_result(60) in (1, [1, 1])
    assert app.orchestrator.get(invocation.invocation_id).executions == 1


def test_a_body_does_not_wait_for_ever(app, runner, monkeypatch):
    away = Away(monkeypatch, app.storage)
    invocation = calls_later(1)
    time.sleep(0.5)
    away.until = time.monotonic() + 100
    time.sleep(100)

    with pytest.raises(StateBackendError, match="the store is away"):
        invocation.get_result(60)


def test_a_call_that_is_repeated_is_registered_once(app, monkeypatch):
    """Its answer was lost."""
    real, invocation_id = app.storage.queue.push, InvocationId.new()
    call = add(1).call

    def pushes_and_fails(*arguments, **settings):
        real(*arguments, **settings)
        raise StateBackendError("the answer is lost")

    monkeypatch.setattr(app.storage.queue, "push", pushes_and_fails)
    with contextlib.suppress(StateBackendError):
        call.task.invoke(call, invocation_id)
    monkeypatch.setattr(app.storage.queue, "push", real)
    again = call.task.invoke(call, invocation_id)

    assert type(again) is DistributedInvocation
    assert app.orchestrator.get_call_invocation_ids(call.call_id).count(invocation_id) == 1


# ------------------------------------------------------------------------------- searches


@pytest.mark.simclock(runs=40, latency=0)
def test_whoever_waits_hears_of_the_end_at_once(app, sim):
    """No schedule has a waiting thread miss the bell."""
    log = []

    def client():
        with current(app, None):
            log.append((sleeps(1).get_result(30), round(sim.elapsed, 2)))

    with runner_of(app):
        clients = [threading.Thread(target=client) for _ in range(3)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()

    assert log == 3 * [(1, 1.0)]


@pytest.mark.simclock(runs=40, latency=0)
async def test_a_coroutine_hears_of_the_end_at_once(app, sim):
    with runner_of(app):
        results = await asyncio.gather(*(sleeps(1).async_result(30) for _ in range(3)))
        ended = round(sim.elapsed, 2)

    assert (results, ended) == ([1, 1, 1], 1.0)


@pytest.mark.simclock(runs=40, latency=0)
def test_each_part_is_made_once(sim):
    app = declared.copy()
    found = []

    def look():
        found.append((app.storage, app.serializer, app.orchestrator, app.trigger, app.runner))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(set(found)) == 1
