"""``Executor``: keeps events by their status, and has a processor run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anyio
import anyio.lowlevel

from simclock.systems.eventflow.background import Background, leave
from simclock.systems.eventflow.executions import EventStatus
from simclock.systems.eventflow.failures import (
    ConfigurationError,
    ExistsError,
    NotFoundError,
    QueueFullError,
)
from simclock.systems.eventflow.flows import Flow
from simclock.systems.eventflow.kinds import check_processor_type
from simclock.systems.eventflow.processor import Processor
from simclock.systems.eventflow.progressions import Progression
from simclock.systems.eventflow.settings import check_complete, check_config, check_priority

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from uuid import UUID

    from anyio.abc import TaskGroup

    from simclock.systems.eventflow.events import Event

ExecutorT = TypeVar("ExecutorT", bound="Executor")

CLEANED = (EventStatus.COMPLETED, EventStatus.FAILED, EventStatus.ABORTED)


class Executor:
    """Keeps events in a flow, with a progression for each status, and runs them in the background.

        async with executor:            # on asyncio and on trio; or start() and stop()
            await executor.append(event)
            await executor.join()

    The progressions follow the events: whoever changes a status, and however,
    the event is in the progression of that status, and in no other.

    Queries may be made from any thread; the rest is for one event loop at a time.

    Args:
        processor_config: What the processor is made with: ``queue_capacity`` and
            ``capacity_refresh_time``, without which it cannot be started, and others.
        strict_event_type: Whether events of derived types are refused.
        name: What the flow is called.

    Attributes:
        processor_type: The class of the processor. Subclasses say it.
        states: The flow: ``items`` are all events, ``progressions`` those of each status.
        processor: Runs the events; ``None`` until the first start, then always the same.
        processor_config: What was given.

    Raises:
        ConfigurationError: There is no `processor_type`, or it has no such setting.
        TypeError: It is no type of processors, or what it runs are no events.
        ValueError: A setting is out of its range.
    """

    processor_type: ClassVar[type[Processor]]

    def __init__(
        self,
        processor_config: dict[str, Any] | None = None,
        strict_event_type: bool = False,
        name: str | None = None,
    ) -> None:
        check_processor_type(type(self), Processor)
        config = {} if processor_config is None else processor_config
        check_config(config, self.processor_type)
        self.processor_config: dict[str, Any] = dict(config)
        self.processor: Processor | None = None
        self.states: Flow[Event, Progression] = Flow(
            progressions=[Progression(name=status.value) for status in EventStatus],
            name=name or "executor_states",
            item_type=self.event_type,
            strict_type=strict_event_type,
        )
        # Of events that were appended with one, before there was a processor.
        self._priorities: dict[UUID, float] = {}
        self._background = Background(self._execute)
        # There while a processor is made, which may take time.
        self._making: anyio.Event | None = None
        self._stops = 0

    # ------------------------------------------------------------------ what it is

    @property
    def event_type(self) -> type[Event]:
        """What events it runs."""
        return self.processor_type.event_type

    @property
    def strict_event_type(self) -> bool:
        """Whether events of derived types are refused."""
        return self.states.items.strict_type

    @property
    def completed_events(self) -> list[Event]:
        """The events that are completed."""
        return self.get_events_by_status(EventStatus.COMPLETED)

    @property
    def pending_events(self) -> list[Event]:
        """The events that are pending."""
        return self.get_events_by_status(EventStatus.PENDING)

    @property
    def failed_events(self) -> list[Event]:
        """The events that have failed."""
        return self.get_events_by_status(EventStatus.FAILED)

    @property
    def processing_events(self) -> list[Event]:
        """The events that run."""
        return self.get_events_by_status(EventStatus.PROCESSING)

    def get_events_by_status(self, status: EventStatus | str) -> list[Event]:
        """Return the events of that status, in the order in which they came to it.

        Raises:
            ValueError: No status has this name.
        """
        name = EventStatus.of(status).value
        with self.states._locks.thread:
            items = self.states.items
            return [items[each] for each in self.states.get_progression(name)]

    def status_counts(self) -> dict[str, int]:
        """Return how many events there are of each status, all seven, at one instant."""
        with self.states._locks.thread:
            return {
                status.value: len(self.states.get_progression(status.value))
                for status in EventStatus
            }

    def inspect_state(self) -> str:
        """Return the counts for people, one status a line."""
        lines = [
            f"  {status}: {count} event{'' if count == 1 else 's'}"
            for status, count in self.status_counts().items()
        ]
        return "\n".join([f"Executor State ({self.states.name}):", *lines])

    def __contains__(self, event: Event | UUID) -> bool:
        return event in self.states.items

    def __repr__(self) -> str:
        counts = self.status_counts()
        each = ", ".join(f"{status}={count}" for status, count in counts.items())
        return f"Executor(total={sum(counts.values())}, {each})"

    # ------------------------------------------------------------------ events come and go

    async def append(self, event: Event, priority: float | None = None) -> None:
        """Take an event, and have it run when it is its turn; all of that, or nothing.

        While the executor runs and the queue is full, this waits for room, for
        two times *capacity_refresh_time*: it slows whoever appends down to what
        can be run. Before the first start only a *max_queue_size* that was given counts.

        Args:
            event: It is run if it is pending.
            priority: Lower numbers come first. If not given, the second in
                which the event was made, which comes after small numbers.

        Raises:
            TypeError: It is not of the type of this executor's events.
            ExistsError: It is here already.
            ValueError: *priority* is not a finite number.
            QueueFullError: So many wait that no more may.
        """
        self._check_new(event, priority)
        await anyio.lowlevel.checkpoint()
        processor = self.processor
        if processor is not None and (self._background.is_on or processor.execution_mode):
            await processor._wait_for_room(2 * processor.capacity_refresh_time)
        # From here on nothing is waited for, so nothing comes in between.
        self._check_new(event, priority)
        if event.status is not EventStatus.PENDING:
            self._keep(event)
            return
        self._check_room()
        self._keep(event)
        if self.processor is not None:
            self.processor._add(event, priority)
        elif priority is not None:
            self._priorities[event.id] = priority

    def _check_new(self, event: Event, priority: float | None) -> None:
        self.states.items._types.check(event, "the executor")
        if event in self.states.items:
            raise ExistsError(
                f"the executor has this event: {event.id}\n"
                "append event.as_fresh_event() to have it done once more",
                details={"id": str(event.id)},
            )
        if priority is not None:
            check_priority(priority)

    def _check_room(self) -> None:
        if self.processor is not None:
            self.processor._check_room()
            return
        size, most = self.status_counts()["pending"], self.processor_config.get("max_queue_size")
        if most is not None and size >= most:
            raise QueueFullError(
                f"the queue is full: {size} events of {most}\n"
                "start the executor, or raise max_queue_size",
                details={"queue_size": size, "max_size": most},
            )

    def _keep(self, event: Event) -> None:
        # It may be changed by another thread: it is watched first, and then looked at.
        with self.states._locks.thread:
            event._observe(self._follow)
            self.states.add_item(event, event.status.value)

    def _follow(self, event: Event, before: EventStatus, after: EventStatus) -> None:
        """Move the event to another progression, as its status has changed."""
        with self.states._locks.thread:
            if event not in self.states.items:
                return
            try:
                self.states._move(event.id, before.value, after.value)
            except NotFoundError:  # somebody had put it elsewhere
                # Others may have moved it on meanwhile, and been heard before this.
                self._put(event, event.status)
        if before is EventStatus.PENDING and self.processor is not None:
            self.processor._drop(event.id)

    def _put(self, event: Event, status: EventStatus) -> None:
        try:
            target = self.states.get_progression(status.value)
        except NotFoundError:
            raise ConfigurationError(
                f"the flow has no progression for this status: {status.value}",
                details={"status": status.value},
            ) from None
        for each in self.states.progressions:
            if each is not target:
                each._order.remove_all(event.id)
        target.include(event)

    async def _update_progression(
        self, event: Event, force_status: EventStatus | None = None
    ) -> None:
        """Put an event into the progression of its status, or of *force_status*, and no other.

        Nobody has to call this: progressions follow the events by themselves.

        Raises:
            ConfigurationError: There is no such progression any more.
        """
        with self.states._locks.thread:
            self._put(event, EventStatus.of(force_status or event.status))

    async def cleanup_events(self, statuses: Iterable[str] | None = None) -> int:
        """Remove the events of those statuses; return how many.

        Pending ones are not run then; those that run go on, unseen.

        Args:
            statuses: One, or several. If not given, COMPLETED, FAILED and ABORTED.

        Raises:
            ValueError: No status has this name; then nothing is removed.
        """
        several = [statuses] if isinstance(statuses, str) else statuses
        found = CLEANED if several is None else [EventStatus.of(each) for each in several]
        count = 0
        with self.states._locks.thread:
            for status in found:
                for event in self.get_events_by_status(status):
                    self._remove(event)
                    count += 1
        return count

    def _remove(self, event: Event) -> None:
        event._forget(self._follow)
        self.states.remove_item(event)
        self._priorities.pop(event.id, None)
        if self.processor is not None:
            self.processor._forget(event.id)

    # ------------------------------------------------------------------ its life

    async def start(self, task_group: TaskGroup | Any = None) -> None:
        """Have the events run in the background, also those that are pending. Idempotent.

        Args:
            task_group: Of anyio, or a nursery of trio: where they run. If not
                given, that of ``async with``; without that, a task of asyncio.

        Raises:
            ConfigurationError: The configuration lacks what a processor needs.
            RuntimeError: It runs in another event loop; or this is trio, and
                there is no task group.
        """
        if self.processor is None:
            check_complete(self.processor_config)
        self._background.check(task_group)
        stops = self._stops
        processor = await self._made_processor()
        if self._stops != stops:  # while it was made: that came later than this start
            return
        if processor.is_stopped():
            # By itself, perhaps; what is left of that run is not waited for.
            self._background.stop()
        self._line_up(processor)
        await processor.start()
        await self._background.start(task_group)

    async def stop(self) -> None:
        """Have no more events run, from now on; those that run go on to their end. Idempotent."""
        self._stops += 1
        self._background.stop()
        if self.processor is not None:
            await self.processor.stop()

    async def forward(self) -> None:
        """Run one batch of events now, beside what runs in the background; return at its end.

        Nothing happens before the first start. See `Processor.process`.
        """
        if self.processor is not None:
            await self.processor.process()

    async def join(self) -> None:
        """Wait until no event waits, and none runs.

        It starts nothing: while the executor is stopped, what is pending stays
        so, and this goes on. An event must not wait for that.

        Raises:
            RuntimeError: Events are pending, and it was never started.
        """
        while self._making is not None:
            await self._making.wait()
        if self.processor is not None:
            await self.processor.join()
        elif pending := self.status_counts()["pending"]:
            raise RuntimeError(
                f"the executor was never started, and has pending events: {pending}\n"
                "use `async with executor:`, or start(), before join()"
            )
        else:
            await anyio.lowlevel.checkpoint()

    async def __aenter__(self: ExecutorT) -> ExecutorT:  # noqa: PYI019 - `Self` is not in 3.10
        """Start it in a task group of its own."""
        if self._background.home is not None or self._background.is_on:
            raise RuntimeError("the executor runs already\nstop it before `async with`")
        group = anyio.create_task_group()
        await group.__aenter__()
        self._background.home = group
        try:
            await self.start()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool | None:
        """Stop it, and wait for events that run; after an error cancel them."""
        group, self._background.home = self._background.home, None
        try:
            await self.stop()
        except BaseException as failed:
            await leave(group, failed)
            raise
        return await leave(group, error)

    async def _made_processor(self) -> Processor:
        """Return the processor; if there is none, make it: once, whoever asks meanwhile."""
        while self._making is not None:
            await self._making.wait()
        if self.processor is None:
            self._making = anyio.Event()
            try:
                await self._create_processor()
            finally:
                self._making.set()
                self._making = None
        assert self.processor is not None
        return self.processor

    async def _create_processor(self) -> None:
        self.processor = await self.processor_type.create(
            **self.processor_config, pile=self.states.items, executor=self
        )
        self.processor.execution_mode = False  # until it is started
        # Before any that are appended from now on.
        self._line_up(self.processor)

    def _line_up(self, processor: Processor) -> None:
        """Let those pending events into the line that are not there, and have been here before."""
        for event in self.pending_events:
            if not processor._has(event.id):
                event._forget(self._follow)
                event._observe(self._follow)
                processor._add(event, self._priorities.get(event.id))
        self._priorities.clear()

    async def _execute(self) -> None:
        assert self.processor is not None
        await self.processor.execute()
