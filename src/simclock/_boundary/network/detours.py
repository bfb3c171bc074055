"""Detours: code in C that writes to a socket's descriptor by itself writes into its wire.

While such a call runs, the descriptor stands for one end of a pair of sockets.
What has arrived for it is there to be read, and what it has written is taken
out at the other end and sent on its way. No other thread runs meanwhile, and
what polls the descriptor is told about the real socket, which is what it
stands for again afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._boundary.network.state import Net

# Enough for several records of TLS, which a call reads one at a time; a pair has room for it.
_AHEAD = 65_536


def call(net: Net, sock: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Call *function*, which uses the descriptor of *sock*, as user code."""
    detour: Detour | None = _native.call_kernel(_begin, net, sock)
    if detour is None:
        return function(*args)
    try:
        return function(*args)
    finally:
        _native.call_kernel(detour.end)


def _begin(net: Net, sock: Any) -> Detour | None:
    # An error of the connection is for the call itself.
    if net.wire(sock) is None or _native.ready(sock.fileno(), select.POLLERR):
        return None
    return Detour(net, sock)


class Detour:
    """One call's."""

    def __init__(self, net: Net, sock: Any) -> None:
        self._net = net
        self._sock = sock
        self._fd = sock.fileno()
        self._real = net.twin(self._fd)
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._lent = self._lend()
        os.dup2(self._near.fileno(), self._fd, os.get_inheritable(self._fd))

    def _lend(self) -> int:
        """Let the call read what has arrived; return how much that is."""
        try:
            arrived = self._real.recv(_AHEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        if arrived:
            return self._far.send(arrived)
        self._far.shutdown(socket.SHUT_WR)
        return 0

    def end(self) -> None:
        """Put the real socket back, take from it what was read, send on its way what was written.

        Raises:
            OSError: It cannot be sent.
        """
        os.dup2(self._real.fileno(), self._fd, os.get_inheritable(self._fd))
        unread = int.from_bytes(fcntl.ioctl(self._near, termios.FIONREAD, bytes(4)), sys.byteorder)
        with self._real, self._near, self._far:
            if self._lent > unread:
                self._real.recv(self._lent - unread, socket.MSG_DONTWAIT)
            written = self._written()
            if written:
                self._net.send(self._sock, written)

    def _written(self) -> bytes:
        pieces = []
        with contextlib.suppress(BlockingIOError):
            while piece := self._far.recv(_AHEAD):
                pieces.append(piece)
        return b"".join(pieces)
