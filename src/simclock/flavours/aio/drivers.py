"""Where a loop's time comes from when it is not a simulation's, and how it waits there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from simclock.errors import Deadlock, Livelock
from simclock.flavours.aio.waiting import waiting_in
from simclock.flavours.contract import tree
from simclock.lowlevel import (
    FREE_READS,
    GLANCE,
    LEAST_HOLD,
    MICROSECOND,
    MILLISECOND,
    READS_EACH,
    SECOND,
    START_NS,
    monotonic,
    shown_seconds,
    simulated,
    to_ns,
)

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable

    Event = tuple[selectors.SelectorKey, int]

# Turns at one instant in which a crowd has its readings: who reads turn after turn is waiting.
EARLY_TURNS = 100
# Turns at one instant after which nothing will ever come of it.
TURNS_PER_INSTANT = 1_000_000


class Clock(Protocol):
    """What has the instant."""

    @property
    def now_ns(self) -> int:
        """The instant, in nanoseconds."""


class Driver(Protocol):
    """How a loop comes by its time and its events. `LoopKernel` is the one of a simulation."""

    @property
    def is_here(self) -> bool:
        """Whether it is the one for where the calling thread is now."""

    @property
    def clock(self) -> Clock:
        """What its instants are read from, at no cost."""

    @property
    def record(self) -> Callable[[int, str, str, str], None] | None:
        """What appends to a trace: instant, path, kind, detail. None without one."""

    @property
    def path(self) -> str:
        """The thread's path in that trace."""

    @property
    def merged(self) -> Callable[[list[Any], str], list[Any]] | None:
        """What makes one list of several, in the order of the schedule, if any does."""

    @property
    def chaos(self) -> bool:
        """Whether the schedule has an order of tasks, too."""

    def time(self) -> float:
        """Return the time for a program, in seconds."""

    def stopwatch(self) -> float:
        """Return the seconds by which debug mode says what takes long."""

    def expect(self, count: int) -> None:
        """Be told that very many handles are called in this turn."""

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

    record = None
    path = ""
    merged = None
    chaos = False
    stopwatch: staticmethod[[], float] = staticmethod(monotonic)

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.clock = self
        self.now_ns: int = START_NS
        # Executor jobs and child processes that have not ended.
        self.jobs: set[Any] = set()
        # The deadline that the clock is held before, and the real instant since when.
        self._held: tuple[int, float] | None = None
        self._begin_instant()

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is in no simulation."""
        return not simulated()

    def _begin_instant(self) -> None:
        self._reads_left = FREE_READS
        self._read_step_ns = MICROSECOND
        self._turns_left = TURNS_PER_INSTANT

    def time(self) -> float:
        """Return the virtual time. Read again and again without a wait, it moves."""
        self._reads_left -= 1
        if self._reads_left < 0:
            self.now_ns += self._read_step_ns
            self._read_step_ns = min(self._read_step_ns * 2, MILLISECOND)
        return self.now_ns / 1e9

    def expect(self, count: int) -> None:
        """Let *count* handles read the clock without moving it."""
        if self._turns_left > TURNS_PER_INSTANT - EARLY_TURNS:
            self._reads_left = max(self._reads_left, READS_EACH * count)

    def turn(self) -> list[Event]:
        """Take a turn; return what has happened to the descriptors."""
        self._turns_left -= 1
        if self._turns_left < 0:
            self._begin_instant()
            happened = f"livelock: more than {TURNS_PER_INSTANT} turns of the loop"
            raise Livelock(self._describe(happened, "let one of them wait for something"))
        selector = self._loop._selector
        events: list[Event] = selector.select(0) if selector.registered else []
        if events:
            self._turns_left = TURNS_PER_INSTANT  # something goes on
        return events

    def begin(self, job: Any) -> None:
        """Note that work is under way outside."""
        self.jobs.add(job)
        self._turns_left = TURNS_PER_INSTANT

    def wait(self, deadline_ns: int | None) -> list[Event]:
        """Wait for what is real, or let the clock move."""
        events = self.turn()
        if events:
            return events
        if self.jobs or deadline_ns is None:
            events = self._wait_for_real(deadline_ns)
        if not events and not self._loop._ready and deadline_ns is not None:
            self.now_ns = max(self.now_ns, deadline_ns)
        self._begin_instant()
        return events

    def _wait_for_real(self, deadline_ns: int | None) -> list[Event]:
        """Wait for what others do in real time, up to when the deadline would have come in it."""
        loop = self._loop
        loop._open_self_pipe()
        end = None if deadline_ns is None else self._real_end(deadline_ns)
        while True:
            # After the self-pipe is open: what was added before it has to be seen here.
            if loop._ready:
                return []
            events: list[Event] = loop._selector.select(GLANCE)
            if events or (end is not None and monotonic() >= end):
                return events
            if end is None and not self._anybody_left():
                happened = "deadlock: no task can ever run again and no timer is armed"
                advice = (
                    "let something end the wait, or give it a timeout; each run ends here again"
                )
                raise Deadlock(self._describe(happened, advice))

    def _real_end(self, deadline_ns: int) -> float:
        """Return when a deadline would have come in reality, since it was first waited for."""
        if self._held is None or self._held[0] != deadline_ns:
            self._held = (deadline_ns, monotonic())
        return self._held[1] + max(LEAST_HOLD, (deadline_ns - self.now_ns) / SECOND)

    def _anybody_left(self) -> bool:
        """Return whether something real may still wake the loop."""
        loop = self._loop
        # Workers of its pool only wait for jobs, of which there are none.
        idle = getattr(loop._default_executor, "_threads", ())
        others = set(threading.enumerate()) - {threading.current_thread(), *idle}
        return bool(self.jobs or others or loop._ready or loop._watches())

    def _describe(self, happened: str, advice: str) -> str:
        instant = f"at virtual +{shown_seconds((self.now_ns - START_NS) / SECOND)} s"
        tasks = [f"  {line}" for line in tree(waiting_in(self._loop))]
        return "\n".join([f"{happened}, {instant}", *tasks, advice])

    def wake(self) -> None:
        """Do nothing: what wakes it is the self-pipe."""


class Foreign:
    """Whatever a clock of others, and the loop's selector, say.

    For a loop that has left its simulation, and for one whose selector or
    ``time`` somebody has replaced: another library that moves time does it there.
    """

    # Wherever it is.
    is_here = True
    record = None
    path = ""
    merged = None
    chaos = False
    stopwatch: staticmethod[[], float] = staticmethod(monotonic)

    def __init__(self, loop: Any, read: Callable[[], float]) -> None:
        self._loop = loop
        self._read = read
        self.clock = self
        loop._open_self_pipe()

    @property
    def now_ns(self) -> int:
        """The instant."""
        return to_ns(self._read())

    def time(self) -> float:
        """Return the time of the monotonic clock."""
        return monotonic()

    def expect(self, count: int) -> None:
        """Do nothing."""

    def turn(self) -> list[Event]:
        """Ask the selector."""
        return self._select(0)

    def wait(self, deadline_ns: int | None) -> list[Event]:
        """Let the selector wait."""
        if deadline_ns is None:
            return self._select(None)
        return self._select(max(0, deadline_ns - self.now_ns) / SECOND)

    def _select(self, seconds: float | None) -> list[Event]:
        # As often as the stock loop: in a simulation, a selector that does not wait waits by this.
        self._read()
        return self._loop._selector.select(seconds)  # type: ignore[no-any-return]

    def wake(self) -> None:
        """Do nothing: what wakes it is the self-pipe."""
