"""Executors against what is promised of them, whatever is done in whatever order."""

from __future__ import annotations

import asyncio
import itertools
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

import simclock
from simclock.systems.taskqueue import (
    Config,
    EventBus,
    ExecutorConfig,
    ExecutorNotRunningError,
    IOExecutor,
    TaskStatus,
)


class Work(NamedTuple):
    """A task to be submitted: how long it takes, how often it fails first."""

    priority: int
    seconds: int
    fails: int
    max_retries: int


class Cancel(NamedTuple):
    """The task to be cancelled, counted from the first."""

    index: int


class Restart(NamedTuple):
    """A stop, and a start after some time."""

    wait: bool
    timeout: int
    pause: int


works = st.builds(Work, st.integers(-1, 1), st.integers(0, 4), st.integers(0, 3), st.integers(0, 2))
actions = st.one_of(
    works,
    works,
    works,
    st.builds(Cancel, st.integers(0, 9)),
    st.builds(Restart, st.booleans(), st.integers(0, 5), st.integers(0, 3)),
)
# What is done, and how many seconds later the next thing is.
programs = st.lists(st.tuples(actions, st.integers(0, 2)), max_size=14)


class History:
    """What was seen of a run."""

    def __init__(self):
        self.works = {}  # by ids, in the order of submission
        self.submitted = {}  # the instants
        self.begun = {}
        self.finals = {}
        self.cancelled = set()
        self.under_way = 0
        self.most_under_way = 0
        self.waiting = {}  # what was not begun yet: the instant from which on it is ready


async def run(sim, program, workers, requeues):
    history = History()
    events = EventBus()
    settings = ExecutorConfig(
        io_workers=workers, max_queue_size=50, requeue_interrupted=requeues, retry_delay=1.5
    )
    executor = IOExecutor(Config(executor=settings), events=events)

    async def told(event):
        task = event["task"]
        if task["status"] in {"success", "failed", "cancelled"}:
            history.finals.setdefault(task["task_id"], []).append(task["status"])
        if task["status"] == "cancelled":
            history.waiting.pop(task["task_id"], None)

    async def body(number):
        task_id = list(history.works)[number]
        work = history.works[task_id]
        check_order(history, task_id, sim.elapsed)
        history.begun.setdefault(task_id, []).append(sim.elapsed)
        history.under_way += 1
        history.most_under_way = max(history.under_way, history.most_under_way)
        try:
            await asyncio.sleep(work.seconds)
        finally:
            history.under_way -= 1
        if len(history.begun[task_id]) <= work.fails:
            raise LookupError
        return number

    functions = [
        executor.task(name=f"{retries}", max_retries=retries)(copied(body)) for retries in range(3)
    ]
    events.subscribe(told)
    await executor.start()
    for action, seconds in program:
        await do(executor, functions, history, action, sim)
        await asyncio.sleep(seconds)
    await executor.stop(timeout=None)
    records = {each: await executor.get_result(each) for each in history.works}
    return history, records


def copied(body):
    async def function(number):
        return await body(number)

    return function


async def do(executor, functions, history, action, sim):
    if isinstance(action, Work):
        number = len(history.works)
        submitting = executor.submit(
            functions[action.max_retries], number, priority=action.priority
        )
        task_id = await submitting
        history.works[task_id] = action
        history.submitted[task_id] = sim.elapsed
        history.waiting[task_id] = sim.elapsed
    elif isinstance(action, Cancel):
        if action.index < len(history.works):
            task_id = list(history.works)[action.index]
            if await executor.cancel(task_id):
                history.cancelled.add(task_id)
    else:
        await executor.stop(wait=action.wait, timeout=action.timeout)
        assert history.under_way == 0
        try:
            await executor.submit(functions[0], 0)
        except ExecutorNotRunningError:
            pass
        else:
            raise AssertionError
        await asyncio.sleep(action.pause)
        await executor.start()


def check_order(history, task_id, now):
    """Check that nobody was passed over: of what has waited, the first of the first priority."""
    history.waiting.pop(task_id, None)
    if task_id in history.begun:
        return
    order = list(history.works)
    mine = (history.works[task_id].priority, order.index(task_id))
    for other, since in history.waiting.items():
        # In this very instant, it may have come after the claim.
        if since < now:
            assert mine < (history.works[other].priority, order.index(other))


@settings(max_examples=150)
@given(programs, st.integers(1, 3), st.booleans())
def test_whatever_is_done_each_task_ends_once_and_is_run_as_often_as_it_may(
    program, workers, requeues
):
    with simclock.Simulation() as sim:
        history, records = asyncio.run(run(sim, program, workers, requeues))

    assert history.most_under_way <= workers
    restarts = sum(isinstance(action, Restart) for action, _ in program)
    for task_id, work in history.works.items():
        record, begun = records[task_id], history.begun.get(task_id, [])
        # It has ended in exactly one way, which was told once.
        assert record.is_complete
        assert history.finals[task_id] == [record.status.value]
        # Executions: the first, the retries, and, if that was asked for, those after a stop.
        interrupted = restarts if requeues else 0
        assert record.retries <= work.max_retries
        assert len(begun) <= 1 + record.retries + interrupted
        assert record.losses == 0
        if record.status is TaskStatus.SUCCESS:
            assert len(begun) > work.fails
            assert record.result == list(history.works).index(task_id)
        elif record.status is TaskStatus.FAILED:
            assert record.retries == work.max_retries
            assert len(begun) > record.retries
        else:
            assert task_id in history.cancelled or (restarts and not requeues)
        if task_id in history.cancelled:
            assert record.status is TaskStatus.CANCELLED
        # Retries come no earlier than they may.
        if not restarts:
            for before, after in itertools.pairwise(begun):
                assert after >= before + work.seconds + 1.5
