"""Which descriptors a simulated process has, and what becomes of them when it dies.

What is open is looked at whenever the baton goes to another process: what is
new belongs to the one that has run. (A descriptor that a foreign thread opens
meanwhile counts as that one's too.)
"""

from __future__ import annotations

import gc
import io
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPEN = "/proc/self/fd"


class Known:
    """The descriptors that were open at the last look, each with the set of those who have it."""

    def __init__(self) -> None:
        self._open: dict[int, set[int]] = {}
        # What each stood for when whoever has it had the last turn.
        self._identities: dict[int, tuple[int, int] | None] = {}

    def share_out(self, mine: set[int]) -> None:
        """Note what has been opened since the last look in *mine*, and what is no more."""
        now = set(map(int, os.listdir(_OPEN)))  # noqa: PTH208 - at each change of processes
        # Through the first that was free this was read, and it is free again.
        now.discard(_first_free())
        for fd in self._open.keys() - now:
            self._open.pop(fd).discard(fd)
        for fd in now - self._open.keys():
            self.give(fd, mine)

    def refresh(self, fds: Iterable[int]) -> None:
        """Note what *fds* stand for now: who has them has run."""
        self._identities.update((fd, _identity(fd)) for fd in fds)

    def unchanged(self, fds: Iterable[int]) -> list[int]:
        """Return those of *fds* that nobody else has closed and opened again."""
        return [fd for fd in sorted(fds) if _identity(fd) == self._identities[fd]]

    def forget(self, fd: int) -> None:
        """Let *fd* be a new one if it is found again."""
        self._open.pop(fd, set()).discard(fd)

    def give(self, fd: int, mine: set[int]) -> None:
        """Note that *fd* belongs to who has the set *mine*."""
        self._open.get(fd, mine).discard(fd)
        self._open[fd] = mine
        self._identities[fd] = _identity(fd)
        mine.add(fd)


class Void:
    """What the descriptors of dead processes stand for: it takes everything, and tells nobody.

    Their numbers stay in use as long as there may be objects that have them:
    those would close somebody else's later. What their buffers still have goes nowhere.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("of a dead process", os.MFD_CLOEXEC)
        self._identity = _identity(self.fd)
        self._taken: set[int] = set()

    def take(self, fds: Iterable[int]) -> None:
        """Let go what *fds* stand for, as the system does when a process dies."""
        for fd in fds:
            os.dup2(self.fd, fd, inheritable=False)
            self._taken.add(fd)

    def given_back(self) -> list[int]:
        """Return the numbers that stand for something else, or nothing, since the last look."""
        found = [fd for fd in self._taken if _identity(fd) != self._identity]
        self._taken.difference_update(found)
        return found

    def close(self) -> None:
        """Close those that no object has: what a program opened by ``os.open`` and the like.

        Not before all threads of dead processes have ended: they may close them themselves.
        """
        for fd in self._taken - _of_objects():
            if _identity(fd) == self._identity:
                os.close(fd)
        os.close(self.fd)


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None  # it was closed meanwhile
    return status.st_dev, status.st_ino


def _of_objects() -> set[int]:
    connection: Any = sys.modules.get("multiprocessing.connection")
    connections = (connection._ConnectionBase,) if connection else ()
    kinds = (socket.SocketType, io.FileIO, *connections)
    files: Any = (each for each in gc.get_objects() if isinstance(each, kinds))
    return {each.fileno() for each in files if not getattr(each, "closed", False)}


def _first_free() -> int:
    fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.close(fd)
    return fd
