"""Searches over the races of append, start, stop, forward, cleanup and the end of events.

Each run has another schedule: in which order tasks that are ready go on.
"""

from __future__ import annotations

import anyio
import pytest

from simclock.systems.eventflow import (
    Event,
    EventStatus,
    Executor,
    Processor,
    RateLimitConfig,
    TokenBucket,
)

pytestmark = [pytest.mark.simclock(runs=50), pytest.mark.anyio]


class Work(Event):
    seconds: float = 0.0

    async def _invoke(self):
        Works.under_way += 1
        Works.most = max(Works.most, Works.under_way)
        try:
            await anyio.sleep(self.seconds)
        finally:
            Works.under_way -= 1


class Works(Processor):
    event_type = Work
    under_way = most = 0

    async def request_permission(self, **request):
        # Others go on meanwhile.
        await anyio.sleep(0)
        return True


class Workshop(Executor):
    processor_type = Works


@pytest.fixture(autouse=True)
def nothing_under_way():
    Works.under_way = Works.most = 0


def workshop(**settings):
    return Workshop(
        {
            "queue_capacity": 3,
            "capacity_refresh_time": 1.0,
            "concurrency_limit": 2,
            **settings,
        }
    )


async def at_once(*functions):
    async with anyio.create_task_group() as tasks:
        for each in functions:
            tasks.start_soon(each)


def check(executor, events):
    """Check that each event is where it belongs, and was not under way with too many others."""
    executor.states._check()
    assert sum(executor.status_counts().values()) == len(executor.states.items)
    for event in events:
        if event in executor:
            assert event in executor.get_events_by_status(event.status)
    assert Works.most <= 2


async def test_no_event_is_lost_or_left_between_stops_and_starts():
    executor, events = workshop(), [Work(seconds=0.5) for _ in range(6)]

    async def append():
        for event in events:
            await executor.append(event)

    async with executor:
        await at_once(append, executor.stop, executor.start, executor.stop, executor.start)
        await executor.start()
        await executor.processor.join()

    check(executor, events)
    assert executor.status_counts()["completed"] == 6


async def test_no_stop_is_lost():
    executor, event = workshop(), Work()

    async with executor:
        await at_once(executor.start, executor.stop, executor.start, executor.forward)
        await executor.stop()
        await executor.append(event)
        await anyio.sleep(5)
        assert not executor.processor.execution_mode

    assert event.status is EventStatus.PENDING


async def test_batches_and_the_background_together_keep_the_limit():
    executor, events = workshop(), [Work(seconds=0.5) for _ in range(9)]

    async def append():
        for event in events:
            await executor.append(event)

    async with executor:
        await at_once(append, *[executor.forward] * 4)
        await executor.processor.join()

    check(executor, events)
    assert executor.status_counts()["completed"] == 9


async def test_what_is_removed_or_skipped_is_not_run_after_that():
    executor, events = workshop(), [Work(seconds=0.5) for _ in range(6)]
    removed = []

    async def clean():
        pending = executor.pending_events
        removed.extend(pending[:2])
        assert await executor.cleanup_events([EventStatus.PENDING]) == len(pending)

    async def skip():
        for event in executor.pending_events[-2:]:
            event.status = "skipped"

    async with executor:
        for event in events[:4]:
            await executor.append(event)
        await at_once(clean, skip, executor.forward)
        for event in events[4:]:
            await executor.append(event)
        await executor.processor.join()

    check(executor, events)
    for event in removed:
        assert event.status in {EventStatus.PENDING, EventStatus.SKIPPED}
        assert event not in executor


async def test_starts_and_stops_while_the_processor_is_made_count_as_they_came():
    class Slowly(Works):
        made = 0

        @classmethod
        async def create(cls, *args, **kwargs):
            cls.made += 1
            await anyio.sleep(0)
            return cls(*args, **kwargs)

    class Slow(Executor):
        processor_type = Slowly

    executor = Slow(workshop().processor_config)
    events, commands = [Work(), Work()], []
    await executor.append(events[0])

    async def start(home):
        commands.append("start")
        await executor.start(home)

    async def stop():
        commands.append("stop")
        await executor.stop()

    async with anyio.create_task_group() as home:
        for each in (start, start, start):
            home.start_soon(each, home)
        home.start_soon(stop)
        await anyio.sleep(1)
        await executor.append(events[1])
        await anyio.sleep(1)
        done = [event.status is EventStatus.COMPLETED for event in events]
        await executor.stop()

    assert Slowly.made == 1
    assert done[1] is (commands[-1] == "start")
    check(executor, events)


async def test_join_waits_for_all_that_is_there_by_then():
    executor, events = workshop(), [Work(seconds=0.5) for _ in range(4)]

    async with executor:

        async def append_and_join():
            for event in events:
                await executor.append(event)
            await executor.processor.join()
            assert {event.status for event in events} == {EventStatus.COMPLETED}

        await at_once(append_and_join, executor.processor.join, executor.forward)

    check(executor, events)


async def test_a_block_that_is_left_by_an_error_leaves_nothing_that_runs():
    executor, events = workshop(), [Work(seconds=0.5) for _ in range(4)]

    with pytest.raises(LookupError):
        async with executor:
            for event in events:
                await executor.append(event)
            raise LookupError

    check(executor, events)
    assert Works.under_way == 0
    assert executor.processing_events == []
    async with executor:
        await executor.processor.join()
    assert {event.status for event in events} <= {EventStatus.COMPLETED, EventStatus.CANCELLED}


async def test_who_waits_for_room_finds_it_or_is_refused():
    executor, events = workshop(max_queue_size=2), [Work() for _ in range(6)]

    async def append(event):
        await executor.append(event)
        assert event in executor
        assert executor.processor.queue_size <= 2 + 2

    async with executor, anyio.create_task_group() as tasks:
        for event in events:
            tasks.start_soon(append, event)
        await anyio.sleep(10)
        await executor.processor.join()

    check(executor, events)
    assert executor.status_counts()["completed"] == 6


async def test_nobody_who_waits_for_tokens_is_forgotten():
    bucket, taken = TokenBucket(RateLimitConfig(3, 1.0)), []

    async def take(count, patience):
        with anyio.move_on_after(patience):
            taken.append(await bucket.acquire(count))

    async with anyio.create_task_group() as tasks:
        for count, patience in [(3, 99), (2, 1.0), (3, 2.0), (1, 99), (2, 99)]:
            tasks.start_soon(take, count, patience)

    # Those who have patience; the others as it happens.
    assert len(taken) >= 3
    assert all(taken)
    assert bucket._line == {}
