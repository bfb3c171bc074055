"""Where a loop's time comes from when it is not a simulation's, and how it waits there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from simclock.errors import Deadlock, Livelock
from simclock.flavours.aio.tasks import described
from simclock.lowlevel import MICROSECOND, MILLISECOND, SECOND, START_NS, monotonic, to_ns

if TYPE_CHECKING:
    import selectors

    Event = tuple[selectors.SelectorKey, int]

# Readings of the clock at one instant before it moves by itself: a busy wait must end.
FREE_READS = 1000
# Real seconds for which the clock is held before a deadline at least, while work is under way.
LEAST_HOLD = 1.0
# Real seconds between two looks whether other threads still live.
GLANCE = 0.02
# Turns at one instant after which nothing will ever come of it.
TURNS_PER_INSTANT = 1_000_000


class Clock(Protocol):
    """What has the instant."""

    @property
    def now_ns(self) -> int:
        """The instant, in nanoseconds."""


class Driver(Protocol):
    """How a loop comes by its time and its events."""

    @property
    def clock(self) -> Clock:
        """What its instants are read from, at no cost."""

    def time(self) -> float:
        """Return the time for a program, in seconds."""

    def turn(self) -> list[Event]:
        """Take a turn without waiting; return what has happened to the descriptors."""

    def wait(self, deadline_ns: int | None) -> list[Event]:
        """Wait until something is ready, or until an instant; return what has happened."""

    def wake(self) -> None:
        """Let the loop look whether something is ready. May be called from any thread."""


class Alone:
    """Virtual time without a simulation: the clock goes to the next deadline when nothing is ready.

    Jobs of executors and child processes hold it, but before no deadline
    longer than that would take in reality.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.clock = self
        self.now_ns = START_NS
        self._reads_left = FREE_READS
        self._read_step_ns = MICROSECOND
        self._turns_left = TURNS_PER_INSTANT
        # Executor jobs and child processes that have not ended.
        self.jobs: set[Any] = set()

    def time(self) -> float:
        """Return the virtual time. Read again and again without a wait, it moves."""
        self._reads_left -= 1
        if self._reads_left < 0:
            self.now_ns += self._read_step_ns
            self._read_step_ns = min(self._read_step_ns * 2, MILLISECOND)
        return self.now_ns / 1e9

    def turn(self) -> list[Event]:
        """Take a turn; return what has happened to the descriptors."""
        self._turns_left -= 1
        if self._turns_left < 0:
            self._turns_left = TURNS_PER_INSTANT
            raise Livelock(self._describe_livelock())
        selector = self._loop._selector
        return selector.select(0) if selector.registered else []

    def wait(self, deadline_ns: int | None) -> list[Event]:
        """Wait for what is real, or let the clock move."""
        events = self.turn()
        if events:
            return events
        if self.jobs or deadline_ns is None:
            events = self._wait_for_real(deadline_ns)
        if not events and not self._loop._ready and deadline_ns is not None:
            self.now_ns = max(self.now_ns, deadline_ns)
            self._reads_left = FREE_READS
            self._read_step_ns = MICROSECOND
            self._turns_left = TURNS_PER_INSTANT
        return events

    def _wait_for_real(self, deadline_ns: int | None) -> list[Event]:
        """Wait for what others do in real time, up to when the deadline would have come in it."""
        loop = self._loop
        loop._open_self_pipe()
        end = None
        if deadline_ns is not None:
            seconds = max(LEAST_HOLD, (deadline_ns - self.now_ns) / SECOND)
            end = monotonic() + seconds
        while True:
            # After the self-pipe is open: what was added before it has to be seen here.
            if loop._ready:
                return []
            events: list[Event] = loop._selector.select(GLANCE)
            if events or (end is not None and monotonic() >= end):
                return events
            if end is None and not self._anybody_left():
                raise Deadlock(self._describe())

    def _anybody_left(self) -> bool:
        """Return whether something real may still wake the loop."""
        loop = self._loop
        threads = threading.active_count() - 1
        return bool(self.jobs or threads or loop._ready or loop._watches())

    def _describe(self) -> str:
        lines = [f"deadlock: no task can ever run again and no timer is armed, {self._instant()}"]
        lines += [f"  {line}" for line in described(self._loop)]
        lines.append("let something end the wait, or give it a timeout; each run ends here again")
        return "\n".join(lines)

    def _describe_livelock(self) -> str:
        lines = [f"livelock: more than {TURNS_PER_INSTANT} turns of the loop, {self._instant()}"]
        lines += [f"  {line}" for line in described(self._loop)]
        lines.append("let one of them wait for something")
        return "\n".join(lines)

    def _instant(self) -> str:
        return f"at virtual {(self.now_ns - START_NS) / SECOND:+g} s"

    def wake(self) -> None:
        """Do nothing: what wakes it is the self-pipe."""


class Foreign:
    """Whatever the loop's own ``time`` and selector say.

    For a loop that has left its simulation, and for one whose selector
    somebody has replaced: another library that moves time does it there.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.clock = self
        loop._open_self_pipe()

    @property
    def now_ns(self) -> int:
        """The instant."""
        return to_ns(self._loop.time())

    def time(self) -> float:
        """Return the time of the monotonic clock."""
        return monotonic()

    def turn(self) -> list[Event]:
        """Ask the selector."""
        return self._loop._selector.select(0)  # type: ignore[no-any-return]

    def wait(self, deadline_ns: int | None) -> list[Event]:
        """Let the selector wait."""
        if deadline_ns is None:
            return self._loop._selector.select(None)  # type: ignore[no-any-return]
        seconds = max(0, deadline_ns - self.now_ns) / SECOND
        return self._loop._selector.select(seconds)  # type: ignore[no-any-return]

    def wake(self) -> None:
        """Do nothing: what wakes it is the self-pipe."""
