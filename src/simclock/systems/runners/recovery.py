"""What a crash can leave behind is found, and mended: one invocation after the other."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from simclock.systems.runners.failures import (
    DamagedRecordError,
    InvocationNotFoundError,
    InvocationStatusError,
)
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.steps import check_fence, given_back, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.identifiers import InvocationId
    from simclock.systems.runners.orchestrator import Orchestrator
    from simclock.systems.runners.stored import StoredInvocation

_logger = logging.getLogger("simclock.systems.runners")
_S = InvocationStatus
_AVAILABLE = [each for each in InvocationStatus if each.is_available]
_TAKEN = [each for each in InvocationStatus if not each.is_final and not each.is_available]
# How often those that are available are looked at while one of them gets too old. They may be many.
_LOOKS = 4
# Two changes that this library makes at once, but others may have ended between.
_HALF_WAY = frozenset(
    {_S.KILLED, _S.PENDING_RECOVERY, _S.RUNNING_RECOVERY, _S.CONCURRENCY_CONTROLLED}
)
# What follows when its owner is dead.
_RECOVERIES = {
    _S.PENDING: _S.PENDING_RECOVERY,
    _S.RUNNING: _S.RUNNING_RECOVERY,
    _S.PAUSED: _S.RUNNING_RECOVERY,
    _S.RESUMED: _S.RUNNING_RECOVERY,
}


class _Sight(NamedTuple):
    """What was seen of an invocation.

    Attributes:
        version: What changes whenever it does.
        since: When that was seen first, by the own monotonic clock.
        hints: How many hints it got since.
    """

    version: tuple[object, ...]
    since: float
    hints: int = 0


class _Sights:
    """What was seen of those that were there when one looked the last time."""

    def __init__(self) -> None:
        self._sights: dict[InvocationId, _Sight] = {}

    def look_at(self, found: Sequence[StoredInvocation]) -> None:
        now = time.monotonic()
        seen, self._sights = self._sights, {}
        for stored in found:
            version = (stored.routing, stored.status, len(stored.history), stored.since)
            sight = seen.get(stored.id)
            if sight is None or sight.version != version:
                sight = _Sight(version, now)
            self._sights[stored.id] = sight

    def age(self, stored: StoredInvocation) -> float:
        """Return for how many seconds it has been seen as it is."""
        return time.monotonic() - self._sights[stored.id].since

    def hints(self, stored: StoredInvocation) -> int:
        return self._sights[stored.id].hints

    def count_hint(self, stored: StoredInvocation) -> None:
        sight = self._sights[stored.id]
        self._sights[stored.id] = sight._replace(hints=sight.hints + 1)


class Recovery:
    """Looks at all that is not final. Several may do so at once, though one is enough.

    It knows only what it has seen itself: what is to be mended has to be seen
    by one `Recovery`, unchanged for long enough, in several steps. Not for
    several threads.
    """

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._settings = orchestrator.settings
        self._heartbeats = orchestrator.heartbeats
        self._taken, self._available = _Sights(), _Sights()
        self._next_look = time.monotonic()  # at those that are available

    def step(self, runner: RunnerContext) -> int:
        """Look at all once; return how many were mended.

        Raises:
            StateBackendError: The storage cannot be used. The next step goes on.
        """
        mended = self._orchestrator.registrations.complete() + self._mend_taken(runner.runner_id)
        if time.monotonic() >= self._next_look:
            mended += self._mend_available()
            self._next_look = time.monotonic() + self._settings.unclaimed_after / _LOOKS
        return mended

    def watch(self) -> None:
        """Look at heartbeats only: a step that comes later knows by then who is dead.

        Those who own something without ever having had one are found by steps alone.

        Raises:
            StateBackendError: The storage cannot be used.
        """
        self._heartbeats.watch()

    def _mend_taken(self, actor: str) -> int:
        found = self._of(_TAKEN)
        owners = {stored.owner for stored in found if stored.owner is not None}
        self._heartbeats.watch(owners)
        self._taken.look_at(found)
        mended = sum(self._mend(stored, actor) for stored in found)
        self._heartbeats.remove_dead(owners)
        return mended

    def _mend_available(self) -> int:
        found = self._of(_AVAILABLE)
        self._available.look_at(found)
        return sum(self._hint_again(stored) for stored in found)

    def _of(self, statuses: Sequence[InvocationStatus]) -> list[StoredInvocation]:
        of_status = self._orchestrator.ledger.of_status
        return [stored for status in statuses for stored in of_status(status)]

    def _mend(self, stored: StoredInvocation, actor: str) -> bool:
        try:
            if stored.status in _HALF_WAY:
                return self._is_stuck(stored) and self._go_on(stored, actor)
            return self._recover_from_the_dead(stored, actor)
        except (InvocationStatusError, InvocationNotFoundError, DamagedRecordError) as error:
            # Somebody else was faster with this one; the others are mended all the same.
            _logger.info("invocation %s was not recovered: %s", stored.id, error)
            return False

    def _is_stuck(self, stored: StoredInvocation) -> bool:
        return self._taken.age(stored) >= self._settings.max_pending_seconds

    def _hint_again(self, stored: StoredInvocation) -> bool:
        """Push another hint; each one after twice the time, as it may only have to wait long."""
        hints = self._available.hints(stored)
        patience = self._settings.unclaimed_after * 2**hints
        if self._available.age(stored) < stored.delay + patience:
            return False
        # Under another key: the first hint may be claimed, or due, by a clock that is wrong.
        self._orchestrator.hints.push_again(stored, hints + 1)
        self._available.count_hint(stored)
        return True

    def _recover_from_the_dead(self, stored: StoredInvocation, actor: str) -> bool:
        owner = stored.owner
        is_pending = stored.status is _S.PENDING
        if owner is not None and self._heartbeats.is_dead(owner):
            note = f"{owner} is dead"
        elif is_pending and self._is_stuck(stored):
            note = f"{owner} did not begin it"
        else:
            return False

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            self._check_unchanged(now, stored, actor)
            recovered = step(now, _RECOVERIES[now.status], actor, note=note)
            # What was not begun does not make its runners crash.
            most = None if is_pending else self._most(now)
            return [recovered, given_back(recovered, actor, most=most)]

        self._orchestrator.changes.apply(stored.id, decide)
        return True

    def _go_on(self, stored: StoredInvocation, actor: str) -> bool:
        """Take the second of two steps."""

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            self._check_unchanged(now, stored, actor)
            counts = now.status is _S.RUNNING_RECOVERY
            return [given_back(now, actor, most=self._most(now) if counts else None)]

        self._orchestrator.changes.apply(stored.id, decide)
        return True

    def _most(self, stored: StoredInvocation) -> int:
        return self._orchestrator.changes.options_of(stored.task).max_recoveries

    def _check_unchanged(self, now: StoredInvocation, seen: StoredInvocation, actor: str) -> None:
        check_fence(now, _S.REROUTED, actor, seen.routing)
        if (now.status, now.owner, now.since) != (seen.status, seen.owner, seen.since):
            raise InvocationStatusError(
                f"invocation {seen.id} was changed meanwhile\nlook at it again"
            )
