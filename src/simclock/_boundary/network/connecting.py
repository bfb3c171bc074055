"""Connections that are being made: a socket waits for its answer as it does in reality.

It takes a round trip, and for ever where nothing goes through. Meanwhile the
socket has to be one that is neither connected nor refused, whoever polls it:
so it connects to a listener whose queue is full, which answers nobody. When
the answer is due, that is given up and the socket connects where it was meant
to; programs only see that it has become writable, or what the error is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.network.wires import Message
from simclock._boundary.rows import originals
from simclock._core.waits import Alarm

if TYPE_CHECKING:
    from simclock._boundary.network.links import Link
    from simclock._boundary.network.state import Net

# Connections that the queue of the listener has room for, and one that finds it full.
_FILLING = 2
# Real milliseconds in which the system has answered, if it answers at all: a busy one lets another
# thread of its own do it. Where a queue is full nothing comes, and this is lost.
_BUSY = 50


class BlackHole:
    """A listener that answers nobody."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._socks: list[socket.socket] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it is; made at the first question."""
        if not self._socks:
            listener = socket.socket()
            self._socks.append(listener)
            listener.bind((self._host, 0))
            listener.listen(0)
            for _ in range(_FILLING):
                sock = socket.socket()
                self._socks.append(sock)
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
        host, port = self._socks[0].getsockname()
        return host, port

    def fds(self) -> list[int]:
        """Return its descriptors."""
        return [sock.fileno() for sock in self._socks]

    def close(self) -> None:
        """Let it go."""
        while self._socks:
            self._socks.pop().close()


class Pending:
    """A connection that is being made."""

    def __init__(self, net: Net, sock: Any, address: Any, links: tuple[Link, Link]) -> None:
        self._net = net
        self.links = links
        # By descriptor and inode, without a descriptor of its own: who gives up closes the socket.
        self._fd = sock.fileno()
        self.key = os.fstat(self._fd).st_ino
        self._address = address
        self._sent_ns = net.now_ns
        self._is_stuck = False
        self._alarm = Alarm(f"a connection {links[0]}", self._answer_ns(), self._answer)
        net.scheduler.arm(self._alarm)

    def _answer_ns(self) -> int:
        there, back = self.links
        return back.arrival_ns(there.arrival_ns(self._net.now_ns, 0), 0)

    def _is_there(self) -> bool:
        with contextlib.suppress(OSError):
            return os.fstat(self._fd).st_ino == self.key
        return False

    def _answer(self) -> None:
        """Connect for real, if the answer has come through."""
        if not self._is_there():
            self.close()
        elif not any(link.is_stopped for link in self.links):
            self._connect()
            self._net.mark(f"{self.links[0]}: a connection")
            if self._is_over():
                self.close()
            else:
                # The queue of the listener is full: ask again whenever there may be room.
                self._is_stuck = True
                self._net.stick(self, is_stuck=True)

    def _connect(self) -> None:
        blocks = os.get_blocking(self._fd)
        with self._net.twin(self._fd) as sock:
            os.set_blocking(self._fd, False)
            try:
                give_up(sock)
                with contextlib.suppress(OSError):  # it is told to who waits
                    originals["_socket.socket.connect"](sock, self._address)
            finally:
                os.set_blocking(self._fd, blocks)

    def _is_over(self) -> bool:
        if _native.ready(self._fd, select.POLLOUT):
            return True
        # Were it seen later, by whoever polls next, the instant would depend on the real time.
        poller = select.poll()
        originals["select.poll.register"](poller, self._fd, select.POLLOUT)
        return bool(originals["select.poll.poll"](poller, _BUSY))

    def retry(self) -> bool:
        """Connect again, where the listener's queue was full; return whether that is over."""
        if not self._is_there():
            self.close()
            return True
        if not _native.ready(self._fd, select.POLLOUT):  # pragma: no branch - else it asked itself
            self._connect()
        is_over = self._is_over()
        if is_over:
            self.close()
        return is_over

    def resume(self, delay_ns: int) -> None:
        """Go on after a link was stopped; *delay_ns* is 0 if what had arrived was only held."""
        if self._alarm.armed or self._is_stuck:
            return
        self._alarm.deadline_ns = self._answer_ns() if delay_ns else self._net.now_ns
        self._net.scheduler.arm(self._alarm)

    def reset(self) -> None:
        """Let it fail: its socket has the error."""
        if self._is_there():
            with self._net.twin(self._fd) as sock:
                abort(sock)
        self.close()

    def close(self) -> None:
        """Forget it."""
        self._net.stick(self, is_stuck=False)
        self._net.scheduler.disarm(self._alarm)
        self._net.pending.pop(self.key, None)

    def message(self) -> Message:
        """Return what it is, for whoever looks."""
        since = self._net.since
        is_stopped = self._is_stuck or any(link.is_stopped for link in self.links)
        due = None if is_stopped else since(self._alarm.deadline_ns)
        there = self.links[0]
        return Message(there.source, there.target, "connect", b"", since(self._sent_ns), due)


def begin(net: Net, sock: Any, address: Any, links: tuple[Link, Link]) -> None:
    """Begin to connect *sock*, which does not block.

    Raises:
        BlockingIOError: It has begun, as the original raises it.
    """
    number = originals["_socket.socket.connect_ex"](sock, net.black_hole.address)
    if number != errno.EINPROGRESS:  # pragma: no cover - there are no more ports
        raise OSError(number, os.strerror(number))
    pending = Pending(net, sock, address, links)
    net.pending[pending.key] = pending
    raise OSError(number, os.strerror(number))


def abort(sock: Any) -> None:
    """Break the connection of *sock* off: both ends find that it was reset.

    Given up while it is being made, only this end does. `socket` has no name for that.
    """
    import ctypes  # noqa: PLC0415 - seldom needed

    unspecified = bytes(16)
    ctypes.CDLL(None).connect(sock.fileno(), unspecified, len(unspecified))


def give_up(sock: Any) -> None:
    """Give up a connection under way: another may be made."""
    abort(sock)
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # which this has set
