"""The processor: its line, its capacity, its loop, and whom it permits."""

from __future__ import annotations

import math
from typing import Any, ClassVar
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest

from simclock.systems.eventflow import (
    ConfigurationError,
    Event,
    EventStatus,
    ExistsError,
    NotFoundError,
    Pile,
    Processor,
    QueueFullError,
)

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]


class Work(Event):
    """Takes some seconds, and notes when it begins."""

    what: Any = None
    seconds: float = 0.0
    note: Any = None

    async def _invoke(self):
        self.note(self.what)
        await anyio.sleep(self.seconds)
        return self.what

    @property
    def request(self):
        return {"what": self.what}


class Works(Processor):
    event_type = Work


def processor_of(kind=Works, capacity=10, refresh=1.0, **settings):
    return kind(capacity, refresh, Pile(item_type=Work), **settings)


@pytest.fixture
def add(note):
    """Return a function that lets an event come into the line of a processor."""

    async def add(processor, what, seconds=0.0, priority=0.0):
        event = Work(what=what, seconds=seconds, note=note)
        processor.pile.add(event)
        await processor.enqueue(event.id, priority)
        return event

    return add


class Running:
    """Has a processor run in a block, and afterwards until all that runs has ended."""

    def __init__(self, processor):
        self.processor = processor

    async def __aenter__(self):
        self.tasks = anyio.create_task_group()
        await self.tasks.__aenter__()
        self.tasks.start_soon(self.processor.execute)
        return self.processor

    async def __aexit__(self, *error):
        await self.processor.stop()
        return await self.tasks.__aexit__(*error)


# ---------------------------------------------------------------------- the line


async def test_lower_priorities_come_first_and_equals_as_they_came(add, note):
    processor = processor_of(concurrency_limit=1)
    for what, priority in [("c", 2.0), ("a", -1), ("d", 2.0), ("b", 0.5), ("e", 2.0)]:
        await add(processor, what, 1.0, priority)

    async with Running(processor):
        await processor.join()

    assert note.log == [(0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "d"), (4.0, "e")]


async def test_without_a_priority_they_come_as_they_were_made(note, sim):
    processor = processor_of(concurrency_limit=1)
    events = []
    for what in "abc":
        events.append(Work(what=what, note=note))
        sim.sleep(1)
    for event in reversed(events):
        processor.pile.add(event)
        await processor.enqueue(event.id)

    await processor.process()

    assert [what for _, what in note.log] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "priority", [math.nan, math.inf, -math.inf, "1", True, pytest.param(10**400, id="too large")]
)
async def test_a_priority_is_a_finite_number(add, priority):
    processor = processor_of()

    with pytest.raises(ValueError, match="a priority must be a finite number"):
        await add(processor, "a", priority=priority)

    assert processor.queue_size == 0


async def test_a_full_line_refuses(add):
    processor = processor_of(max_queue_size=2)
    await add(processor, "a")
    await add(processor, "b")

    with pytest.raises(QueueFullError, match="the queue is full: 2 events of 2") as caught:
        await add(processor, "c")

    assert caught.value.details == {"queue_size": 2, "max_size": 2}
    assert caught.value.retryable


async def test_an_event_is_in_line_once_and_must_be_in_the_pile(add):
    processor = processor_of()
    event = await add(processor, "a")

    with pytest.raises(ExistsError, match="the event is in the queue"):
        await processor.enqueue(event)
    with pytest.raises(NotFoundError):
        await processor.enqueue(uuid4())

    assert processor.queue_size == 1


async def test_dequeue_waits_for_an_event(add, sim):
    processor = processor_of()
    got = []

    async def get():
        got.append(await processor.dequeue())
        got.append(sim.elapsed)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(get)
        await anyio.sleep(3)
        event = await add(processor, "a")

    assert got == [event, 3.0]
    assert processor.queue_size == 0


async def test_dequeue_says_that_the_event_has_left_the_pile(add):
    processor = processor_of()
    processor.pile.remove(await add(processor, "a"))

    with pytest.raises(NotFoundError):
        await processor.dequeue()


async def test_what_was_removed_or_is_not_pending_any_more_is_passed_over(add, note):
    processor = processor_of(capacity=2)
    events = [await add(processor, number) for number in range(5)]
    processor.pile.remove(events[0])
    events[1].status = EventStatus.SKIPPED
    await events[2].invoke()

    await processor.process()

    # Nor do they use capacity.
    assert [what for _, what in note.log] == [2, 3, 4]
    assert processor.queue_size == 0


# ---------------------------------------------------------------------- capacity


async def test_in_any_stretch_of_time_only_so_many_start(add, note):
    processor = processor_of(capacity=2, refresh=1.0)

    async with Running(processor):
        await add(processor, "a")
        await anyio.sleep(0.75)
        for what in "bcde":
            await add(processor, what)
        await processor.join()

    assert note.log == [(0.0, "a"), (0.75, "b"), (1.0, "c"), (1.75, "d"), (2.0, "e")]


async def test_what_can_start_does_not_wait_for_what_runs(add, note):
    processor = processor_of(capacity=2)
    await add(processor, "long", 60.0)

    async with Running(processor):
        await anyio.sleep(5)
        for what in "abc":
            await add(processor, what)
            note("added", what)
        await anyio.sleep(2)

    assert note.log == [
        (0.0, "long"),
        *((5.0, "added", what) for what in "abc"),
        (5.0, "a"),
        (5.0, "b"),
        (6.0, "c"),
    ]


async def test_only_so_many_run_at_once(add, note):
    processor = processor_of(concurrency_limit=2)
    for what, seconds in [("a", 1.0), ("b", 3.0), ("c", 1.0), ("d", 1.0)]:
        await add(processor, what, seconds)

    async with Running(processor):
        await processor.join()

    assert note.log == [(0.0, "a"), (0.0, "b"), (1.0, "c"), (2.0, "d")]


async def test_the_capacity_that_is_left_can_be_seen_and_set(add, note):
    processor = processor_of(capacity=3)
    assert processor.available_capacity == 3
    processor.available_capacity = 1
    for what in "abc":
        await add(processor, what)

    async with Running(processor):
        await anyio.sleep(0.5)
        assert processor.available_capacity == 0
        processor.available_capacity = 1
        await processor.join()

    assert note.log == [(0.0, "a"), (0.5, "b"), (1.0, "c")]


@pytest.mark.parametrize("value", [-1, 4, 1.5])
async def test_the_capacity_that_is_left_is_a_part_of_all(value):
    with pytest.raises(ValueError, match="available_capacity"):
        processor_of(capacity=3).available_capacity = value


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("queue_capacity", 0),
        ("queue_capacity", 10_001),
        ("queue_capacity", 1.5),
        ("capacity_refresh_time", 0.009),
        ("capacity_refresh_time", 3601),
        ("capacity_refresh_time", math.nan),
        pytest.param("capacity_refresh_time", 10**400, id="too large"),
        ("concurrency_limit", 0),
        ("max_queue_size", 0),
        ("max_denial_tracking", 0),
        ("max_denials", 0),
    ],
)
async def test_settings_out_of_range_are_refused(setting, value):
    good = {"queue_capacity": 1, "capacity_refresh_time": 1.0, "pile": Pile()}

    with pytest.raises(ValueError, match=f"^{setting} "):
        await Works.create(**{**good, setting: value})


@pytest.mark.parametrize(
    "settings",
    [
        {"queue_capacity": 1, "capacity_refresh_time": 0.01, "concurrency_limit": 1},
        {"queue_capacity": 10_000, "capacity_refresh_time": 3600, "max_denial_tracking": 1},
    ],
)
async def test_the_ends_of_ranges_are_in_them(settings):
    processor = await Works.create(pile=Pile(), **settings)

    assert processor.queue_capacity == settings["queue_capacity"]


async def test_a_processor_says_what_events_it_runs():
    with pytest.raises(ConfigurationError, match="Processor does not say what events it runs"):
        Processor(1, 1.0, Pile())


# ---------------------------------------------------------------------- its loop


async def test_a_stop_ends_the_loop_at_once_and_what_runs_goes_on(add, note):
    processor = processor_of(refresh=60.0, concurrency_limit=1)
    event = await add(processor, "a", 10.0)
    await add(processor, "b")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(processor.execute)
        await anyio.sleep(1)
        assert processor.execution_mode
        await processor.stop()
        assert (processor.execution_mode, processor.is_stopped()) == (False, True)
        await processor.stop()
    note("over")

    assert event.status is EventStatus.COMPLETED
    assert note.log == [(0.0, "a"), (10.0, "over")]
    assert processor.queue_size == 1


async def test_a_loop_that_waits_ends_in_the_instant_of_its_stop(sim):
    processor = processor_of(refresh=3600.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(processor.execute)
        await anyio.sleep(1)
        await processor.stop()

    assert sim.elapsed == 1.0


async def test_a_stop_before_the_loop_begins_is_not_lost(add, note):
    processor = processor_of()
    await add(processor, "a")

    await processor.stop()
    await processor.execute()
    assert note.log == []

    await processor.start()
    async with Running(processor):
        await processor.join()
    assert note.log == [(0.0, "a")]


async def test_after_a_stop_it_can_go_on_while_events_still_run(add, note):
    processor = processor_of()
    await add(processor, "a", 10.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(processor.execute)
        await anyio.sleep(1)
        await processor.stop()
        await add(processor, "b")
        await anyio.sleep(1)
        await processor.start()
        tasks.start_soon(processor.execute)
        await processor.join()
        note("joined")
        await processor.stop()

    assert note.log == [(0.0, "a"), (2.0, "b"), (10.0, "joined")]


async def test_there_is_one_loop_and_others_wait_for_it(add, note):
    processor = processor_of(capacity=1)
    for what in "abc":
        await add(processor, what)

    async def execute_too():
        await processor.execute()
        note("over")

    async with Running(processor), anyio.create_task_group() as tasks:
        tasks.start_soon(execute_too)
        await processor.join()
        await anyio.sleep(1)
        processor.execution_mode = False

    assert note.log == [(0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "over")]


async def test_the_mode_is_off_after_a_cancellation_too(add):
    processor = processor_of()
    event = await add(processor, "a", 10.0)

    with anyio.move_on_after(1):
        await processor.execute()

    assert not processor.execution_mode
    assert event.status is EventStatus.CANCELLED
    with anyio.fail_after(1):
        await processor.join()


async def test_join_waits_for_the_line_and_for_what_runs(add, note):
    processor = processor_of(capacity=1)
    joined = []

    async def join():
        await processor.join()
        joined.append(note("joined"))

    async with anyio.create_task_group() as tasks:
        await add(processor, "a", 0.5)
        await add(processor, "b", 5.0)
        tasks.start_soon(join)
        await anyio.sleep(1)
        async with Running(processor):
            while not joined:
                await anyio.sleep(0.25)

    assert note.log == [(1.0, "a"), (2.0, "b"), (7.0, "joined")]


async def test_join_returns_at_once_if_there_is_nothing():
    with anyio.fail_after(1):
        await processor_of().join()


async def test_an_event_that_fails_or_is_cancelled_by_what_it_waits_for_harms_no_other(
    add, note, anyio_backend_name
):
    class Bad(Work):
        async def _invoke(self):
            if anyio_backend_name == "asyncio":
                import asyncio

                future = asyncio.get_running_loop().create_future()
                future.cancel()
                await future
            raise LookupError

    processor = processor_of()
    bad = Bad(what="bad", note=note)
    processor.pile.add(bad)
    good = await add(processor, "good", 3.0)

    async with Running(processor):
        await anyio.sleep(1)
        await processor.enqueue(bad.id)
        await processor.join()

    assert bad.status.value == ("cancelled" if anyio_backend_name == "asyncio" else "failed")
    assert good.status is EventStatus.COMPLETED


# ---------------------------------------------------------------------- batches


async def test_a_batch_is_run_at_once_and_ends_with_its_events(add, note):
    processor = processor_of(capacity=2)
    for what, seconds in [("a", 1.0), ("b", 3.0), ("c", 1.0)]:
        await add(processor, what, seconds)

    await processor.process()
    note("over")
    await processor.process()
    note("over")

    assert note.log == [(0.0, "a"), (0.0, "b"), (3.0, "over"), (3.0, "c"), (4.0, "over")]


async def test_a_batch_is_not_counted_in_the_capacity_of_the_loop(add, note):
    processor = processor_of(capacity=2)

    async with Running(processor):
        for what in "abcde":
            await add(processor, what)
        await anyio.sleep(0.25)
        await processor.process()
        await processor.join()

    assert note.log == [(0.0, "a"), (0.0, "b"), (0.25, "c"), (0.25, "d"), (1.0, "e")]


async def test_a_batch_keeps_the_limit_of_what_runs_at_once(add, note):
    processor = processor_of(capacity=3, concurrency_limit=2)

    async with Running(processor):
        await add(processor, "long", 10.0)
        await anyio.sleep(1)
        await processor.stop()
        for what in "abc":
            await add(processor, what, 1.0)
        await processor.process()
        note("over")

    assert note.log == [(0.0, "long"), (1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "over")]


async def test_a_batch_of_nothing_is_over_at_once():
    with anyio.fail_after(1):
        await processor_of().process()


async def test_a_cancelled_batch_cancels_its_events_and_loses_none(add, note):
    processor = processor_of(concurrency_limit=1)
    first = await add(processor, "a", 10.0)
    second = await add(processor, "b")

    with anyio.move_on_after(1):
        await processor.process()

    assert (first.status, second.status) == (EventStatus.CANCELLED, EventStatus.PENDING)
    await processor.process()
    assert note.log == [(0.0, "a"), (1.0, "b")]


async def test_events_that_were_cancelled_before_their_first_step_are_in_line_again(add, note):
    processor = processor_of()
    for what in "abc":
        await add(processor, what)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await processor.process()

    assert note.log == []
    assert processor.queue_size == 3
    await processor.process()
    assert [what for _, what in note.log] == ["a", "b", "c"]


# ---------------------------------------------------------------------- permission


class Choosy(Works):
    """Answers as it is told, by what the event is."""

    answers: ClassVar = {}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = []

    async def request_permission(self, what):
        self.asked.append(what)
        answer = self.answers.get(what, True)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


def choosy(answers, **settings):
    kind = type("Choosy", (Choosy,), {"answers": answers})
    return processor_of(kind, **settings)


async def test_who_is_denied_waits_longer_each_time_and_holds_up_nobody(add, note, sim):
    asked = []

    def deny():
        # Milliseconds are what asyncio waits.
        asked.append(round(sim.elapsed, 3))
        return len(asked) > 7

    processor = choosy({"denied": deny})
    for what in ("denied", "a", "b"):
        await add(processor, what)

    async with Running(processor):
        await processor.join()

    # From a hundredth of the refresh time on, doubled, up to a tenth.
    assert asked == [0.0, 0.01, 0.03, 0.07, 0.15, 0.25, 0.35, 0.45]
    assert [what for _, what in note.log] == ["a", "b", "denied"]


async def test_permission_may_say_how_long_it_takes(add, note, sim):
    processor = choosy({"a": lambda: True if sim.elapsed >= 7.5 else 7.5 - sim.elapsed})
    await add(processor, "a")
    await add(processor, "b")

    async with Running(processor):
        await processor.join()

    assert note.log == [(0.0, "b"), (7.5, "a")]
    assert processor.asked == ["a", "b", "a"]


@pytest.mark.parametrize("answer", [False, 0, 0.0, ""])
async def test_what_is_false_denies(add, answer):
    processor = choosy({"a": answer})
    await add(processor, "a")

    await processor.process()

    assert (processor.asked, processor.queue_size) == (["a"], 1)


async def test_none_denies_with_a_warning_once_for_each_processor(add):
    for _ in range(2):
        processor = choosy({"a": None, "b": None})
        for what in "ab":
            await add(processor, what)

        said = (
            r"Choosy\.request_permission\(\) returned None, which denies the event\n"
            "return True to let it start, False or a number of seconds to have it wait"
        )
        with pytest.warns(RuntimeWarning, match=said) as caught:
            await processor.process()
        assert len(caught) == 1
        await anyio.sleep(1)
        await processor.process()  # a second warning would be an error
        assert (processor.asked, processor.queue_size) == (["a", "b"] * 2, 2)


async def test_where_warnings_are_errors_each_event_fails_whose_permission_is_none(add):
    processor = choosy({"a": None, "b": None})
    events = [await add(processor, what) for what in "ab"]

    await processor.process()

    assert {type(event.execution.error) for event in events} == {RuntimeWarning}


async def test_who_is_denied_keeps_its_rank(add, note, sim):
    processor = choosy({"a": lambda: sim.elapsed >= 1}, concurrency_limit=1, capacity=1, refresh=5)
    for what in "abc":
        await add(processor, what)

    async with Running(processor):
        await processor.join()

    assert note.log == [(0.0, "b"), (5.0, "a"), (10.0, "c")]


async def test_an_event_is_aborted_only_by_max_denials(add):
    processor = choosy({"a": False}, max_denials=3)
    event = await add(processor, "a")

    async with Running(processor):
        await processor.join()

    assert event.status is EventStatus.ABORTED
    assert str(event.execution.error) == "permission was denied 3 times, which is max_denials"
    assert processor.asked == ["a"] * 3


async def test_without_max_denials_it_is_asked_for_as_long_as_it_takes(add, note, sim):
    processor = choosy({"a": lambda: sim.elapsed > 60})
    await add(processor, "a")

    async with Running(processor):
        await processor.join()

    assert [(math.floor(at), what) for at, what in note.log] == [(60, "a")]


async def test_denials_are_forgotten_by_a_stop(add):
    processor = choosy({"a": False}, max_denials=3)
    event = await add(processor, "a")

    for _ in range(4):
        await processor.process()
        await anyio.sleep(1)
        await processor.process()
        await anyio.sleep(1)
        await processor.stop()

    assert event.status is EventStatus.PENDING


async def test_of_too_many_denied_events_the_oldest_count_is_forgotten(add):
    processor = choosy(dict.fromkeys("abc", False), max_denials=2, max_denial_tracking=2)
    events = [await add(processor, what) for what in "abc"]

    await processor.process()
    await anyio.sleep(1)
    await processor.process()

    # When the third was denied for the first time, the count of the first was forgotten. When
    # the first was denied again, that of the second was.
    assert [event.status.value for event in events] == ["pending", "pending", "pending"]
    assert len(processor._permits.denials) == 2


@pytest.mark.parametrize("answer", [LookupError("no"), -1.0, math.nan, math.inf])
async def test_an_event_fails_if_its_permission_cannot_be_asked_for(add, answer, caplog):
    processor = choosy({"bad": answer})
    bad = await add(processor, "bad")
    good = await add(processor, "good")

    async with Running(processor):
        await processor.join()

    assert (bad.status, good.status) == (EventStatus.FAILED, EventStatus.COMPLETED)
    assert isinstance(bad.execution.error, (LookupError, ValueError))
    assert "the permission of an event could not be asked for" in caplog.text


async def test_a_stop_ends_a_question_and_the_event_stays_in_line(add, note):
    class Slow(Works):
        async def request_permission(self, **request):
            await anyio.sleep(10)
            return True

    processor = processor_of(Slow)
    await add(processor, "a")

    async with Running(processor):
        await anyio.sleep(1)
    note("stopped")
    assert processor.queue_size == 1

    await processor.process()
    assert note.log == [(1.0, "stopped"), (11.0, "a")]


async def test_who_stops_it_when_asked_starts_nothing_more(add, note):
    class Stopping(Works):
        async def request_permission(self, **request):
            await self.stop()
            return True

    processor = processor_of(Stopping)
    await add(processor, "a")

    await processor.execute()

    assert (note.log, processor.queue_size) == ([], 1)


async def test_an_event_that_is_removed_or_skipped_while_it_is_asked_for_is_not_run(add, note):
    processor = choosy({})
    removed = await add(processor, "removed")
    skipped = await add(processor, "skipped")
    processor.answers.update(
        removed=lambda: processor.pile.remove(removed) is removed,
        skipped=lambda: setattr(skipped, "status", "skipped") is None,
    )

    await processor.process()

    assert processor.asked == ["removed", "skipped"]
    assert (note.log, processor.queue_size) == ([], 0)


async def test_forwarding_asks_each_event_once(add):
    processor = choosy({"a": False}, refresh=0.01)
    await add(processor, "a")

    await processor.process()

    assert processor.asked == ["a"]
