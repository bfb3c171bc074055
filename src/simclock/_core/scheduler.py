"""Who may run next: the pure part of the kernel, without threads or clocks of its own.

A thread blocked on a resource is enabled exactly while the resource is free,
and the yielding thread does the looking, so nobody is woken in vain. The
algorithm is checked by exploring every choice of small models of it
(``tests/core/test_model.py``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from simclock._core.timers import Timers
from simclock._core.waits import Alarm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock._core.threads import SimThread
    from simclock._core.waits import Resource, Wait


class Scheduler:
    """Runnable threads, waits, and timers of one simulation."""

    def __init__(self) -> None:
        # Threads that may run whatever is free, first come first served.
        self.ready: deque[SimThread] = deque()
        # Invariant: every list is non-empty and holds parked waits in parking order.
        self.waiting: dict[int, list[Wait]] = {}
        # Resources with waiters that may be free, oldest hint first. Only a hint: a stale one
        # costs one look, a missing one is found by `look_again` before the clock moves.
        self.hot: dict[int, None] = {}
        self.timers: Timers = Timers()

    def park(self, wait: Wait) -> None:
        """Register *wait*; its thread is not runnable until `pick` returns it."""
        wait.thread.wait = wait
        resource = wait.resource
        if resource is not None:
            key = resource.key
            waits = self.waiting.get(key)
            if waits is None:
                self.waiting[key] = [wait]
            else:
                waits.append(wait)
        if wait.deadline_ns is not None:
            wait.armed = True
            self.timers.arm(wait.deadline_ns, wait)

    def unpark(self, wait: Wait) -> None:
        """Forget *wait*: it is over, however it ended."""
        wait.thread.wait = None
        if wait.armed:
            wait.armed = False
            self.timers.disarm()
        resource = wait.resource
        if resource is None or wait.withdrawn:
            return
        self._take_out(wait, resource)

    def _take_out(self, wait: Wait, resource: Resource) -> None:
        waits = self.waiting[resource.key]
        waits.remove(wait)
        if not waits:
            del self.waiting[resource.key]
            self.hot.pop(resource.key, None)
        elif resource.free():
            # A counted resource may be free for the next waiter too.
            self.hot[resource.key] = None

    def withdraw(self, wait: Wait) -> None:
        """Let the thread of *wait* stand still, whatever it waits for; its deadline may pass."""
        wait.withdrawn = True
        if wait.resource is not None:
            self._take_out(wait, wait.resource)

    def restore(self, wait: Wait) -> None:
        """Undo `withdraw`."""
        wait.withdrawn = False
        resource = wait.resource
        if resource is not None:
            self.waiting.setdefault(resource.key, []).append(wait)
            if resource.free():
                self.hot[resource.key] = None
        if wait.due:
            self.ready.append(wait.thread)

    def hint(self, key: int) -> None:
        """Note that the resource called *key* may have become free."""
        if key in self.waiting:
            self.hot[key] = None

    def look_again(self) -> list[Wait]:
        """Find free resources that nobody hinted at; return the first wait for each."""
        found = []
        for key, (first, *_) in self.waiting.items():
            if first.resource is not None and first.resource.free():
                self.hot[key] = None
                found.append(first)
        return found

    def make_due(self, wait: Wait) -> None:
        """Let the thread of *wait* run although it did not get what it waits for."""
        if not wait.due:
            wait.due = True
            if not wait.withdrawn:
                self.ready.append(wait.thread)

    def wake_due(self, now_ns: int) -> None:
        """Make every thread runnable whose deadline has come, ring alarms, in arming order."""
        while (due := self.timers.pop_due(now_ns)) is not None:
            due.armed = False
            if isinstance(due, Alarm):
                due.ring()
            else:
                self.make_due(due)

    def arm(self, alarm: Alarm) -> None:
        """Let *alarm* ring at its deadline."""
        alarm.armed = True
        self.timers.arm(alarm.deadline_ns, alarm)

    def disarm(self, alarm: Alarm) -> None:
        """Forget *alarm*. Idempotent: it may have rung meanwhile."""
        if alarm.armed:
            alarm.armed = False
            self.timers.disarm()

    def pick(self, current: SimThread | None, *, fair: bool = False) -> SimThread | None:
        """Return the thread that is canonical to run next, or None if none is runnable.

        *current* is the running thread if it goes on being runnable. *fair*
        says that the running thread goes last: those whose resource is free
        come before those that are ready, or spinners, which are ready again at
        once, would keep them from it for ever.
        """
        if current is not None:
            return current
        if fair and self.hot and (enabled := next(self._enabled(), None)) is not None:
            return enabled
        if self.ready:
            return self.ready.popleft()
        return next(self._enabled(), None) if self.hot else None

    def candidates(self, current: SimThread | None, *, fair: bool = False) -> list[SimThread]:
        """Return every thread that may run next, the canonical one first; see `pick`."""
        enabled = list(self._enabled())
        if fair:
            return [*enabled, *self.ready]
        return [*([] if current is None else [current]), *self.ready, *enabled]

    def take(self, chosen: SimThread) -> SimThread:
        """Return the candidate that was *chosen*, as `pick` does."""
        if chosen in self.ready:
            self.ready.remove(chosen)
        return chosen

    def _enabled(self) -> Iterator[SimThread]:
        for key in list(self.hot):
            waits = self.waiting.get(key)
            resource: Resource | None = waits[0].resource if waits else None
            if waits is None or resource is None or not resource.free():
                del self.hot[key]
                continue
            for wait in waits:
                if not wait.due:
                    yield wait.thread

    def check(self) -> None:
        """Raise AssertionError if an invariant does not hold. For tests."""
        for key, waits in self.waiting.items():
            assert waits, f"empty list of waits: {key}"
            for wait in waits:
                assert wait.thread.wait is wait, f"stale wait of {wait.thread}"
        assert all(key in self.waiting for key in self.hot), "hint without a waiter"
