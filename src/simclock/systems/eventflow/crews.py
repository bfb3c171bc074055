"""The events that run in one task group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from uuid import UUID

    from anyio.abc import TaskGroup

    from simclock.systems.eventflow.events import Event


class Crew:
    """A task group, and which of its events have not begun yet.

    Attributes:
        tasks: The task group.
        assigned: The ids of events that were given to it and have not taken a step, and their
            coroutines.
    """

    tasks: TaskGroup

    def __init__(self) -> None:
        self.assigned: dict[UUID, Coroutine[Any, Any, None]] = {}

    def assign(self, run: Callable[[Crew, Event], Coroutine[Any, Any, None]], event: Event) -> None:
        """Have *run* called in a task; it is to call `begin` first."""
        coroutine = run(self, event)
        self.assigned[event.id] = coroutine
        self.tasks.start_soon(lambda: coroutine, name=f"event {event.id}")

    def begin(self, event: Event) -> None:
        """Note that an event has begun."""
        del self.assigned[event.id]
