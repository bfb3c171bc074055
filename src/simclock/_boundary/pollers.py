"""``epoll``, ``poll`` and ``select``: ask without waiting, else park."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock._boundary.active import kernel
from simclock._boundary.rows import Row, originals
from simclock._core.instants import MILLISECOND, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.threads import SimThread


class PollGate:
    """The wait for a poll to find something."""

    __slots__ = ("ask", "found", "key")

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.ask = ask
        self.key = id(self)
        self.found: Any = None

    def free(self) -> bool:
        """Return whether there is something; it is kept for `take`.

        Asked once: a one-shot or edge-triggered event is not told twice.
        """
        if not self._has_found():
            self.found = self.ask()
        return self._has_found()

    def take(self) -> bool:
        """Return whether there is something."""
        return self.free()

    def _has_found(self) -> bool:
        return any(self.found) if isinstance(self.found, tuple) else bool(self.found)

    def owner(self) -> SimThread | None:
        """Return None: anybody may write."""
        return None


def _wait(ask: Callable[[], Any], timeout_ns: int | None) -> Any:
    simulation = kernel()
    simulation.step("poll")
    gate = PollGate(ask)
    if gate.take():
        return gate.found
    if timeout_ns == 0:
        simulation.count_step()
        return gate.found
    deadline_ns = None if timeout_ns is None else simulation.world.now_ns + timeout_ns
    simulation.wait_for_descriptors(gate, deadline_ns)
    return gate.found


def _is_number(timeout: Any) -> bool:
    return isinstance(timeout, (int, float))


def _epoll(epoll: Any, timeout: Any = None, maxevents: Any = -1) -> Any:
    original = originals["select.epoll.poll"]
    if timeout is not None and not _is_number(timeout):
        return original(epoll, timeout, maxevents)  # raises what is wrong
    forever = timeout is None or timeout < 0
    return _wait(lambda: original(epoll, 0, maxevents), None if forever else to_ns(timeout))


def _poll(poller: Any, timeout: Any = None) -> Any:
    original = originals["select.poll.poll"]
    if timeout is not None and not _is_number(timeout):
        return original(poller, timeout)  # raises what is wrong
    forever = timeout is None or timeout < 0
    # In milliseconds, unlike the others.
    timeout_ns = None if forever else to_ns(timeout * MILLISECOND / 1e9)
    return _wait(lambda: original(poller, 0), timeout_ns)


def _select(rlist: Any, wlist: Any, xlist: Any, timeout: Any = None) -> Any:
    original = originals["select.select"]
    if timeout is not None and (not _is_number(timeout) or timeout < 0):
        return original(rlist, wlist, xlist, timeout)  # raises what is wrong
    lists = [list(rlist), list(wlist), list(xlist)]
    return _wait(lambda: original(*lists, 0), None if timeout is None else to_ns(timeout))


_NOTE = "asks without waiting, else parks until something is ready or the virtual deadline"

ROWS = [
    Row("select.epoll.poll", "simulated", _NOTE, _epoll),
    Row("select.poll.poll", "simulated", _NOTE, _poll),
    Row("select.select", "simulated", _NOTE, _select),
]
