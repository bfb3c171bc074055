"""Jobs and records in a Redis server: of several machines, as durable as it was set up to be."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import encode
from simclock.systems._shared.stores import scripts
from simclock.systems._shared.stores.arguments import (
    check_expiry,
    check_instant,
    check_page,
    check_priority,
)
from simclock.systems._shared.stores.interfaces import Counts, Job, StoredRecord
from simclock.systems._shared.stores.servers import Server, connected
from simclock.systems._shared.stores.texts import read_payload, read_value

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTHING = ""  # to a script
_NO_LIMIT = -1  # to Redis


class _OnServer:
    """A store under some keys of a `Server`."""

    def __init__(self, server: Server, prefix: str, keys: Sequence[str]) -> None:
        self._server = server
        self._keys = [f"{prefix}:{key}" for key in keys]
        self._where = f"{prefix} of {server.where}"
        self._scripts: dict[str, Any] = {}

    def _run(self, text: str, *arguments: str | float | None) -> Any:
        script = self._scripts.get(text)
        if script is None:
            # Two threads may both make one: they are equal.
            script = self._scripts[text] = self._server.script(text)
        return self._server.run(script, self._keys, *map(_argument, arguments))

    def close(self) -> None:
        """Close the connections of the `Server`. It is connected to when it is used again."""
        self._server.close()


def _text(answer: bytes) -> str:
    # The store has written UTF-8; what somebody else has made of it is shown by errors.
    return answer.decode(errors="replace")


def _argument(value: str | float | None) -> str:
    if value is None:
        return _NOTHING
    # A float's text has all of its digits.
    return value if isinstance(value, str) else repr(value)


class RedisJobs(_OnServer):
    """The `Jobs` of several machines, in a Redis server.

    Args:
        server: A URL, or a `Server` that others use, too.
        prefix: What the names of the keys begin with, for several queues on a
            server. On a cluster it needs a hash tag: ``{simclock}``.
        settings: Of the `Server`, if a URL is given: max_connections, socket_timeout,
            retry_on_timeout.
    """

    def __init__(self, server: str | Server, prefix: str = "simclock", **settings: Any) -> None:
        super().__init__(connected(server, **settings), f"{prefix}:jobs", scripts.JOBS_KEYS)

    def push(
        self, key: str, payload: Any, *, priority: int = 0, due: float = 0, limit: int | None = None
    ) -> bool:
        """Add a job. See `Jobs`."""
        priority, due = check_priority(priority), check_instant(due, "due")
        return bool(self._run(scripts.PUSH, key, encode(payload), priority, due, limit))

    def claim(self, owner: str, *, now: float, until: float) -> Job | None:
        """Claim the first ready job. See `Jobs`."""
        now, until = check_instant(now, "now"), check_instant(until, "until")
        found = self._run(scripts.CLAIM, owner, now, until)
        if found is None:
            return None
        text, payload, priority, deliveries = found
        key = _text(text)
        value = read_payload(_text(payload), f"the job {key!r}", self._where)
        return Job(key, value, int(priority), int(deliveries))

    def renew(self, key: str, owner: str, *, until: float) -> bool:
        """Prolong a claim. See `Jobs`."""
        return bool(self._run(scripts.RENEW, key, owner, check_instant(until, "until")))

    def acknowledge(self, key: str, owner: str) -> bool:
        """Remove a claimed job. See `Jobs`."""
        return bool(self._run(scripts.ACKNOWLEDGE, key, owner))

    def release(self, key: str, owner: str, *, due: float) -> bool:
        """Give a claimed job back. See `Jobs`."""
        return bool(self._run(scripts.RELEASE, key, owner, check_instant(due, "due")))

    def remove(self, key: str) -> bool:
        """Remove a job that nobody has claimed. See `Jobs`."""
        return bool(self._run(scripts.REMOVE, key))

    def counts(self, now: float) -> Counts:
        """Return how many jobs there are. See `Jobs`."""
        return Counts(*self._run(scripts.COUNTS, check_instant(now, "now")))

    def next_instant(self, now: float) -> float | None:
        """Return when the next job gets ready by itself. See `Jobs`."""
        found = self._run(scripts.NEXT_INSTANTS, check_instant(now, "now"))
        return min(map(float, found), default=None)

    def clear(self) -> int:
        """Remove all jobs. See `Jobs`."""
        return int(self._run(scripts.CLEAR_JOBS))


class RedisRecords(_OnServer):
    """The `Records` of several machines, in a Redis server.

    Args:
        server: A URL, or a `Server` that others use, too.
        prefix: What the names of the keys begin with, for several on a server.
            On a cluster it needs a hash tag: ``{simclock}``.
        settings: Of the `Server`, if a URL is given: max_connections, socket_timeout,
            retry_on_timeout.
    """

    def __init__(self, server: str | Server, prefix: str = "simclock", **settings: Any) -> None:
        super().__init__(connected(server, **settings), f"{prefix}:records", scripts.RECORDS_KEYS)

    def create(
        self, key: str, status: str, value: Any, *, at: float, expires: float | None = None
    ) -> bool:
        """Write a new record. See `Records`."""
        instant, expires = _in_order(check_instant(at, "at")), check_expiry(expires)
        return bool(self._run(scripts.CREATE, key, status, encode(value), instant, expires))

    def get(self, key: str) -> StoredRecord | None:
        """Return the record, if there is one. See `Records`."""
        found = self._run(scripts.GET, key)
        return None if found is None else self._row(found)

    def _row(self, found: Sequence[Any]) -> StoredRecord:
        key, version, status, text, expires = found
        number, what = int(version), f"the record {_text(key)!r}"
        value = read_value(_text(text), number, what, self._where)
        return StoredRecord(
            number, _text(status), value, None if expires is None else float(expires)
        )

    def swap(
        self, key: str, version: int, status: str, value: Any, *, expires: float | None = None
    ) -> bool:
        """Overwrite the record if it still has that version. See `Records`."""
        expires = check_expiry(expires)
        return bool(self._run(scripts.SWAP, key, version, status, encode(value), expires))

    def delete(self, key: str) -> bool:
        """Remove the record. See `Records`."""
        return bool(self._run(scripts.DELETE, key))

    def with_status(
        self, status: str, *, limit: int | None = None, offset: int = 0
    ) -> list[tuple[str, StoredRecord]]:
        """Return keys and records of a status. See `Records`."""
        check_page(limit, offset)
        found = self._run(
            scripts.WITH_STATUS, status, offset, _NO_LIMIT if limit is None else limit
        )
        return [(_text(each[0]), self._row(each)) for each in found]

    def purge(self, now: float) -> int:
        """Remove the records that have expired. See `Records`."""
        return int(self._run(scripts.PURGE, check_instant(now, "now")))

    def count(self) -> int:
        """Return how many records there are."""
        return int(self._run(scripts.COUNT))

    def clear(self) -> int:
        """Remove all. See `Records`."""
        return int(self._run(scripts.CLEAR_RECORDS))


def _in_order(instant: float) -> str:
    """Return 16 hexadecimal digits whose order is that of the numbers.

    The bits of a positive float are in order as they are; a negative one is
    the lower the greater they are, as all of its bits turned over are not.
    """
    (bits,) = struct.unpack(">Q", struct.pack(">d", instant + 0.0))  # no -0.0
    turned = ~bits if bits >> 63 else bits | 1 << 63
    return f"{turned & (1 << 64) - 1:016x}"
