"""What a store does, whatever it keeps things in."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class StoreError(Exception):
    """A store cannot be used: it is not there, went away, is locked by others, or is corrupt.

    Its cause is the error of the library, if there is one. What was to be done
    may have been done: each operation can be repeated.
    """


class DamagedRecord(StoreError):
    """A record cannot be read: somebody else has changed it. Nothing was done.

    Attributes:
        version: Its version: what `Records.swap` compares, to put another one in its place.
    """

    def __init__(self, text: str, version: int) -> None:
        super().__init__(text)
        self.version = version


class Damaged(NamedTuple):
    """In place of a payload that cannot be read: somebody else has changed it.

    Whoever has claimed that job can still acknowledge it. An error would come
    again with each claim, and keep all from what is behind it.

    Attributes:
        why: What is wrong with it.
    """

    why: str


class Job(NamedTuple):
    """One job that a claim has taken.

    Attributes:
        key: What it is known by; unique in its queue.
        payload: What was pushed; or `Damaged`.
        priority: Lower numbers are claimed first.
        deliveries: How often it has been claimed, this time included.
    """

    key: str
    payload: Any
    priority: int
    deliveries: int


class Counts(NamedTuple):
    """How many jobs a queue has, by what they wait for.

    Attributes:
        ready: May be claimed now.
        delayed: May be claimed later.
        claimed: Are claimed, and the claim has not expired.
    """

    ready: int
    delayed: int
    claimed: int


class Jobs(Protocol):
    """A queue of jobs with priorities, delays and claims that expire: no worker's end loses one.

    A job is *delayed* until its instant, then *ready*, *claimed* by one owner,
    and gone when that acknowledges it. A claim that is not renewed expires,
    and the job is ready again. Of ready jobs the one with the lowest priority
    number is claimed first; of equal ones the one that was pushed, or
    released, first. A claim that expires does not change its place.

    Instants are seconds of the wall clock (``time.time()``), which several
    machines share, as finite numbers. The store has no clock: callers say what
    time it is, and nothing waits. So what is due gets ready, and an expired
    claim ends, with the next `claim` by anybody at that time or later: until
    then the job is its owner's, who may renew, acknowledge or release it. What
    is ready stays so, also for callers whose clocks are behind.

    Keys, owners and statuses are any text that UTF-8 can encode; payloads
    anything in memory, elsewhere what the codec can take.

    Each operation is atomic, may be called from any thread and any process
    that the store reaches, and may be repeated after a `StoreError`: doing it
    twice is doing it once, but the second `acknowledge`, `release` or `remove`
    says False, and a `push` whose job was claimed and acknowledged meanwhile
    adds it again.
    """

    def push(
        self, key: str, payload: Any, *, priority: int = 0, due: float = 0, limit: int | None = None
    ) -> bool:
        """Add a job; return False if *limit* or more are there that nobody has claimed.

        One that is there already, by its key, is left as it is: True.

        Args:
            key: What it is known by.
            payload: What `claim` returns.
            priority: A whole number from -2**53 to 2**53; lower ones come first.
            due: Until when it is delayed.
            limit: None: any number.

        Raises:
            NotSerialisable: The codec cannot take *payload*. Nothing was added.
        """

    def claim(self, owner: str, *, now: float, until: float) -> Job | None:
        """Claim the first ready job until that instant; None if there is none.

        Args:
            owner: Who claims, by a name that is used for one claim only. One
                that already owns a job is given that again, until the new
                instant, as the same delivery.
            now: What time it is.
            until: When the claim expires, unless it is renewed.
        """

    def renew(self, key: str, owner: str, *, until: float) -> bool:
        """Prolong a claim; return False if it is not the owner's any more."""

    def acknowledge(self, key: str, owner: str) -> bool:
        """Remove a claimed job; return False if it is not the owner's any more."""

    def release(self, key: str, owner: str, *, due: float) -> bool:
        """Give a claimed job back, for later; return False if it is not the owner's any more."""

    def remove(self, key: str) -> bool:
        """Remove a job that nobody has claimed; return whether it was there."""

    def counts(self, now: float) -> Counts:
        """Return how many jobs there are."""

    def next_instant(self, now: float) -> float | None:
        """Return when, after *now*, the next job gets ready by itself; None if none does.

        By itself: its delay ends, or its claim expires.
        """

    def clear(self) -> int:
        """Remove all jobs, also claimed ones; return how many."""

    def close(self) -> None:
        """Let go of what it has open. Idempotent.

        It may be used again, and opens then what it needs.
        """


class StoredRecord(NamedTuple):
    """A record as it was read.

    Attributes:
        version: Counts the writes, from 1 on: what `Records.swap` compares.
        status: One of the words of who writes it.
        value: What was written.
        expires: The instant from which on it is to be taken as gone; None: never.
    """

    version: int
    status: str
    value: Any
    expires: float | None = None


class Records(Protocol):
    """A table of records whose changes are compare-and-set.

    Each operation is atomic, may be called from any thread and any process
    that the store reaches, and may be repeated after a `StoreError`; a
    `create`, `swap` or `delete` that was repeated may return False although it
    was done.
    """

    def create(
        self, key: str, status: str, value: Any, *, at: float, expires: float | None = None
    ) -> bool:
        """Write a new record, version 1; return False if there is one.

        Args:
            key: What it is known by.
            status: What `with_status` finds it by.
            value: Anything in memory; elsewhere what the codec can take.
            at: Its instant: what `with_status` orders by. A `swap` keeps it.
            expires: When `purge` is to remove it. A `swap` sets it anew.

        Raises:
            NotSerialisable: The codec cannot take *value*. Nothing was written.
        """

    def get(self, key: str) -> StoredRecord | None:
        """Return the record, if there is one.

        Raises:
            DamagedRecord: It cannot be read.
        """

    def swap(
        self, key: str, version: int, status: str, value: Any, *, expires: float | None = None
    ) -> bool:
        """Overwrite the record if it still has that version; return whether it had.

        Raises:
            NotSerialisable: The codec cannot take *value*. Nothing was written.
        """

    def delete(self, key: str) -> bool:
        """Remove the record; return whether it was there."""

    def with_status(
        self, status: str, *, limit: int | None = None, offset: int = 0
    ) -> list[tuple[str, StoredRecord]]:
        """Return keys and records of a status, those of the latest instant first.

        Of equal instants the one that was created last is first.
        """

    def purge(self, now: float) -> int:
        """Remove the records that have expired; return how many."""

    def count(self) -> int:
        """Return how many records there are."""

    def clear(self) -> int:
        """Remove all; return how many."""

    def close(self) -> None:
        """Let go of what it has open. Idempotent.

        It may be used again, and opens then what it needs.
        """
