"""Reads and writes of descriptors: what is not ready parks, regular files never wait.

A write to a pipe never waits in C: it goes in chunks that fit whenever the
pipe is writable.
"""

from __future__ import annotations

import _io
import fcntl
import os
import select
import stat
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.gates import DebtorGate
from simclock._boundary.outside import describe, outside
from simclock._boundary.rows import Row, originals
from simclock._core.instants import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._boundary.outside import Debtor

_FILE = "_io.FileIO."
_IN = select.POLLIN
_OUT = select.POLLOUT
# Linux takes this much at once from who was told that a pipe is writable.
CHUNK = select.PIPE_BUF
# Beyond every descriptor.
LIMIT = 2**31
# What a read to the end asks for at a time.
PIECE = 65536
# Whoever reads what this process prints is not simulated, nor is a print to be a choice point.
_STANDARD = (1, 2)


class FdGate(DebtorGate):
    """The wait for a descriptor to be readable or writable."""

    __slots__ = ("_stranger", "fd", "mask")

    def __init__(self, fd: int, mask: int) -> None:
        super().__init__()
        self.fd = fd
        self.mask = mask
        # Who has the other end if nobody whom we know has.
        self._stranger: str | None = None

    def free(self) -> bool:
        """Return whether an attempt would not block."""
        return _native.ready(self.fd, self.mask)

    def debtors(self) -> list[Debtor]:
        """Return whose bytes, or whose reading, it waits for, as far as they are known."""
        known = outside()
        return [] if known.quiet() else list(known.debtors(self.fd, self.mask))

    def outside(self) -> str:
        """Return whose bytes, or whose reading, it waits for."""
        debtors = self.debtors()
        if debtors or self.given_up:
            return describe(debtors)
        if self._stranger is None or outside().children:
            self._stranger = outside().stranger(self.fd, self.mask)
        return self._stranger

    def descriptors(self) -> list[tuple[int, int]]:
        """Return the descriptor."""
        return [(self.fd, self.mask)]


def _is_ready(what: str, fd: Any, mask: int) -> bool:
    """Park until an attempt would not block; return at once what is not for us to judge."""
    if not _is_descriptor(fd) or _native.ready(fd, mask) or _never_waits(fd, mask):
        return True
    return kernel().wait_polled(what, FdGate(fd, mask), None)


def _is_descriptor(fd: Any) -> bool:
    return isinstance(fd, int) and 0 <= fd < LIMIT


def _never_waits(fd: int, mask: int) -> bool:
    """Return whether it is non-blocking, or nothing can be done with it: that is an error."""
    try:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    except OSError:  # pragma: no cover - closed by a foreign thread since it was asked
        return True
    wrong = os.O_WRONLY if mask & _IN else os.O_RDONLY
    return bool(flags & os.O_NONBLOCK) or flags & os.O_ACCMODE == wrong


def _is_regular(fd: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return True  # the original says what is wrong


# ------------------------------------------------------------------------ descriptors


def _reads(name: str) -> Callable[..., Any]:
    def read(*given: Any) -> Any:
        args = tuple(map(plain, given))
        kernel().step(name)
        if len(args) == 2 and not _asks_nothing(args[1]):
            _is_ready(name, args[0], _IN)
        result = originals[f"posix.{name}"](*args)
        outside().reads(args[0])
        return result

    return read


def _asks_nothing(wanted: Any) -> bool:
    """Return whether a read of so much, or into these buffers, does not wait, or is an error."""
    return wanted < 0 if isinstance(wanted, int) and wanted else not wanted


def _write(*given: Any) -> Any:
    args = tuple(map(plain, given))
    original = originals["posix.write"]
    if len(args) != 2 or not _is_descriptor(args[0]):
        return original(*args)  # raises what is wrong
    kernel().step("write")
    return _written(args[0], args[1], lambda data: original(args[0], data))


def _writev(*given: Any) -> Any:
    args = tuple(map(plain, given))
    original = originals["posix.writev"]
    kernel().step("writev")
    if len(args) != 2 or not _is_descriptor(args[0]) or args[0] in _STANDARD:
        return original(*args)
    fd, buffers = args
    try:
        data = b"" if _is_regular(fd) or _never_waits(fd, _OUT) else b"".join(buffers)
    except TypeError:
        data = b""  # the original says what is wrong with them
    if data:
        write = originals["posix.write"]
        return _written(fd, data, lambda part: write(fd, part))
    written = original(fd, buffers)
    outside().writes(fd)
    return written


def _written(fd: int, data: Any, write: Callable[[Any], int | None]) -> int | None:
    """Write *data* by *write*, all of it if the original would; return how much."""
    network = outside().shaped
    if network is not None and (on_its_way := network.write(fd, data)) is not None:
        return on_its_way
    short = isinstance(data, bytes) and len(data) <= CHUNK
    if fd in _STANDARD or (short and _native.ready(fd, _OUT)) or _is_all_at_once(fd, data):
        written = write(data)
    else:
        written = _in_chunks(fd, memoryview(data).cast("B"), write)
    outside().writes(fd)
    if fd not in _STANDARD:
        outside().types(fd)
    return written


def _is_all_at_once(fd: int, data: Any) -> bool:
    """Return whether the original does not wait, or says what is wrong with *data*."""
    if _is_regular(fd) or _never_waits(fd, _OUT):
        return True
    try:
        return not memoryview(data).cast("B")
    except (TypeError, ValueError, BufferError):
        return True


def _in_chunks(fd: int, rest: memoryview, write: Callable[[Any], int | None]) -> int:
    total = 0
    while True:
        _is_ready("write", fd, _OUT)
        try:
            written = write(rest[:CHUNK]) or 0
        except OSError:
            if total:
                return total  # as the system does; the next write raises it
            raise
        total += written
        rest = rest[written:]
        if not rest:
            return total
        outside().writes(fd)


# ------------------------------------------------------------------------------ files
#
# No choice points: who calls a file may own its buffer's lock, which is in C.


def _descriptor(file: Any) -> int:
    try:
        return _io.FileIO.fileno(file)
    except (TypeError, ValueError):
        return -1


def _read_file(file: Any, *args: Any, **kwargs: Any) -> Any:
    original = originals[_FILE + "read"]
    size = args[0] if args else kwargs.get("size", -1)
    fd = _descriptor(file)
    if size is None or (isinstance(size, int) and size < 0):
        return _to_the_end(file, fd) if _may_wait(fd) else original(file, *args, **kwargs)
    if size:
        _is_ready("read", fd, _IN)
    return original(file, *args, **kwargs)


def _read_into(file: Any, *args: Any) -> Any:
    _is_ready("read", _descriptor(file), _IN)
    return originals[_FILE + "readinto"](file, *args)


def _read_all(file: Any, *args: Any) -> Any:
    fd = _descriptor(file)
    if args or not _may_wait(fd):
        return originals[_FILE + "readall"](file, *args)
    return _to_the_end(file, fd)


def _may_wait(fd: int) -> bool:
    return not _is_regular(fd) and not _never_waits(fd, _IN)


def _to_the_end(file: Any, fd: int) -> bytes:
    pieces: list[bytes] = []
    while True:
        _is_ready("read", fd, _IN)
        piece = originals[_FILE + "read"](file, PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _write_file(file: Any, *args: Any) -> Any:
    original = originals[_FILE + "write"]
    fd = _descriptor(file)
    if len(args) != 1 or fd < 0:
        return original(file, *args)  # raises what is wrong
    return _written(fd, args[0], lambda data: original(file, data))


_WAITS = "parks until ready; a regular file goes straight to the original"
_CHUNKS = "parks until ready, in chunks that fit; a regular file goes straight to the original"

ROWS = [
    Row("posix.read", "simulated", _WAITS, _reads("read")),
    Row("posix.readv", "simulated", _WAITS, _reads("readv")),
    Row("posix.write", "simulated", _CHUNKS, _write),
    Row("posix.writev", "simulated", _CHUNKS, _writev),
    Row(_FILE + "read", "simulated", _WAITS, _read_file),
    Row(_FILE + "readinto", "simulated", _WAITS, _read_into),
    Row(_FILE + "readall", "simulated", _WAITS, _read_all),
    Row(_FILE + "write", "simulated", _CHUNKS, _write_file),
]
