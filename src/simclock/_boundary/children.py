"""Child processes, as far as the system tells of them."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of the flags in ``fdinfo``: how the descriptor may be used.
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
# System calls by number. Those that wait for what their first argument, a descriptor, is about;
# those that wait for other processes, which are looked at by themselves; and those with a timeout:
# which argument that is. Others do not wait for us.
_ON_DESCRIPTOR, _ON_PROCESS, _TIMED = {
    "x86_64": (
        frozenset((0, 1, 19, 20, 43, 44, 45, 46, 47, 288)),
        frozenset((61, 247)),
        {7: 2, 23: 4, 202: 3, 232: 3, 270: 4, 271: 2, 281: 3},
    ),
    "aarch64": (
        frozenset((63, 64, 65, 66, 202, 206, 207, 211, 212, 242)),
        frozenset((95, 260)),
        {22: 3, 72: 4, 73: 2, 98: 3},
    ),
}.get(os.uname().machine, (frozenset[int](), frozenset[int](), dict[int, int]()))
# The same for poll, epoll_wait and epoll_pwait; the other calls take a pointer.
_TAKE_A_NUMBER = {"x86_64": (7, 232, 281), "aarch64": (22,)}.get(os.uname().machine, ())
_MINUS_ONE = (0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)
# The flag of a listening socket in ``/proc/net/unix``.
_ACCEPTS = "00010000"
_KINDS = ("pipe:", "socket:", "anon_inode:[eventfd]")


class Child:
    """A child process that was started by a simulated thread and not reaped yet."""

    __slots__ = ("began", "name", "owes", "pid")

    patience = None

    def __init__(self, pid: int, name: str, began: float) -> None:
        # The real instant of its start.
        self.began = began
        self.pid = pid
        self.name = name
        # Whether it is waited for: not after it has kept us waiting for too long.
        self.owes = True

    def lives(self) -> bool:
        """Return whether it runs: it has neither ended nor been reaped."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except OSError:
            return False

    def exists(self) -> bool:
        """Return whether it has not been reaped."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except OSError:
            return False
        return True

    def holds(self, link: str, mask: int = 0) -> bool:
        """Return whether it, or a child of it, has a pipe or socket open: ``pipe:[1234]``.

        Of a pipe that we wait for with *mask*, only the other end counts.
        """
        with contextlib.suppress(OSError):
            return any(has_end(pid, link, mask) for pid in _with_descendants([self.pid]))
        return False  # pragma: no cover - it ended meanwhile

    def give_up(self) -> None:
        """Owe nothing until bytes go to it, or a signal."""
        self.owes = False

    def __str__(self) -> str:
        return f"child process {self.pid} ({self.name})"


def name_of(pid: int) -> str:
    """Return what a process was called with, as a list in text."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return repr(os.fsdecode(file.read()).split("\0")[:-1])
    return "gone"


def has_end(pid: int, link: str, mask: int) -> bool:
    """Return whether a process has *link* open, at the end that a wait with *mask* is about.

    Also one that has nothing open: it is ending, and the other ends are told a moment later.
    """
    open_ = list(_descriptors(pid))
    return not open_ or any(found == link and _answers(pid, fd, mask) for fd, found in open_)


def at_rest(children: Iterable[Child], mine: Iterable[str]) -> bool:
    """Return whether all that *children* and their children do is wait for us.

    Each of their threads is in a system call that ends only by what we do, or
    by what another of them does; none of them moves between two looks. *mine*
    are the sockets that lead to us, called as in ``socket:[1234]``.
    """
    pids = [child.pid for child in children]
    allowed = frozenset(mine)
    before = _looked_at(pids, allowed)
    return before is not None and before == _looked_at(pids, allowed)


def _answers(pid: int, fd: str, mask: int) -> bool:
    """Return whether *fd* of a process is the end that a wait with *mask* is about."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{fd}") as lines:
        for line in lines:
            if line.startswith("flags:"):
                access = int(line.split()[1], 8) & _ACCESS
                if mask & select.POLLIN:
                    return access != os.O_RDONLY
                return not (mask & select.POLLOUT) or access != os.O_WRONLY
    return False  # pragma: no cover - closed meanwhile


def _descriptors(pid: int) -> Iterator[tuple[str, str]]:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                yield name, os.readlink(f"{folder}/{name}")


def _with_descendants(pids: Iterable[int]) -> Iterator[int]:
    for pid in pids:
        yield pid
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                yield from _with_descendants(map(int, file.read().split()))


def _looked_at(pids: list[int], mine: frozenset[str]) -> list[str] | None:
    """Return what each thread of *pids* and of their children waits in and how often it ran.

    None if one works. A child that came after a look is found by the next.
    """
    seen = []
    try:
        for pid in _with_descendants(pids):
            sockets = {link for _, link in _descriptors(pid) if link.startswith("socket:")}
            if not sockets <= mine and not sockets - mine <= _listening():
                return None
            for task in os.listdir(f"/proc/{pid}/task"):
                look = _waits_for_us(f"/proc/{pid}/task/{task}")
                if not look:
                    return None
                seen.append(look)
    except OSError:
        return None  # one has ended, or the system does not tell
    return seen


def _waits_for_us(task: str) -> str:
    """Return what a thread waits in and how often it ran; nothing if it works."""
    with open(f"{task}/status") as file:
        status = file.read()
    with open(f"{task}/syscall") as file:
        number, *arguments = file.read().split()
    if "\nState:\tS" not in status or not number.isdigit():
        return ""
    call = int(number)
    if call in _ON_DESCRIPTOR:
        waits = os.readlink(f"{task}/fd/{int(arguments[0], 16)}").startswith(_KINDS)
    elif call in _TIMED:
        timeout = int(arguments[_TIMED[call]], 16)
        waits = timeout in _MINUS_ONE if call in _TAKE_A_NUMBER else timeout == 0
    else:
        waits = call in _ON_PROCESS
    return f"{call} {arguments} {status[status.index('voluntary') :]}" if waits else ""


def _listening() -> set[str]:
    """Return the Unix sockets of this machine that listen, called as in ``socket:[1234]``."""
    with open("/proc/net/unix") as lines:
        rows = [line.split() for line in lines]
    return {f"socket:[{row[6]}]" for row in rows[1:] if row[3] == _ACCEPTS}
