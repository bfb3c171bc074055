"""Jobs and records in a SQLite file: of one machine, of several processes, as durable as it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import encode
from simclock.systems._shared.stores.arguments import (
    check_expiry,
    check_instant,
    check_page,
    check_priority,
)
from simclock.systems._shared.stores.databases import Database, Table, check_name, opened, quoted
from simclock.systems._shared.stores.interfaces import Counts, Job, StoredRecord
from simclock.systems._shared.stores.texts import read_payload, read_value

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Mapping

# Invariant: `at` is None if, and only if, the job is ready; otherwise it is when the claim of its
# `owner` expires or, without one, when its delay ends.
# A place is one more than the highest there is, which is enough: it is compared with those only.
_JOBS = (
    """CREATE TABLE {0} (
        place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,
        priority INTEGER NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0, owner TEXT, at REAL
    )""",
    'CREATE INDEX "{1} ready" ON {0} (priority, place) WHERE at IS NULL',
    'CREATE INDEX "{1} waiting" ON {0} (at) WHERE at IS NOT NULL',
    'CREATE UNIQUE INDEX "{1} owned" ON {0} (owner) WHERE owner IS NOT NULL',
)
_PUSH = "INSERT INTO {0} (key, payload, priority, at) VALUES (:key, :payload, :priority, :due)"
_IS_THERE = "SELECT 1 FROM {0} WHERE key = :key"
# No more than the limit are counted.
_IS_FULL = "SELECT 1 FROM {0} WHERE owner IS NULL LIMIT 1 OFFSET :others"
_IS_WORTH_A_CLAIM = (
    "SELECT 1 FROM {0} WHERE at IS NULL UNION ALL SELECT 1 FROM {0} WHERE at <= :now"
    " UNION ALL SELECT 1 FROM {0} WHERE owner = :owner LIMIT 1"
)
_FIELDS = "SELECT place, key, payload, priority, deliveries FROM {0} "
_OWNED = _FIELDS + "WHERE owner = :owner"
_MAKE_READY = "UPDATE {0} SET at = NULL, owner = NULL WHERE at <= :now"
_FIRST = _FIELDS + "WHERE at IS NULL ORDER BY priority, place LIMIT 1"
_CLAIM = "UPDATE {0} SET owner = :owner, at = :until, deliveries = :deliveries WHERE place = :place"
_RENEW = "UPDATE {0} SET at = :until WHERE key = :key AND owner = :owner"
_ACKNOWLEDGE = "DELETE FROM {0} WHERE key = :key AND owner = :owner"
_RELEASE = (
    "UPDATE {0} SET owner = NULL, at = :due, place = (SELECT max(place) + 1 FROM {0})"
    " WHERE key = :key AND owner = :owner"
)
_REMOVE = "DELETE FROM {0} WHERE key = :key AND owner IS NULL"
_COUNTS = (
    "SELECT (SELECT count(*) FROM {0} WHERE at IS NULL)"
    " + (SELECT count(*) FROM {0} WHERE at <= :now),"
    " (SELECT count(*) FROM {0} WHERE at > :now AND owner IS NULL),"
    " (SELECT count(*) FROM {0} WHERE at > :now AND owner IS NOT NULL)"
)
_NEXT_INSTANT = "SELECT min(at) FROM {0} WHERE at > :now"
_CLEAR = "DELETE FROM {0} WHERE true"  # with a condition it says how many they were


class _InTable:
    """A store in one table of a `Database`.

    Args:
        database: A path, or a `Database` that others use, too.
        prefix: What the table's name begins with, for several stores in a file. They must
            differ in more than upper and lower case.
        settings: Of the `Database`, if a path is given: patience, durable.
    """

    # Of the table: what its name ends with; the version of its columns; what makes it.
    _suffix: str
    _version: int
    _statements: tuple[str, ...]

    def __init__(
        self,
        database: str | os.PathLike[str] | Database,
        prefix: str = "simclock",
        **settings: float,
    ) -> None:
        self._table = Table(check_name(f"{prefix}:{self._suffix}"), self._version, self._statements)
        self._name = quoted(self._table.name)
        self._database = opened(database, **settings)

    @property
    def _where(self) -> str:
        return f"the table {self._table.name} of {self._database.path}"

    def _execute(
        self, connection: sqlite3.Connection, statement: str, arguments: Mapping[str, Any]
    ) -> sqlite3.Cursor:
        return connection.execute(statement.format(self._name), arguments)

    def _change(self, statement: str, **arguments: Any) -> int:
        """Execute one statement, and return how many rows it has changed."""
        return self._database.write(
            self._table, lambda it: self._execute(it, statement, arguments).rowcount
        )

    def _select(self, statement: str, **arguments: Any) -> list[Any]:
        return self._database.read(
            self._table, lambda it: self._execute(it, statement, arguments).fetchall()
        )

    def clear(self) -> int:
        """Remove all; return how many."""
        return self._change(_CLEAR)

    def close(self) -> None:
        """Close the `Database`. It is opened again when it is used again."""
        self._database.close()


class SqliteJobs(_InTable):
    """The `Jobs` of one machine, in a SQLite file. For the arguments see `_InTable`."""

    _suffix = "jobs"
    _version = 1
    _statements = _JOBS

    def push(
        self, key: str, payload: Any, *, priority: int = 0, due: float = 0, limit: int | None = None
    ) -> bool:
        """Add a job. See `Jobs`."""
        arguments = {
            "key": key,
            "payload": encode(payload),
            "priority": check_priority(priority),
            "due": check_instant(due, "due"),
        }

        def work(connection: sqlite3.Connection) -> bool:
            if self._execute(connection, _IS_THERE, arguments).fetchone():
                return True
            if limit is not None and self._has(connection, limit):
                return False
            self._execute(connection, _PUSH, arguments)
            return True

        return self._database.write(self._table, work)

    def _has(self, connection: sqlite3.Connection, limit: int) -> bool:
        """Return whether there are so many jobs that nobody has claimed."""
        found = self._execute(connection, _IS_FULL, {"others": limit - 1}).fetchone()
        return found is not None or limit == 0

    def claim(self, owner: str, *, now: float, until: float) -> Job | None:
        """Claim the first ready job. See `Jobs`."""
        arguments = {
            "owner": owner,
            "now": check_instant(now, "now"),
            "until": check_instant(until, "until"),
        }
        # Who finds nothing keeps nobody from writing.
        if not self._select(_IS_WORTH_A_CLAIM, **arguments):
            return None
        found = self._database.write(self._table, lambda it: self._claim(it, arguments))
        if found is None:
            return None
        _, key, payload, priority, deliveries = found
        value = read_payload(payload, f"the job {key!r}", self._where)
        return Job(key, value, priority, deliveries)

    def _claim(self, connection: sqlite3.Connection, arguments: dict[str, Any]) -> Any:
        found = self._execute(connection, _OWNED, arguments).fetchone()
        if found is None:
            self._execute(connection, _MAKE_READY, arguments)
            found = self._execute(connection, _FIRST, arguments).fetchone()
            if found is None:
                return None
            found = (*found[:-1], found[-1] + 1)
        changes = {**arguments, "place": found[0], "deliveries": found[-1]}
        self._execute(connection, _CLAIM, changes)
        return found

    def renew(self, key: str, owner: str, *, until: float) -> bool:
        """Prolong a claim. See `Jobs`."""
        until = check_instant(until, "until")
        return bool(self._change(_RENEW, key=key, owner=owner, until=until))

    def acknowledge(self, key: str, owner: str) -> bool:
        """Remove a claimed job. See `Jobs`."""
        return bool(self._change(_ACKNOWLEDGE, key=key, owner=owner))

    def release(self, key: str, owner: str, *, due: float) -> bool:
        """Give a claimed job back. See `Jobs`."""
        due = check_instant(due, "due")
        return bool(self._change(_RELEASE, key=key, owner=owner, due=due))

    def remove(self, key: str) -> bool:
        """Remove a job that nobody has claimed. See `Jobs`."""
        return bool(self._change(_REMOVE, key=key))

    def counts(self, now: float) -> Counts:
        """Return how many jobs there are. See `Jobs`."""
        return Counts(*self._select(_COUNTS, now=check_instant(now, "now"))[0])

    def next_instant(self, now: float) -> float | None:
        """Return when the next job gets ready by itself. See `Jobs`."""
        found: float | None = self._select(_NEXT_INSTANT, now=check_instant(now, "now"))[0][0]
        return found


_RECORDS = (
    """CREATE TABLE {0} (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
        status TEXT NOT NULL, value TEXT NOT NULL, expires REAL, at REAL NOT NULL
    )""",
    'CREATE INDEX "{1} of_status" ON {0} (status, at, number)',
    'CREATE INDEX "{1} expiring" ON {0} (expires) WHERE expires IS NOT NULL',
)
_CREATE = (
    "INSERT INTO {0} (key, version, status, value, expires, at)"
    " VALUES (:key, 1, :status, :value, :expires, :at) ON CONFLICT (key) DO NOTHING"
)
_ROWS = "SELECT key, version, status, value, expires FROM {0} "
_GET = _ROWS + "WHERE key = :key"
_SWAP = (
    "UPDATE {0} SET version = version + 1, status = :status, value = :value, expires = :expires"
    " WHERE key = :key AND version = :version"
)
_DELETE = "DELETE FROM {0} WHERE key = :key"
_WITH_STATUS = (
    _ROWS + "WHERE status = :status ORDER BY at DESC, number DESC LIMIT :limit OFFSET :offset"
)
_PURGE = "DELETE FROM {0} WHERE expires <= :now"
_COUNT = "SELECT count(*) FROM {0}"
_NO_LIMIT = -1  # to SQLite


class SqliteRecords(_InTable):
    """The `Records` of one machine, in a SQLite file. For the arguments see `_InTable`."""

    _suffix = "records"
    _version = 1
    _statements = _RECORDS

    def _row(self, found: Any) -> StoredRecord:
        key, version, status, text, expires = found
        value = read_value(text, version, f"the record {key!r}", self._where)
        return StoredRecord(version, status, value, expires)

    def create(
        self, key: str, status: str, value: Any, *, at: float, expires: float | None = None
    ) -> bool:
        """Write a new record. See `Records`."""
        at, expires = check_instant(at, "at"), check_expiry(expires)
        text = encode(value)
        changed = self._change(_CREATE, key=key, status=status, value=text, expires=expires, at=at)
        return bool(changed)

    def get(self, key: str) -> StoredRecord | None:
        """Return the record, if there is one. See `Records`."""
        found = self._select(_GET, key=key)
        return self._row(found[0]) if found else None

    def swap(
        self, key: str, version: int, status: str, value: Any, *, expires: float | None = None
    ) -> bool:
        """Overwrite the record if it still has that version. See `Records`."""
        expires, text = check_expiry(expires), encode(value)
        changed = self._change(
            _SWAP, key=key, version=version, status=status, value=text, expires=expires
        )
        return bool(changed)

    def delete(self, key: str) -> bool:
        """Remove the record. See `Records`."""
        return bool(self._change(_DELETE, key=key))

    def with_status(
        self, status: str, *, limit: int | None = None, offset: int = 0
    ) -> list[tuple[str, StoredRecord]]:
        """Return keys and records of a status. See `Records`."""
        check_page(limit, offset)
        most = _NO_LIMIT if limit is None else limit
        found = self._select(_WITH_STATUS, status=status, limit=most, offset=offset)
        return [(each[0], self._row(each)) for each in found]

    def purge(self, now: float) -> int:
        """Remove the records that have expired. See `Records`."""
        return self._change(_PURGE, now=check_instant(now, "now"))

    def count(self) -> int:
        """Return how many records there are."""
        found: int = self._select(_COUNT)[0][0]
        return found
