"""The executor: what it keeps, when it runs it, and what it says about that."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import sys
import threading
from typing import Any, ClassVar

import anyio
import pytest
import trio

import simclock
from simclock.systems.eventflow import (
    ConfigurationError,
    Event,
    EventStatus,
    Executor,
    ExistsError,
    Flow,
    OperationError,
    Pile,
    Processor,
    Progression,
    QueueFullError,
)
from simclock.systems.eventflow.background import Background

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]

CONFIG = {"queue_capacity": 100, "capacity_refresh_time": 1.0}
SEVEN = ["pending", "processing", "completed", "failed", "cancelled", "skipped", "aborted"]


class Work(Event):
    """Takes some seconds, notes when it begins, and fails if it is told to."""

    what: Any = None
    seconds: float = 0.0
    note: Any = None
    error: Any = None

    async def _invoke(self):
        if self.note is not None:
            self.note(self.what)
        await anyio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.what


class Other(Work):
    """Another kind of work."""


class Works(Processor):
    event_type = Work


class Workshop(Executor):
    processor_type = Works


def workshop(**settings):
    return Workshop({**CONFIG, **settings})


# ---------------------------------------------------------------------- what it is


async def test_it_has_a_progression_for_each_status():
    executor = Workshop()

    assert isinstance(executor.states, Flow)
    assert executor.states.name == "executor_states"
    assert [each.name for each in executor.states.progressions] == SEVEN
    assert (executor.processor, executor.processor_config) == (None, {})
    assert executor.event_type is Work
    assert executor.strict_event_type is False
    assert Workshop(name="mine").states.name == "mine"


async def test_an_executor_says_what_processor_it_has():
    with pytest.raises(ConfigurationError, match="Executor does not say what processor it has"):
        Executor()


async def test_settings_that_it_does_not_have_are_refused():
    with pytest.raises(ConfigurationError, match="Works has no such setting: capacity, size"):
        Workshop({"size": 1, "capacity": 1})


async def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="queue_capacity"):
        workshop(queue_capacity=0)


async def test_settings_of_a_processor_are_known_through_its_bases():
    class Greedy(Works):
        def __init__(self, *args, greed=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.greed = greed

    class Greed(Executor):
        processor_type = Greedy

    async with Greed({**CONFIG, "greed": 7, "max_denials": 3}) as executor:
        assert (executor.processor.greed, executor.processor.max_denials) == (7, 3)
    with pytest.raises(ConfigurationError, match="has no such setting: gred"):
        Greed({"gred": 7})


async def test_settings_of_a_factory_are_known():
    class Slow(Works):
        @classmethod
        async def create(cls, *args, delay, **kwargs):
            await anyio.sleep(delay)
            return await super().create(*args, **kwargs)

    class Slows(Executor):
        processor_type = Slow

    async with Slows({**CONFIG, "delay": 3}) as executor:
        await executor.append(Work())
        await executor.processor.join()
    with pytest.raises(ConfigurationError, match="has no such setting: args, kwargs"):
        Slows({"args": 1, "kwargs": 1})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "queue_capacity, capacity_refresh_time"),
        ({"queue_capacity": 1}, "capacity_refresh_time"),
    ],
)
async def test_it_cannot_be_started_without_the_settings_of_its_processor(given, missing):
    executor = Workshop(given)
    await executor.append(Work())

    with pytest.raises(ConfigurationError, match=f"processor_config lacks: {missing}\n"):
        await executor.start()

    assert executor.processor is None
    assert len(executor.pending_events) == 1


async def test_the_processor_stays_the_same():
    executor = workshop(concurrency_limit=7)
    async with executor:
        processor = executor.processor
        assert processor.pile is executor.states.items
        assert processor.executor is executor
        assert processor.concurrency_limit == 7
    async with executor:
        assert executor.processor is processor


# ---------------------------------------------------------------------- append


@pytest.mark.parametrize("started", [False, True])
async def test_what_cannot_be_appended_is_not_kept(started):
    executor = workshop()
    async with executor if started else contextlib.nullcontext():
        for priority in (math.nan, math.inf, "urgent"):
            with pytest.raises(ValueError, match="a priority must be a finite number"):
                await executor.append(Work(), priority)
        with pytest.raises(TypeError):
            await executor.append(Event())
        with pytest.raises(TypeError):
            await executor.append("work")

        assert executor.status_counts() == dict.fromkeys(SEVEN, 0)
        assert len(executor.states.items) == 0


async def test_an_event_is_appended_once():
    executor = workshop()
    event = Work()
    await executor.append(event)

    with pytest.raises(ExistsError, match="the executor has this event"):
        await executor.append(event)

    assert executor.status_counts()["pending"] == 1
    async with executor:
        await executor.processor.join()
        with pytest.raises(ExistsError, match="the executor has this event"):
            await executor.append(event)


async def test_strict_executors_take_no_derived_events():
    await Workshop().append(Other())
    strict = Workshop(strict_event_type=True)
    await strict.append(Work())

    with pytest.raises(TypeError):
        await strict.append(Other())

    assert strict.strict_event_type
    assert len(strict.pending_events) == 1


async def test_priorities_that_were_given_before_the_start_count(note):
    executor = workshop(concurrency_limit=1)
    for what, priority in [("c", None), ("b", 2.0), ("d", None), ("a", 1.0)]:
        await executor.append(Work(what=what, note=note), priority)

    async with executor:
        await executor.processor.join()

    assert [what for _, what in note.log] == ["a", "b", "c", "d"]


async def test_a_full_queue_refuses_and_nothing_is_kept():
    executor = workshop(max_queue_size=2, concurrency_limit=1)

    async with executor:
        for _ in range(3):
            await executor.append(Work(seconds=60))
        refused = Work(seconds=60)
        with pytest.raises(QueueFullError, match="the queue is full: 2 events of 2") as caught:
            await executor.append(refused)
        assert caught.value.details == {"queue_size": 2, "max_size": 2}
        assert refused not in executor
        assert executor.status_counts()["pending"] == 2
        await executor.processor.join()
        await executor.append(refused)
        await executor.processor.join()

    assert refused.status is EventStatus.COMPLETED


async def test_a_full_queue_slows_down_who_appends(sim, note):
    executor = workshop(queue_capacity=2, max_queue_size=3)

    async with executor:
        for number in range(11):
            await executor.append(Work(note=note))
            note("appended", number)
        await executor.processor.join()

    appended = [(at, number) for at, what, *number in note.log if what == "appended"]
    # Two have started, and three wait; then there is room for two in each second.
    assert [at for at, _ in appended] == [0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert executor.status_counts()["completed"] == 11


async def test_a_stopped_executor_refuses_at_once(sim):
    executor = workshop(max_queue_size=1)
    async with executor:
        await executor.stop()
        await executor.append(Work())
        with pytest.raises(QueueFullError):
            await executor.append(Work())

    assert sim.elapsed == 0
    assert executor.status_counts()["pending"] == 1


async def test_before_the_start_a_size_that_was_given_counts():
    executor = workshop(max_queue_size=2)
    await executor.append(Work())
    await executor.append(Work())

    with pytest.raises(QueueFullError, match="the queue is full: 2 events of 2\nstart the exec"):
        await executor.append(Work())

    assert len(executor.states.items) == 2


async def test_before_the_start_any_number_may_come_and_the_start_takes_them_all():
    executor = workshop(capacity_refresh_time=0.01)
    for _ in range(1200):
        await executor.append(Work())

    async with executor:
        await executor.processor.join()

    assert executor.status_counts()["completed"] == 1200


async def test_an_event_that_has_ended_is_kept_as_that():
    executor = workshop()
    event = Work(what=1)
    await event.invoke()

    async with executor:
        await executor.append(event)
        await executor.processor.join()

    assert executor.completed_events == [event]


async def test_to_append_is_all_or_nothing_when_it_is_cancelled():
    executor = workshop()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await executor.append(Work())

    assert len(executor.states.items) == 0


# ---------------------------------------------------------------------- it runs


async def test_join_returns_when_no_event_waits_and_none_runs(note):
    executor = workshop(concurrency_limit=1)
    async with executor:
        await executor.join()
        note("nothing to do")
        for what in "ab":
            await executor.append(Work(what=what, seconds=2, note=note))
        await executor.join()
        note("joined")

    assert note.log == [(0.0, "nothing to do"), (0.0, "a"), (2.0, "b"), (4.0, "joined")]


async def test_join_goes_on_while_the_executor_is_stopped(note):
    executor = workshop()
    async with anyio.create_task_group() as group:
        await executor.start(group)
        await executor.stop()
        await executor.append(Work(what="a", note=note))
        with anyio.move_on_after(5):
            await executor.join()
        note("started")
        await executor.start(group)
        await executor.join()
        await executor.stop()

    assert note.log == [(5.0, "started"), (5.0, "a")]


async def test_join_before_the_first_start_says_that_events_wait_for_that():
    executor = workshop()
    await executor.join()
    await executor.append(Work())

    with pytest.raises(RuntimeError) as caught:
        await executor.join()

    assert str(caught.value) == (
        "the executor was never started, and has pending events: 1\n"
        "use `async with executor:`, or start(), before join()"
    )


async def test_join_waits_for_a_processor_that_is_being_made(note):
    class Slow(Works):
        @classmethod
        async def create(cls, *args, **kwargs):
            await anyio.sleep(3)
            return await super().create(*args, **kwargs)

    executor = type("Slowly", (Executor,), {"processor_type": Slow})(CONFIG)
    await executor.append(Work(what="a", note=note))
    async with anyio.create_task_group() as group:
        group.start_soon(executor.start, group)
        await anyio.sleep(1)
        await executor.join()
        note("joined")
        await executor.stop()

    assert note.log == [(3.0, "a"), (3.0, "joined")]


async def test_it_runs_in_the_background_what_comes_before_and_after_the_start(note):
    executor = workshop()
    await executor.append(Work(what="before", seconds=2, note=note))

    async with executor:
        await executor.append(Work(what="after", seconds=1, note=note))
        assert executor.status_counts()["pending"] == 2
        await anyio.sleep(0.5)
        assert [event.what for event in executor.processing_events] == ["before", "after"]
        await executor.processor.join()
        note("joined")

    assert [event.what for event in executor.completed_events] == ["after", "before"]
    assert note.log == [(0.0, "before"), (0.0, "after"), (2.0, "joined")]


async def test_start_may_be_called_again():
    executor = workshop()
    async with executor:
        await executor.start()
        await executor.start()
        events = [Work() for _ in range(3)]
        for event in events:
            await executor.append(event)
        await executor.start()
        await executor.processor.join()

    assert executor.completed_events == events


async def test_it_can_be_stopped_and_started_again(note):
    executor = workshop()
    async with executor:
        await executor.append(Work(what="a", seconds=5, note=note))
        await anyio.sleep(1)
        await executor.stop()
        await executor.append(Work(what="b", note=note))
        await anyio.sleep(1)
        assert executor.status_counts()["pending"] == 1
        await executor.start()
        await executor.processor.join()
        note("joined")

    assert note.log == [(0.0, "a"), (2.0, "b"), (5.0, "joined")]


async def test_a_start_after_a_stop_in_the_same_instant_holds(note):
    executor = workshop()
    async with executor:
        await executor.stop()
        await executor.start()
        await executor.stop()
        await executor.start()
        await executor.append(Work(what="a", note=note))
        await executor.processor.join()

    assert note.log == [(0.0, "a")]


async def test_a_processor_that_was_stopped_by_itself_is_started_again(note):
    executor = workshop()
    async with executor:
        await executor.append(Work(what="a", seconds=5, note=note))
        await anyio.sleep(1)
        await executor.processor.stop()
        await executor.start()
        await executor.append(Work(what="b", note=note))
        await executor.processor.join()

    assert note.log == [(0.0, "a"), (1.0, "b")]


async def test_stop_before_any_start_does_nothing():
    executor = workshop()
    await executor.stop()
    await executor.forward()

    assert executor.processor is None


async def test_the_end_of_the_block_waits_for_what_runs_and_leaves_the_rest(sim):
    executor = workshop(concurrency_limit=1)
    async with executor:
        await executor.append(Work(seconds=3))
        await executor.append(Work(seconds=3))
        await anyio.sleep(1)

    assert sim.elapsed == 3.0
    assert (executor.status_counts()["completed"], executor.status_counts()["pending"]) == (1, 1)


async def test_an_error_in_the_block_cancels_what_runs_and_comes_out_as_it_is(sim):
    executor = workshop()
    event = Work(seconds=60)

    with pytest.raises(LookupError, match="mine"):
        async with executor:
            await executor.append(event)
            await anyio.sleep(1)
            raise LookupError("mine")

    assert event.status is EventStatus.CANCELLED
    assert executor.get_events_by_status("cancelled") == [event]
    assert sim.elapsed == 1.0
    async with executor:
        await executor.append(again := event.as_fresh_event())
        await executor.processor.join()
    assert again.status is EventStatus.COMPLETED


async def test_a_cancelled_block_cancels_what_runs():
    executor = workshop()
    event = Work(seconds=60)

    with anyio.move_on_after(1):
        async with executor:
            await executor.append(event)
            await anyio.sleep(30)

    assert event.status is EventStatus.CANCELLED
    assert not executor.processor.execution_mode


async def test_blocks_are_not_nested():
    executor = workshop()
    async with executor:
        with pytest.raises(RuntimeError, match="the executor runs already"):
            await executor.__aenter__()


async def test_a_block_that_cannot_start_ends():
    with pytest.raises(ConfigurationError):
        async with Workshop():
            raise AssertionError

    assert Workshop()._background.home is None


async def test_it_can_live_in_a_task_group_that_is_given(sim):
    executor = workshop()
    event = Work(seconds=3)
    async with anyio.create_task_group() as tasks:
        await executor.start(tasks)
        await executor.append(event)
        await anyio.sleep(1)
        await executor.stop()

    assert event.status is EventStatus.COMPLETED
    assert sim.elapsed == 3.0


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_it_can_live_in_a_nursery_of_trio():
    executor = workshop()
    event = Work(seconds=3)
    async with trio.open_nursery() as nursery:
        await executor.start(nursery)
        await executor.append(event)
        await executor.processor.join()
        await executor.stop()

    assert event.status is EventStatus.COMPLETED


async def test_a_group_that_is_cancelled_does_not_take_it(anyio_backend_name):
    executor = workshop()
    async with anyio.create_task_group() as tasks:
        tasks.cancel_scope.cancel()
        with contextlib.suppress(RuntimeError):
            await executor.start(tasks)
    async with anyio.create_task_group() as tasks:
        await executor.start(tasks)
        await executor.append(Work())
        await executor.processor.join()
        await executor.stop()

    assert executor.status_counts()["completed"] == 1


class Fatal(BaseException):
    """Nothing that a program goes on after."""


async def test_what_is_no_exception_ends_all_and_comes_out():
    executor = workshop()
    fatal, other, waiting = Work(error=Fatal()), Work(seconds=60), Work()

    with pytest.raises(BaseExceptionGroup) as caught:
        async with executor:
            await executor.append(other)
            await executor.append(fatal)
            await anyio.sleep(1)
            raise AssertionError

    found = caught.value
    while isinstance(found, BaseExceptionGroup):
        (found,) = found.exceptions
    assert isinstance(found, Fatal)
    assert fatal.status is EventStatus.FAILED
    assert other.status is EventStatus.CANCELLED
    assert not executor.processor.execution_mode
    await executor.append(waiting)
    async with executor:
        await executor.processor.join()
    assert waiting.status is EventStatus.COMPLETED


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_of_a_task_of_asyncio_it_is_logged(caplog):
    executor = workshop()
    await executor.start()
    await executor.append(Work(error=Fatal()))
    await anyio.sleep(1)

    assert "events are not run any more" in caplog.text
    await executor.start()
    await executor.append(event := Work())
    await executor.processor.join()
    await executor.stop()
    assert event.status is EventStatus.COMPLETED


async def test_of_two_starts_the_later_one_counts():
    calls, ends = [], [anyio.Event(), anyio.Event()]

    async def run():
        calls.append(1)
        await ends[len(calls) - 1].wait()

    background = Background(run)
    async with anyio.create_task_group() as background.home:
        await background.start()
        await anyio.sleep(1)
        background.stop()
        await background.start()
        await anyio.sleep(1)
        assert (len(calls), background.is_on) == (2, True)
        # What was stopped ends when it likes.
        ends[0].set()
        await anyio.sleep(1)
        assert background.is_on
        ends[1].set()
        await anyio.sleep(1)
        assert not background.is_on


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_start_that_was_taken_back_before_its_first_step_does_nothing():
    calls = []

    async def run():
        calls.append(1)

    background = Background(run)
    await background.start()
    background.stop()
    await background.start()
    await anyio.sleep(1)

    assert calls == [1]


async def test_without_a_task_group_it_lives_in_a_task_on_asyncio_only(anyio_backend_name):
    executor = workshop()
    if anyio_backend_name == "trio":
        with pytest.raises(RuntimeError, match=r"use `async with executor:`, or start\(task_gr"):
            await executor.start()
        return
    await executor.start()
    await executor.append(Work())
    await executor.processor.join()
    await executor.stop()

    assert executor.status_counts()["completed"] == 1


async def test_forward_runs_a_batch_beside_the_background(note):
    executor = workshop(queue_capacity=1, capacity_refresh_time=60.0)
    async with executor:
        for what in "abc":
            await executor.append(Work(what=what, seconds=1, note=note))
        await anyio.sleep(5)
        await executor.forward()
        note("forwarded")
        await executor.stop()
        await executor.forward()

    assert note.log == [(0.0, "a"), (5.0, "b"), (6.0, "forwarded"), (6.0, "c")]


async def test_five_batches_at_once_are_one_after_the_other():
    executor = workshop(queue_capacity=4)
    under_way, most = [], []

    class Watched(Work):
        async def _invoke(self):
            under_way.append(self)
            most.append(len(under_way))
            await anyio.sleep(1)
            under_way.remove(self)

    async with executor:
        await executor.stop()
        for _ in range(20):
            await executor.append(Watched())
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(executor.forward)

    assert max(most) == 4
    assert executor.status_counts()["completed"] == 20


# ---------------------------------------------------------------------- statuses


async def test_each_end_has_its_status():
    executor = workshop()
    skipped, aborted = Work(), Work()
    async with executor:
        await executor.stop()
        for event in (
            Work(),
            Work(error=LookupError("no")),
            Work(seconds=60, timeout=1.0),
            skipped,
            aborted,
        ):
            await executor.append(event)
        skipped.status = "skipped"
        aborted.status = EventStatus.ABORTED
        await executor.start()
        await executor.processor.join()

    assert executor.status_counts() == {
        "pending": 0,
        "processing": 0,
        "completed": 1,
        "failed": 1,
        "cancelled": 1,
        "skipped": 1,
        "aborted": 1,
    }
    for name in SEVEN:
        for event in executor.get_events_by_status(name):
            assert event.status.value == name
    executor.states._check()


async def test_events_that_are_invoked_elsewhere_are_followed():
    executor = workshop()
    event = Work(seconds=2)
    await executor.append(event)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(event.invoke)
        await anyio.sleep(1)
        assert executor.processing_events == [event]

    assert executor.completed_events == [event]
    async with executor:
        await executor.processor.join()
    assert executor.completed_events == [event]


async def test_events_of_streams_end():
    class Stream(Work):
        streaming: bool = True

        async def stream(self):
            for piece in range(3):
                await anyio.sleep(1)
                yield piece

    executor = workshop()
    event = Stream()
    async with executor:
        await executor.append(event)
        await executor.processor.join()

    assert executor.completed_events == [event]
    assert event.response == [0, 1, 2]


async def test_queries_take_statuses_by_name_and_say_which_there_are():
    executor = workshop()
    event = Work()
    await executor.append(event)

    assert executor.get_events_by_status("pending") == [event]
    assert executor.get_events_by_status(EventStatus.PENDING) == executor.pending_events
    with pytest.raises(ValueError, match=re.escape(", ".join(SEVEN))):
        executor.get_events_by_status("invalid_status")


async def test_what_it_says_about_itself():
    executor = Workshop(name="mine")
    await executor.append(Work())
    for _ in range(2):
        await executor.append(event := Work())
        await event.invoke()

    assert executor.inspect_state().split("\n") == [
        "Executor State (mine):",
        "  pending: 1 event",
        "  processing: 0 events",
        "  completed: 2 events",
        "  failed: 0 events",
        "  cancelled: 0 events",
        "  skipped: 0 events",
        "  aborted: 0 events",
    ]
    assert repr(executor) == (
        "Executor(total=3, pending=1, processing=0, completed=2, failed=0, cancelled=0, skipped=0,"
        " aborted=0)"
    )
    assert event in executor
    assert event.id in executor
    assert Work() not in executor


async def test_a_progression_can_be_forced_and_is_right_again():
    executor = workshop()
    event = Work()
    await executor.append(event)

    await executor._update_progression(event, EventStatus.FAILED)
    assert (executor.failed_events, executor.pending_events) == ([event], [])
    await event.invoke()
    assert (executor.failed_events, executor.completed_events) == ([], [event])
    await executor._update_progression(event)
    assert executor.completed_events == [event]
    executor.states.remove_progression("aborted")
    with pytest.raises(ConfigurationError, match="no progression for this status: aborted"):
        await executor._update_progression(event, EventStatus.ABORTED)


async def test_the_states_can_be_written_down_and_read():
    executor = workshop()
    event = Work(what="a")
    await executor.append(event)
    await executor.append(Work(what="b"))
    await event.invoke()

    snapshot = executor.states.to_dict(mode="json")

    names = {each["name"]: each["order"] for each in snapshot["progressions"]["items"]}
    assert list(names) == SEVEN
    assert names["completed"] == [str(event.id)]


async def test_queries_can_be_made_from_threads():
    executor = workshop()
    totals = set()

    def look():
        for _ in range(20):
            totals.add(sum(executor.status_counts().values()))
            executor.inspect_state()
            simclock.active().sleep(0.1)

    thread = threading.Thread(target=look)
    async with executor:
        await executor.stop()
        for _ in range(10):
            await executor.append(Work(seconds=0.25))
        thread.start()
        await executor.start()
        await executor.processor.join()
        await anyio.to_thread.run_sync(thread.join)

    assert totals == {10}


# ---------------------------------------------------------------------- cleanup


async def test_cleanup_removes_what_is_completed_failed_or_aborted():
    executor = workshop()
    events = {status: Work() for status in EventStatus}
    for event in events.values():
        await executor.append(event)
    events[EventStatus.FAILED].error = LookupError()
    events[EventStatus.CANCELLED].status = "cancelled"
    events[EventStatus.SKIPPED].status = "skipped"
    events[EventStatus.ABORTED].status = "aborted"
    await events[EventStatus.COMPLETED].invoke()
    await events[EventStatus.FAILED].invoke()
    events[EventStatus.PROCESSING].execution._start()

    assert await executor.cleanup_events() == 3

    assert {name for name, count in executor.status_counts().items() if count} == {
        "pending",
        "processing",
        "cancelled",
        "skipped",
    }
    assert len(executor.states.items) == 4
    assert await executor.cleanup_events(["skipped", EventStatus.CANCELLED]) == 2
    assert await executor.cleanup_events() == 0
    assert await executor.cleanup_events([]) == 0
    with pytest.raises(ValueError, match="no status has this name"):
        await executor.cleanup_events(["skip"])


async def test_pending_events_that_are_removed_are_not_run(note):
    executor = workshop()
    async with executor:
        await executor.stop()
        await executor.append(Work(what="a", note=note))
        assert await executor.cleanup_events([EventStatus.PENDING]) == 1
        assert executor.processor.queue_size == 0
        await executor.start()
        await executor.processor.join()

    assert note.log == []


async def test_running_events_that_are_removed_go_on_unseen():
    executor = workshop()
    event = Work(seconds=2)
    async with executor:
        await executor.append(event)
        await anyio.sleep(1)
        assert await executor.cleanup_events([EventStatus.PROCESSING]) == 1
        await executor.processor.join()

    assert event.status is EventStatus.COMPLETED
    assert event not in executor
    assert sum(executor.status_counts().values()) == 0


async def test_cleanup_forgets_denials():
    class Denying(Works):
        async def request_permission(self, **request):
            return False

    class Denied(Executor):
        processor_type = Denying

    async with Denied(CONFIG) as executor:
        await executor.append(Work())
        await anyio.sleep(0.5)
        assert len(executor.processor._permits.denials) == 1
        await executor.cleanup_events([EventStatus.PENDING])
        assert len(executor.processor._permits.denials) == 0
        await executor.processor.join()


# ---------------------------------------------------------------------- loops


def test_another_loop_may_have_it_after_the_first(sim):
    executor = workshop()
    events = [Work(seconds=60), Work(), Work()]

    async def leave_it_running():
        await executor.start()
        await executor.append(events[0])
        await asyncio.sleep(1)

    async def go_on(event):
        async with executor:
            await executor.append(event)
            await executor.processor.join()

    asyncio.run(leave_it_running())
    assert executor.get_events_by_status("cancelled") == [events[0]]
    assert not executor.processor.execution_mode
    anyio.run(go_on, events[1], backend="trio")
    anyio.run(go_on, events[2], backend="asyncio")

    assert executor.completed_events == events[1:]


def test_it_runs_in_one_loop_at_a_time(sim):
    executor = workshop()
    errors = []

    async def start_too():
        try:
            await executor.start()
        except RuntimeError as error:
            errors.append(str(error))

    async def main():
        await executor.start()
        await asyncio.to_thread(asyncio.run, start_too())
        await executor.stop()

    asyncio.run(main())

    assert errors == [
        "the executor runs in another event loop\nstop it there, or make one for each loop"
    ]


def test_a_loop_that_ends_before_the_first_step_leaves_nothing_behind(sim):
    executor = workshop()
    event = Work()

    async def main():
        await executor.start()
        await executor.append(event)

    asyncio.run(main())
    assert not executor._background.is_on
    assert event.status is EventStatus.PENDING
    asyncio.run(executed(executor))

    assert event.status is EventStatus.COMPLETED


async def executed(executor):
    async with executor:
        await executor.processor.join()


def test_a_status_that_cannot_follow_is_refused_and_moves_nothing(sim):
    async def main():
        executor = workshop()
        event = Work()
        await executor.append(event)
        await event.invoke()
        with pytest.raises(OperationError):
            event.status = "skipped"
        assert executor.completed_events == [event]

    asyncio.run(main())


def test_the_processor_may_have_a_pile_of_its_own(sim):
    assert isinstance(Works(1, 1.0).pile, Pile)


class Slowly(Works):
    """A processor that takes a second to be made; it counts how often it was."""

    made: ClassVar[list[Any]] = []

    @classmethod
    async def create(cls, *args, **kwargs):
        await anyio.sleep(1)
        cls.made.append(kwargs["executor"])
        return cls(*args, **kwargs)


class Slow(Executor):
    processor_type = Slowly


async def test_starts_at_once_make_one_processor():
    executor = Slow(CONFIG)
    await executor.append(early := Work())

    async with anyio.create_task_group() as home:
        for _ in range(3):
            home.start_soon(executor.start, home)
        await anyio.sleep(1.5)
        await executor.append(late := Work())
        with anyio.fail_after(1):
            await executor.processor.join()
        await executor.stop()

    assert Slowly.made.count(executor) == 1
    assert executor.completed_events == [early, late]


async def test_a_stop_while_the_processor_is_made_holds():
    executor = Slow(CONFIG)
    await executor.append(event := Work())

    async with anyio.create_task_group() as home:
        home.start_soon(executor.start, home)
        await anyio.sleep(0.5)
        await executor.stop()
        await anyio.sleep(5)
        assert event.status is EventStatus.PENDING
        assert executor.processor.is_stopped()
        await executor.start(home)
        await executor.processor.join()
        await executor.stop()

    assert event.status is EventStatus.COMPLETED


async def test_a_start_after_such_a_stop_holds_too():
    executor = Slow(CONFIG)
    await executor.append(event := Work())

    async with anyio.create_task_group() as home:
        home.start_soon(executor.start, home)
        await anyio.sleep(0.2)
        await executor.stop()
        await executor.start(home)
        await executor.processor.join()
        await executor.stop()

    assert Slowly.made.count(executor) == 1
    assert event.status is EventStatus.COMPLETED


async def test_a_processor_that_could_not_be_made_is_made_by_the_next_start():
    class Fails(Slowly):
        @classmethod
        async def create(cls, *args, **kwargs):
            await anyio.sleep(1)
            if not cls.made:
                cls.made.append(1)
                raise LookupError
            return cls(*args, **kwargs)

    class Failing(Executor):
        processor_type = Fails

    Fails.made = []
    executor, failed = Failing(CONFIG), []

    async def start(home):
        try:
            await executor.start(home)
        except LookupError:
            failed.append(1)

    async with anyio.create_task_group() as home:
        home.start_soon(start, home)
        home.start_soon(start, home)
        await anyio.sleep(3)
        await executor.append(event := Work())
        await executor.processor.join()
        await executor.stop()

    assert failed == [1]
    assert event.status is EventStatus.COMPLETED


async def test_a_start_that_finds_no_place_changes_nothing(anyio_backend_name):
    if anyio_backend_name == "asyncio":
        return
    executor = workshop()
    with pytest.raises(RuntimeError, match="trio runs nothing"):
        await executor.start()
    assert executor.processor is None

    async with executor:
        pass
    with pytest.raises(RuntimeError, match="trio runs nothing"):
        await executor.start()
    assert executor.processor.is_stopped()


async def test_who_waits_for_room_is_refused_as_soon_as_it_is_stopped(sim):
    executor = workshop(queue_capacity=1, capacity_refresh_time=3600, max_queue_size=1)
    async with executor, anyio.create_task_group() as tasks:
        await executor.append(Work())
        await executor.processor.join()
        await executor.append(Work())
        tasks.start_soon(refused, executor)
        await anyio.sleep(1)
        await executor.stop()

    assert sim.elapsed < 1.1


async def refused(executor):
    with pytest.raises(QueueFullError):
        await executor.append(Work())


async def test_a_status_that_an_earlier_observer_moves_on_is_the_one_that_counts():
    executor, event = workshop(), Work(note=None)

    def cancel(event, before, after):
        if after is EventStatus.PROCESSING:
            event.status = "cancelled"

    event._observe(cancel)
    await executor.append(event)
    await event.invoke()

    assert event.status is EventStatus.CANCELLED
    assert executor.get_events_by_status("cancelled") == [event]
    assert sum(executor.status_counts().values()) == 1


async def test_an_event_that_is_removed_and_comes_back_while_it_is_asked_for_has_one_seat(note):
    class Asks(Works):
        async def request_permission(self, **request):
            note("asked")
            await anyio.sleep(1)
            return True

    class Asking(Executor):
        processor_type = Asks

    event = Work(what="run", seconds=5, note=note)
    async with Asking(CONFIG) as executor, anyio.create_task_group() as tasks:
        await executor.append(event)
        await anyio.sleep(0.5)
        assert await executor.cleanup_events([EventStatus.PENDING]) == 1
        await executor.append(event)
        tasks.start_soon(executor.forward)
        await executor.processor.join()
        note("joined")

    assert event.status is EventStatus.COMPLETED
    assert note.log == [(0.0, "asked"), (1.0, "run"), (6.0, "joined")]


async def test_cleanup_of_a_status_that_is_none_removes_nothing():
    executor = workshop()
    await executor.append(event := Work())
    await event.invoke()

    with pytest.raises(ValueError, match="no status has this name: 'ended'"):
        await executor.cleanup_events(["completed", "ended"])
    assert executor.completed_events == [event]


async def test_a_status_whose_progression_was_removed_is_told():
    executor, event = workshop(), Work()
    await executor.append(event)
    extra = Progression(name="mine", order=[event])
    executor.states.add_progression(extra)
    executor.states.remove_progression("skipped")

    await executor._update_progression(event, EventStatus.FAILED)
    assert executor.states.get_progression("failed").order == [event.id]
    assert extra.order == []
    with pytest.raises(ConfigurationError, match="no progression for this status: skipped"):
        await executor._update_progression(event, EventStatus.SKIPPED)
    assert executor.states.get_progression("failed").order == [event.id]


async def test_a_stop_that_fails_at_the_end_of_the_block_leaves_nothing_that_runs(sim):
    class Stubborn(Workshop):
        async def stop(self):
            await super().stop()
            raise LookupError

    event = Work(seconds=60)
    with pytest.raises(LookupError):
        async with Stubborn(CONFIG) as executor:
            await executor.append(event)
            await anyio.sleep(1)

    assert event.status is EventStatus.CANCELLED
    assert sim.elapsed < 2


async def test_what_is_set_aside_leaves_the_line_at_once(sim):
    executor = workshop(queue_capacity=1, capacity_refresh_time=3600, max_queue_size=2)
    async with executor:
        await executor.append(Work())
        await executor.processor.join()
        events = [Work(), Work()]
        for event in events:
            await executor.append(event)
        events[0].status = "skipped"
        await executor.append(Work())
        events[1].status = "aborted"
        await executor.pending_events[0].invoke()
        assert executor.processor.queue_size == 0
        await executor.processor.join()

    assert sim.elapsed < 1
    assert executor.status_counts()["completed"] == 2


async def test_what_another_thread_sets_aside_is_passed_over(note):
    executor = workshop(queue_capacity=1)
    async with executor:
        await executor.append(Work(what="a", note=note))
        await anyio.sleep(0.5)
        await executor.append(event := Work(what="skipped", note=note))
        await executor.append(Work(what="b", note=note))
        thread = threading.Thread(target=setattr, args=(event, "status", "skipped"))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        # The line is of this thread: no other one touches it.
        assert executor.processor.queue_size == 2
        await executor.processor.join()

    assert executor.get_events_by_status("skipped") == [event]
    assert note.log == [(0.0, "a"), (1.0, "b")]


async def test_a_priority_is_forgotten_with_its_event(note):
    executor = workshop(concurrency_limit=1)
    await executor.append(again := Work(what="again", note=note), -1)
    await executor.cleanup_events([EventStatus.PENDING])
    await executor.append(Work(what="first", note=note), 0)
    await executor.append(again)

    async with executor:
        await executor.processor.join()

    assert [what for _, what in note.log] == ["first", "again"]
