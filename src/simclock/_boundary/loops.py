"""What an event loop in a simulated thread has of the kernel: a clock, turns and waits.

For loops that are written for it. Any other one asks ``epoll``, and gets there
through `pollers`.
"""

from __future__ import annotations

import functools
import select
import selectors
from typing import TYPE_CHECKING, Any, Protocol

from simclock._boundary import _native, realtime, signals
from simclock._boundary.active import kernel, kernels
from simclock._boundary.gates import DebtorGate
from simclock._boundary.outside import outside
from simclock._core.choices import EVENTS
from simclock._core.kernel import FAIR_STEPS
from simclock._core.trace import Trace

# A turn takes as many as an `epoll` that waits for nothing.
TURN_STEPS = 2

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from simclock._boundary.outside import Debtor

    Event = tuple[selectors.SelectorKey, int]


def simulated() -> bool:
    """Return whether the calling thread is a simulated one, and not in real time."""
    return _native.simulated()


def monotonic() -> float:
    """Return seconds of the monotonic clock: virtual in a simulated thread, else real."""
    return realtime.now()


class LoopSelector(Protocol):
    """What asks the operating system about a loop's descriptors.

    Attributes:
        registered: What it is asked about, by descriptor.
    """

    registered: Mapping[int, selectors.SelectorKey]

    def select(self, timeout: float | None, /) -> list[Event]:
        """Return what has happened, waiting for it for at most *timeout* seconds."""


# Records are added outside the kernel here: a handler that waits in one would add others into it.
signals.uninterrupted(Trace.add)


class LoopKernel:
    """The kernel, as an event loop that runs in the calling thread sees it.

    Attributes:
        clock: Has ``now_ns``: the virtual instant, as the monotonic clocks of the thread's process
            have it. Taking it costs nothing and is no reading of the clock.
        path: Of the thread, for the trace.
        merged: Returns the items of several lists as one, in the order that the schedule has for
            them; takes the lists and a label. None while only the canonical order is asked for.
        chaos: Whether the order of tasks, too, is to be asked for.
        record: Appends to the simulation's trace: instant, path, kind, detail.
    """

    __slots__ = (
        "_kernel",
        "_next_deadline_ns",
        "_ready",
        "_registered",
        "_selector",
        "_signals_wanted",
        "_skew_ns",
        "chaos",
        "clock",
        "merged",
        "path",
        "record",
    )

    def __init__(
        self,
        ready: Collection[Any],
        selector: LoopSelector,
        next_deadline_ns: Callable[[], int | None],
    ) -> None:
        """Serve a loop.

        *ready* is empty while the loop has nothing to do, *selector* has its
        descriptors, and *next_deadline_ns* returns when its first timer is due.
        """
        self._kernel = current = kernel()
        self._signals_wanted = current.port.signals_wanted
        self._next_deadline_ns = next_deadline_ns
        self.chaos: bool = current.source.chaos
        self.merged: Callable[[list[Any], str], list[Any]] | None = None
        if current.source.interested:
            self.merged = functools.partial(_native.call_kernel, current.merged)
        self.clock: Clock = current.world
        self.path: str = current.current.path
        self.record: Callable[..., None] = current.trace.add
        if type(current.trace) is not Trace:
            # Somebody else's code hears of each record.
            self.record = functools.partial(_native.call_kernel, current.trace.add)
        self._skew_ns = current.world.skew_ns
        if self._skew_ns:
            self.clock = _Skewed(current.world, self._skew_ns)
            self.record = functools.partial(_unskewed, self._skew_ns, self.record)
        self._ready = ready
        self._registered = selector.registered
        self._selector = selector

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is in that simulation now, and in no other one inside it."""
        return _native.simulated() and kernels[-1] is self._kernel

    def time(self) -> float:
        """Return the virtual time, in seconds: a reading of the clock."""
        return monotonic()

    def stopwatch(self) -> float:
        """Return the virtual time; it is no reading."""
        return self.clock.now_ns / 1e9

    def expect(self, count: int) -> None:
        """Let *count* handles of this turn read the clock without moving it, and make garbage."""
        _native.call_kernel(self._kernel.expect, count)

    def turn(self) -> list[Event]:
        """Take a turn without waiting; return what has happened to the descriptors."""
        world = self._kernel.world
        world.steps_left -= TURN_STEPS
        if world.steps_left < 0 or world.interested or self._signals_wanted():
            if not self.is_here:
                return self._selector.select(0)  # a coroutine has gone somewhere else
            if world.steps_left < 0:
                # These are no cheap steps: each is what a program does at this instant.
                self._kernel.steps_at_instant += FAIR_STEPS // TURN_STEPS
            _native.call_kernel(self._kernel.turn, self._instant_ns(self._next_deadline_ns()))
        if self._registered:
            return self._in_order(_native.call_kernel(self._selector.select, 0))
        return []

    def wait(self, deadline_ns: int | None) -> list[Event]:
        """Wait until something is ready, or until an instant; return what has happened."""
        return self._in_order(_native.call_kernel(self._wait, self._instant_ns(deadline_ns)))

    def _instant_ns(self, shown_ns: int | None) -> int | None:
        """Return when the loop's clock shows that."""
        return None if shown_ns is None else shown_ns - self._skew_ns

    def _in_order(self, events: list[Event]) -> list[Event]:
        # In the order in which they became ready: that is a matter of chance.
        return events if self.merged is None else self.merged([[each] for each in events], EVENTS)

    def _wait(self, deadline_ns: int | None) -> list[Event]:
        selector = self._selector if self._registered else None
        if (
            deadline_ns is not None
            and selector is None
            # Asked in the kernel: a signal's handler may have made something ready meanwhile.
            and not self._ready
            and self._kernel.leap(deadline_ns)
        ):
            return []
        gate = LoopGate(self._ready, selector)
        if not gate.free():
            self._kernel.wait_polled("poll", gate, deadline_ns)
        return gate.found

    def wake(self) -> None:
        """Let the loop look whether something is ready. May be called from any thread."""
        if not _native.simulated():
            _native.kick()


class Clock(Protocol):
    """What a loop takes the time from."""

    @property
    def now_ns(self) -> int:
        """The virtual instant."""


class _Skewed:
    """The monotonic clock of a simulated process."""

    __slots__ = ("_skew_ns", "_world")

    def __init__(self, world: Clock, skew_ns: int) -> None:
        self._world = world
        self._skew_ns = skew_ns

    @property
    def now_ns(self) -> int:
        return self._world.now_ns + self._skew_ns


def _unskewed(skew_ns: int, record: Callable[..., None], shown_ns: int, *rest: Any) -> None:
    """Record something with the instant that the simulation's clock has."""
    record(shown_ns - skew_ns, *rest)


class LoopGate(DebtorGate):
    """The wait of an event loop for something to do."""

    __slots__ = ("_is_free", "_ready", "_selector", "found")

    def __init__(
        self,
        ready: Collection[Any],
        selector: LoopSelector | None,
    ) -> None:
        super().__init__()
        self._ready = ready
        self._selector = selector
        self._is_free = False
        self.found: list[Event] = []

    def free(self) -> bool:
        """Return whether there is something to do. Descriptors are asked until there is."""
        if not self._is_free:
            if self._selector is not None:
                self.found = self._selector.select(0)
            self._is_free = bool(self.found or self._ready)
        return self._is_free

    def debtors(self) -> list[Debtor]:
        """Return whose answers it waits for, if they are in flight."""
        return outside().debtors_of(self.descriptors, loop=True)

    def descriptors(self) -> list[tuple[int, int]]:
        """Return what it waits for."""
        if self._selector is None:
            return []
        return [(key.fd, _mask(key.events)) for key in self._selector.registered.values()]


def _mask(events: int) -> int:
    reading = select.POLLIN if events & selectors.EVENT_READ else 0
    return reading | (select.POLLOUT if events & selectors.EVENT_WRITE else 0)
