"""Datagrams on their way: each by itself, so they may be lost, doubled, and overtake each other."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

from simclock._boundary.network.wires import Message
from simclock._boundary.rows import originals
from simclock._core.waits import Alarm

if TYPE_CHECKING:
    from simclock._boundary.network.links import Link
    from simclock._boundary.network.state import Net

# What a datagram over IPv4 has room for.
LARGEST = 65_507
# Linux has them: with both, an empty datagram is judged, but not sent.
_PROBE = 0x10 | 0x800


def send(net: Net, link: Link, sock: Any, data: bytes, where: tuple[Any, ...]) -> None:
    """Send *data* through *link*: it arrives once, twice or never.

    *where* is what follows the data in ``sendto``; nothing if *sock* is connected.
    """
    if link.draws(link.traits.loss):
        net.mark(f"{link}: a datagram of {len(data)} bytes is lost")
        return
    copies = 2 if link.draws(link.traits.duplicate) else 1
    for _ in range(copies):
        due_ns = link.arrival_ns(net.now_ns, len(data))
        if link.draws(link.traits.reorder):
            due_ns += link.detour_ns()
        datagram = Datagram(net, link, sock, (data, *where))
        datagram.fly(due_ns)


def judge(sock: Any, flags: int, where: tuple[Any, ...]) -> None:
    """Raise what the original would, without sending anything."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))
    if where:
        originals["_socket.socket.sendto"](sock, b"", flags | _PROBE, *where)
    else:
        originals["_socket.socket.send"](sock, b"", flags | _PROBE)


class Datagram:
    """One that is on its way."""

    def __init__(self, net: Net, link: Link, sock: Any, given: tuple[Any, ...]) -> None:
        self._net = net
        self.link = link
        self._sock = net.twin(sock.fileno())
        # What ``send`` or ``sendto`` is given.
        self._given = given
        self._data: bytes = given[0]
        self._sent_ns = net.now_ns
        self._alarm = Alarm(f"the network from {link}", 0, self.arrive)

    def fly(self, due_ns: int) -> None:
        """Be on its way, until that instant."""
        self._net.datagrams[self] = None
        self._alarm.deadline_ns = due_ns
        self._net.scheduler.arm(self._alarm)

    def arrive(self) -> None:
        """Arrive, or wait to be released, or get lost where nothing goes through."""
        link = self.link
        what = f"{link}: a datagram of {len(self._data)} bytes"
        if link.is_cut_off:
            self._net.mark(f"{what} is lost")
        elif link.held:
            return
        else:
            # Nobody may be there, or have room: then it is lost, and its sender may hear of that.
            with contextlib.suppress(OSError):
                self._deliver()
            self._net.mark(what)
        self.close()

    def _deliver(self) -> None:
        if len(self._given) > 1:
            self._sock.sendto(*self._given)
        else:
            self._sock.send(*self._given)

    def resume(self, _delay_ns: int) -> None:
        """Go on after the link was stopped."""
        if not self._alarm.armed:
            self.arrive()

    def close(self) -> None:
        """Forget it."""
        self._net.scheduler.disarm(self._alarm)
        self._net.datagrams.pop(self, None)
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor of its own."""
        return self._sock.fileno()

    def message(self) -> Message:
        """Return what it is, for whoever looks."""
        since = self._net.since
        due = None if self.link.is_stopped else since(self._alarm.deadline_ns)
        sent = since(self._sent_ns)
        return Message(self.link.source, self.link.target, "datagram", self._data, sent, due)
