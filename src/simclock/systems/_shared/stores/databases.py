"""A SQLite file: one connection in each process, and transactions that are tried again."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from simclock.systems._shared.stores.interfaces import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Seconds between two tries, and what each is longer than the one before: other processes have the
# file for about a millisecond.
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.001, 0.05, 1.5
# How SQLite's messages begin. Python 3.10 does not tell its error codes.
_BUSY = (
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "locking protocol",
)
_REMEDIES = {
    "unable to open": "name a file, not a folder, in a folder that is there and may be written",
    "not a database": "it is something else's: name another file; this one was not changed",
    "malformed": "it is damaged: move it away and restore a copy, or name another file",
    "readonly": "let this user write the file and its folder, where SQLite puts others beside it",
    "full": "make room on its disk",
}
_OTHERWISE = "see what SQLite says; the operation can be repeated"
_MAKE_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS simclock_versions (name TEXT PRIMARY KEY, version INTEGER)"
)
_VERSION_OF = "SELECT version FROM simclock_versions WHERE name = ?"
_NOTE_VERSION = "INSERT OR REPLACE INTO simclock_versions VALUES (?, ?)"
# Names of tables are the same in upper and lower case.
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE"


class Table(NamedTuple):
    """What a store keeps its rows in.

    Attributes:
        name: Of the table.
        version: Of its columns: another number for each change of them.
        statements: What makes it, with ``{0}`` where its name is to stand, and
            ``{1}`` in the names of its indexes.
    """

    name: str
    version: int
    statements: tuple[str, ...]


class _OfProcess:
    """What one process has open: a connection must not be used by a child that was forked."""

    def __init__(self) -> None:
        # One connection and a lock, not one connection for each thread: those would wait for each
        # other in SQLite, which means sleeping, while a lock wakes the next one at once.
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection | None = None
        # The tables that the connection has found as they must be.
        self.tables: set[str] = set()

    def close(self) -> None:
        connection, self.connection = self.connection, None
        self.tables.clear()
        if connection is not None:
            connection.close()


class Database:
    """A SQLite file that several stores, threads and processes use. It is made when it is needed.

    SQLite itself never waits: what is locked by another process is tried again
    after a sleep, so that simulated time can pass.

    Args:
        path: Of the file. Its folder must be there.
        patience: For how many seconds a locked file is tried again.
        durable: Whether a write has reached the disk when it returns. If not,
            a loss of power may take the latest ones, but nothing else does.

    Raises:
        ValueError: *path* names no file, or *patience* is negative.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, patience: float = 10.0, durable: bool = True
    ) -> None:
        if os.fspath(path) in {"", ":memory:"}:
            raise ValueError(
                f"a store in SQLite needs a file: {path!r}\n"
                "name one, or take the stores in memory: a database there is one connection's"
            )
        if not patience >= 0:
            raise ValueError(
                f"patience of no meaning: {patience!r}\ngive seconds, 0 to try only once"
            )
        # Whoever changes the working directory later still means this file.
        self.path = Path(path).absolute()
        self._patience = patience
        self._synchronous = "FULL" if durable else "NORMAL"
        self._of_processes: dict[int, _OfProcess] = {}

    def read(self, table: Table, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* returns, which may execute one SELECT.

        Raises:
            StoreError: The file cannot be used, or was locked for too long.
        """
        return self._persist(work, table)

    def write(self, table: Table, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* returns, in a transaction that nobody else writes in.

        It is called again if the file is locked. If it raises, nothing was written.

        Raises:
            StoreError: The file cannot be used, or was locked for too long.
        """
        return self._persist(lambda connection: _in_transaction(connection, work), table)

    def close(self) -> None:
        """Close the connection of this process. The next use opens another one."""
        own = self._own()
        with own.lock:
            own.close()

    def _own(self) -> _OfProcess:
        return self._of_processes.setdefault(os.getpid(), _OfProcess())

    def _persist(self, act: Callable[[sqlite3.Connection], T], table: Table) -> T:
        """Call *act* until the file is not locked."""
        end = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._act(act, table)
            except sqlite3.Error as error:
                if not _is_busy(error):
                    raise self._failure(error) from error
                if time.monotonic() + pause > end:
                    raise StoreError(
                        f"the SQLite file {self.path} was locked for {self._patience:g} s\n"
                        "end the process that has a transaction open in it, or have more patience"
                    ) from error
            time.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _act(self, act: Callable[[sqlite3.Connection], T], table: Table) -> T:
        own = self._own()
        with own.lock:
            try:
                connection = self._connected(own)
                if table.name not in own.tables:
                    _in_transaction(connection, lambda it: self._prepare(it, table))
                    own.tables.add(table.name)
                return act(connection)
            except sqlite3.Error as error:
                # A file that was damaged may be another one by the next time.
                if not _is_busy(error):
                    own.close()
                raise

    def _connected(self, own: _OfProcess) -> sqlite3.Connection:
        if own.connection is None:
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                # Readers and a writer do not wait for each other.
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute(f"PRAGMA synchronous={self._synchronous}")
            except BaseException:
                connection.close()
                raise
            own.connection = connection
        return own.connection

    def _prepare(self, connection: sqlite3.Connection, table: Table) -> None:
        """Make the table, unless it is there."""
        connection.execute(_MAKE_VERSIONS)
        version = connection.execute(_VERSION_OF, [table.name]).fetchone()
        if connection.execute(_IS_THERE, [table.name]).fetchone():
            self._check(table, version)
            return
        for statement in table.statements:
            connection.execute(statement.format(quoted(table.name), table.name.replace('"', '""')))
        connection.execute(_NOTE_VERSION, [table.name, table.version])

    def _check(self, table: Table, found: tuple[int] | None) -> None:
        if found is None:
            raise StoreError(
                f"the table {table.name} in {self.path} is something else's\n"
                "name another file, or give another prefix"
            )
        if found[0] != table.version:
            raise StoreError(
                f"the table {table.name} in {self.path} is of version {found[0]}, "
                f"not {table.version}\n"
                "use the version of simclock that made it, or name another file"
            )

    def _failure(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        remedies = (remedy for part, remedy in _REMEDIES.items() if part in text)
        return StoreError(
            f"the SQLite file {self.path} cannot be used: {text}\n{next(remedies, _OTHERWISE)}"
        )


def opened(database: str | os.PathLike[str] | Database, **settings: float) -> Database:
    """Return *database*, or a `Database` at this path, with these settings."""
    if not isinstance(database, Database):
        return Database(database, **settings)  # type: ignore[arg-type] # a bool is one, too
    if settings:
        raise TypeError(
            f"a Database has its settings already: {', '.join(settings)}\n"
            "give them to it, or give a path"
        )
    return database


def check_name(name: str) -> str:
    """Return *name*, of a table.

    Raises:
        ValueError: SQLite has no tables that are called so.
    """
    if "\0" in name or name.lower().startswith("sqlite_"):
        raise ValueError(
            f"no table of SQLite can be called {name!r}\n"
            "give another prefix, without the character NUL, that does not begin with 'sqlite_'"
        )
    return name


def quoted(name: str) -> str:
    """Return *name*, of a table, as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    try:
        # IMMEDIATE: one that reads first and becomes a writer later can only start anew.
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # It may not have begun, and some errors have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _is_busy(error: sqlite3.Error) -> bool:
    return str(error).startswith(_BUSY)
