"""A few runs in real time: what is simulated elsewhere is so in fact."""

from __future__ import annotations

import asyncio
import itertools
import os
import time

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

pytestmark = [pytest.mark.real, pytest.mark.anyio]

# Seconds that anything which is to happen soon may take.
SOON = 20.0
# A fifth takes some seconds. All: SIMCLOCK_ALL_APPENDS=1 pytest tests/systems/eventflow/test_real.py
APPENDS = 100_000 if os.environ.get("SIMCLOCK_ALL_APPENDS") else 20_000


class Work(Event):
    seconds: float = 0.0

    async def _invoke(self):
        began = time.monotonic()
        await anyio.sleep(self.seconds)
        return began


class Works(Processor):
    event_type = Work


class Workshop(Executor):
    processor_type = Works


def workshop(**settings):
    return Workshop({"queue_capacity": 100, "capacity_refresh_time": 1.0, **settings})


async def test_events_run_in_the_background_not_faster_than_they_may():
    executor = workshop(queue_capacity=5, capacity_refresh_time=0.2)
    async with executor:
        for _ in range(15):
            await executor.append(Work(seconds=0.01))
        with anyio.fail_after(SOON):
            await executor.processor.join()

    began = [event.response for event in executor.completed_events]
    assert len(began) == 15
    # Two refresh times lie between the first and the eleventh; an event begins after its grant.
    assert max(began) - min(began) >= 0.3


async def test_a_stop_does_not_wait_for_the_refresh_time():
    executor = workshop(queue_capacity=1, capacity_refresh_time=3600.0)
    began = time.monotonic()
    async with executor:
        await executor.append(Work())
        await executor.append(Work())
        await anyio.sleep(0.1)
        await executor.forward()

    assert executor.status_counts()["completed"] == 2
    assert time.monotonic() - began < SOON


async def test_spaces_between_requests():
    class Spaced(Works):
        last = 0

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.grants = []

        async def request_permission(self, **request):
            now = time.time()
            if now - self.last < 0.02:
                return False
            self.last = now
            self.grants.append(now)
            return True

    class Spaces(Executor):
        processor_type = Spaced

    async with Spaces({"queue_capacity": 10, "capacity_refresh_time": 0.1}) as executor:
        for _ in range(20):
            await executor.append(Work())
        with anyio.fail_after(SOON):
            await executor.processor.join()

    grants = executor.processor.grants
    assert executor.status_counts()["completed"] == 20
    assert all(after - before >= 0.02 for before, after in itertools.pairwise(grants))


async def test_tokens_are_waited_for():
    bucket = TokenBucket(RateLimitConfig(1, 20.0))
    began = time.monotonic()
    with anyio.fail_after(SOON):
        for _ in range(5):
            assert await bucket.acquire()

    assert time.monotonic() - began >= 4 / 20


def test_a_program_that_ends_leaves_nothing_that_runs():
    executor, event = workshop(), Work(seconds=3600)

    async def main():
        await executor.start()
        await executor.append(event)
        await asyncio.sleep(0.1)

    asyncio.run(main())

    assert event.status is EventStatus.CANCELLED
    assert executor.get_events_by_status("cancelled") == [event]
    assert not executor.processor.execution_mode


def test_any_number_of_events_with_a_cleanup_after_each_thousand():
    """The second pitfall of the page, with the default size of the queue; see `APPENDS`."""
    executor = workshop(queue_capacity=10_000, capacity_refresh_time=0.01)

    async def main():
        most = removed = 0
        await executor.start()
        for i in range(APPENDS):
            await executor.append(Work())
            if i % 1000 == 0:
                most = max(most, len(executor.states.items))
                removed += await executor.cleanup_events()
        await executor.processor.join()
        await executor.stop()
        return most, removed

    most, removed = asyncio.run(main())

    assert executor.processor.max_queue_size == 1000
    assert most <= 2100
    assert removed + executor.status_counts()["completed"] == APPENDS
