"""Wires: the bytes of a TCP connection that are on their way, in one direction.

A wire takes whatever is sent, at once and without bound: a program's sends
never wait for a slow link. What has arrived is written to the real socket, of
which the wire has a descriptor of its own; so it goes on after the program has
closed its own, and the end of the stream comes after the last byte.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from simclock._core.waits import Alarm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock._boundary.network.links import Link
    from simclock._boundary.network.state import Net

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Message(NamedTuple):
    """Something that is on its way between two hosts.

    Attributes:
        source: The name of the host that has sent it.
        target: The name of the host that it is for.
        kind: ``"stream"`` for bytes of a connection, ``"end"`` for the end of one,
            ``"datagram"``, or ``"connect"``.
        data: What was sent.
        sent: When, in virtual seconds since the simulation began.
        due: When it arrives, None while it is held up.
    """

    source: str
    target: str
    kind: str
    data: bytes
    sent: float
    due: float | None


class Segment:
    """Bytes that arrive together, or an end of the stream."""

    __slots__ = ("data", "due_ns", "ends", "sent_ns", "size")

    def __init__(self, data: bytes | memoryview, sent_ns: int, due_ns: int, ends: str = "") -> None:
        # What the real socket has not taken.
        self.data = memoryview(data)
        self.size = len(data)
        self.sent_ns = sent_ns
        self.due_ns = due_ns
        # ``shutdown``, or ``close``, which only lets the descriptor go.
        self.ends = ends


class Wire:
    """What is under way through one socket.

    Attributes:
        link: What it goes through.
        finished: Whether the program has shut its end down.
    """

    def __init__(self, net: Net, link: Link, fd: int) -> None:
        self._net = net
        self.link = link
        self.finished = False
        self._fd = fd
        # Invariant: there is one, known to the network, while there are segments.
        self._sock: socket.socket | None = None
        self._key = 0
        # Invariant: their instants do not decrease.
        self._segments: deque[Segment] = deque()
        # Armed while there are segments and the link is not stopped.
        self._alarm = Alarm(f"the network from {link}", 0, self.arrive)
        self._is_stuck = False

    # ----------------------------------------------------------------- sending

    def send(self, data: memoryview) -> None:
        """Take *data*."""
        size = self.link.traits.piece or len(data) or 1
        for start in range(0, len(data), size):
            self._add(data[start : start + size])

    def finish(self) -> None:
        """Take the end of the stream."""
        self.finished = True
        self._add(b"", "shutdown")

    def hang_up(self) -> None:
        """Take that the program has closed its socket."""
        self.finished = True
        self._add(b"", "close")

    def _add(self, data: bytes | memoryview, ends: str = "") -> None:
        if self._sock is None:
            self._sock = self._net.twin(self._fd)
            self._key = os.fstat(self._fd).st_ino
            self._net.wires[self._key] = self
        now_ns = self._net.now_ns
        due_ns = self.link.arrival_ns(now_ns, len(data))
        if self._segments:
            due_ns = max(due_ns, self._segments[-1].due_ns)
        self._segments.append(Segment(data, now_ns, due_ns, ends))
        self._go_on()

    # ---------------------------------------------------------------- arriving

    def arrive(self) -> None:
        """Let what is due arrive, in order."""
        while self._segments and self._segments[0].due_ns <= self._net.now_ns:
            if self.link.is_stopped:
                return
            segment = self._segments[0]
            try:
                self._write(segment)
            except BlockingIOError:
                self._stick(is_stuck=True)
                return
            except OSError:
                self.close()  # the connection is gone, as the program will find
                return
            self._segments.popleft()
            self._net.mark(f"{self.link}: {_said(segment)}")
        self._stick(is_stuck=False)
        self._go_on()

    def _write(self, segment: Segment) -> None:
        assert self._sock is not None
        if segment.ends == "shutdown":
            self._sock.shutdown(socket.SHUT_WR)
        while segment.data:
            segment.data = segment.data[self._sock.send(segment.data, _FLAGS) :]

    def retry(self) -> bool:
        """Write again what the receiver had no room for; return whether it has some now."""
        before = self._segments[0].data
        self.arrive()
        return not self._segments or self._segments[0].data is not before

    def _stick(self, *, is_stuck: bool) -> None:
        if is_stuck != self._is_stuck:
            self._is_stuck = is_stuck
            self._net.stick(self, is_stuck=is_stuck)

    def _go_on(self) -> None:
        """Wait for the next segment, or end if there is none."""
        if not self._segments:
            self.close()
        elif not (self._alarm.armed or self._is_stuck or self.link.is_stopped):
            self._alarm.deadline_ns = max(self._segments[0].due_ns, self._net.now_ns)
            self._net.scheduler.arm(self._alarm)

    def resume(self, delay_ns: int) -> None:
        """Go on after the link was stopped: what should be there by now is so after a delay."""
        soon_ns = self._net.now_ns + delay_ns
        for segment in self._segments:
            segment.due_ns = max(segment.due_ns, soon_ns)
        self._net.scheduler.disarm(self._alarm)
        self._go_on()

    def close(self) -> None:
        """Forget what is under way, and let the descriptor go."""
        self._segments.clear()
        self._stick(is_stuck=False)
        self._net.scheduler.disarm(self._alarm)
        if self._sock is not None:
            del self._net.wires[self._key]
            self._sock.close()
            self._sock = None

    # ------------------------------------------------------------------ looking

    def fileno(self) -> int:
        """Return the descriptor of its own, -1 if it has none."""
        return -1 if self._sock is None else self._sock.fileno()

    def messages(self) -> Iterator[Message]:
        """Generate what is under way."""
        for segment in self._segments:
            due = (
                None if self.link.is_stopped or self._is_stuck else self._net.since(segment.due_ns)
            )
            kind = "end" if segment.ends else "stream"
            sent = self._net.since(segment.sent_ns)
            yield Message(self.link.source, self.link.target, kind, bytes(segment.data), sent, due)


def _said(segment: Segment) -> str:
    """Return what the trace calls it."""
    return "the end of a stream" if segment.ends else f"{segment.size} bytes"
