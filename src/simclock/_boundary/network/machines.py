"""What power cuts and resets do to the sockets of hosts, whichever threads use them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Descriptors that a process has, or more.
_MOST = 4096


def twin(fd: int) -> socket.socket:
    """Return another socket object for the socket that *fd* is, with a descriptor of its own."""
    default = socket.getdefaulttimeout()
    # With one it would make the socket non-blocking, for all who use it.
    socket.setdefaulttimeout(None)
    try:
        return socket.socket(fileno=fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _lowest()))
    finally:
        socket.setdefaulttimeout(default)


def _lowest() -> int:
    """Return the number from which on the network has its descriptors.

    Apart from those of programs: a number that we let go and a program gets
    would still be taken for one of the process that ran when we took it.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (limit if 0 < limit < _MOST else _MOST) // 2


def connections() -> Iterator[tuple[socket.socket, str, str]]:
    """Generate each TCP socket over IPv4 of this process, its address and that of its other end.

    The other end is empty for a socket that is not connected. The socket has a
    descriptor of its own, which is closed when the next one is asked for, unless
    that is detached.
    """
    for fd in sorted(int(path.name) for path in Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with twin(fd) as sock:
                    if (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM):
                        yield sock, sock.getsockname()[0], peer(sock)


def peer(sock: socket.socket) -> str:
    try:
        return str(sock.getpeername()[0])
    except OSError:
        return ""
