"""One test for each oddity of the original: each fails on how that behaves."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from simclock.systems.eventflow import (
    Event,
    EventStatus,
    Executor,
    Flow,
    NotFoundError,
    Processor,
    Progression,
    QueueFullError,
    RateLimitConfig,
    RateLimitedExecutor,
    TokenBucket,
)

# What the original does, and what is done instead. See test_rows_model.py for the others.
ROWS = {
    "l1": "a started executor runs nothing, and join never returns: it runs",
    "l2": "denied events are asked for at a fifth of the rate, and aborted: neither",
    "l3": "a stream that was consumed is pending again: it is completed",
    "l4": "an event that found the queue full is kept and never run: it is not kept",
    "l6": "a stop takes effect after the refresh time, or is lost: at once, and never",
    "l7": "an event waits for all of the batch before it: for nothing but capacity",
    "l8": "a status moves in the time that it takes to search all events: in no time",
    "l9": "one denied event blocks those behind it: none",
    "l12": "after a restart tokens are not refilled, before it twice: by the clock, once",
    "l13": "lookups fail in two ways, what is invoked elsewhere is not seen: one way, it is",
    "l14": "join returns while events run: when they have ended",
    "l15": "batches at once have more than the capacity together: one after the other",
}

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]


def test_every_row_has_a_test():
    names = re.findall(r"def test_(l\d+)_", Path(__file__).read_text(), re.MULTILINE)

    assert list(dict.fromkeys(names)) == list(ROWS)


class Work(Event):
    """Takes some seconds, and notes when it begins and ends."""

    what: Any = None
    seconds: float = 0.0
    note: Any = None

    @property
    def request(self):
        return {"what": self.what}

    async def _invoke(self):
        self.note(self.what)
        await anyio.sleep(self.seconds)


class Works(Processor):
    event_type = Work


class Workshop(Executor):
    processor_type = Works


def workshop(capacity=100, refresh=1.0, **settings):
    return Workshop({"queue_capacity": capacity, "capacity_refresh_time": refresh, **settings})


async def test_l1_a_started_executor_runs_its_events(note):
    executor = workshop()
    await executor.append(Work(what="before", note=note))

    async with executor:
        await executor.append(Work(what="after", note=note))
        with anyio.fail_after(1):
            await executor.processor.join()

    assert note.log == [(0.0, "before"), (0.0, "after")]


async def test_l2_the_rate_of_the_pages_example_is_reached_and_nothing_aborted(note, sim):
    class Spaced(Works):
        last = 0

        async def request_permission(self, **request):
            now = time.time()
            if now - self.last < 0.1:
                return False
            self.last = now
            return True

    class Spaces(Executor):
        processor_type = Spaced

    async with Spaces({"queue_capacity": 10, "capacity_refresh_time": 0.5}) as executor:
        for what in range(50):
            await executor.append(Work(what=what, seconds=0.1, note=note))
        await executor.processor.join()

    assert executor.status_counts()["completed"] == 50
    assert [what for _, what in note.log] == list(range(50))
    assert sim.elapsed < 8


async def test_l3_a_stream_that_was_consumed_is_completed():
    class Stream(Work):
        streaming: bool = True

        async def stream(self):
            yield 1
            await anyio.sleep(1)
            yield 2

    executor, event = workshop(), Stream()
    async with executor:
        await executor.append(event)
        await executor.processor.join()

    assert (event.status, event.response) == (EventStatus.COMPLETED, [1, 2])
    assert executor.completed_events == [event]


async def test_l4_an_event_that_found_the_queue_full_is_not_kept(note):
    executor = workshop(max_queue_size=1)
    async with executor:
        await executor.stop()
        await executor.append(Work(note=note))
        event = Work(what="refused", note=note)
        with pytest.raises(QueueFullError):
            await executor.append(event)
        assert event not in executor
        await executor.start()
        await executor.processor.join()
        await executor.append(event)
        await executor.processor.join()

    assert executor.status_counts()["completed"] == 2


async def test_l6_a_stop_takes_effect_at_once_and_is_never_lost(note):
    processor = Works(1, 2.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(processor.execute)
        await anyio.sleep(0.05)
        await processor.stop()
    note("stopped")
    assert not processor.execution_mode

    await processor.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(processor.execute)
        # Before the loop has begun.
        await processor.stop()
    note("stopped")

    assert note.log == [(0.05, "stopped"), (0.05, "stopped")]


async def test_l7_an_event_does_not_wait_for_those_before_it(note):
    executor = workshop(capacity=2)
    async with executor:
        await executor.append(Work(what="long", seconds=10, note=note))
        await executor.append(Work(what="short", note=note))
        await executor.append(Work(what="next", note=note))
        await executor.processor.join()

    assert note.log == [(0.0, "long"), (0.0, "short"), (1.0, "next")]


async def test_l8_a_status_moves_without_a_search(monkeypatch, note):
    compared = []
    is_equal = UUID.__eq__
    executor = workshop()
    events = [Work(note=note) for _ in range(500)]
    for event in events:
        await executor.append(event)

    monkeypatch.setattr(UUID, "__eq__", lambda *two: compared.append(1) or is_equal(*two))
    # From the last one on: whoever searches for it passes all others.
    for event in reversed(events):
        await event.invoke()
    monkeypatch.undo()

    assert len(compared) <= 10 * len(events)
    assert executor.status_counts()["completed"] == 500


async def test_l9_a_denied_event_blocks_nobody(note, sim):
    class Choosy(Works):
        async def request_permission(self, what):
            return what != "denied" or sim.elapsed > 30

    class Choosers(Executor):
        processor_type = Choosy

    async with Choosers({"queue_capacity": 10, "capacity_refresh_time": 1.0}) as executor:
        for what in ["denied", *range(5)]:
            await executor.append(Work(what=what, note=note))
        await executor.processor.join()

    assert note.log[:5] == [(0.0, what) for what in range(5)]
    assert [what for _, what in note.log[5:]] == ["denied"]


async def test_l12_tokens_come_by_the_clock_also_after_a_restart(note):
    class Call(Work):
        @property
        def request(self):
            return {}

    executor = RateLimitedExecutor(
        {
            "queue_capacity": 10,
            "capacity_refresh_time": 1.0,
            "request_bucket": TokenBucket(RateLimitConfig(2, 0.1)),
            "replenishment_interval": 5.0,
        }
    )
    async with executor:
        await executor.stop()
        await executor.start()
        for what in range(4):
            await executor.append(Call(what=what, note=note))
        await executor.processor.join()

    assert [(round(at, 2), what) for at, what in note.log] == [(0, 0), (0, 1), (10, 2), (20, 3)]


async def test_l13_lookups_fail_in_one_way_and_what_is_invoked_elsewhere_is_seen(note):
    flow = Flow(progressions=[Progression(name="known")])
    for unknown in ("unknown", str(Event().id), Event().id):
        with pytest.raises(NotFoundError) as caught:
            flow.get_progression(unknown)
        assert isinstance(caught.value, KeyError)

    executor, event = workshop(), Work(note=note)
    await executor.append(event)
    await event.invoke()
    assert executor.completed_events == [event]


async def test_l14_join_waits_for_what_runs(note):
    executor = workshop()
    event = Work(what="begins", seconds=7, note=note)
    async with executor:
        await executor.append(event)
        await executor.processor.join()
        note("joined")

    assert event.status is EventStatus.COMPLETED
    assert note.log == [(0.0, "begins"), (7.0, "joined")]


async def test_l15_batches_at_once_keep_the_capacity(note):
    executor = workshop(capacity=4)
    async with executor:
        await executor.stop()
        for what in range(20):
            await executor.append(Work(what=what, seconds=1, note=note))
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(executor.forward)

    assert note.log == [(float(what // 4), what) for what in range(20)]
