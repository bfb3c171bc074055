"""``Processor``: runs the events that are in its line, as many and as often as it may."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anyio
import anyio.lowlevel

from simclock.systems._shared.limits import Window
from simclock.systems._shared.retry import check_count
from simclock.systems.eventflow.bells import Bell
from simclock.systems.eventflow.crews import Crew
from simclock.systems.eventflow.elements import id_of
from simclock.systems.eventflow.executions import EventStatus
from simclock.systems.eventflow.failures import ExistsError, QueueFullError
from simclock.systems.eventflow.kinds import check_event_type
from simclock.systems.eventflow.permits import Denials, Permits
from simclock.systems.eventflow.piles import Pile
from simclock.systems.eventflow.queueing import Line
from simclock.systems.eventflow.settings import check_priority, check_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from simclock.systems.eventflow.events import Event
    from simclock.systems.eventflow.executor import Executor

logger: logging.Logger = logging.getLogger(__package__)

ProcessorT = TypeVar("ProcessorT", bound="Processor")


class Processor:
    """Runs events in the order of their priorities: lower numbers first, equals as they came.

    In any stretch of *capacity_refresh_time* seconds `execute` starts no more
    than *queue_capacity* events; no more than *concurrency_limit* are ever
    under way. Each starts as soon as that allows it, whatever others take. It
    is used in one event loop at a time, of asyncio or trio.

    Args:
        queue_capacity: How many events start in a stretch of time, and in one `process`.
        capacity_refresh_time: The length of that stretch, in seconds.
        pile: Where the events are. An id that is not in it any more is passed over.
        executor: Whose processor it is, if it is one's.
        concurrency_limit: How many events are under way at once.
        max_queue_size: How many may wait; those beyond are refused.
        max_denial_tracking: Of how many events it is known how often they were denied.
        max_denials: How often an event may be denied before it is aborted; ``None``: it is
            asked for as long as it takes.

    Attributes:
        event_type: What events it runs. Subclasses say it.

    Raises:
        ConfigurationError: There is no `event_type`.
        TypeError: It is no type of events.
        ValueError: A number is out of range.
    """

    event_type: ClassVar[type[Event]]

    def __init__(  # noqa: PLR0917 - as it always was
        self,
        queue_capacity: int,
        capacity_refresh_time: float,
        pile: Pile[Any] | None = None,
        executor: Executor | None = None,
        concurrency_limit: int = 100,
        max_queue_size: int = 1000,
        max_denial_tracking: int = 10000,
        max_denials: int | None = None,
    ) -> None:
        check_event_type(type(self))
        check_settings({name: value for name, value in locals().items() if name != "self"})
        self.queue_capacity = queue_capacity
        self.capacity_refresh_time = capacity_refresh_time
        self.pile: Pile[Any] = Pile(item_type=self.event_type) if pile is None else pile
        self.executor = executor
        self.concurrency_limit = concurrency_limit
        self.max_queue_size = max_queue_size
        self.max_denial_tracking = max_denial_tracking
        self.max_denials = max_denials
        self._line = Line()
        self._window = Window(queue_capacity, capacity_refresh_time)
        self._permits = Permits(
            self._line, Denials(capacity_refresh_time, max_denial_tracking), max_denials
        )
        # Invariant: those that have a seat, of concurrency_limit: what runs, and what is asked for.
        self._seated: set[UUID] = set()
        # Of the loop that it is used in.
        self._thread = threading.get_ident()
        # Rung when anything changes that somebody may wait for.
        self._bell = Bell()
        self._loop: anyio.CancelScope | None = None
        self._is_stopped = False
        self._is_forwarding = False

    @classmethod
    async def create(  # noqa: PYI019 - `Self` is not in 3.10
        cls: type[ProcessorT], *args: Any, **kwargs: Any
    ) -> ProcessorT:
        """Make one, with the same arguments; for subclasses that have to wait for something."""
        return cls(*args, **kwargs)

    async def request_permission(self, **request: Any) -> bool | float:
        """Return whether an event of this `Event.request` may start now. For subclasses.

        ``False`` denies it for a while, which is longer each time, up to a
        tenth of the refresh time; a number denies it for so many seconds. The
        others are asked for meanwhile, one after the other. An exception fails
        the event. ``None`` denies it as ``False`` does, with a `RuntimeWarning`, once for each
        processor: it may be that a ``return`` is missing.
        """
        del request
        return True

    # ------------------------------------------------------------------ the line

    @property
    def queue_size(self) -> int:
        """How many events wait: for capacity, or to be permitted."""
        return len(self._line)

    async def enqueue(self, event_id: Any, priority: float | None = None) -> None:
        """Let an event of the pile come into the line.

        Args:
            event_id: Which one; the event itself will do.
            priority: Lower numbers come first. If not given, the second in
                which the event was made, which comes after small numbers.

        Raises:
            NotFoundError: It is not in the pile.
            ExistsError: It is in line, or runs.
            QueueFullError: So many wait that no more may.
            ValueError: *priority* is not finite.
        """
        event = self.pile[id_of(event_id)]
        if self._has(event.id):
            raise ExistsError(f"the event is in the queue: {event.id}")
        if priority is not None:
            check_priority(priority)
        self._check_room()
        self._add(event, priority)

    async def dequeue(self) -> Event:
        """Take the next event out of the line as soon as there is one, and return it.

        Raises:
            NotFoundError: It has left the pile meanwhile.
        """
        while (event_id := self._line.take()) is None:
            await self._bell.wait(self._line.wait_of())
        self._forget(event_id)
        event: Event = self.pile[event_id]
        return event

    def _has(self, event_id: UUID) -> bool:
        return event_id in self._line or event_id in self._seated

    def _add(self, event: Event, priority: float | None) -> None:
        rank = event.created_at.timestamp() if priority is None else priority
        # One that has a seat was removed, and came back, while it was asked for.
        self._line.add(event.id, rank, taken=event.id in self._seated)
        self._thread = threading.get_ident()
        self._bell.ring()

    def _check_room(self) -> None:
        size = len(self._line)
        if size >= self.max_queue_size:
            raise QueueFullError(
                f"the queue is full: {size} events of {self.max_queue_size}\n"
                "append them more slowly, or raise max_queue_size, capacity or concurrency_limit",
                details={"queue_size": size, "max_size": self.max_queue_size},
            )

    async def _wait_for_room(self, seconds: float) -> None:
        """Return when there is room in the line, it is stopped, or after so many seconds."""
        if len(self._line) < self.max_queue_size:
            return
        with anyio.move_on_after(seconds):
            while len(self._line) >= self.max_queue_size and not self._is_stopped:
                await self._bell.wait()

    def _drop(self, event_id: UUID) -> None:
        """Have an event wait no more if this is the thread for it; if not it is passed over."""
        if event_id in self._line and self._thread == threading.get_ident():
            self._forget(event_id)

    def _forget(self, event_id: UUID) -> None:
        """Have an event wait no more."""
        self._line.discard(event_id)
        self._permits.denials.forget(event_id)
        self._bell.ring()

    # ------------------------------------------------------------------ its life

    @property
    def available_capacity(self) -> int:
        """How many events `execute` may start in this instant, but for the concurrency limit.

        It can be set: then the others are taken for started just now.
        """
        return self._window.free

    @available_capacity.setter
    def available_capacity(self, value: int) -> None:
        check_count("available_capacity", value)
        if value > self.queue_capacity:
            raise ValueError(
                f"available_capacity exceeds queue_capacity: {value} of {self.queue_capacity}"
            )
        self._window.set_free(value)
        self._bell.ring()

    @property
    def execution_mode(self) -> bool:
        """Whether `execute` starts events. ``False`` can be set, and ends that as `stop` does."""
        return self._loop is not None

    @execution_mode.setter
    def execution_mode(self, value: bool) -> None:
        self._is_stopped = not value
        if not value:
            self._end_loop()

    def is_stopped(self) -> bool:
        """Return whether it was told to stop, and not to start since."""
        return self._is_stopped

    async def start(self) -> None:
        """Take a stop back. It is `execute` that runs events, or whoever starts the executor."""
        self._is_stopped = False

    async def stop(self) -> None:
        """Have `execute` start no more events, from now on; what runs goes on to its end.

        It holds until `start`. Those that were denied are as if they never were.
        """
        self._is_stopped = True
        self._permits.denials.clear()
        self._end_loop()

    def _end_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
        self._bell.ring()

    async def join(self) -> None:
        """Wait until no event waits in line, and none runs.

        It does not run them: while it is stopped, those in line stay there. An
        event must not wait for that.
        """
        while len(self._line) or self._seated:
            await self._bell.wait()

    # ------------------------------------------------------------------ events run

    async def execute(self) -> None:
        """Run events until `stop`; then wait for those that run, and return.

        If it is stopped it returns at once, until `start` is called. If it
        runs elsewhere, this waits until it starts no more there.
        """
        loop = self._loop
        if loop is not None:
            while self._loop is loop:
                await self._bell.wait()
        elif not self._is_stopped:
            async with self._crew() as crew:
                await self._serve(crew)
        else:
            await anyio.lowlevel.checkpoint()

    async def _serve(self, crew: Crew) -> None:
        with anyio.CancelScope() as loop:
            self._loop = loop
            try:
                while True:
                    # Also if nothing has to be waited for: to let others go on, and to be stopped.
                    await anyio.lowlevel.checkpoint()
                    pause = self._until_next()
                    if pause:
                        await self._bell.wait(pause)
                    elif await self._consider(crew, loop):
                        self._window.try_take()
            finally:
                if self._loop is loop:
                    self._loop = None
                    self._bell.ring()

    def _until_next(self) -> float:
        """Return in how many seconds an event may be asked for, if nothing else changes."""
        if len(self._seated) >= self.concurrency_limit:
            return math.inf
        ready = self._line.wait_of()
        return ready if ready == math.inf else max(ready, self._window.wait_of())

    async def process(self) -> None:
        """Run one batch now: *queue_capacity* of the events that are ready; return at their end.

        It is not counted in the capacity of `execute`, and may be called
        whether that runs, or is stopped. Batches are one after the other. An
        event must not wait for that.
        """
        while self._is_forwarding:
            await self._bell.wait()
        self._is_forwarding = True
        try:
            async with self._crew() as crew:
                await self._run_batch(crew)
        finally:
            self._is_forwarding = False
            self._bell.ring()

    async def _run_batch(self, crew: Crew) -> None:
        # Who comes, or comes back, while it waits for seats is of the next batch.
        left, ready = self.queue_capacity, self._line.ready
        while left and ready and self._line.ready:
            await anyio.lowlevel.checkpoint()
            if len(self._seated) >= self.concurrency_limit:
                await self._bell.wait()
                continue
            ready -= 1
            left -= await self._consider(crew)

    @contextlib.asynccontextmanager
    async def _crew(self) -> AsyncIterator[Crew]:
        """Run events in a block, and wait for them at its end."""
        crew = Crew()
        self._thread = threading.get_ident()
        try:
            async with anyio.create_task_group() as crew.tasks:
                yield crew
        finally:
            # Tasks that were cancelled before their first step have done nothing at all.
            for event_id, coroutine in crew.assigned.items():
                coroutine.close()
                self._line.put_back(event_id)
                self._leave_seat(event_id)

    async def _consider(self, crew: Crew, loop: anyio.CancelScope | None = None) -> bool:
        """Have the first event run if it may; return whether it does."""
        event_id = self._line.take()
        if event_id is None or (event := self._pending(event_id)) is None:
            return False
        self._seated.add(event_id)
        starts = False
        try:
            permitted = await self._permits.ask(event, self.request_permission)
            # It may have been removed, or skipped, and all be stopped.
            is_on = loop is None or loop is self._loop
            starts = self._pending(event_id) is not None and permitted and is_on
            if starts:
                crew.assign(self._run, event)
        finally:
            if not starts:
                self._line.put_back(event_id)
                self._leave_seat(event_id)
        return starts

    async def _run(self, crew: Crew, event: Event) -> None:
        crew.begin(event)
        try:
            # It may have been removed, or have ended, since it got its seat.
            if self._pending(event.id) is not None:
                self._forget(event.id)
                await event.invoke()
        except anyio.get_cancelled_exc_class():
            # This goes on if the event is cancelled with others. If not, it only has waited for
            # something that was cancelled: it has ended, and the others have not.
            await anyio.lowlevel.checkpoint_if_cancelled()
        finally:
            self._leave_seat(event.id)

    def _leave_seat(self, event_id: UUID) -> None:
        self._seated.discard(event_id)
        self._bell.ring()

    def _pending(self, event_id: UUID) -> Event | None:
        """Return the event if it is still to be run; forget it otherwise."""
        event: Event | None = self.pile.get(event_id, None)
        if event is not None and event.status is EventStatus.PENDING:
            return event
        self._forget(event_id)
        return None
