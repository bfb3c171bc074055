"""What a parked thread waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

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


class Polled(Resource, Protocol):
    """A resource that nobody hints at: it is asked before the clock moves.

    Attributes:
        patience: Real seconds for which the clock is held at most while
            something outside owes the end of the wait; None for the watchdog's.
    """

    patience: float | None

    def outside(self) -> str:
        """Return what outside the simulation owes the end of this wait, or nothing."""

    def descriptors(self) -> list[tuple[int, int]]:
        """Return what to wait for in real time: descriptors, each with a poll mask."""

    def give_up(self) -> None:
        """Let `outside` return nothing until something new happens."""


class InPackage:
    """A wait inside of a package whose calls run in real time: outside owes its end.

    Attributes:
        patience: Real seconds after which the virtual clock may move again.
    """

    def __init__(self, inner: Resource, package: str, patience: float | None) -> None:
        self.key = inner.key
        self.free = inner.free
        self.take = inner.take
        self.owner = inner.owner
        self.descriptors = getattr(inner, "descriptors", _none)
        self.patience = patience
        self._owed = f"a call into {package}"

    def outside(self) -> str:
        """Return that it is a call into the package, until that is given up."""
        return self._owed

    def give_up(self) -> None:
        """Let the clock move."""
        self._owed = ""


class RealSleep:
    """A sleep in real time, by a clock in real seconds."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self.key = id(self)
        self._clock = clock
        self._end = clock() + seconds

    def free(self) -> bool:
        """Return whether the time is over."""
        return self._clock() >= self._end

    def take(self) -> bool:
        """Return whether the time is over."""
        return self.free()

    def owner(self) -> None:
        """Return that nobody is."""


def _none() -> list[tuple[int, int]]:
    return []


class Foreign:
    """The owner of what a foreign thread owns."""

    name = "a foreign thread"


FOREIGN = Foreign()


class Wait:
    """One thread's wait: its reason, its resource, its deadline."""

    __slots__ = (
        "armed",
        "deadline_ns",
        "due",
        "first_since",
        "held_since",
        "listed",
        "reason",
        "resource",
        "since_ns",
        "thread",
        "withdrawn",
    )

    def __init__(
        self,
        thread: SimThread,
        reason: str,
        resource: Resource | None,
        deadline_ns: int | None,
        since_ns: int,
    ) -> None:
        self.thread: SimThread = thread
        self.reason: str = reason
        self.resource: Resource | None = resource
        self.deadline_ns: int | None = deadline_ns
        self.since_ns: int = since_ns
        # Invariant: its timer is in the heap and counts.
        self.armed: bool = False
        # Set once: its deadline has come, or what it waited for without a resource has happened.
        self.due: bool = False
        # Whether its thread stands still with its process: it does not run whatever comes.
        self.withdrawn: bool = False
        # Which of the kernel's lists of waits it is on, if it is on one.
        self.listed: deque[Wait] | None = None
        # The real instant, in seconds, since when it holds the clock.
        self.held_since: float | None = None
        # The same, since when its deadline was the first one and the clock was held before it.
        self.first_since: float | None = None


class Alarm:
    """A deadline that no thread is parked on: a function is called when it comes."""

    __slots__ = ("armed", "deadline_ns", "first_since", "name", "ring")

    def __init__(self, name: str, deadline_ns: int, ring: Callable[[], None]) -> None:
        self.name: str = name
        self.deadline_ns: int = deadline_ns
        # Called in the kernel, by any thread.
        self.ring: Callable[[], None] = ring
        # As in `Wait`.
        self.first_since: float | None = None
        # Invariant: its timer is in the heap and counts.
        self.armed: bool = False
