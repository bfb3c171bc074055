"""SQLite's busy wait: the sleeps of its own back-off become virtual.

SQLite sleeps through a function pointer, one for the process. Replacing it
leaves everything else as it is: the user's timeout, callbacks and connections,
and what SQLite refuses at once because waiting would not help. And it costs
nothing where nobody waits.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.gates import Gate
from simclock._boundary.rows import Row, loaded
from simclock._core.instants import MICROSECOND
from simclock.errors import Unwind

# Where SQLite locks, from its os_unix.c: first byte and number. A connection in WAL mode keeps a
# lock on the database itself for as long as it lives; what it waits for is in the other file.
_IN_DATABASE = (0x40000000, 512)
_IN_WAL_INDEX = (120, 8)
_FLOCK = "hhqqi4x"
_DESCRIPTORS = Path("/proc/self/fd")


class DatabaseGate(Gate):
    """One sleep of a busy wait: over early once no other process locks a database of ours."""

    __slots__ = ("_lockers",)

    def __init__(self, seconds: float) -> None:
        # In reality the wait would be over by then, too.
        super().__init__(seconds)
        self._lockers = _lockers()

    def free(self) -> bool:
        """Return whether there is no other process left to wait for."""
        return self._lockers != "" and _lockers() == ""

    def outside(self) -> str:
        """Return which process locks a database that is open here."""
        return self._lockers

    def give_up(self) -> None:
        """Let the sleep take its virtual time."""
        self._lockers = ""


def _lockers() -> str:
    """Describe another process that locks a database which this one has open, if there is one."""
    files = dict(_regular_files())
    for path, descriptor in files.items():
        if path.endswith("-shm"):
            pid = _locker(descriptor, *_IN_WAL_INDEX)
        elif f"{path}-shm" in files:
            continue
        else:
            pid = _locker(descriptor, *_IN_DATABASE)
        if pid is not None:
            return f"process {pid}, which locks {Path(path).name}"
    return ""


def _locker(descriptor: int, start: int, length: int) -> int | None:
    """Return which other process locks some of these bytes; 0 if it is of another container."""
    wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    try:
        found = fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted)
    except OSError:
        return None  # no file that can be locked
    kind, _, _, _, pid = struct.unpack(_FLOCK, found)
    return None if kind == fcntl.F_UNLCK else pid


def _regular_files() -> list[tuple[str, int]]:
    found = []
    for link in _DESCRIPTORS.iterdir():
        try:
            path = str(link.readlink())
        except OSError:
            continue  # the one that lists the directory
        if path.startswith("/"):
            found.append((path, int(link.name)))
    return found


def _park(microseconds: int) -> None:
    """Wait for virtual *microseconds*. Raises nothing: SQLite calls this."""
    simulation = kernel()
    thread = simulation.current
    if simulation.unwinding or thread.error is not None:
        return  # SQLite tries until its timeout is used up, then the thread is told
    deadline_ns = simulation.world.now_ns + microseconds * MICROSECOND
    try:
        simulation.wait_polled("SQLite", DatabaseGate(microseconds / 1e6), deadline_ns)
    except Unwind:
        pass  # raised again at the thread's next wait
    except BaseException as error:  # noqa: BLE001 - raised at the thread's next wait
        thread.error = error
        simulation.world.steps_left = -1


class _Sleeps:
    """The function pointers through which SQLite sleeps."""

    def __init__(self) -> None:
        import ctypes  # noqa: PLC0415 - only for programs that use SQLite

        function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)

        class Vfs(ctypes.Structure):
            """SQLite's ``sqlite3_vfs``, as far as it is of interest."""

        before = [(f"_{number}", ctypes.c_void_p) for number in range(11)]
        Vfs._fields_ = [
            ("_numbers", ctypes.c_int * 3),
            ("following", ctypes.POINTER(Vfs)),
            *before,
            ("sleep", ctypes.c_void_p),
        ]
        # Of a module that is part of the interpreter, None stands for the interpreter.
        library = ctypes.CDLL(getattr(sys.modules["_sqlite3"], "__file__", None))
        library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        standard = library.sqlite3_vfs_find(None)
        self._real_address = standard.contents.sleep
        self._real = function(self._real_address)
        self._virtual = function(self._sleep)
        self._virtual_address = ctypes.cast(self._virtual, ctypes.c_void_p).value
        # SQLite's own and never freed. Not those that others registered: their sleep is theirs.
        self._owners = []
        while standard:
            if standard.contents.sleep == self._real_address:
                self._owners.append(standard.contents)
            standard = standard.contents.following

    def _sleep(self, vfs: int, microseconds: int) -> int:
        if not _native.simulated():
            return int(self._real(vfs, microseconds))
        _native.call_kernel(_park, microseconds)
        return microseconds

    def start(self) -> None:
        """Let simulated threads sleep in virtual time."""
        for owner in self._owners:
            owner.sleep = self._virtual_address

    def stop(self) -> None:
        """Put back what SQLite had."""
        for owner in self._owners:
            owner.sleep = self._real_address


_sleeps: list[_Sleeps] = []
_started = False


def start() -> None:
    """Make SQLite's sleeps virtual in simulated threads if it is loaded. Idempotent."""
    global _started  # noqa: PLW0603 - the pointers are the process' own
    if _started or not loaded("_sqlite3"):
        return
    _started = True
    if not _sleeps:
        try:
            _sleeps.append(_Sleeps())
        except (ImportError, OSError, AttributeError):
            return  # a build without ctypes, or with a SQLite that shows nothing of itself
    _sleeps[0].start()


def stop() -> None:
    """Undo `start`."""
    global _started  # noqa: PLW0603 - see `start`
    if _started and _sleeps:
        _sleeps[0].stop()
    _started = False


# Not redirected: its wait ends in the sleeps that are.
ROWS = [
    Row(
        f"_sqlite3.{name}",
        "simulated",
        "the original; SQLite's own busy wait sleeps in virtual time",
    )
    for name in (
        "Connection.execute",
        "Connection.executemany",
        "Connection.executescript",
        "Connection.commit",
        "Connection.backup",
        "Cursor.execute",
        "Cursor.executemany",
        "Cursor.executescript",
    )
]
