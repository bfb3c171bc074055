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
        assigned: The ids of events that were given to it, and have not taken a step.
    """

    tasks: TaskGroup

    def __init__(self) -> None:
        self.assigned: set[UUID] = set()

    def assign(self, run: Callable[[Crew, Event], Coroutine[Any, Any, None]], event: Event) -> None:
        """Have *run* called in a task; it is to call `begin` first."""
        self.assigned.add(event.id)
        self.tasks.start_soon(run, self, event)

    def begin(self, event: Event) -> None:
        """Note that an event has begun."""
        self.assigned.discard(event.id)
