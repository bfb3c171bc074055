"""Which descriptors a simulated process has, and what becomes of them when it dies.

What is open is looked at whenever the baton goes to another process: what is
new belongs to the one that has run. (A descriptor that a foreign thread opens
meanwhile counts as that one's too.)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPEN = "/proc/self/fd"


class Known:
    """The descriptors that were open at the last look, each with the set of those who have it."""

    def __init__(self) -> None:
        self._open: dict[int, set[int]] = {}

    def share_out(self, mine: set[int]) -> None:
        """Note what has been opened since the last look in *mine*, and what is no more."""
        now = set(map(int, os.listdir(_OPEN)))  # noqa: PTH208 - at each change of processes
        # Through the first that was free this was read, and it is free again.
        now.discard(_first_free())
        for fd in self._open.keys() - now:
            self._open.pop(fd).discard(fd)
        for fd in now - self._open.keys():
            self.give(fd, mine)

    def give(self, fd: int, mine: set[int]) -> None:
        """Note that *fd* belongs to who has the set *mine*."""
        self._open.get(fd, mine).discard(fd)
        self._open[fd] = mine
        mine.add(fd)


def _first_free() -> int:
    fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.close(fd)
    return fd


def close_as_dead(fds: Iterable[int]) -> None:
    """Let go what *fds* stand for, as the system does when a process dies.

    The numbers stay in use: the objects that have them would close somebody else's later.
    What their buffers still have goes nowhere.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)
