"""Jobs and records that a `StoreServer` on another machine keeps."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from simclock.systems._shared.codecs import encode
from simclock.systems._shared.stores.arguments import (
    check_expiry,
    check_instant,
    check_page,
    check_priority,
)
from simclock.systems._shared.stores.interfaces import (
    Counts,
    DamagedRecord,
    Job,
    StoredRecord,
    StoreError,
)
from simclock.systems._shared.stores.wire import Connection, unpacked_job, unpacked_record

SCHEME = "served"


class StoreClient:
    """Asks a `StoreServer`; several stores and threads may share one.

    It connects when it is needed, and keeps connections that are free for the
    next one that asks. Nothing is asked twice by itself: after a `StoreError`
    it may have been done.

    Args:
        url: ``served://host:port``.
        timeout: Seconds within which each operation has its answer, or fails.

    Raises:
        ValueError: *url* is none, or *timeout* has no meaning.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._address = _address(url)
        if not timeout > 0:
            raise ValueError(f"no answer can be in time: {timeout!r}\ngive a positive number")
        self.where = url
        self._timeout = timeout
        self._lock = threading.Lock()
        # Of each process: what a child finds after a fork is its parent's.
        self._free: dict[int, list[Connection]] = {}

    def ask(self, store: str, name: str, *arguments: Any, **options: Any) -> Any:
        """Return what an operation of a store returned there.

        Raises:
            StoreError: There was no answer in time, or the store cannot be used; `DamagedRecord`
                if the record cannot be read there.
            ValueError: An argument has no meaning.
        """
        request = encode([store, name, list(arguments), options])
        try:
            kind, found = self._answer(request, time.monotonic() + self._timeout)
        # A ValueError: what has come is no answer.
        except (OSError, ValueError) as error:
            raise self._failure(error) from error
        if kind == "value":
            return found
        if kind == "DamagedRecord":
            raise DamagedRecord(*found)
        raise (ValueError if kind == "ValueError" else StoreError)(found)

    def _answer(self, request: str, end: float) -> list[Any]:
        connection = self._connection(end)
        try:
            connection.send(request, _left(end))
            found = connection.receive(_left(end))
            if not isinstance(found, list) or len(found) != 2:
                raise ValueError(f"this is no answer: {found!r:.200}")
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return found

    def _connection(self, end: float) -> Connection:
        while True:
            with self._lock:
                free = self._free.get(os.getpid())
                connection = free.pop() if free else None
            if connection is None:
                return _connected(self._address, end)
            # The server may have ended meanwhile.
            if connection.is_idle():
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            self._free.setdefault(os.getpid(), []).append(connection)

    def _failure(self, error: Exception) -> StoreError:
        return StoreError(
            f"the stores at {self.where} cannot be used: {error}\n"
            "see that the server runs, and that this machine may connect to it; "
            "the operation can be repeated"
        )

    def close(self) -> None:
        """Close the connections that are free. The next use makes others."""
        with self._lock:
            connections = self._free.pop(os.getpid(), [])
        for each in connections:
            each.close()


def _connected(address: tuple[str, int], end: float) -> Connection:
    failure: OSError = ConnectionError("the host has no address")
    for family, kind, protocol, _, where in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(end))
            sock.connect(where)
            return Connection(sock)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
    raise failure


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        if parts.scheme == SCHEME and parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass  # what is no port
    raise ValueError(f"this is no URL of a store server: {url!r}\ngive {SCHEME}://host:port")


class _Served:
    """A store that a client asks for by its name."""

    _kind = ""

    def __init__(self, client: str | StoreClient, name: str) -> None:
        self._client = client if isinstance(client, StoreClient) else StoreClient(client)
        self._name = f"{self._kind} {name}"

    def _ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        # Keys may be of a class of their own, which the codec refuses.
        plain = [str(each) if isinstance(each, str) else each for each in arguments]
        return self._client.ask(self._name, name, *plain, **options)

    def close(self) -> None:
        """Close the connections of the client. It connects when it is used again."""
        self._client.close()


class ServedJobs(_Served):
    """The `Jobs` of a name at a `StoreServer`.

    Args:
        client: A URL, or a `StoreClient` that others use, too.
        name: By which the server knows them.
    """

    _kind = "jobs"

    def push(
        self, key: str, payload: Any, *, priority: int = 0, due: float = 0, limit: int | None = None
    ) -> bool:
        """Add a job. See `Jobs`."""
        priority, due = check_priority(priority), check_instant(due, "due")
        text = encode(payload)
        return bool(self._ask("push", key, text, priority=priority, due=due, limit=limit))

    def claim(self, owner: str, *, now: float, until: float) -> Job | None:
        """Claim the first ready job. See `Jobs`."""
        now, until = check_instant(now, "now"), check_instant(until, "until")
        return unpacked_job(self._ask("claim", owner, now=now, until=until))

    def renew(self, key: str, owner: str, *, until: float) -> bool:
        """Prolong a claim. See `Jobs`."""
        return bool(self._ask("renew", key, owner, until=check_instant(until, "until")))

    def acknowledge(self, key: str, owner: str) -> bool:
        """Remove a claimed job. See `Jobs`."""
        return bool(self._ask("acknowledge", key, owner))

    def release(self, key: str, owner: str, *, due: float) -> bool:
        """Give a claimed job back. See `Jobs`."""
        return bool(self._ask("release", key, owner, due=check_instant(due, "due")))

    def remove(self, key: str) -> bool:
        """Remove a job that nobody has claimed. See `Jobs`."""
        return bool(self._ask("remove", key))

    def counts(self, now: float) -> Counts:
        """Return how many jobs there are. See `Jobs`."""
        return Counts(*self._ask("counts", check_instant(now, "now")))

    def next_instant(self, now: float) -> float | None:
        """Return when the next job gets ready by itself. See `Jobs`."""
        found: float | None = self._ask("next_instant", check_instant(now, "now"))
        return found

    def clear(self) -> int:
        """Remove all jobs. See `Jobs`."""
        return int(self._ask("clear"))


class ServedRecords(_Served):
    """The `Records` of a name at a `StoreServer`.

    Args:
        client: A URL, or a `StoreClient` that others use, too.
        name: By which the server knows them.
    """

    _kind = "records"

    def create(
        self, key: str, status: str, value: Any, *, at: float, expires: float | None = None
    ) -> bool:
        """Write a new record. See `Records`."""
        at, expires = check_instant(at, "at"), check_expiry(expires)
        return bool(self._ask("create", key, status, encode(value), at=at, expires=expires))

    def get(self, key: str) -> StoredRecord | None:
        """Return the record, if there is one. See `Records`."""
        return unpacked_record(self._ask("get", key))

    def swap(
        self, key: str, version: int, status: str, value: Any, *, expires: float | None = None
    ) -> bool:
        """Overwrite the record if it still has that version. See `Records`."""
        expires = check_expiry(expires)
        return bool(self._ask("swap", key, version, status, encode(value), expires=expires))

    def delete(self, key: str) -> bool:
        """Remove the record. See `Records`."""
        return bool(self._ask("delete", key))

    def with_status(
        self, status: str, *, limit: int | None = None, offset: int = 0
    ) -> list[tuple[str, StoredRecord]]:
        """Return keys and records of a status. See `Records`."""
        check_page(limit, offset)
        found = self._ask("with_status", status, limit=limit, offset=offset)
        rows = [(key, unpacked_record(parts)) for key, parts in found]
        return [(key, row) for key, row in rows if row is not None]

    def purge(self, now: float) -> int:
        """Remove the records that have expired. See `Records`."""
        return int(self._ask("purge", check_instant(now, "now")))

    def count(self) -> int:
        """Return how many records there are."""
        return int(self._ask("count"))

    def clear(self) -> int:
        """Remove all. See `Records`."""
        return int(self._ask("clear"))
