"""What a parked thread waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from simclock._core.threads import SimThread


class Resource(Protocol):
    """Something that several threads may wait for and that one can take."""

    @property
    def key(self) -> int:
        """What tells this resource from others while somebody waits for it."""

    def free(self) -> bool:
        """Return whether a `take` made now would succeed. Changes nothing."""

    def take(self) -> bool:
        """Take it if it is free; return whether it was."""

    def owner(self) -> Any:
        """Return the `SimThread` that owns it, `FOREIGN`, or None if unknown."""


class Foreign:
    """The owner of what a foreign thread owns."""

    name = "a foreign thread"


FOREIGN = Foreign()


class Wait:
    """One thread's wait: its reason, its resource, its deadline."""

    __slots__ = ("armed", "deadline_ns", "due", "reason", "resource", "since_ns", "thread")

    def __init__(
        self,
        thread: SimThread,
        reason: str,
        resource: Resource | None,
        deadline_ns: int | None,
        since_ns: int,
    ) -> None:
        self.thread = thread
        self.reason = reason
        self.resource = resource
        self.deadline_ns = deadline_ns
        self.since_ns = since_ns
        # Invariant: its timer is in the heap and counts.
        self.armed = False
        # Set once: its deadline has come, or what it waited for without a resource has happened.
        self.due = False
