"""The records of invocations: each change is one compare-and-set."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

from simclock.systems.runners.failures import (
    DamagedRecordError,
    InvocationNotFoundError,
    InvocationStatusRaceConditionError,
)
from simclock.systems.runners.stored import StoredInvocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simclock.systems._shared.stores.interfaces import Records, StoredRecord
    from simclock.systems.runners.statuses import InvocationStatus

_logger = logging.getLogger("simclock.systems.runners")
# How often a change that others were faster than is tried. Each time one of them got on.
TRIES = 20
_MARK = "mark"  # of who has written a value: no two writes have the same


class Ledger:
    """What is known of all invocations. It may be used from any thread.

    Args:
        records: Where.
        keep: For how many seconds final ones are kept; None: for ever.
    """

    def __init__(self, records: Records, keep: float | None) -> None:
        self._records = records
        self._keep = keep

    def create(self, stored: StoredInvocation) -> bool:
        """Write a new invocation; return False if there is one of that id."""
        at = stored.since.timestamp()
        if self._records.create(str(stored.id), stored.status.value, stored.to_value(), at=at):
            return True
        # A store that got no answer has asked again: it may be there because of the first time.
        return self.find(stored.id) == stored

    def find(self, invocation_id: str) -> StoredInvocation | None:
        """Return the invocation, if there is one.

        Raises:
            DamagedRecordError: It cannot be read.
        """
        row = self._records.get(str(invocation_id))
        return None if row is None else StoredInvocation.from_value(invocation_id, row.value)

    def get(self, invocation_id: str) -> StoredInvocation:
        """Return the invocation.

        Raises:
            InvocationNotFoundError: There is none.
        """
        return StoredInvocation.from_value(invocation_id, self._row(invocation_id).value)

    def change(
        self,
        invocation_id: str,
        decide: Callable[[StoredInvocation], Sequence[StoredInvocation]],
    ) -> Sequence[StoredInvocation]:
        """Change the invocation at once by all the steps that *decide* returns; return these.

        It is called anew with what is there each time that somebody else was
        faster; what it raises changes nothing.

        Raises:
            InvocationNotFoundError: There is none.
            InvocationStatusRaceConditionError: Others were faster, again and again.
        """
        mark = uuid.uuid4().hex
        for _ in range(TRIES):
            row = self._row(invocation_id)
            steps = decide(StoredInvocation.from_value(invocation_id, row.value))
            if not steps or self._write(row, steps[-1], mark):
                return steps
        raise InvocationStatusRaceConditionError(invocation_id, TRIES)

    def _row(self, invocation_id: str) -> StoredRecord:
        row = self._records.get(str(invocation_id))
        if row is None:
            raise InvocationNotFoundError(invocation_id)
        return row

    def _write(self, row: StoredRecord, stored: StoredInvocation, mark: str) -> bool:
        expires = None
        if stored.status.is_final and self._keep is not None:
            expires = time.time() + self._keep
        value = {**stored.to_value(), _MARK: mark}
        key = str(stored.id)
        if self._records.swap(key, row.version, stored.status.value, value, expires=expires):
            return True
        # A store that got no answer has asked again: that False may be an answer to the second
        # write, which the first one was faster than.
        found = self._records.get(key)
        return (
            found is not None and isinstance(found.value, dict) and found.value.get(_MARK) == mark
        )

    def of_status(self, status: InvocationStatus) -> list[StoredInvocation]:
        """Return all of that status, newest first; what cannot be read is logged."""
        found = []
        for key, row in self._records.with_status(status.value):
            try:
                found.append(StoredInvocation.from_value(key, row.value))
            except DamagedRecordError:
                _logger.exception("an invocation is left out")
        return found
