"""Locks of files: ``flock``, and the record locks of ``lockf`` (there are two) and ``fcntl``."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._boundary.active import kernel
from simclock._boundary.gates import Gate, descriptor_of
from simclock._boundary.rows import Row, originals
from simclock._core.instants import plain

if TYPE_CHECKING:
    from collections.abc import Callable

_DESCRIPTORS = Path("/proc/self/fd")
_DESCRIPTIONS = Path("/proc/self/fdinfo")
_REFUSED = (errno.EAGAIN, errno.EACCES)
# Each command that waits, and the one that does not.
_AT_ONCE = {fcntl.F_SETLKW: fcntl.F_SETLK, fcntl.F_OFD_SETLKW: fcntl.F_OFD_SETLK}
# How a `struct flock` begins that unlocks.
_UNLOCK = struct.pack("h", fcntl.F_UNLCK)


class FileLockGate(Gate):
    """The wait for a lock of a file. Nothing tells whether it is free but to take it."""

    __slots__ = ("_attempt", "_file", "_mark", "_name", "_result", "error")

    def __init__(self, attempt: Callable[[], Any], file: Any, mark: str) -> None:
        super().__init__()
        self._attempt = attempt
        self._file = file
        self._name = (_DESCRIPTORS / str(descriptor_of(file))).readlink().name
        # What stands in the description of an open file of this process that has the lock.
        self._mark = mark
        self._result: list[Any] = []
        # What is wrong with the file by now, to be raised in the thread that waits.
        self.error: Exception | None = None

    def free(self) -> bool:
        """Take it if it is free. Whoever is asked here may be another thread."""
        if not self._result and self.error is None:
            try:
                self._result.append(self._attempt())
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None) not in _REFUSED:
                    self.error = error
        return self.taken or self.error is not None

    @property
    def taken(self) -> bool:
        """Whether it is taken already."""
        return bool(self._result)

    @property
    def result(self) -> Any:
        """What the original returned."""
        return self._result[0]

    def outside(self) -> str:
        """Return that another process has it, unless this one has, through another file."""
        if self.given_up or (self._mark and _has_lock(self._file, self._mark)):
            return ""
        return f"another process, which locks {self._name}"


def _has_lock(file: Any, mark: str) -> bool:
    """Return whether this process has locked the same file: the system tells by open file."""
    with contextlib.suppress(OSError, ValueError):
        wanted = os.fstat(descriptor_of(file))
        for link in _DESCRIPTORS.iterdir():
            with contextlib.suppress(OSError):
                if os.path.samestat(link.stat(), wanted):
                    lines = (_DESCRIPTIONS / link.name).read_text().splitlines()
                    if any(line.startswith("lock:") and mark in line for line in lines):
                        return True
    return False


def _wait(
    reason: str, attempt: Callable[[], Any], undo: Callable[[], Any], file: Any, mark: str
) -> Any:
    simulation = kernel()
    simulation.step(reason)
    try:
        return attempt()
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    gate = FileLockGate(attempt, file, mark)
    waiting = True
    try:
        simulation.wait_polled(reason, gate, None)
        waiting = False
    finally:
        if waiting and gate.taken:
            undo()
    if gate.error is not None:
        raise gate.error
    return gate.result


def _at_once(original: Callable[..., Any], *args: Any) -> Any:
    """Call an original that does not wait, because of what it is asked for or what is wrong."""
    kernel().step("file lock")
    return original(*args)


def _flock(fd: Any, operation: Any) -> Any:
    original = originals["fcntl.flock"]
    operation = plain(operation)
    if not isinstance(operation, int) or operation & (fcntl.LOCK_NB | fcntl.LOCK_UN):
        return _at_once(original, fd, operation)
    return _wait(
        "flock",
        lambda: original(fd, operation | fcntl.LOCK_NB),
        lambda: original(fd, fcntl.LOCK_UN),
        fd,
        " FLOCK ",
    )


def _lockf(fd: Any, cmd: Any, *args: Any) -> Any:
    original = originals["fcntl.lockf"]
    cmd = plain(cmd)
    if not isinstance(cmd, int) or cmd & fcntl.LOCK_NB or cmd == fcntl.LOCK_UN:
        return _at_once(original, fd, cmd, *args)
    return _wait(
        "lockf",
        lambda: original(fd, cmd | fcntl.LOCK_NB, *args),
        lambda: original(fd, fcntl.LOCK_UN, *args),
        fd,
        "",  # the whole process has a record lock, so that no other thread can be in the way
    )


def _posix_lockf(*args: Any) -> Any:
    original = originals["posix.lockf"]
    if len(args) != 3 or args[1] != os.F_LOCK:
        return _at_once(original, *args)
    fd, _, length = args
    return _wait(
        "lockf",
        lambda: original(fd, os.F_TLOCK, length),
        lambda: original(fd, os.F_ULOCK, length),
        fd,
        "",  # likewise
    )


def _fcntl(fd: Any, cmd: Any, *args: Any) -> Any:
    original = originals["fcntl.fcntl"]
    cmd = plain(cmd)
    at_once = _AT_ONCE.get(cmd) if isinstance(cmd, int) else None
    if at_once is None:
        return original(fd, cmd, *args)
    return _wait(
        "fcntl",
        lambda: original(fd, at_once, *args),
        lambda: original(fd, at_once, _UNLOCK + args[0][len(_UNLOCK) :]),
        fd,
        "" if cmd == fcntl.F_SETLKW else " OFDLCK ",
    )


_NOTE = "tries without waiting, else parks until it is free"

ROWS = [
    Row("fcntl.flock", "simulated", _NOTE, _flock),
    Row("fcntl.lockf", "simulated", _NOTE, _lockf),
    Row("posix.lockf", "simulated", _NOTE, _posix_lockf),
    Row("fcntl.fcntl", "simulated", f"with F_SETLKW: {_NOTE}", _fcntl),
]
