"""What may be there only once: of the running invocations, and of those that wait to be run."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from simclock.systems.runners.failures import (
    DamagedRecordError,
    InvocationStatusRaceConditionError,
)
from simclock.systems.runners.identifiers import InvocationId, args_id_of
from simclock.systems.runners.ledger import TRIES
from simclock.systems.runners.options import ConcurrencyControlType
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.stored import StoredInvocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simclock.systems._shared.stores.interfaces import Records, StoredRecord
    from simclock.systems.runners.ledger import Ledger
    from simclock.systems.runners.options import TaskOptions

_logger = logging.getLogger("simclock.systems.runners")
TAKEN = "taken"  # by an invocation that runs, or is about to
INTENDED = "intended"  # by an invocation that may not have been created yet
MADE = "made"  # by one that was created
# Seconds after which a slot that nobody has is removed. Not at once: whoever has read it would
# overwrite another one that has come to the same version since.
_UNUSED = 86400.0
_WAITING = "waiting"  # for a slot that is taken: their ids, who came first first
# More are not noted: each adds to what is written for each of them.
_MOST_WAITING = 100


def key_of(
    kind: str, control: ConcurrencyControlType, stored: StoredInvocation, keys: tuple[str, ...]
) -> str:
    """Return the key of the slot: equal for invocations that keep each other away."""
    compared = dict(stored.arguments)
    if control is ConcurrencyControlType.TASK:
        compared = {}
    elif control is ConcurrencyControlType.KEYS:
        compared = {name: text for name, text in compared.items() if name in keys}
    return f"{kind}|{control.value}|{stored.task.key}|{args_id_of(compared)}"


class RunningSlots:
    """The slots of running concurrency: never are two invocations of one run at the same time.

    A slot is taken before the invocation becomes pending, and given back by
    nobody: it is free once its invocation is final, or was rerouted. So a
    runner that ends anywhere leaves no slot behind. A body that goes on though
    its invocation was taken from it, as its runner seemed to be dead, keeps nobody away.

    A slot has a note of who has wanted it, so that its next one can be told. It is a hint
    only: who is not told looks again by itself.
    """

    def __init__(self, slots: Records, ledger: Ledger) -> None:
        self._slots = slots
        self._ledger = ledger

    def take(self, stored: StoredInvocation, options: TaskOptions) -> bool:
        """Take the slot of an invocation that is available; return False if it is another one's.

        Then the invocation is noted as one that waits, if it is to be run later.

        Raises:
            InvocationStatusRaceConditionError: Others were faster, again and again.
        """
        control = options.running_concurrency
        if control is ConcurrencyControlType.DISABLED:
            return True
        key = key_of("running", control, stored, options.key_arguments)
        mine = {"invocation": str(stored.id), "routing": stored.routing}
        for _ in range(TRIES):
            row = self._slots.get(key)
            if row is None:
                if self._slots.create(key, TAKEN, mine, at=time.time()):
                    return True
                continue
            if mine.items() <= row.value.items():
                return True
            waiting = row.value.get(_WAITING, [])
            if self._is_free(row):
                others = [each for each in waiting if each != mine["invocation"]]
                if self._slots.swap(key, row.version, TAKEN, {**mine, _WAITING: others}):
                    return True
            elif not options.reroute_on_concurrency_control or _is_noted(waiting, mine):
                return False
            else:
                noted = {**row.value, _WAITING: [*waiting, mine["invocation"]]}
                # And look once more: nobody tells it of an end that came before.
                self._slots.swap(key, row.version, TAKEN, noted)
        raise InvocationStatusRaceConditionError(stored.id, TRIES)

    def next_of(self, left: StoredInvocation, options: TaskOptions) -> StoredInvocation | None:
        """Return the first that waits for the slot that an invocation has left, if it had one."""
        control = options.running_concurrency
        if control is ConcurrencyControlType.DISABLED:
            return None
        row = self._slots.get(key_of("running", control, left, options.key_arguments))
        if row is None or row.value["invocation"] != left.id:
            return None
        found = (self._readable(each) for each in row.value.get(_WAITING, []))
        return next((each for each in found if each is not None and each.status.is_available), None)

    def _readable(self, invocation_id: str) -> StoredInvocation | None:
        try:
            return self._ledger.find(invocation_id)
        except DamagedRecordError:
            return None  # recovery sees to it

    def _is_free(self, row: StoredRecord) -> bool:
        stored = self._ledger.find(row.value["invocation"])
        return stored is None or stored.status.is_final or stored.routing != row.value["routing"]

    def let_expire(self, now: float) -> int:
        """Let those that are free be removed, a day later; return how many there are."""
        return _let_expire(self._slots, TAKEN, self._is_free, now)


def _is_noted(waiting: list[str], mine: Mapping[str, object]) -> bool:
    return mine["invocation"] in waiting or len(waiting) >= _MOST_WAITING


class Registrations:
    """The slots of registration concurrency: of those that wait to be run one only.

    A slot is written before its invocation, with all of that: whoever finds
    it first creates the invocation, if its own caller has not come to that.

    Args:
        slots: Where.
        ledger: Where the invocations are.
        created: Is called with each invocation, and whether it was not there before.
    """

    def __init__(
        self, slots: Records, ledger: Ledger, created: Callable[[StoredInvocation, bool], None]
    ) -> None:
        self._slots = slots
        self._ledger = ledger
        self._created = created

    def register(self, new: StoredInvocation, options: TaskOptions) -> StoredInvocation:
        """Create the invocation and return it, or return the one that is registered already.

        Raises:
            InvocationStatusRaceConditionError: Others were faster, again and again.
        """
        control = options.registration_concurrency
        if control is ConcurrencyControlType.DISABLED:
            self._create(new)
            return new
        key = key_of("registration", control, new, options.key_arguments)
        value = {"invocation": str(new.id), "record": new.to_value()}
        for _ in range(TRIES):
            row = self._slots.get(key)
            if row is None:
                self._slots.create(key, INTENDED, value, at=time.time())
                continue
            if row.status == INTENDED:
                self._make(key, row)
            if row.value["invocation"] == new.id:
                return new
            found = self._ledger.find(row.value["invocation"])
            if found is not None and found.status is InvocationStatus.REGISTERED:
                return found
            if row.status == MADE:
                self._slots.swap(key, row.version, INTENDED, value)
        raise InvocationStatusRaceConditionError(new.id, TRIES)

    def _make(self, key: str, row: StoredRecord) -> None:
        """Create the invocation of a slot, unless that was done."""
        invocation_id = InvocationId(row.value["invocation"])
        self._create(StoredInvocation.from_value(invocation_id, row.value["record"]))
        # If somebody else is faster, that one has done it, or has the slot now.
        self._slots.swap(key, row.version, MADE, {"invocation": row.value["invocation"]})

    def _create(self, new: StoredInvocation) -> None:
        self._created(new, self._ledger.create(new))

    def complete(self) -> int:
        """Create what its caller has not come to; return how much that was."""
        return sum(self._is_made(*row) for row in self._slots.with_status(INTENDED))

    def _is_made(self, key: str, row: StoredRecord) -> bool:
        try:
            self._make(key, row)
        except (DamagedRecordError, LookupError, TypeError):
            _logger.exception("a registration that cannot be read is left out: %s", key)
            return False
        return True

    def let_expire(self, now: float) -> int:
        """Let those that nobody waits under be removed, a day later; return how many there are."""
        return _let_expire(self._slots, MADE, self._is_free, now)

    def _is_free(self, row: StoredRecord) -> bool:
        stored = self._ledger.find(row.value["invocation"])
        return stored is None or stored.status is not InvocationStatus.REGISTERED


def _let_expire(
    slots: Records, status: str, is_free: Callable[[StoredRecord], bool], now: float
) -> int:
    count = 0
    for key, row in slots.with_status(status):
        try:
            if row.expires is not None or not is_free(row):
                continue
        except (DamagedRecordError, LookupError, TypeError) as error:
            # Nobody knows whether it is used.
            _logger.warning("the slot %s is kept: %s", key, error)
            continue
        slots.swap(key, row.version, status, row.value, expires=now + _UNUSED)
        count += 1
    return count
