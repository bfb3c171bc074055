"""SQLite's connections of a killed process: what they had not committed is rolled back.

A real process that dies lets go of its locks, and the next one that opens the
database finds what to roll back. In one real process SQLite itself knows all
connections: the locks of one that nobody uses any more would stay.
"""

from __future__ import annotations

import functools
import gc
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import own_group
from simclock._boundary.rows import Row, originals

if TYPE_CHECKING:
    from simclock._boundary.contexts import Context

_SUFFIXES = ("", "-journal", "-wal", "-shm")


def _connect(*args: Any, **kwargs: Any) -> Any:
    connection = originals["_sqlite3.connect"](*args, **kwargs)
    handle, context = _handle(connection), own_group().context
    # Not the connection itself, which ends when the program drops it.
    context.databases[id(connection)] = handle
    context.database_files |= _files(handle)
    return connection


def _handle(connection: Any) -> int:
    """Return the address of SQLite's own connection, 0 if it is closed."""
    import ctypes  # noqa: PLC0415 - only for programs that use SQLite

    # What follows the head of the object, in each version.
    return ctypes.c_void_p.from_address(id(connection) + object.__basicsize__).value or 0


@functools.cache
def _library() -> Any:
    import ctypes  # noqa: PLC0415 - see above

    library = ctypes.CDLL(getattr(sys.modules["_sqlite3"], "__file__", None))
    library.sqlite3_next_stmt.restype = ctypes.c_void_p
    library.sqlite3_next_stmt.argtypes = ctypes.c_void_p, ctypes.c_void_p
    library.sqlite3_reset.argtypes = (ctypes.c_void_p,)
    library.sqlite3_exec.argtypes = ctypes.c_void_p, ctypes.c_char_p, *[ctypes.c_void_p] * 3
    library.sqlite3_db_filename.restype = ctypes.c_char_p
    library.sqlite3_db_filename.argtypes = ctypes.c_void_p, ctypes.c_char_p
    return library


def roll_back(context: Context) -> set[str]:
    """Roll back what the process of *context* had begun; return the files that it had open.

    Also those of connections that it has closed: SQLite keeps descriptors of a
    file while anybody in the real process has locked it, and gives them to
    whoever opens it next.
    """
    if context.databases:
        base = sys.modules["_sqlite3"].Connection
        for each in gc.get_objects():
            handle = _handle(each) if isinstance(each, base) else 0
            # By its address too: another one may be there meanwhile. One that is closed has none.
            if handle and context.databases.get(id(each)) == handle:
                _let_go(handle)
        context.databases.clear()
    files, context.database_files = context.database_files, set()
    return files


def _let_go(handle: int) -> None:
    library = _library()
    statement = library.sqlite3_next_stmt(handle, None)
    while statement:
        library.sqlite3_reset(statement)
        statement = library.sqlite3_next_stmt(handle, statement)
    library.sqlite3_exec(handle, b"ROLLBACK", None, None, None)


def _files(handle: int) -> set[str]:
    path = (_library().sqlite3_db_filename(handle, b"main") or b"").decode()
    return {path + suffix for suffix in _SUFFIXES} if path else set()


ROWS = [
    Row(
        "_sqlite3.connect",
        "simulated",
        "the original; in a simulated process noted, and rolled back where that is killed",
        _connect,
        _native.OWN,
    )
]
