"""Executors against what is promised of them, whatever is done in whatever order."""

from __future__ import annotations

import collections
import itertools
import time
from typing import Any, NamedTuple

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

import simclock
from simclock.systems.eventflow import (
    Event,
    EventStatus,
    Executor,
    OperationError,
    Processor,
    QueueFullError,
    RateLimitConfig,
    RateLimitedExecutor,
    TokenBucket,
)

# Seconds. A turn of an event loop is not quite nothing.
TURN = 1e-3
FINAL = set(EventStatus) - {EventStatus.PENDING, EventStatus.PROCESSING}


class Append(NamedTuple):
    """An event: its priority, how long it takes, how it ends, how often it is denied."""

    priority: int
    seconds: int
    fails: bool
    denials: int


class Touch(NamedTuple):
    """Something that is done to one of the events, counted from the first."""

    index: int
    what: str


appends = st.builds(
    Append, st.integers(-1, 1), st.integers(0, 3), st.booleans(), st.sampled_from([0, 0, 0, 1, 4])
)
touches = st.builds(
    Touch, st.integers(0, 9), st.sampled_from(["skip", "abort", "cancel", "invoke", "again"])
)
others = st.sampled_from(["stop", "start", "forward", "cleanup", "cleanup all", "join"])
# What is done, and how many seconds later the next thing is.
programs = st.lists(
    st.tuples(
        st.one_of(appends, appends, appends, touches, others), st.sampled_from([0, 0, 0.5, 1, 2])
    ),
    max_size=16,
)
configs = st.fixed_dictionaries(
    {
        "queue_capacity": st.integers(1, 3),
        "concurrency_limit": st.integers(1, 3),
        "max_queue_size": st.integers(2, 6),
        "max_denials": st.sampled_from([None, None, 3]),
    }
)


class Work(Event):
    plan: Any
    number: int
    history: Any

    @property
    def request(self):
        return {"number": self.number}

    async def _invoke(self):
        self.history.begin(self)
        try:
            await anyio.sleep(self.plan.seconds)
        finally:
            self.history.end(self)
        if self.plan.fails:
            raise LookupError


class Works(Processor):
    event_type = Work

    async def request_permission(self, number):
        return self.executor.history.permits(number)


class Workshop(Executor):
    processor_type = Works


class History:
    """What was seen of a run, and is to be so at any instant of it."""

    def __init__(self, executor):
        executor.history = self
        self.executor = executor
        self.events = []
        self.appended = {}  # the instants
        self.begun = []
        self.started = []  # the instants of those that the processor runs
        self.under_way = set()
        self.elsewhere = set()
        self.denied = collections.Counter()

    def permits(self, number):
        self.check()
        plan = self.events[number].plan
        self.denied[number] += 1
        return self.denied[number] > plan.denials

    def begin(self, event):
        assert event.number not in self.begun
        self.begun.append(event.number)
        if event.number not in self.elsewhere:
            self.started.append(time.monotonic())
            self.under_way.add(event.number)
            assert len(self.under_way) <= self.executor.processor.concurrency_limit
            self._check_turn(event)
        self.check()

    def end(self, event):
        self.under_way.discard(event.number)
        self.check()

    def _check_turn(self, event):
        """Check that nobody was passed over, of those who have waited and were not denied."""
        mine = (event.plan.priority, event.number)
        for other, since in self.appended.items():
            if (
                since < time.monotonic() - TURN
                and not self.events[other].plan.denials
                and self.events[other].status is EventStatus.PENDING
                and self.events[other] in self.executor
            ):
                assert mine <= (self.events[other].plan.priority, other)

    def check(self):
        """Check that each event is in the progression of its status, and in no other."""
        states = self.executor.states
        states._check()
        where = collections.Counter(each for name in states.progressions for each in name)
        assert where == collections.Counter(states.items.keys())
        for status in EventStatus:
            for event in self.executor.get_events_by_status(status):
                assert event.status is status
        assert sum(self.executor.status_counts().values()) == len(states.items)


async def run(history, program):
    executor = history.executor
    async with executor, anyio.create_task_group() as tasks:
        for action, pause in program:
            await do(history, action, tasks)
            history.check()
            await anyio.sleep(pause)
        # What was told to stop or to start does so before this.
        await anyio.sleep(TURN)
        await executor.start()
        await executor.processor.join()
        assert executor.processor.queue_size == 0


async def do(history, action, tasks):
    executor = history.executor
    if isinstance(action, Append):
        await append(history, action)
    elif isinstance(action, Touch):
        if action.index < len(history.events):
            touch(history, history.events[action.index], action.what, tasks)
    elif action == "cleanup":
        await executor.cleanup_events()
    elif action == "cleanup all":
        await executor.cleanup_events(list(EventStatus))
        assert len(executor.states.items) == 0
    elif action == "join":
        with anyio.move_on_after(3):
            await executor.processor.join()
    else:
        tasks.start_soon(getattr(executor, action))


async def append(history, plan):
    number = len(history.events)
    event = Work(plan=plan, number=number, history=history)
    # It may be asked for before this goes on.
    history.events.append(event)
    history.appended[number] = time.monotonic()
    try:
        await history.executor.append(event, plan.priority)
        # It may have waited for room.
        history.appended[number] = time.monotonic()
    except QueueFullError:
        del history.appended[number]
        assert event not in history.executor


def touch(history, event, what, tasks):
    if what == "invoke":
        if event.status is EventStatus.PENDING:
            history.elsewhere.add(event.number)
            tasks.start_soon(event.invoke)
    elif what == "again":
        assert event.as_fresh_event().status is EventStatus.PENDING
    else:
        try:
            event.status = {"skip": "skipped", "abort": "aborted", "cancel": "cancelled"}[what]
        except OperationError:
            assert event.status is not EventStatus.PENDING


@settings(max_examples=200, deadline=None)
@given(programs, configs, st.sampled_from(["asyncio", "trio"]))
def test_whatever_is_done_each_event_is_where_it_belongs_and_is_run_once(program, config, backend):
    with simclock.Simulation():
        executor = Workshop({"capacity_refresh_time": 1.0, **config})
        history = History(executor)
        anyio.run(run, history, program, backend=backend)

    history.check()
    capacity = config["queue_capacity"]
    if not any(action == "forward" for action, _ in program):
        for first, after in zip(history.started, history.started[capacity:], strict=False):
            assert after - first >= 1.0 - TURN
    for event in executor.states.items:
        assert event.status in FINAL
        if event.number in history.begun:
            end = EventStatus.FAILED if event.plan.fails else EventStatus.COMPLETED
            # One that runs may be said to be cancelled; it goes on, and says no more.
            assert event.status in {end, EventStatus.CANCELLED}
        else:
            assert event.status not in {EventStatus.COMPLETED, EventStatus.FAILED}
        if event.status is EventStatus.ABORTED and config["max_denials"] is None:
            assert Touch(event.number, "abort") in [action for action, _ in program]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0.1, 1.0]), st.integers(1, 4)), max_size=25),
    st.integers(1, 3),
    st.sampled_from(["asyncio", "trio"]),
)
def test_never_more_start_than_the_buckets_had(works, requests, backend):
    """Of each event: what it costs, and how long after the one before it comes."""
    started = []

    async def main():
        executor = RateLimitedExecutor(
            {
                "queue_capacity": 100,
                "capacity_refresh_time": 1.0,
                "request_bucket": TokenBucket(RateLimitConfig(requests, 2.0)),
                "token_bucket": TokenBucket(RateLimitConfig(5, 3.0)),
            }
        )

        class Call(Event):
            tokens: int

            @property
            def request(self):
                return {"required_tokens": self.tokens}

            async def _invoke(self):
                started.append((time.monotonic(), self.tokens))

        async with executor:
            for pause, cost in works:
                await anyio.sleep(pause)
                await executor.append(Call(tokens=cost))
            await executor.processor.join()

    with simclock.Simulation():
        anyio.run(main, backend=backend)

    assert len(started) == len(works)
    for first, last in itertools.combinations_with_replacement(range(len(started)), 2):
        seconds = started[last][0] - started[first][0] + 1e-5
        assert last - first + 1 <= requests + 2 * seconds
        assert sum(cost for _, cost in started[first : last + 1]) <= 5 + 3 * seconds
