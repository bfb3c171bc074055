"""Jobs and records of one process, in memory: gone with it."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from simclock.systems._shared.queues import Ranking
from simclock.systems._shared.stores.arguments import (
    check_expiry,
    check_instant,
    check_page,
    check_priority,
)
from simclock.systems._shared.stores.interfaces import Counts, Job, StoredRecord


class _Job:
    """A job, and its owner while it is claimed."""

    __slots__ = ("deliveries", "owner", "payload", "place", "priority")

    def __init__(self, payload: Any, priority: int, place: int) -> None:
        self.payload = payload
        self.priority = priority
        self.place = place
        self.deliveries = 0
        self.owner: str | None = None


class MemoryJobs:
    """The `Jobs` of one process. Payloads are kept as they are, not copied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._places = itertools.count()
        self._jobs: dict[str, _Job] = {}
        # Invariant: each job is in one of these; in `_claimed` if, and only if, it has an owner.
        self._ready: Ranking[str] = Ranking()  # by priority and place
        self._delayed: Ranking[str] = Ranking()  # by the instant at which the delay ends
        self._claimed: Ranking[str] = Ranking()  # by the instant at which the claim expires
        self._of_owner: dict[str, str] = {}

    def push(
        self, key: str, payload: Any, *, priority: int = 0, due: float = 0, limit: int | None = None
    ) -> bool:
        """Add a job. See `Jobs`."""
        priority, due = check_priority(priority), check_instant(due, "due")
        with self._lock:
            if key in self._jobs:
                return True
            if limit is not None and len(self._jobs) - len(self._claimed) >= limit:
                return False
            self._jobs[key] = _Job(payload, priority, next(self._places))
            self._delayed.add(key, due)
            return True

    def claim(self, owner: str, *, now: float, until: float) -> Job | None:
        """Claim the first ready job. See `Jobs`."""
        now, until = check_instant(now, "now"), check_instant(until, "until")
        with self._lock:
            key = self._of_owner.get(owner)
            if key is None:
                self._make_ready(now)
                key = self._ready.pop()
                if key is None:
                    return None
                self._jobs[key].owner = owner
                self._jobs[key].deliveries += 1
                self._of_owner[owner] = key
            self._claimed.add(key, until)
            job = self._jobs[key]
            return Job(key, job.payload, job.priority, job.deliveries)

    def _make_ready(self, now: float) -> None:
        for key in self._claimed.pop_until(now):
            self._disown(self._jobs[key])
            self._queue(key)
        for key in self._delayed.pop_until(now):
            self._queue(key)

    def _disown(self, job: _Job) -> None:
        assert job.owner is not None
        del self._of_owner[job.owner]
        job.owner = None

    def _queue(self, key: str) -> None:
        job = self._jobs[key]
        self._ready.add(key, (job.priority, job.place))

    def renew(self, key: str, owner: str, *, until: float) -> bool:
        """Prolong a claim. See `Jobs`."""
        until = check_instant(until, "until")
        with self._lock:
            if self._of_owner.get(owner) != key:
                return False
            self._claimed.add(key, until)
            return True

    def acknowledge(self, key: str, owner: str) -> bool:
        """Remove a claimed job. See `Jobs`."""
        with self._lock:
            if self._of_owner.get(owner) != key:
                return False
            self._claimed.discard(key)
            self._disown(self._jobs.pop(key))
            return True

    def release(self, key: str, owner: str, *, due: float) -> bool:
        """Give a claimed job back. See `Jobs`."""
        due = check_instant(due, "due")
        with self._lock:
            if self._of_owner.get(owner) != key:
                return False
            job = self._jobs[key]
            self._claimed.discard(key)
            self._disown(job)
            job.place = next(self._places)
            self._delayed.add(key, due)
            return True

    def remove(self, key: str) -> bool:
        """Remove a job that nobody has claimed. See `Jobs`."""
        with self._lock:
            if not (self._ready.discard(key) or self._delayed.discard(key)):
                return False
            del self._jobs[key]
            return True

    def counts(self, now: float) -> Counts:
        """Return how many jobs there are. See `Jobs`."""
        now = check_instant(now, "now")
        with self._lock:
            due = self._delayed.span(now).within
            expired = self._claimed.span(now).within
            return Counts(
                ready=len(self._ready) + due + expired,
                delayed=len(self._delayed) - due,
                claimed=len(self._claimed) - expired,
            )

    def next_instant(self, now: float) -> float | None:
        """Return when the next job gets ready by itself. See `Jobs`."""
        now = check_instant(now, "now")
        with self._lock:
            instants = [each.span(now).following for each in (self._delayed, self._claimed)]
        return min((each for each in instants if each is not None), default=None)

    def clear(self) -> int:
        """Remove all jobs. See `Jobs`."""
        with self._lock:
            count = len(self._jobs)
            self._forget()
            return count

    def close(self) -> None:
        """Do nothing: nothing is open."""


class _Record:
    """A record, and what it is ordered by."""

    __slots__ = ("order", "row")

    def __init__(self, row: StoredRecord, order: tuple[float, int]) -> None:
        self.row = row
        self.order = order


class MemoryRecords:
    """The `Records` of one process. Values are kept as they are, not copied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._numbers = itertools.count()
        self._records: dict[str, _Record] = {}
        # Invariant: the keys of all records, each under its status.
        self._of_status: dict[str, set[str]] = {}
        self._expiring: Ranking[str] = Ranking()  # by the instant from which on it is gone

    def create(
        self, key: str, status: str, value: Any, *, at: float, expires: float | None = None
    ) -> bool:
        """Write a new record. See `Records`."""
        at, expires = check_instant(at, "at"), check_expiry(expires)
        with self._lock:
            if key in self._records:
                return False
            row = StoredRecord(1, status, value, expires)
            self._records[key] = _Record(row, (at, next(self._numbers)))
            self._note(key, row)
            return True

    def get(self, key: str) -> StoredRecord | None:
        """Return the record, if there is one. See `Records`."""
        with self._lock:
            record = self._records.get(key)
            return None if record is None else record.row

    def swap(
        self, key: str, version: int, status: str, value: Any, *, expires: float | None = None
    ) -> bool:
        """Overwrite the record if it still has that version. See `Records`."""
        expires = check_expiry(expires)
        with self._lock:
            record = self._records.get(key)
            if record is None or record.row.version != version:
                return False
            self._unnote(key, record.row)
            record.row = StoredRecord(version + 1, status, value, expires)
            self._note(key, record.row)
            return True

    def delete(self, key: str) -> bool:
        """Remove the record. See `Records`."""
        with self._lock:
            return self._remove(key)

    def _remove(self, key: str) -> bool:
        record = self._records.pop(key, None)
        if record is None:
            return False
        self._unnote(key, record.row)
        return True

    def _note(self, key: str, row: StoredRecord) -> None:
        self._of_status.setdefault(row.status, set()).add(key)
        if row.expires is not None:
            self._expiring.add(key, row.expires)

    def _unnote(self, key: str, row: StoredRecord) -> None:
        keys = self._of_status[row.status]
        keys.discard(key)
        if not keys:
            del self._of_status[row.status]
        self._expiring.discard(key)

    def with_status(
        self, status: str, *, limit: int | None = None, offset: int = 0
    ) -> list[tuple[str, StoredRecord]]:
        """Return keys and records of a status. See `Records`."""
        check_page(limit, offset)
        end = None if limit is None else offset + limit
        with self._lock:
            found = [(key, self._records[key]) for key in self._of_status.get(status, ())]
            found.sort(key=lambda item: item[1].order, reverse=True)
            return [(key, record.row) for key, record in found[offset:end]]

    def purge(self, now: float) -> int:
        """Remove the records that have expired. See `Records`."""
        now = check_instant(now, "now")
        with self._lock:
            return sum(self._remove(key) for key in self._expiring.pop_until(now))

    def count(self) -> int:
        """Return how many records there are."""
        with self._lock:
            return len(self._records)

    def clear(self) -> int:
        """Remove all. See `Records`."""
        with self._lock:
            count = len(self._records)
            self._forget()
            return count

    def close(self) -> None:
        """Do nothing: nothing is open."""
