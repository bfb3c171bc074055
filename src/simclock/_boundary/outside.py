"""What a simulation knows of the world outside: who is to answer, and has not yet.

Connections whose other end is used by simulated threads of this process need
no waiting: what was sent has arrived. One whose other end is elsewhere is *in
flight* while bytes were sent to it since something last came. A child process
owes from its start until it ends, whenever somebody waits for it or for one of
its pipes.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import sys
from typing import TYPE_CHECKING, Any, cast

from simclock._boundary import realtime
from simclock._boundary.active import kernel, kernels
from simclock._boundary.children import Child, at_rest, has_end, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simclock._boundary.network.state import Net
    from simclock._boundary.port import NativePort

Address = tuple[Any, ...]
# An end of a connection that simulated threads use: its descriptor and inode.
End = tuple[int, int]
# The two addresses of a connection, its own first.
Pair = tuple[Address, Address]

# Real seconds that whoever has just connected gets to speak first.
GREETING = 1.0
# Real seconds without anything after which an answer is complete: it may come in pieces.
LULL = 0.1
# The same for a call that has a timeout of its own: it expects something.
EXPECTING_LULL = 1.0
# Real seconds for which a child process that has just been started holds the clock while it works,
# whoever waits for whatever.
STARTING = 5.0
# Real seconds that the operating system gets to take what was written to a terminal to the other
# end: a worker of its own does that.
TYPING = 0.02
# Connections that are known at once; beyond this many those that owe nothing are forgotten.
MOST = 10_000
# Poll objects and child processes that are known before those that are gone are looked for.
SWEEP = 100
READ = select.POLLIN | select.POLLPRI
# What a poll mask has room for; epoll's own flags are beyond.
POLLED = 0x7FFF
_LOOPBACK = ("127.", "::1")


class Connection:
    """A socket whose other end is elsewhere."""

    __slots__ = ("_heard", "greeting", "owes", "peer", "serves", "takes", "twin")

    def __init__(self, peer: str, twin: Pair | None, *, serves: bool) -> None:
        self.peer = peer
        # What its other end is known by, should simulated threads turn out to use that.
        self.twin = twin
        # Whether it was accepted: then an answer is what we owe, not the other end.
        self.serves = serves
        self.owes = False
        self.greeting = False
        # The real instant of what came last.
        self._heard = -EXPECTING_LULL
        # Whether it is waited for when it takes no data, or is not made yet.
        self.takes = True

    @property
    def patience(self) -> float | None:
        """Real seconds that it is waited for, None for the watchdog's."""
        return GREETING if self.greeting else None

    def speaks(self, *, expected: bool) -> bool:
        """Return whether something may be on its way from the other end."""
        lull = EXPECTING_LULL if expected else LULL
        return self.owes or realtime.now() < self._heard + lull

    def greets(self) -> None:
        """Note that it was just made: the other end may speak first."""
        self.owes = self.greeting = True

    def sent(self) -> None:
        """Note that bytes went out."""
        self.owes = not self.serves
        self.greeting = False
        self.takes = True

    def asked(self) -> None:
        """Note that the other end has to speak next."""
        self.owes = True
        self.greeting = False

    def received(self) -> None:
        """Note that something came."""
        self.owes = self.greeting = False
        self._heard = realtime.now()

    def give_up(self) -> None:
        """Owe nothing until bytes go out again."""
        self.owes = self.greeting = False
        self._heard = -EXPECTING_LULL

    def __str__(self) -> str:
        return f"an answer from {self.peer}"


class Taker:
    """A connection that is waited for because it takes no data, or is not made yet."""

    patience = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def give_up(self) -> None:
        """Stop waiting for it, until it takes something."""
        self._connection.takes = False

    def __str__(self) -> str:
        return f"{self._connection.peer}, which takes nothing"


Debtor = Connection | Taker | Child


class Outside:
    """What one simulation knows of the world outside."""

    def __init__(self) -> None:
        self.children: dict[int, Child] = {}
        # The real instant until which what was written to a terminal may be on its way, or 0.
        self.typed_until = 0.0
        # By inode. Those whose other end is inside are known too: they are many, and asked often.
        self._elsewhere: dict[int, Connection] = {}
        self._inside: set[int] = set()
        self._listeners: dict[Address, End] = {}
        self._pairs: dict[Pair, End] = {}
        self._next_prune = MOST
        # Inodes of the two ends of each pair of sockets.
        self._twins: dict[int, int] = {}
        self._next_forgetting = MOST
        # What threads have just polled for in vain, by thread; see `processes`.
        self.polled: dict[str, Any] = {}
        # What ``select.poll`` objects were told; they do not tell it again.
        self._polls: dict[int, tuple[Any, dict[int, int]]] = {}
        self._next_sweep = SWEEP
        # The network between simulated hosts, once there are any; and the same once any link of it
        # is more than a piece of wire.
        self.network: Net | None = None
        self.shaped: Net | None = None

    # ------------------------------------------------------------ connections

    def listens(self, sock: Any) -> None:
        """Note that simulated threads answer at the address of *sock*."""
        with contextlib.suppress(OSError):
            self._listeners[_local(sock)] = _end(sock.fileno())

    def connects(self, sock: Any) -> None:
        """Note that simulated threads use *sock*, which is connected or about to be."""
        if sock.type == socket.SOCK_DGRAM:
            self.listens(sock)  # answers come to where it sends from
        with contextlib.suppress(OSError):
            self._pairs[_local(sock), _peer(sock)] = _end(sock.fileno())
        _hasten(sock)

    def pairs(self, one: Any, other: Any) -> None:
        """Note the two ends of a pair of sockets."""
        if len(self._twins) >= self._next_forgetting:
            self._forget_closed_pairs()
        first, second = _inode(one.fileno()), _inode(other.fileno())
        self._twins[first] = second
        self._twins[second] = first
        self._inside |= {first, second}

    def _forget_closed_pairs(self) -> None:
        mine = {_link(int(name)) for name in os.listdir("/proc/self/fd")}
        self._twins = {
            one: other
            for one, other in self._twins.items()
            if not mine.isdisjoint((f"socket:[{one}]", f"socket:[{other}]"))
        }
        self._next_forgetting = max(MOST, 2 * len(self._twins))

    def made(self, sock: Any, peer: Address | str | None = None, *, serves: bool = False) -> None:
        """Note a connection to *peer*: the other end may speak first."""
        connection = self._connection(sock, peer, serves=serves)
        if connection is not None:
            connection.greets()

    def sent(self, sock: Any, peer: Address | str | None = None) -> None:
        """Note that bytes went out through *sock*."""
        connection = self._connection(sock, peer)
        if connection is not None:
            connection.sent()

    def asked(self, sock: Any) -> None:
        """Note that the other end of *sock* has to speak next, whoever began."""
        connection = self._connection(sock, None)
        if connection is not None:
            connection.asked()

    def received(self, sock: Any) -> None:
        """Note that something came in through *sock*."""
        with contextlib.suppress(OSError):
            inode = _inode(sock.fileno())
            if inode in self._elsewhere:
                self._elsewhere[inode].received()
            elif inode not in self._inside:
                self.connects(sock)

    def _connection(
        self, sock: Any, peer: Address | str | None, *, serves: bool = False
    ) -> Connection | None:
        inode = _inode(sock.fileno())
        found = self._elsewhere.get(inode)
        if peer is None and (found is not None or inode in self._inside):
            return found
        self._forget_idle()
        self.connects(sock)  # it may have been made before the simulation
        if self.is_inside(sock, peer):
            if sock.type != socket.SOCK_DGRAM:  # else it may have asked others too
                self._elsewhere.pop(inode, None)
            self._inside.add(inode)
            return None
        if found is None:
            name = _text(peer if peer is not None else _peer_or_none(sock))
            found = self._elsewhere[inode] = Connection(name, _twin(sock), serves=serves)
        self._inside.discard(inode)
        return found

    def _forget_idle(self) -> None:
        if len(self._elsewhere) >= MOST:
            self._elsewhere = {i: c for i, c in self._elsewhere.items() if c.owes}
        if len(self._inside) >= MOST:
            self._inside.clear()
        if len(self._pairs) >= self._next_prune:
            self._pairs = {pair: end for pair, end in self._pairs.items() if _is_there(end)}
            self._next_prune = max(MOST, 2 * len(self._pairs))

    def is_inside(self, sock: Any, peer: Address | str | None) -> bool:
        """Return whether the other end of *sock* is used by simulated threads of this process."""
        try:
            there = _peer(sock) if peer is None else _normal(sock.family, peer)
            here = _local(sock)
        except OSError:
            return False
        if sock.family == socket.AF_UNIX and not there[1]:
            return _is_mine(sock)
        if self.network is not None and there[0] in self.network.names.hosts:
            return True
        if self._is_open(self._pairs, (there, here)) or self._is_open(self._listeners, there):
            return True
        # A listener at every address answers at those of this machine.
        local = str(there[0]).startswith(_LOOPBACK) or there[0] == here[0]
        return local and any(
            self._is_open(self._listeners, (wild, *there[1:]))
            for wild in ("0.0.0.0", "::")  # noqa: S104 - nothing is bound here
        )

    def _is_open(self, ends: dict[Any, End], key: Any) -> bool:
        end = ends.get(key)
        if end is None:
            return False
        if not _is_there(end):
            del ends[key]
            return False
        return True

    def told(self, poller: Any) -> dict[int, int]:
        """Return the descriptors that a ``select.poll`` object was told, with their masks."""
        known = self._polls.get(id(poller))
        if known is None:
            if len(self._polls) >= self._next_sweep:
                # Those that only we know: ours, and the argument of the call.
                self._polls = {i: p for i, p in self._polls.items() if sys.getrefcount(p[0]) > 2}
                self._next_sweep = max(SWEEP, 2 * len(self._polls))
            known = self._polls[id(poller)] = (poller, {})
        return known[1]

    # --------------------------------------------------------------- children

    def starts(self, pid: int, name: str) -> None:
        """Note that a child process was started."""
        if len(self.children) >= SWEEP:
            # Not all are reaped here: those of one who ignores SIGCHLD are by the system.
            self.children = {pid: child for pid, child in self.children.items() if child.exists()}
        self.children[pid] = Child(pid, name, realtime.now())

    def child(self, pid: int) -> Child:
        """Return a child process, which may have been started outside."""
        if pid not in self.children:
            self.children[pid] = Child(pid, name_of(pid), -STARTING)
        return self.children[pid]

    def reaped(self, pid: int) -> None:
        """Note that a child process is no more."""
        self.children.pop(pid, None)

    def living(self) -> list[Child]:
        """Return the child processes that run."""
        return [child for child in list(self.children.values()) if child.lives()]

    def owing(self, chosen: Callable[[Child], bool]) -> list[Child]:
        """Return the child processes that owe something, out of those *chosen*.

        None do while all there are wait for us.
        """
        owing = [c for c in list(self.children.values()) if c.owes and c.lives() and chosen(c)]
        return owing if owing and self.busy() else []

    def busy(self) -> list[Child]:
        """Return the child processes that run, unless all that they do is wait for us."""
        living = self.living()
        return [] if at_rest(living, self._own_sockets()) else living

    def working(self) -> str:
        """Return who is at work although nobody waits for it yet.

        Child processes that were started just now: the next sleep may be one
        until they are up, of which nothing tells. And the terminal, while
        what was written to it is on its way to its other end.
        """
        if self.typed_until and realtime.now() < self.typed_until:
            return "the terminal"
        self.typed_until = 0.0
        if not self.children:
            return ""
        now = realtime.now()
        young = [c for c in self.living() if c.owes and now < c.began + STARTING]
        return describe(young) if young and self.busy() else ""

    def _own_sockets(self) -> Iterator[str]:
        """Generate the sockets of this process, and their other ends."""
        yield from (f"socket:[{inode}]" for inode in self._twins)
        for name in os.listdir("/proc/self/fd"):
            yield _link(int(name))

    def types(self, fd: int) -> None:
        """Note that bytes were written, if that was to a terminal."""
        if os.isatty(fd):
            self.typed_until = realtime.now() + TYPING

    def signals(self, pid: int) -> None:
        """Note that a child process, or a group of them, got a signal."""
        for child in self.children.values():
            if pid == child.pid or pid <= 0:
                child.owes = True

    def reads(self, fd: int) -> None:
        """Note that bytes were read, by descriptor."""
        if self._elsewhere:
            with contextlib.suppress(OSError):
                connection = self._elsewhere.get(_inode(fd))
                if connection is not None:
                    connection.received()

    def writes(self, fd: int) -> None:
        """Note that bytes went into a pipe or a socket: who reads them has something to do."""
        if self.quiet():
            return
        with contextlib.suppress(OSError):
            inode = _inode(fd)
            connection = self._elsewhere.get(inode)
            if connection is not None:
                connection.sent()
            link = f"socket:[{self._twins[inode]}]" if inode in self._twins else _link(fd)
            for child in self.children.values():
                if not child.owes and child.holds(link, select.POLLOUT):
                    child.owes = True

    # ------------------------------------------------------------ who owes what

    def quiet(self) -> bool:
        """Return whether nothing is known outside. Then nobody owes anything."""
        return not self.children and not self._elsewhere

    def debtors(
        self, fd: int, mask: int, *, loop: bool = False, expected: bool = False
    ) -> Iterator[Debtor]:
        """Generate who owes what *fd* is waited for with *mask*.

        *loop*: by an event loop, whose own pair of sockets a forked child has inherited.
        *expected*: with a timeout of the call's own.
        """
        try:
            status = os.fstat(fd)
        except OSError:
            return
        if stat.S_ISSOCK(status.st_mode):
            yield from self._of_socket(status.st_ino, mask, loop=loop, expected=expected)
        elif stat.S_ISFIFO(status.st_mode):
            yield from self._holders(_link(fd), mask)
        elif self.children and _link(fd) == "anon_inode:[pidfd]":
            pid = pid_of(fd)
            yield from self.owing(lambda child: child.pid == pid)

    def debtors_of(
        self,
        asked: Callable[[], Iterable[tuple[int, int]]],
        *,
        loop: bool,
        expected: bool = False,
    ) -> list[Debtor]:
        """Return who owes what any of several descriptors, each with its mask, is waited for."""
        if self.quiet():
            return []  # without asking which: that may take reading files
        return [
            debtor
            for fd, mask in asked()
            for debtor in self.debtors(fd, mask, loop=loop, expected=expected)
        ]

    def _of_socket(self, inode: int, mask: int, *, loop: bool, expected: bool) -> Iterator[Debtor]:
        connection = self._elsewhere.get(inode)
        if connection is not None:
            if self._is_open(self._pairs, connection.twin):
                # It was accepted only after it was made, by whoever is inside.
                del self._elsewhere[inode]
                self._inside.add(inode)
            elif mask & READ and connection.speaks(expected=expected):
                yield connection
            elif mask & select.POLLOUT and connection.takes:
                yield Taker(connection)
        elif inode in self._twins:
            twin = f"socket:[{self._twins[inode]}]"
            if not (loop and _has_open(twin)):
                yield from self._holders(twin)

    def _holders(self, link: str, mask: int = 0) -> Iterator[Child]:
        yield from self.owing(lambda child: child.holds(link, mask))

    def stranger(self, fd: int, mask: int) -> str:
        """Return who is at the other end of *fd* if it is neither this process nor a child."""
        link = _link(fd)
        with contextlib.suppress(OSError):
            if os.isatty(fd):
                return "the terminal"
            known = has_end(os.getpid(), link, mask) or any(
                c.holds(link, mask) for c in self.living()
            )
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and not known:
                return f"whoever has the other end of {link}"
        return ""

    def of_epoll(self, fd: int) -> Iterator[tuple[int, int]]:
        """Generate what an epoll object waits for, as descriptors and poll masks."""
        with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{fd}") as lines:
            for line in lines:
                word, *rest = line.split()
                if word == "tfd:":
                    yield int(rest[0]), int(rest[2], 16) & POLLED


def outside() -> Outside:
    """Return what the running simulation knows. To be called in a simulated thread."""
    return cast("NativePort", kernel().port).outside


def living_children() -> list[str]:
    """Return the child processes that simulated threads have started and that run, described.

    None if all that they do is wait for us.
    """
    return [
        str(child)
        for simulation in kernels
        for child in cast("NativePort", simulation.port).outside.busy()
    ]


def patience_with(debtors: Iterable[Debtor], own: float | None) -> float | None:
    """Return how long to wait for *debtors*: as the most patient says, but at most *own*."""
    each = [debtor.patience for debtor in debtors]
    known = [patience for patience in each if patience is not None]
    if not known or len(known) < len(each):
        return own
    return max(known) if own is None else min(max(known), own)


def describe(debtors: Iterable[Debtor]) -> str:
    """Return what a report calls *debtors*."""
    return ", ".join(dict.fromkeys(map(str, debtors)))


# ---------------------------------------------------------------- what the system knows


def _inode(fd: int) -> int:
    return os.fstat(fd).st_ino


def _end(fd: int) -> End:
    return fd, _inode(fd)


def _is_there(end: End) -> bool:
    try:
        return _end(end[0]) == end
    except OSError:
        return False


def _link(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def _has_open(link: str) -> bool:
    """Return whether this process has a pipe or socket open."""
    return any(_link(int(name)) == link for name in os.listdir("/proc/self/fd"))


def pid_of(pidfd: int) -> int:
    """Return the process that a pidfd is about, 0 if it is none."""
    with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{pidfd}") as lines:
        for line in lines:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return 0


def _is_mine(sock: Any) -> bool:
    """Return whether a Unix socket's other end was made by this process."""
    peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(peer[:4], "little") == os.getpid()


# ------------------------------------------------------------------------- addresses


def _local(sock: Any) -> Address:
    return _normal(sock.family, sock.getsockname())


def _peer(sock: Any) -> Address:
    return _normal(sock.family, sock.getpeername())


def _hasten(sock: Any) -> None:
    """Let *sock* send at once what it is given.

    Otherwise small pieces stay back until the other end acknowledges those before them, up to 40
    real milliseconds: nobody would see them arrive, and virtual timeouts would strike.
    """
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _twin(sock: Any) -> Pair | None:
    try:
        return _peer(sock), _local(sock)
    except OSError:
        return None


def _peer_or_none(sock: Any) -> Any:
    try:
        return sock.getpeername()
    except OSError:
        return None


def _normal(family: int, address: Any) -> Address:
    """Return an address as a key: the same for IPv4 and for IPv4 within IPv6."""
    if family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
        host = str(address[0]).removeprefix("::ffff:")
        return ("127.0.0.1" if host == "localhost" else host, *address[1:2])
    return ("unix", address)


def _text(address: Any) -> str:
    """Return what a report calls an address."""
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return repr(address) if address else "an unnamed socket"
