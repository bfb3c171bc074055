"""Leases: one at a time does something, whoever is paused, cut off, or has another clock."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.liveness import Liveness

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems._shared.stores.interfaces import Records, StoredRecord

HELD, FREE = "held", "free"


class Lease:
    """A record that one of several holders has for a while, and renews.

    Never do two of them see that they hold it at one instant. The holder
    believes it until *duration* after it began its last renewal that was done;
    others take it over when they have seen nobody renew it for as long and a
    margin. Each measures by its own monotonic clock. All that matters is that
    one clock is not faster than another by more than the margin.

    What was begun in the belief may end after it: what is written under a
    lease has to be written by compare-and-set, or with the *token*, by a writer
    that refuses lower ones than it has seen.

    One thread at a time acquires, renews and releases; any may look at `held`
    and `token`.

    Args:
        records: Where the record is; nobody else may remove it, or tokens begin anew.
        name: Its key.
        owner: Who wants it, for who reads the record.
        duration: Seconds. All that share the record say the same.
        margin: How much faster a clock may be than another one, as a fraction.
        clock: Seconds since any instant; never goes back.

    Raises:
        ValueError: A number has no meaning.
    """

    def __init__(
        self,
        records: Records,
        name: str,
        owner: str,
        duration: float,
        margin: float = 0.05,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.owner = owner
        self.duration = duration
        self._records = records
        self._clock = clock
        self._others = Liveness(duration, margin, clock=clock)
        # What this object has written, also if no answer came: owners may be called the same.
        self._mark = uuid.uuid4().hex
        self._token: int | None = None
        self._until: float | None = None

    @property
    def held(self) -> bool:
        """Whether it is this one's, at this instant."""
        until = self._until
        return until is not None and self._clock() < until

    @property
    def token(self) -> int | None:
        """The number of what was acquired last, higher than all before; None if it is lost."""
        return self._token

    def try_acquire(self) -> int | None:
        """Return the token if the lease could be had or is had already, else None.

        To be called now and then: who has never looked does not know for how
        long a holder has been silent.

        Raises:
            StoreError: Nothing is known. It may have been acquired: the next call tells.
        """
        began = self._clock()
        found = self._records.get(self.name)
        if found is None:
            self._create(began)
        elif self._is_mine(found):
            self._write(found, began, found.value["token"])
        elif self._may_be_taken(found):
            # Only now, as the store may have been slow: what is younger is believed in longer.
            self._write(found, self._clock(), found.value["token"] + 1)
        else:
            self._lose()
        return self._token

    def renew(self) -> bool:
        """Prolong it; return False if it is not this one's any more.

        It may have ended: if nobody has taken it since, it is had again.

        Raises:
            StoreError: Nothing is known. What was believed stays believed, until it ends.
        """
        if self._token is None:
            return False
        began = self._clock()
        found = self._records.get(self.name)
        if found is None or not self._is_mine(found):
            self._lose()
            return False
        return self._write(found, began, found.value["token"])

    def release(self) -> None:
        """Let others have it at once. Idempotent.

        Raises:
            StoreError: They may have to wait until it ends.
        """
        if self._token is None:
            return
        token = self._token
        self._lose()
        found = self._records.get(self.name)
        if found is not None and self._is_mine(found):
            self._records.swap(self.name, found.version, FREE, self._value(token))

    def _is_mine(self, found: StoredRecord) -> bool:
        return found.status == HELD and bool(found.value["mark"] == self._mark)

    def _may_be_taken(self, found: StoredRecord) -> bool:
        # With the mark: if somebody has removed it, versions begin anew.
        self._others.observe(self.name, (found.version, found.value["mark"]))
        return found.status == FREE or self._others.is_dead(self.name)

    def _create(self, began: float) -> None:
        # An instant that says nothing: no clock of several machines is asked.
        if self._records.create(self.name, HELD, self._value(1), at=0):
            self._have(1, began)
        else:
            self._lose()

    def _write(self, found: StoredRecord, began: float, token: int) -> bool:
        if self._records.swap(self.name, found.version, HELD, self._value(token)):
            self._have(token, began)
            return True
        self._lose()
        return False

    def _value(self, token: int) -> dict[str, Any]:
        return {"owner": self.owner, "mark": self._mark, "token": token}

    def _have(self, token: int, began: float) -> None:
        self._token = token
        self._until = began + self.duration

    def _lose(self) -> None:
        self._until = None
        self._token = None
