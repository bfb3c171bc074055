"""``epoll``, ``poll`` and ``select``: ask without waiting, else park."""

from __future__ import annotations

import contextlib
import operator
import os
import select
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary import processes
from simclock._boundary.active import kernel
from simclock._boundary.gates import DebtorGate, descriptor_of
from simclock._boundary.outside import POLLED, outside
from simclock._boundary.rows import Row, originals
from simclock._core.choices import EVENTS
from simclock._core.instants import MILLISECOND, plain, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simclock._boundary.outside import Debtor

    Descriptors = Callable[[], Iterable[tuple[int, int]]]

# These poll with a timeout of 0 until the clock has moved, by however little.
_NEED_LATER = ("multiprocessing.connection", "subprocess")


class PollGate(DebtorGate):
    """The wait for a poll to find something.

    *found* is what the first look found; *asked* returns the descriptors that
    it is about, with their masks; *loop* says that an event loop asks, whose
    timeout is about something else.
    """

    __slots__ = ("ask", "asked", "child", "found", "loop")

    def __init__(
        self,
        found: Any,
        ask: Callable[[], Any],
        asked: Descriptors,
        patience: float | None,
        *,
        loop: bool,
    ) -> None:
        super().__init__(patience)
        self.ask = ask
        self.asked = asked
        self.loop = loop
        self.found = found
        # The wait for a child process that was asked for just before: see `processes`.
        self.child = processes.polled_now()

    def free(self) -> bool:
        """Return whether there is something; it is kept for `take`.

        Asked once: a one-shot or edge-triggered event is not told twice.
        """
        if not self.has_found():
            # Closed meanwhile by another thread: Linux, too, goes on waiting then. And whoever
            # is asked here may be any thread.
            with contextlib.suppress(OSError, ValueError):
                self.found = self.ask()
        return self.has_found()

    def has_found(self) -> bool:
        """Return whether a look has found something."""
        return any(self.found) if isinstance(self.found, tuple) else bool(self.found)

    def debtors(self) -> list[Debtor]:
        """Return whose answers it waits for, if they are in flight."""
        is_expected = self._own is not None
        debtors = outside().debtors_of(self.asked, loop=self.loop, expected=is_expected)
        return debtors + (self.child.debtors() if self.child is not None else [])

    def descriptors(self) -> list[tuple[int, int]]:
        """Return what it waits for."""
        return list(self.asked())


def _wait(
    ask: Callable[[], Any],
    asked: Descriptors,
    timeout_ns: int | None,
    *,
    again: Callable[[], Any] | None = None,
    loop: bool = False,
) -> Any:
    """Return what *ask* finds, or *again* later, until the time is over. *ask* may raise."""
    simulation = kernel()
    simulation.step("poll")
    patience = None if loop or timeout_ns is None else timeout_ns / 1e9
    gate = PollGate(ask(), again or ask, asked, patience, loop=loop)
    if gate.has_found():
        return gate.found
    if timeout_ns == 0:
        simulation.count_step()
        return gate.found
    deadline_ns = None if timeout_ns is None else simulation.world.now_ns + timeout_ns
    simulation.wait_polled("poll", gate, deadline_ns)
    return gate.found


# What the originals take at most: an int of milliseconds, and 64 bits of nanoseconds.
_LONGEST_MS = 2**31 - 1
_LONGEST = 2**63 / 1e9


def _is_time(timeout: Any, most: float) -> bool:
    """Return whether the original would take it as a timeout."""
    return isinstance(timeout, (int, float)) and -most <= timeout < most


def _epoll(epoll: Any, timeout: Any = None, maxevents: Any = -1) -> Any:
    original = originals["select.epoll.poll"]
    timeout = plain(timeout)
    if timeout is not None and not _is_time(timeout, _LONGEST_MS / 1000):
        return original(epoll, timeout, maxevents)  # raises what is wrong
    forever = timeout is None or timeout < 0
    fd = epoll.fileno()  # now: it may be closed later
    found = _wait(
        lambda: original(epoll, 0, maxevents),
        lambda: outside().of_epoll(fd),
        None if forever else to_ns(timeout),
        loop=True,
    )
    # In the order in which they became ready: that is a matter of chance.
    return kernel().merged([[each] for each in found], EVENTS)


def _poll(poller: Any, timeout: Any = None) -> Any:
    original = originals["select.poll.poll"]
    timeout = plain(timeout)
    if timeout is not None and not _is_time(timeout, _LONGEST_MS):
        return original(poller, timeout)  # raises what is wrong
    forever = timeout is None or timeout < 0
    # In milliseconds, unlike the others.
    timeout_ns = None if forever else to_ns(timeout * MILLISECOND / 1e9)
    found = _wait(lambda: original(poller, 0), outside().told(poller).items, timeout_ns)
    if not found and timeout_ns == 0:
        caller = sys._getframe(1).f_back
        if caller is not None and caller.f_globals.get("__name__") in _NEED_LATER:
            kernel().world.now_ns += 1
    return found


def _select(rlist: Any, wlist: Any, xlist: Any, timeout: Any = None) -> Any:
    original = originals["select.select"]
    timeout = plain(timeout)
    if timeout is not None and (not _is_time(timeout, _LONGEST) or timeout < 0):
        return original(rlist, wlist, xlist, timeout)  # raises what is wrong
    try:
        lists = [list(rlist), list(wlist), list(xlist)]
    except TypeError:
        return original(rlist, wlist, xlist, 0)  # raises what is wrong
    masks = (select.POLLIN, select.POLLOUT, select.POLLPRI)

    def still_open() -> list[list[Any]]:
        return [[each for each in chosen if _is_open(each)] for chosen in lists]

    def asked() -> list[tuple[int, int]]:
        return [
            (descriptor_of(each), mask)
            for chosen, mask in zip(still_open(), masks, strict=True)
            for each in chosen
        ]

    return _wait(
        lambda: original(*lists, 0),
        asked,
        None if timeout is None else to_ns(timeout),
        again=lambda: original(*still_open(), 0),
    )


def _is_open(file: Any) -> bool:
    try:
        os.fstat(descriptor_of(file))
    except (OSError, ValueError):
        return False
    return True


# ------------------------------------------------- what a poll object is told, it tells nobody


def _register(poller: Any, fd: Any, *mask: Any) -> None:
    originals["select.poll.register"](poller, fd, *mask)
    outside().told(poller)[descriptor_of(fd)] = _mask(*mask)


def _modify(poller: Any, fd: Any, mask: Any) -> None:
    originals["select.poll.modify"](poller, fd, mask)
    outside().told(poller)[descriptor_of(fd)] = _mask(mask)


def _unregister(poller: Any, fd: Any) -> None:
    originals["select.poll.unregister"](poller, fd)
    outside().told(poller).pop(descriptor_of(fd), None)


def _mask(mask: Any = select.POLLIN | select.POLLPRI | select.POLLOUT) -> int:
    return operator.index(mask) & POLLED


_NOTE = "asks without waiting, else parks until something is ready or the virtual deadline"
_NOTED = "the original, noted: whom it waits for"

ROWS = [
    Row("select.epoll.poll", "simulated", _NOTE, _epoll),
    Row("select.poll.poll", "simulated", _NOTE, _poll),
    Row("select.select", "simulated", _NOTE, _select),
    Row("select.poll.register", "simulated", _NOTED, _register),
    Row("select.poll.modify", "simulated", _NOTED, _modify),
    Row("select.poll.unregister", "simulated", _NOTED, _unregister),
]
