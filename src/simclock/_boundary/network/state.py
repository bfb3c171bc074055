"""The network of one simulation, as the replacements of sockets' methods see it."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import stat
from typing import TYPE_CHECKING, Any, cast

from simclock._boundary import entropy
from simclock._boundary.network import connecting, datagrams, machines
from simclock._boundary.network.links import PLAIN, Link, Traits
from simclock._boundary.network.names import Names
from simclock._boundary.network.stuck import Stuck
from simclock._boundary.network.wires import Wire
from simclock._boundary.rows import originals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simclock._boundary.network.connecting import Pending
    from simclock._boundary.network.datagrams import Datagram
    from simclock._boundary.network.wires import Message
    from simclock._boundary.port import NativePort
    from simclock._core.kernel import Kernel

_SOCKET = "_socket.socket."
# What one ``sendfile`` sends of a file at most: its callers send the rest with others.
_AT_ONCE = 1_048_576


class Net:
    """Hosts, links, and what is on its way.

    Attributes:
        names: Of the hosts.
        wires: By inode of the socket that sends.
        datagrams: In the order in which they were sent.
        pending: Connections that are being made, by inode.
        black_hole: What they connect to meanwhile.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.scheduler = kernel.scheduler
        self.names = Names()
        self._links: dict[tuple[str, str], Link] = {}
        self._default = PLAIN
        # Hosts without power, each with what keeps its connections from ending.
        self._dark: dict[str, list[socket.socket]] = {}
        self.wires: dict[int, Wire] = {}
        self.datagrams: dict[Datagram, None] = {}
        self.pending: dict[int, Pending] = {}
        self.black_hole = connecting.BlackHole(self.names.nowhere())
        self._stuck = Stuck(kernel)
        self._known = cast("NativePort", kernel.port).outside
        self.twin = machines.twin
        self.stick = self._stuck.note

    @property
    def now_ns(self) -> int:
        """The virtual instant."""
        return self._kernel.world.now_ns

    def since(self, instant_ns: int) -> float:
        """Return when that is, in seconds since the simulation began."""
        return (instant_ns - self._kernel.origin_ns) / 1e9

    def mark(self, text: str) -> None:
        """Note in the trace what happened."""
        self._kernel.trace.add(self.now_ns, "", "mark", f"network: {text}")

    # ------------------------------------------------------------------- links

    def link(self, source: str, target: str) -> Link:
        """Return the way from one host to another."""
        link = self._links.get((source, target))
        if link is None:
            stream = entropy.stream(f"network {source} -> {target}")
            link = Link(source, target, self._default, self._dark, stream)
            self._links[source, target] = link
        return link

    def shape(self, pairs: Iterable[tuple[str, str]] | None, traits: dict[str, Any]) -> None:
        """Change what links are like: those of *pairs*, or all, with those to come."""
        self._known.shaped = self
        if pairs is None:
            self._default = self._default._replace(**traits)
            links: Iterable[Link] = self._links.values()
        else:
            links = [self.link(*pair) for pair in pairs]
        for link in links:
            link.traits = link.traits._replace(**traits)

    def traits(self, source: str, target: str) -> Traits:
        """Return what a link is like."""
        return self.link(source, target).traits

    def stop(self, pairs: Iterable[tuple[str, str]], *, held: bool) -> None:
        """Let nothing go through: held until it is released, or cut."""
        self._known.shaped = self
        for pair in pairs:
            link = self.link(*pair)
            link.held, link.cut = link.held or held, link.cut or not held
            self.mark(f"{link}: {'held' if held else 'cut'}")

    def open(self, pairs: Iterable[tuple[str, str]] | None, *, held: bool) -> None:
        """End `stop`, for *pairs* or all."""
        links = list(self._links.values()) if pairs is None else [self.link(*p) for p in pairs]
        opened = [link for link in links if (link.held if held else link.cut)]
        for link in opened:
            link.held, link.cut = link.held and not held, link.cut and held
            self.mark(f"{link}: {'released' if held else 'healed'}")
        self._resume(opened, delayed=not held)

    def _on_their_way(self) -> list[Wire | Datagram]:
        return [*self.wires.values(), *self.datagrams]

    def _resume(self, links: list[Link], *, delayed: bool) -> None:
        """Let go on what waited for *links*; *delayed*: it is sent again now."""
        for each in self._on_their_way():
            if each.link in links and not each.link.is_stopped:
                latency_ns = each.link.arrival_ns(self.now_ns, 0) - self.now_ns
                each.resume(latency_ns if delayed else 0)
        for connection in list(self.pending.values()):
            if any(link in links for link in connection.links):
                connection.resume(int(delayed))

    def in_flight(self) -> list[Message]:
        """Return what is on its way, the next to arrive first, then what waits."""
        found = [message for wire in self.wires.values() for message in wire.messages()]
        found += [datagram.message() for datagram in self.datagrams]
        found += [connection.message() for connection in self.pending.values()]
        return sorted(found, key=lambda m: (m.due is None, m.due or 0.0, m.sent))

    def held_up(self) -> list[str]:
        """Return, in words, what is on its way although nothing happens any more."""
        waiting: dict[str, int] = {}
        for message in self.in_flight():
            way = f"{message.source} -> {message.target}"
            waiting[way] = waiting.get(way, 0) + 1
        return [f"network: {number} held up from {way}" for way, number in waiting.items()]

    # --------------------------------------------------------------- connections

    def _link_of(self, sock: Any, address: Any = None) -> Link | None:
        """Return what *sock* sends through, to where it is connected or to *address*."""
        if sock.family != socket.AF_INET:
            return None
        try:
            source = self.names.hosts.get(sock.getsockname()[0])
            peer = sock.getpeername() if address is None else address
        except OSError:
            return None
        target = self.names.hosts.get(peer[0])
        if source is None or target is None or source == target:
            return None
        return self.link(source, target)

    def wire(self, sock: Any) -> Wire | None:
        """Return what takes the bytes that *sock* sends, None if they are there at once."""
        fd = sock.fileno()
        if fd < 0:
            return None
        key = os.fstat(fd).st_ino
        wire = self.wires.get(key)
        if wire is None and sock.type == socket.SOCK_STREAM:
            link = self._link_of(sock)
            if link is not None and not link.is_plain:
                wire = Wire(self, link, fd)
        return wire

    def connector(self, sock: Any, address: Any) -> Callable[[Any, Any], None]:
        """Return what connects *sock* to *address*: the original where that takes no time."""
        original = originals[_SOCKET + "connect"]
        link = self._link_of(sock, address) if sock.type == socket.SOCK_STREAM else None
        if link is None:
            return original
        links = (link, self.link(link.target, link.source))
        if all(each.is_plain for each in links) or not self._is_new(sock):
            return original
        return functools.partial(self._connect, links)

    def is_connecting(self, sock: Any) -> bool:
        """Return whether *sock* waits for its answer."""
        return os.fstat(sock.fileno()).st_ino in self.pending

    def _is_new(self, sock: Any) -> bool:
        """Return whether *sock* is neither connected nor about to be."""
        return not self.is_connecting(sock) and not machines.peer(sock)

    def _connect(self, links: tuple[Link, Link], sock: Any, address: Any) -> None:
        connecting.begin(self, sock, address, links)

    # ------------------------------------------------------------------- sending

    def send(self, sock: Any, data: Any, flags: Any = 0, address: Any = None) -> int | None:
        """Send *data* on its way; return how much that was, or None if the original is to do it.

        Raises:
            OSError: What the original would have raised.
        """
        if not isinstance(flags, int) or flags & socket.MSG_OOB:
            return None
        if sock.type == socket.SOCK_DGRAM:
            return self._send_datagram(sock, data, flags, address)
        wire = self.wire(sock) if address is None else None
        if wire is None:
            return None
        try:
            given = memoryview(data).cast("B")
        except TypeError:
            return None  # the original says what is wrong
        if wire.finished:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        # It tells whether the connection still stands.
        originals[_SOCKET + "send"](sock, b"", flags | socket.MSG_DONTWAIT)
        wire.send(memoryview(bytes(given)))
        return len(given)

    def send_file(self, out: int, file: Any, offset: Any, count: Any) -> int | None:
        """Send a part of a file through a socket, by descriptors; see `send`."""
        with self.twin(out) as sock:
            numbers = isinstance(offset, int) and isinstance(count, int) and count >= 0
            if not numbers or self.wire(sock) is None:
                return None
            return self.send(sock, os.pread(file, min(count, _AT_ONCE), offset))

    def write(self, fd: int, data: Any) -> int | None:
        """Send what is written to a descriptor, if that is a socket; see `send`."""
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return None
        with self.twin(fd) as sock:
            return self.send(sock, data)

    def _send_datagram(self, sock: Any, data: Any, flags: int, address: Any) -> int | None:
        link = self._link_of(sock, address)
        if link is None or link.is_plain:
            return None
        try:
            given = bytes(memoryview(data))
        except (TypeError, BufferError):
            return None
        if len(given) > datagrams.LARGEST:
            return None
        where = () if address is None else (address,)
        datagrams.judge(sock, flags, where)
        datagrams.send(self, link, sock, given, where)
        return len(given)

    # -------------------------------------------------------------------- ending

    def shut_down(self, sock: Any, how: Any) -> bool:
        """Let the end of the stream follow what was sent; return whether that is done here."""
        if how not in (socket.SHUT_WR, socket.SHUT_RDWR):
            return False
        wire = self.wire(sock)
        if wire is None:
            return False
        if not wire.finished:
            wire.finish()
        if how == socket.SHUT_RDWR:
            originals[_SOCKET + "shutdown"](sock, socket.SHUT_RD)
        return True

    def hang_up(self, sock: Any) -> None:
        """Let the other end hear only in time that *sock* is closed now."""
        link = self._link_of(sock)
        if link is None or link.source in self._dark:
            return
        wire = self.wire(sock)
        if wire is not None:
            wire.hang_up()

    # ------------------------------------------------------------------ machines

    def reset(self, one: str, other: str) -> None:
        """Break off all connections between two hosts."""
        ends = {self.names.real(one), self.names.real(other)}
        for wire in list(self.wires.values()):
            if {wire.link.source, wire.link.target} == {one, other}:
                wire.close()
        for pending in list(self.pending.values()):
            if {pending.links[0].source, pending.links[0].target} == {one, other}:
                pending.reset()
        for sock, mine, theirs in machines.connections():
            if {mine, theirs} == ends:
                connecting.abort(sock)
        self.mark(f"{one} <-> {other}: connections are reset")

    def cut_power(self, name: str) -> None:
        """Let the peers of a host hear nothing any more, whatever becomes of its sockets."""
        self._known.shaped = self
        if name in self._dark:
            return
        address = self.names.real(name)
        kept = self._dark.setdefault(name, [])
        for sock, mine, _ in machines.connections():
            if mine == address:
                kept.append(self.twin(sock.fileno()))
        self.mark(f"{name}: no power")

    def dies(self, descriptors: set[int]) -> set[int]:
        """Let the system close the sockets of a process that has ended, but none of the network's.

        Return those among its *descriptors*.
        """
        kept = descriptors & self.descriptors()
        if self._known.shaped is not None:
            for fd in sorted(descriptors - kept):
                self._hang_up(fd)
        return kept

    def _hang_up(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with self.twin(fd) as sock:
                    self.hang_up(sock)

    def descriptors(self) -> set[int]:
        """Return the descriptors that are the network's own."""
        kept = (sock.fileno() for socks in self._dark.values() for sock in socks)
        return {*kept, *(each.fileno() for each in self._on_their_way()), *self.black_hole.fds()}

    def boot(self, name: str) -> None:
        """End `cut_power`: the host knows nothing of the connections that it had."""
        if name not in self._dark:
            return
        for wire in list(self.wires.values()):
            if wire.link.target == name:
                wire.close()
        _let_go(self._dark.pop(name, []), reset=True)
        self.mark(f"{name}: boots")
        links = [link for link in self._links.values() if name in (link.source, link.target)]
        self._resume(links, delayed=True)

    def restore(self) -> None:
        """Let every link be as it was at first; what is on its way arrives."""
        if self._known.shaped is not None:
            self.shape(None, PLAIN._asdict())
            for held in (True, False):
                self.open(None, held=held)

    def clear(self) -> None:
        """Forget links and what is on its way; hosts keep their names."""
        for each in self._on_their_way():
            each.close()
        for connection in list(self.pending.values()):
            connection.close()
        for name in list(self._dark):
            _let_go(self._dark.pop(name), reset=False)
        self._links.clear()
        self._default = PLAIN
        self._known.shaped = None
        self.black_hole.close()


def _let_go(socks: list[socket.socket], *, reset: bool) -> None:
    for sock in socks:
        if reset and machines.peer(sock):
            connecting.abort(sock)
        sock.close()


def net(kernel: Kernel) -> Net:
    """Return the network of a simulation, made at the first question."""
    known = cast("NativePort", kernel.port).outside
    if known.network is None:
        known.network = Net(kernel)
    return known.network


def held_up(kernel: Kernel) -> list[str]:
    """Return what the network has to say about a deadlock."""
    known = cast("NativePort", kernel.port).outside.network
    return [] if known is None else known.held_up()


def cut(kernel: Kernel, host: Any) -> None:
    """Let the peers of *host* hear nothing: to be called before its processes are killed.

    No end of a connection goes out until `boot`; what comes in is lost, and who connects waits.
    """
    net(kernel).cut_power(host.name)


def boot(kernel: Kernel, host: Any) -> None:
    """End `cut`, before *host* starts anything: its old connections are reset."""
    net(kernel).boot(host.name)


def restore(kernel: Kernel) -> None:
    """Undo what was done to links: another test begins."""
    known = cast("NativePort", kernel.port).outside
    if known.network is not None:
        known.network.restore()


def end(kernel: Kernel) -> None:
    """Let go of all that is on its way: the simulation is over."""
    known = cast("NativePort", kernel.port).outside
    if known.network is not None:
        known.network.clear()
        known.network.names.close()
        known.network = None
