"""The page that the executor was specified by: its names, signatures, examples and pitfalls.

The examples are as on the page, with another name of the package. Where they use ``executor``,
``event`` and others that other examples have made, so do these.
"""

# ruff: noqa: T201 - the page prints

from __future__ import annotations

import asyncio
import inspect
import itertools
import re
import time
from typing import Any

import pytest

import simclock
from simclock.systems import eventflow
from simclock.systems.eventflow import (
    ConfigurationError,
    Event,
    EventStatus,
    Execution,
    Executor,
    Flow,
    Pile,
    Processor,
    Progression,
)

# Classes of the page, and of those that it refers to: what each has, as it is called.
PAGE = {
    "Executor": {
        "__init__": "(self, processor_config=None, strict_event_type=False, name=None)",
        "event_type": "property",
        "strict_event_type": "property",
        "completed_events": "property",
        "pending_events": "property",
        "failed_events": "property",
        "processing_events": "property",
        "append": "async (self, event, priority=None)",
        "cleanup_events": "async (self, statuses=None)",
        "get_events_by_status": "(self, status)",
        "status_counts": "(self)",
        # On trio it takes a task group.
        "start": "async (self, task_group=None)",
        "stop": "async (self)",
        "forward": "async (self)",
        "inspect_state": "(self)",
        "__contains__": "(self, event)",
        "__repr__": "(self)",
        "_update_progression": "async (self, event, force_status=None)",
        "_create_processor": "async (self)",
    },
    "Processor": {
        "__init__": "(self, queue_capacity, capacity_refresh_time, pile=None, executor=None, concurrency_limit=100, max_queue_size=1000, max_denial_tracking=10000, max_denials=None)",
        "create": "async (*args, **kwargs)",
        "enqueue": "async (self, event_id, priority=None)",
        "dequeue": "async (self)",
        "process": "async (self)",
        "execute": "async (self)",
        "start": "async (self)",
        "stop": "async (self)",
        "is_stopped": "(self)",
        "join": "async (self)",
        "request_permission": "async (self, **request)",
        "available_capacity": "property",
        "execution_mode": "property",
    },
    "RateLimitedProcessor": {
        "__init__": "(self, queue_capacity, capacity_refresh_time, pile=None, executor=None, request_bucket=None, token_bucket=None, replenishment_interval=60.0, **settings)",
        "request_permission": "async (self, required_tokens=None, **request)",
        "to_dict": "(self)",
    },
    "RateLimitConfig": {"__init__": "(self, capacity, refill_rate, initial_tokens=None)"},
    "TokenBucket": {
        "__init__": "(self, config)",
        "acquire": "async (self, tokens=1, *, timeout=None)",
        "try_acquire": "async (self, tokens=1)",
        "release": "async (self, tokens=1)",
        "reset": "async (self)",
        "to_dict": "(self)",
    },
    "CircuitBreaker": {
        "__init__": "(self, failure_threshold=5, recovery_time=30.0, half_open_max_calls=1, excluded_exceptions=None, name='default')",
        "execute": "async (self, func, *args, **kwargs)",
        "metrics": "property",
        "to_dict": "(self)",
    },
    "CircuitBreakerOpenError": {
        "__init__": "(self, message=None, *, retry_after=None, details=None)"
    },
}
NAMES = {
    "AccessError",
    "ConfigurationError",
    "Element",
    "Event",
    "EventStatus",
    "Execution",
    "ExecutionError",
    "ExistsError",
    "Flow",
    "LionConnectionError",
    "LionTimeoutError",
    "LionprideError",
    "NotFoundError",
    "OperationError",
    "Pile",
    "Progression",
    "QueueFullError",
    "Unset",
    "ValidationError",
    "register_type_prefix",
    "RateLimitedExecutor",
}


def signature(owner, name):
    found = getattr(owner, name)
    if isinstance(found, property):
        return "property"
    plain = [
        each.replace(annotation=each.empty) for each in inspect.signature(found).parameters.values()
    ]
    kind = "async " if inspect.iscoroutinefunction(found) else ""
    return kind + str(inspect.Signature(plain))


@pytest.mark.parametrize("owner", PAGE)
def test_names_signatures_and_defaults(owner):
    kind = getattr(eventflow, owner)

    assert {name: signature(kind, name) for name in PAGE[owner]} == PAGE[owner]
    assert owner in eventflow.__all__


def test_names_around():
    assert set(eventflow.__all__) >= NAMES


def test_statuses_and_their_progressions():
    assert [(each.name, each.value) for each in EventStatus] == [
        ("PENDING", "pending"),
        ("PROCESSING", "processing"),
        ("COMPLETED", "completed"),
        ("FAILED", "failed"),
        ("CANCELLED", "cancelled"),
        ("SKIPPED", "skipped"),
        ("ABORTED", "aborted"),
    ]
    assert [each.name for each in MyExecutor().states.progressions] == [
        each.value for each in EventStatus
    ]


def test_annotations_of_the_page():
    assert Executor.__annotations__["processor_type"] == "ClassVar[type[Processor]]"
    assert Processor.__annotations__["event_type"] == "ClassVar[type[Event]]"
    executor = MyExecutor()
    assert isinstance(executor.states, Flow)
    assert isinstance(executor.states.items, Pile)
    assert isinstance(executor.states.progressions, Pile)
    assert all(isinstance(each, Progression) for each in executor.states.progressions)
    assert isinstance(MyEvent().execution, Execution)


# ---------------------------------------------------------------------- the examples


class MyEvent(Event):
    async def _invoke(self):
        return "result"


class MyEventSubclass(MyEvent):
    """A subclass."""


class MyProcessor(Processor):
    event_type = MyEvent


class MyExecutor(Executor):
    processor_type = MyProcessor


CONFIG = {"queue_capacity": 100, "capacity_refresh_time": 1.0}


@pytest.mark.simclock
async def test_integration_with_the_processor():
    event = MyEvent()
    executor = MyExecutor(CONFIG)  # Executor.__init__() creates Flow
    assert isinstance(executor.states, Flow)
    early = MyEvent()
    await executor.append(early)
    await executor.start()  # Creates Processor, backfills pending events
    assert type(executor.processor) is MyProcessor
    assert executor.processor.queue_size == 1
    await executor.append(event)  # Adds to Flow + enqueues in Processor
    assert event in executor.states.items
    await executor.processor.join()
    assert executor.completed_events == [early, event]
    await executor.stop()


def test_the_constructor():
    executor = MyExecutor(
        processor_config={
            "queue_capacity": 100,
            "capacity_refresh_time": 1.0,
            "concurrency_limit": 50,
        },
        strict_event_type=True,  # Enforce exact MyEvent type
        name="my_executor",
    )

    assert executor.strict_event_type is True
    assert executor.states.name == "my_executor"
    assert executor.processor_config["concurrency_limit"] == 50
    assert MyExecutor().states.name == "executor_states"
    assert MyExecutor().processor_config == {}
    assert str(MyExecutor().event_type) == f"<class '{__name__}.MyEvent'>"


@pytest.mark.simclock
async def test_an_executor_without_settings_keeps_events_and_cannot_start():
    executor = MyExecutor()
    await executor.append(MyEvent())

    with pytest.raises(ConfigurationError, match="queue_capacity, capacity_refresh_time"):
        await executor.start()


@pytest.mark.simclock
async def test_events_are_appended_with_their_priorities():
    executor, order = MyExecutor({**CONFIG, "concurrency_limit": 1}), []

    class Ordered(MyEvent):
        name: str

        async def _invoke(self):
            order.append(self.name)

    event = Ordered(name="default")
    await executor.append(event)  # Default priority (created_at)

    # Custom priority (lower = higher priority)
    high_priority_event = Ordered(name="high")
    await executor.append(high_priority_event, priority=1.0)
    await executor.start()
    await executor.processor.join()
    await executor.stop()

    assert order == ["high", "default"]


@pytest.mark.simclock
async def test_cleaning_up(capsys):
    executor = MyExecutor(CONFIG)
    await executor.start()
    for _ in range(3):
        await executor.append(MyEvent())
    await executor.processor.join()

    # Clean up completed and failed events
    removed = await executor.cleanup_events()
    print(f"Removed {removed} events")
    # Clean up only completed
    removed = await executor.cleanup_events([EventStatus.COMPLETED])
    # Clean up after events are logged elsewhere
    await executor.cleanup_events([EventStatus.COMPLETED, EventStatus.FAILED])
    await executor.stop()

    assert capsys.readouterr().out == "Removed 3 events\n"
    assert removed == 0
    assert len(executor.states.items) == 0


async def some_of_each(executor):
    """Give it 5 pending events, 2 that run, 10 that are completed and one that has failed."""

    class Waits(MyEvent):
        async def _invoke(self):
            await asyncio.sleep(60)

    class Fails(MyEvent):
        async def _invoke(self):
            raise LookupError

    for event in [*(MyEvent() for _ in range(10)), Fails()]:
        await executor.append(event)
        await event.invoke()
    for event in Waits(), Waits():
        await executor.append(event)
        # A program that runs it keeps the task.
        some_of_each.tasks.append(asyncio.create_task(event.invoke()))
    for _ in range(5):
        await executor.append(MyEvent())
    await asyncio.sleep(1)


some_of_each.tasks = []


@pytest.mark.simclock
async def test_queries_and_what_is_printed(capsys):
    executor = MyExecutor(name="my_executor")
    await some_of_each(executor)

    # Using enum (recommended)
    pending = executor.get_events_by_status(EventStatus.PENDING)
    # Using string (also works)
    completed = executor.get_events_by_status("completed")
    print(f"Pending: {len(pending)}, Completed: {len(completed)}")
    counts = executor.status_counts()
    print(counts)
    total = sum(counts.values())
    print(f"Total events: {total}")
    print(executor.inspect_state())
    print(repr(executor))

    assert capsys.readouterr().out == (
        "Pending: 5, Completed: 10\n"
        "{'pending': 5, 'processing': 2, 'completed': 10, 'failed': 1, 'cancelled': 0,"
        " 'skipped': 0, 'aborted': 0}\n"
        "Total events: 18\n"
        "Executor State (my_executor):\n"
        "  pending: 5 events\n"
        "  processing: 2 events\n"
        "  completed: 10 events\n"
        "  failed: 1 event\n"
        "  cancelled: 0 events\n"
        "  skipped: 0 events\n"
        "  aborted: 0 events\n"
        "Executor(total=18, pending=5, processing=2, completed=10, failed=1, cancelled=0,"
        " skipped=0, aborted=0)\n"
    )
    assert len(executor.processing_events) == 2
    assert len(executor.failed_events) == 1
    # O(n) scan - BAD; O(1) lookup - GOOD
    scanned = [e for e in executor.states.items if e.execution.status == EventStatus.COMPLETED]
    assert scanned == executor.get_events_by_status(EventStatus.COMPLETED)


@pytest.mark.simclock
async def test_state_inspection(capsys):
    executor = MyExecutor()
    await some_of_each(executor)

    # Detailed counts
    counts = executor.status_counts()
    total = sum(counts.values())
    completion_rate = counts["completed"] / total if total > 0 else 0
    print(f"Completion rate: {completion_rate:.1%}")
    # Check specific events
    event = MyEvent()
    await executor.append(event)
    print(event in executor)
    print(event.id in executor)  # True (UUID also works)
    print(MyEvent() in executor)  # False (different UUID)
    # Audit trail (serialization): all events and progressions
    snapshot = executor.states.to_dict()

    assert capsys.readouterr().out == "Completion rate: 55.6%\nTrue\nTrue\nFalse\n"
    assert len(snapshot["items"]["items"]) == 19
    assert len(snapshot["progressions"]["items"]) == 7
    await executor.cleanup_events()
    assert len(executor.states.to_dict()["items"]["items"]) == 8  # Smaller snapshot


def test_an_invalid_status_would_fail():
    executor = MyExecutor()
    executor.get_events_by_status(EventStatus.PENDING)
    executor.get_events_by_status("pending")

    seven = "pending, processing, completed, failed, cancelled, skipped, aborted"
    with pytest.raises(ValueError, match=re.escape(seven)):
        executor.get_events_by_status("invalid_status")


@pytest.mark.simclock
async def test_stop_and_start_again():
    executor = MyExecutor(CONFIG)
    await executor.append(MyEvent())  # Queued but not processed yet
    assert executor.processor is None
    await executor.start()  # Creates processor, starts processing
    processor = executor.processor
    await processor.join()
    await executor.stop()  # Stop processing
    await executor.append(MyEvent())  # ... do maintenance ...
    await asyncio.sleep(60)
    assert executor.status_counts()["pending"] == 1
    await executor.start()  # Resume processing
    await executor.processor.join()
    assert executor.processor is processor
    assert executor.status_counts()["completed"] == 2
    await executor.stop()


@pytest.mark.simclock
async def test_forward(sim):
    executor = MyExecutor({"queue_capacity": 1, "capacity_refresh_time": 3600})
    await executor.start()
    await executor.append(MyEvent())
    await executor.processor.join()
    urgent_event = MyEvent()

    await executor.append(urgent_event)
    await executor.forward()  # Process immediately, don't wait

    assert urgent_event.status is EventStatus.COMPLETED
    assert sim.elapsed == 0
    await executor.stop()


# 1. Define custom event
class DataProcessingEvent(Event):
    data: dict = {}  # noqa: RUF012 - as on the page

    async def _invoke(self):
        # Process data
        return {"processed": self.data}


# 2. Define processor
class DataProcessor(Processor):
    event_type = DataProcessingEvent


# 3. Define executor
class DataExecutor(Executor):
    processor_type = DataProcessor


async def basic():
    # 4. Create and start (processor_config required for start())
    executor = DataExecutor(
        processor_config={
            "queue_capacity": 100,
            "capacity_refresh_time": 1.0,
        }
    )
    await executor.start()

    # 5. Add events
    for i in range(10):
        event = DataProcessingEvent(data={"id": i})
        await executor.append(event)

    # 6. Query status
    pending = executor.pending_events
    print(f"Pending: {len(pending)}")

    # 7. Wait and check results
    await executor.processor.join()  # Wait for queue to empty
    completed = executor.completed_events
    print(f"Completed: {len(completed)}")
    return executor


def test_basic_usage(capsys, sim):
    executor = asyncio.run(basic())

    pending, completed = capsys.readouterr().out.splitlines()
    # How many are pending is as it happens: they are processed in the background meanwhile.
    assert re.fullmatch(r"Pending: \d+", pending)
    assert completed == "Completed: 10"
    assert [event.response for event in executor.completed_events] == [
        {"processed": {"id": number}} for number in range(10)
    ]
    assert sim.elapsed == 0


# 1. Define event for data processing tasks
class TaskEvent(Event):
    task_id: int = 0
    data: str = ""

    async def _invoke(self):
        # Simulate processing
        await asyncio.sleep(0.1)
        return {"task_id": self.task_id, "result": f"Processed: {self.data}"}


# 2. Define processor
class TaskProcessor(Processor):
    event_type = TaskEvent


# 3. Define executor
class TaskExecutor(Executor):
    processor_type = TaskProcessor


# 4. Run system
async def task_system():
    # Create executor with config
    executor = TaskExecutor(
        processor_config={
            "queue_capacity": 50,
            "capacity_refresh_time": 0.5,
            "concurrency_limit": 20,
        }
    )

    # Start processing
    await executor.start()

    # Add tasks with priorities
    for i in range(100):
        task = TaskEvent(task_id=i, data=f"Task {i}")
        # Urgent tasks (< 10) get higher priority
        priority = 1.0 if i < 10 else 100.0
        await executor.append(task, priority=priority)

    # Monitor progress
    while True:
        counts = executor.status_counts()
        print(f"Progress: {counts}")

        if counts["pending"] == 0 and counts["processing"] == 0:
            break

        await asyncio.sleep(1)

    # Check results
    completed = executor.completed_events
    failed = executor.failed_events
    print(f"✓ Completed: {len(completed)}, ✗ Failed: {len(failed)}")

    # Cleanup
    await executor.cleanup_events()
    await executor.stop()
    return executor, completed


def test_the_task_processing_system(capsys, sim):
    executor, completed = asyncio.run(task_system())

    printed = capsys.readouterr().out.splitlines()
    # 50 start at once, 20 at a time, and 50 in the second half of the first second.
    assert len(printed) == 3
    assert printed[-1] == "✓ Completed: 100, ✗ Failed: 0"
    assert {event.task_id for event in completed[:10]} == set(range(10))
    assert completed[7].response == {
        "task_id": completed[7].task_id,
        "result": f"Processed: Task {completed[7].task_id}",
    }
    assert sum(executor.status_counts().values()) == 0


# Use custom permission check for rate limiting
class RateLimitedProcessor(Processor):
    event_type = TaskEvent

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.last_request = 0
        self.min_interval = 0.1  # 100ms between requests

    async def request_permission(self, **kwargs):
        now = time.time()
        if now - self.last_request < self.min_interval:
            return False  # Deny, will retry with backoff
        self.last_request = now
        self.granted(now)
        return True

    def granted(self, now):
        """For this test only: note when permission was given."""
        self.__dict__.setdefault("grants", []).append(now)


class RateLimitedExecutor(Executor):
    processor_type = RateLimitedProcessor


async def rate_limited():
    executor = RateLimitedExecutor(
        processor_config={
            "queue_capacity": 10,
            "capacity_refresh_time": 0.5,
        }
    )
    await executor.start()

    for i in range(50):
        await executor.append(TaskEvent(task_id=i))

    # Events processed with rate limiting (max 10 per second)
    return executor


@pytest.mark.parametrize("epoch", [0.0, 1.7e9, 2e9, 2e9 + 1 / 3, 2147483646.9999])
def test_rate_limited_api_calls(epoch):
    async def main():
        executor = await rate_limited()
        await executor.processor.join()
        return executor

    with simclock.Simulation(epoch=epoch) as sim:
        executor = asyncio.run(main())

    grants = executor.processor.grants
    assert executor.status_counts()["completed"] == 50
    assert executor.status_counts()["aborted"] == 0
    assert sim.elapsed <= 10
    assert len(grants) == 50
    assert all(after - before >= 0.1 for before, after in itertools.pairwise(grants))
    # In any second there are 10 at most, and each event was run in its turn.
    assert all(
        after - before >= 1 - 1e-6 for before, after in zip(grants, grants[10:], strict=False)
    )
    assert [event.task_id for event in executor.completed_events] == list(range(50))


def test_the_page_leaves_its_executor_running_and_nothing_is_lost(sim):
    executor = asyncio.run(rate_limited())

    counts = executor.status_counts()
    assert sum(counts.values()) == 50
    assert counts["processing"] == 0
    assert not executor.processor.execution_mode


# ---------------------------------------------------------------------- the pitfalls


@pytest.mark.simclock
async def test_pitfall_1_forgetting_to_await_start():
    executor = MyExecutor(CONFIG)
    event = MyEvent()
    await executor.append(event)  # Queued but never processed
    await asyncio.sleep(60)
    assert event.status is EventStatus.PENDING

    executor, event = MyExecutor(CONFIG), MyEvent()
    await executor.start()
    await executor.append(event)  # Processed in background
    await asyncio.sleep(1)
    assert event.status is EventStatus.COMPLETED
    await executor.stop()


async def appended_and_cleaned_up(executor, count):
    """Run the loop of the page; return how many events there were at most. See test_real.py."""
    most = 0
    for i in range(count):
        await executor.append(MyEvent())
        if i % 1000 == 0:
            most = max(most, len(executor.states.items))
            await executor.cleanup_events()
    return most


@pytest.mark.simclock
async def test_pitfall_2_not_cleaning_up_events(sim):
    executor = MyExecutor({"queue_capacity": 2000, "capacity_refresh_time": 1.0})
    await executor.start()
    most = await appended_and_cleaned_up(executor, 6_000)
    await executor.processor.join()
    await executor.stop()

    assert executor.processor.max_queue_size == 1000
    # Those of the last thousand that have ended, and those that wait.
    assert most <= 2 * 1000
    # Whoever appends is slowed down to the capacity.
    assert 2 <= sim.elapsed < 3
    left = executor.status_counts()["completed"]
    assert left < 2000
    assert await executor.cleanup_events() == left


@pytest.mark.simclock
async def test_pitfall_3_accessing_the_processor_before_start():
    executor = MyExecutor(CONFIG)
    with pytest.raises(AttributeError):
        await executor.processor.join()  # AttributeError

    # Check if processor exists
    if executor.processor:
        raise AssertionError
    # Or ensure started
    await executor.start()
    await executor.processor.join()  # Safe
    assert executor.processor
    await executor.stop()


@pytest.mark.simclock
async def test_pitfall_4_misunderstanding_priority_values():
    order: list[Any] = []

    class Named(MyEvent):
        name: str

        async def _invoke(self):
            order.append(self.name)

    executor = MyExecutor({**CONFIG, "concurrency_limit": 1})
    await executor.append(Named(name="last"), priority=1000)  # Processed LAST
    await executor.append(Named(name="first"), priority=1.0)  # Processed FIRST
    await executor.append(Named(name="later"), priority=100.0)  # Processed LATER
    await executor.start()
    await executor.processor.join()
    await executor.stop()

    assert order == ["first", "later", "last"]


# ---------------------------------------------------------------------- the guide


@pytest.mark.simclock
async def test_the_structure_of_the_configuration():
    executor = MyExecutor(
        processor_config={
            # Required
            "queue_capacity": 100,  # Max events per batch (1-10000)
            "capacity_refresh_time": 1.0,  # Seconds between batches (0.01-3600)
            # Optional (defaults shown)
            "concurrency_limit": 100,  # Max concurrent executions
            "max_queue_size": 1000,  # Max queue size before rejection
            "max_denial_tracking": 10000,  # Max denial entries (FIFO eviction)
        }
    )
    plain = MyExecutor(CONFIG)
    await executor.start()
    await plain.start()

    for name, value in executor.processor_config.items():
        assert getattr(plain.processor, name) == getattr(executor.processor, name) == value
    await executor.stop()
    await plain.stop()
    for settings in ({"queue_capacity": 10_001}, {"capacity_refresh_time": 3600.1}):
        with pytest.raises(ValueError, match="out of range"):
            MyExecutor({**CONFIG, **settings})


@pytest.mark.simclock
async def test_strict_event_types():
    # Allow subclasses (default)
    executor = MyExecutor(strict_event_type=False)
    await executor.append(MyEvent())
    await executor.append(MyEventSubclass())

    # Enforce exact type
    executor = MyExecutor(strict_event_type=True)
    await executor.append(MyEvent())
    with pytest.raises(TypeError):
        await executor.append(MyEventSubclass())
