"""Sockets: a blocking call tries without waiting, and parks until that would succeed.

The sockets are real. So threads, event loops and other processes may be
client and server of each other; whom the clock has to wait for is in
`simclock._boundary.outside`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import socket
import stat
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.gates import DebtorGate, Gate
from simclock._boundary.held import held
from simclock._boundary.network.connecting import give_up
from simclock._boundary.network.names import ASK
from simclock._boundary.outside import outside
from simclock._boundary.rows import Row, originals
from simclock._core.instants import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._boundary.outside import Debtor

_SOCKET = "_socket.socket."
_CSocket: Any = socket.socket.__base__  # without what a subclass makes of it
# A TCP listener's queue longer than this takes so many. Whom a full one drops asks again only
# after real seconds, in which a loop's virtual timeouts would strike; a short one is meant to fill.
SHORT = 1
ROOM = 4096
_IN = select.POLLIN
_OUT = select.POLLOUT


class SocketGate(DebtorGate):
    """The wait for a socket to be readable or writable."""

    __slots__ = ("mask", "sock")

    def __init__(self, sock: Any, mask: int, patience: float | None) -> None:
        super().__init__(patience)
        self.sock = sock
        self.mask = mask

    def free(self) -> bool:
        """Return whether an attempt would not block."""
        fd = self.sock.fileno()
        # Closed meanwhile by another thread: Linux, too, goes on waiting then.
        return fd >= 0 and _native.ready(fd, self.mask)

    def debtors(self) -> list[Debtor]:
        """Return whose answer it waits for, if that is in flight."""
        known = outside()
        if known.quiet() or self.sock.fileno() < 0:
            return []
        expected = self._own is not None
        return list(known.debtors(self.sock.fileno(), self.mask, expected=expected))

    def descriptors(self) -> list[tuple[int, int]]:
        """Return the socket's descriptor."""
        return [(self.sock.fileno(), self.mask)]


class Waiter:
    """One call's attempts, its timeout counted over all of them."""

    def __init__(self, sock: Any, what: str, timed_out: str = "timed out") -> None:
        self.sock = sock
        self._what = what
        self._timed_out = timed_out
        self._timeout: float | None = sock.gettimeout()
        simulation = kernel()
        simulation.step(what)
        self._deadline_ns = (
            simulation.world.now_ns + to_ns(self._timeout) if self._timeout else None
        )

    @property
    def blocks(self) -> bool:
        """Whether the call may wait: the socket is not non-blocking."""
        return self._timeout != 0.0

    @property
    def forever(self) -> bool:
        """Whether the call waits as long as it takes."""
        return self._timeout is None

    def refuses_to_wait(self, flags: Any) -> bool:
        """Whether *flags* say so. A timeout is stronger: the system waits before it calls."""
        return self.forever and isinstance(flags, int) and bool(flags & socket.MSG_DONTWAIT)

    def attempt(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* with the socket non-blocking; what it raises then says how it waits."""
        timeout = self.sock.gettimeout()  # another thread may have set it meanwhile
        try:
            _CSocket.settimeout(self.sock, 0.0)
            return function(*args, **kwargs)
        finally:
            if self.sock.fileno() >= 0:
                _CSocket.settimeout(self.sock, timeout)

    def park(self, mask: int) -> None:
        """Park until the socket is ready, or raise that the time is over."""
        self.park_on(SocketGate(self.sock, mask, self._timeout))

    def park_on(self, gate: Gate) -> None:
        """Park on *gate*, or raise that the time is over."""
        if not kernel().wait_polled(self._what, gate, self._deadline_ns):
            raise TimeoutError(self._timed_out) from None

    def until_done(self, mask: int, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* again and again until it need not wait; return its result."""
        if not self.blocks:
            return function(*args, **kwargs)
        while True:
            try:
                return self.attempt(function, *args, **kwargs)
            except BlockingIOError:
                self.park(mask)


# ------------------------------------------------------------------------- receiving


def _receives(method: str, place: int) -> Callable[..., Any]:
    def receive(sock: Any, *args: Any, **kwargs: Any) -> Any:
        original = originals[_SOCKET + method]
        waiter = Waiter(sock, method)
        flags = kwargs.get("flags", args[place] if len(args) > place else 0)
        if waiter.refuses_to_wait(flags):
            result = original(sock, *args, **kwargs)
        elif waiter.forever and _wants_all(sock, flags) and method in _ALL:
            result = _ALL[method](waiter, *args, **kwargs)
        else:
            result = waiter.until_done(_IN, original, sock, *args, **kwargs)
        outside().received(sock)
        return result if method not in _TELLS else _told(result, _TELLS[method])

    return receive


def _told(result: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    """Return *result* with the address at *place* as programs see it."""
    return (*result[:place], _shown(result[place]), *result[place + 1 :])


def _shown(address: Any) -> Any:
    network = outside().network
    return address if network is None else network.names.shown(address)


# Where in its result each has an address.
_TELLS = {"recvfrom": 1, "recvfrom_into": 1, "recvmsg": 3, "recvmsg_into": 3}


def _wants_all(sock: Any, flags: Any) -> bool:
    wanted = isinstance(flags, int) and flags & (socket.MSG_WAITALL | socket.MSG_PEEK)
    return wanted == socket.MSG_WAITALL and sock.type == socket.SOCK_STREAM


def _recv_all(waiter: Waiter, size: int, flags: int) -> bytes:
    original = originals[_SOCKET + "recv"]
    data: bytes = waiter.until_done(_IN, original, waiter.sock, size, flags)
    while len(data) < size:
        more = waiter.until_done(_IN, original, waiter.sock, size - len(data), flags)
        if not more:
            break
        data += more
    return data


def _recv_all_into(waiter: Waiter, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
    original = originals[_SOCKET + "recv_into"]
    got: int = waiter.until_done(_IN, original, waiter.sock, buffer, nbytes, flags)
    whole = memoryview(buffer).cast("B")
    size = nbytes or len(whole)
    while got < size:
        more = waiter.until_done(_IN, original, waiter.sock, whole[got:size], 0, flags)
        if not more:
            break
        got += more
    return got


# What `MSG_WAITALL` does: it needs several attempts, as none of them may wait.
_ALL: dict[str, Callable[..., Any]] = {"recv": _recv_all, "recv_into": _recv_all_into}


def _accept(sock: Any, *args: Any) -> Any:
    original = originals[_SOCKET + "_accept"]
    outside().listens(sock)  # it may have been made before the simulation
    fd, address = Waiter(sock, "accept").until_done(_IN, original, sock, *args)
    made = socket.socket(sock.family, sock.type, sock.proto, fileno=fd)
    try:
        outside().made(made, serves=True)
    finally:
        made.detach()
    return fd, _shown(address)


# --------------------------------------------------------------------------- sending


def _put_on_its_way(sock: Any, data: Any, flags: Any = 0, address: Any = None) -> int | None:
    """Send *data* to another simulated host if that takes time; return how much of it, or None."""
    network = outside().shaped
    return None if network is None else network.send(sock, data, flags, address)


def _send(sock: Any, *args: Any) -> Any:
    waiter = Waiter(sock, "send")
    original = originals[_SOCKET + "send"]
    on_its_way = _put_on_its_way(sock, *args[:2]) if 0 < len(args) < 3 else None
    if on_its_way is not None:
        sent: Any = on_its_way
    elif len(args) > 1 and waiter.refuses_to_wait(args[1]):
        sent = original(sock, *args)
    elif not (waiter.forever and args and sock.type == socket.SOCK_STREAM):
        sent = waiter.until_done(_OUT, original, sock, *args)
    else:
        sent = _send_all(waiter, sock, *args)  # all of it, as the system does
    outside().sent(sock)
    return sent


def _sendall(sock: Any, *args: Any) -> Any:
    waiter = Waiter(sock, "sendall")
    if len(args) in (1, 2) and _put_on_its_way(sock, *args) is not None:
        pass  # all of it: the wire has room
    elif not waiter.blocks or len(args) not in (1, 2):
        originals[_SOCKET + "sendall"](sock, *args)
    else:
        _send_all(waiter, sock, *args)
    outside().sent(sock)


def _send_all(waiter: Waiter, sock: Any, data: Any, *flags: Any) -> int:
    original = originals[_SOCKET + "send"]
    try:
        rest = memoryview(data).cast("B")
    except TypeError:
        return int(waiter.until_done(_OUT, original, sock, data, *flags))  # says what is wrong
    total = len(rest)
    while True:
        rest = rest[waiter.until_done(_OUT, original, sock, rest, *flags) :]
        if not rest:
            return total


def _sendto(sock: Any, *args: Any) -> Any:
    waiter = Waiter(sock, "sendto")
    if len(args) in (2, 3):
        args = (*args[:-1], _reached(sock, args[-1]))
        result: Any = _put_on_its_way(sock, args[0], args[1] if len(args) == 3 else 0, args[-1])
    else:
        result = None
    if result is None:
        result = waiter.until_done(_OUT, originals[_SOCKET + "sendto"], sock, *args)
    outside().sent(sock, args[-1])
    return result


def _sendmsg(sock: Any, *args: Any) -> Any:
    original = originals[_SOCKET + "sendmsg"]
    waiter = Waiter(sock, "sendmsg")
    try:
        buffers = list(args[0])
    except (IndexError, TypeError):
        return original(sock, *args)  # says what is wrong
    if len(args) > 3:
        args = (*args[:3], _reached(sock, args[3]), *args[4:])
    on_its_way = None
    if len(args) < 5 and outside().shaped is not None and _is_plain_data(buffers, *args[1:2]):
        on_its_way = _put_on_its_way(sock, b"".join(buffers), *args[2:])
    if on_its_way is not None:
        result = on_its_way
    elif len(args) > 2 and waiter.refuses_to_wait(args[2]):
        result = original(sock, buffers, *args[1:])
    else:
        result = waiter.until_done(_OUT, original, sock, buffers, *args[1:])
        if waiter.forever and sock.type == socket.SOCK_STREAM:
            rest = b"".join(buffers)[result:]
            result += _send_all(waiter, sock, rest, *args[2:3]) if rest else 0
    outside().sent(sock, args[3] if len(args) > 3 else None)
    return result


def _is_plain_data(buffers: list[Any], ancillary: Any = ()) -> bool:
    """Return whether it is nothing but bytes; the original says what is wrong with the rest."""
    try:
        return all(memoryview(each).contiguous for each in buffers) and not ancillary
    except TypeError:
        return False


def _sendfile(out: Any, *args: Any, **kwargs: Any) -> Any:
    original = originals["posix.sendfile"]
    kernel().step("sendfile")
    if not _is_socket(out):
        return original(out, *args, **kwargs)
    network = outside().shaped
    if network is not None and len(args) == 3 and not kwargs:
        on_its_way = network.send_file(out, *args)
        if on_its_way is not None:
            return on_its_way
    if not os.get_blocking(out):
        return original(out, *args, **kwargs)
    with socket.socket(fileno=os.dup(out)) as sock:
        sock.settimeout(None)
        waiter = Waiter(sock, "sendfile")
        sent = waiter.until_done(_OUT, original, out, *args, **kwargs)
        outside().sent(sock)
    return sent


def _is_socket(fd: Any) -> bool:
    try:
        return isinstance(fd, int) and stat.S_ISSOCK(os.fstat(fd).st_mode)
    except (OSError, OverflowError):
        return False  # the original says what is wrong


# ------------------------------------------------------------------------ connecting


class QueueGate(SocketGate):
    """The wait for a TCP listener inside, whose queue may be full.

    The system drops what asks then, and asks again after a real second or more:
    so we ask again whenever there may be room.
    """

    __slots__ = ("connect", "error")

    def __init__(self, sock: Any, connect: Callable[[], None], patience: float | None) -> None:
        super().__init__(sock, _OUT, patience)
        self.connect = connect
        self.error: OSError | None = None

    def free(self) -> bool:
        """Return whether it is connected, or cannot be."""
        if self.sock.fileno() < 0:
            return False
        if not super().free():
            try:
                give_up(self.sock)
                self.connect()
            except BlockingIOError:
                return super().free()
            except OSError as error:
                self.error = error
        return True


class RoomGate(Gate):
    """The wait for a Unix listener whose queue is full: nothing but another try tells.

    *listener* describes it if it is outside.
    """

    __slots__ = ("_listener", "connect", "error", "over")

    def __init__(self, connect: Callable[[], None], listener: str, patience: float | None) -> None:
        super().__init__(patience)
        self.connect = connect
        self._listener = listener
        # It must not be tried again then.
        self.over = False
        self.error: OSError | None = None

    def free(self) -> bool:
        """Try to connect; return whether it is over, well or with an error."""
        if not self.over:
            try:
                self.connect()
            except BlockingIOError:
                return False
            except OSError as error:
                self.error = error
            self.over = True
        return True

    def outside(self) -> str:
        """Return who has to make room, if that is not us."""
        return "" if self.given_up else self._listener


def _connect(sock: Any, address: Any) -> None:
    waiter = Waiter(sock, "connect")
    address = _reached(sock, address)
    connect = _connector(sock, address)
    attempt = functools.partial(waiter.attempt, connect, sock, address)
    if not waiter.blocks:
        attempt = functools.partial(connect, sock, address)
    try:
        attempt()
    except BlockingIOError as error:
        outside().made(sock, address)
        if not waiter.blocks:
            raise
        if error.errno == errno.EINPROGRESS:
            _finish_connecting(waiter, attempt, address)
        else:
            inside = outside().is_inside(sock, address)
            listener = "" if inside else f"a place in the queue of {address!r}"
            room = RoomGate(attempt, listener, sock.gettimeout())
            waiter.park_on(room)
            if room.error is not None:
                raise room.error from None
    if sock.type == socket.SOCK_STREAM:
        outside().made(sock, address)


def _reached(sock: Any, address: Any) -> Any:
    """Return what *address* means to the host that the calling thread runs on."""
    network = outside().network
    return address if network is None else network.names.reached(sock, address)


def _connector(sock: Any, address: Any) -> Callable[[Any, Any], None]:
    network = outside().shaped
    if network is None:
        return originals[_SOCKET + "connect"]
    return network.connector(sock, address)


def _finish_connecting(waiter: Waiter, attempt: Callable[[], None], address: Any) -> None:
    network = outside().shaped
    if network is not None and network.is_connecting(waiter.sock):
        waiter.park(_OUT)
    elif outside().is_inside(waiter.sock, address):
        queue = QueueGate(waiter.sock, attempt, waiter.sock.gettimeout())
        waiter.park_on(queue)
        if queue.error is not None:
            raise queue.error from None
    else:
        waiter.park(_OUT)
    number = waiter.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number)) from None


def _connect_ex(sock: Any, address: Any) -> int:
    if sock.gettimeout() == 0.0:
        address = _reached(sock, address)
        connect = _connector(sock, address)
        number = 0
        if connect is originals[_SOCKET + "connect"]:
            number = int(originals[_SOCKET + "connect_ex"](sock, address))
        else:
            try:
                connect(sock, address)
            except OSError as error:
                number = error.errno or 0
        outside().made(sock, address)
        return number
    try:
        _connect(sock, address)
    except TimeoutError as error:
        return errno.EAGAIN if error.errno is None else error.errno
    except OSError as error:
        if error.errno is None or isinstance(error, socket.gaierror):
            raise
        return error.errno
    except (TypeError, ValueError, OverflowError):
        return int(originals[_SOCKET + "connect_ex"](sock, address))  # says what is wrong
    return 0


def _listen(sock: Any, *args: Any) -> Any:
    original = originals[_SOCKET + "listen"]
    original(sock, *args)
    is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    if is_tcp and (not args or args[0] > SHORT):
        original(sock, ROOM)
    outside().listens(sock)


def _bind(sock: Any, address: Any) -> None:
    network = outside().network
    if network is not None:
        address = network.names.bound(sock, address)
    originals[_SOCKET + "bind"](sock, address)
    if sock.type == socket.SOCK_DGRAM:
        outside().listens(sock)


def _names(method: str) -> Callable[[Any], Any]:
    def name(sock: Any) -> Any:
        return _shown(originals[_SOCKET + method](sock))

    return name


def _shutdown(sock: Any, *args: Any) -> None:
    network = outside().shaped
    if network is None or len(args) != 1 or not network.shut_down(sock, args[0]):
        originals[_SOCKET + "shutdown"](sock, *args)


def _close(sock: Any) -> None:
    network = outside().shaped
    if network is not None:
        network.hang_up(sock)
    originals[_SOCKET + "close"](sock)


def _socketpair(*args: Any, **kwargs: Any) -> Any:
    pair = originals["_socket.socketpair"](*args, **kwargs)
    outside().pairs(*pair)
    return pair


# ------------------------------------------------------------------- names of hosts


def _resolves(name: str) -> Callable[..., Any]:
    def resolve(*args: Any, **kwargs: Any) -> Any:
        original = originals[f"_socket.{name}"]
        host = args[0] if args else kwargs.get("host")
        kernel().step(name)
        network = outside().network
        if network is not None:
            answer = network.names.resolve(name, *args, **kwargs)
            if answer is not ASK:
                return answer
        if _is_known(host):
            return original(*args, **kwargs)
        return held(f"{name}({host!r})", original, *args, **kwargs)

    return resolve


def _is_known(host: Any) -> bool:
    """Return whether no name server is asked for *host*."""
    if isinstance(host, tuple):
        host = host[0] if host else None
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if not isinstance(host, str) or host in ("", "localhost", "ip6-localhost", "<broadcast>"):
        return True
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            return bool(socket.inet_pton(family, host.partition("%")[0]))
    return host == socket.gethostname()


_WAITS = "tries without waiting, else parks; timeouts are virtual"
_NOTED = "the original, noted: who is at the other end"
_NAMED = "the original; addresses of simulated hosts are the same in each process"
_AFTER = "the original, after what is on its way to another simulated host"
_HELD = "runs for real with the clock held, if a name server has to be asked"
# Each with the place of its flags.
_RECEIVE = (
    ("recv", 1),
    ("recv_into", 2),
    ("recvfrom", 1),
    ("recvfrom_into", 2),
    ("recvmsg", 2),
    ("recvmsg_into", 2),
)
_SEND = (
    ("send", _send),
    ("sendall", _sendall),
    ("sendto", _sendto),
    ("sendmsg", _sendmsg),
    ("connect", _connect),
    ("connect_ex", _connect_ex),
    ("_accept", _accept),
)
_NAMES = ("getsockname", "getpeername")
_RESOLVERS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")

ROWS = [
    *(Row(_SOCKET + name, "simulated", _WAITS, _receives(name, place)) for name, place in _RECEIVE),
    *(Row(_SOCKET + name, "simulated", _WAITS, replacement) for name, replacement in _SEND),
    Row(_SOCKET + "listen", "simulated", _NOTED, _listen),
    Row(_SOCKET + "bind", "simulated", _NOTED, _bind),
    *(Row(_SOCKET + name, "simulated", _NAMED, _names(name)) for name in _NAMES),
    Row(_SOCKET + "shutdown", "simulated", _AFTER, _shutdown, _native.OWN),
    Row(_SOCKET + "close", "simulated", _AFTER, _close, _native.OWN),
    Row("_socket.socketpair", "simulated", _NOTED, _socketpair),
    Row("posix.sendfile", "simulated", _WAITS, _sendfile),
    *(Row(f"_socket.{name}", "held", _HELD, _resolves(name)) for name in _RESOLVERS),
]
