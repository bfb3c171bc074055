"""What a client and a server of stores say to each other: one value a line."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import decode, encode
from simclock.systems._shared.stores.interfaces import Damaged, Job, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems._shared.stores.interfaces import Jobs, Records

# Bytes of a line. Who sends more is no client, or would fill the memory.
LONGEST = 64 * 1024 * 1024
_AT_ONCE = 65536


class Connection:
    """A socket that takes and gives lines, each of which is an encoded value.

    Args:
        sock: Connected; it is this one's from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._rest = b""

    def send(self, text: str, timeout: float) -> None:
        """Send an encoded value.

        Raises:
            OSError: It cannot be sent, in time.
        """
        self._sock.settimeout(timeout)
        self._sock.sendall(text.encode() + b"\n")

    def receive(self, timeout: float) -> Any:
        """Return the next value.

        Raises:
            OSError: There is none, in time.
            Undecodable: It is none.
        """
        end = time.monotonic() + timeout
        parts = [self._rest]
        size = len(self._rest)
        while b"\n" not in parts[-1]:
            parts.append(self._more(end - time.monotonic()))
            size += len(parts[-1])
            if size > LONGEST:
                raise ConnectionAbortedError(f"a line of more than {LONGEST} bytes")
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return decode(line.decode())

    def _more(self, timeout: float) -> bytes:
        if timeout <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(timeout)
        found = self._sock.recv(_AT_ONCE)
        if not found:
            raise ConnectionResetError("the other side has closed the connection")
        return found

    def is_idle(self) -> bool:
        """Return whether it is open, as far as is known here, and nothing has come unasked."""
        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except BlockingIOError:
            return not self._rest
        except OSError:
            pass
        return False

    def close(self) -> None:
        """End it, also for a thread that waits for something to come. Idempotent."""
        with contextlib.suppress(OSError):  # it has ended already
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


# ------------------------------------------------- what is asked for, and what is answered


def packed_payload(payload: Any) -> Any:
    """Return a payload, as a text, or what is wrong with it, as a list."""
    return [payload.why] if isinstance(payload, Damaged) else encode(payload)


def unpacked_job(parts: Any) -> Job | None:
    """Return the job that a server has sent, or None."""
    if parts is None:
        return None
    key, payload, priority, deliveries = parts
    value = decode(payload) if isinstance(payload, str) else Damaged(*payload)
    return Job(key, value, priority, deliveries)


def unpacked_record(parts: Any) -> StoredRecord | None:
    """Return the record that a server has sent, or None."""
    if parts is None:
        return None
    version, status, text, expires = parts
    return StoredRecord(version, status, decode(text), expires)


def _push(jobs: Jobs, key: str, text: str, **options: Any) -> Any:
    return jobs.push(key, decode(text), **options)


def _claim(jobs: Jobs, owner: str, **times: Any) -> Any:
    job = jobs.claim(owner, **times)
    return job and [job.key, packed_payload(job.payload), job.priority, job.deliveries]


def _create(records: Records, key: str, status: str, text: str, **options: Any) -> Any:
    return records.create(key, status, decode(text), **options)


def _swap(records: Records, key: str, version: int, status: str, text: str, **options: Any) -> Any:
    return records.swap(key, version, status, decode(text), **options)


def _get(records: Records, key: str) -> Any:
    found = records.get(key)
    return None if found is None else _packed_record(found)


def _with_status(records: Records, status: str, **page: Any) -> Any:
    return [[key, _packed_record(each)] for key, each in records.with_status(status, **page)]


def _packed_record(record: StoredRecord) -> list[Any]:
    return [record.version, record.status, encode(record.value), record.expires]


def _plain(name: str) -> Callable[..., Any]:
    def call(store: Any, *arguments: Any, **options: Any) -> Any:
        found = getattr(store, name)(*arguments, **options)
        return tuple(found) if isinstance(found, tuple) else found

    return call


# All that a server does for others; by the number of a store's methods, not by their names.
JOBS: dict[str, Callable[..., Any]] = {
    "push": _push,
    "claim": _claim,
    **{
        name: _plain(name)
        for name in ("renew", "acknowledge", "release", "remove", "counts", "next_instant", "clear")
    },
}
RECORDS: dict[str, Callable[..., Any]] = {
    "create": _create,
    "get": _get,
    "swap": _swap,
    "with_status": _with_status,
    **{name: _plain(name) for name in ("delete", "purge", "count", "clear")},
}
