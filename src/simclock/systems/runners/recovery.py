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
_NOT_FINAL = [each for each in InvocationStatus if not each.is_final]
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
    hints: int


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
        self._sights: dict[InvocationId, _Sight] = {}

    def step(self, runner: RunnerContext) -> int:
        """Look at all once; return how many were mended.

        Raises:
            StateBackendError: The storage cannot be used. The next step goes on.
        """
        mended = self._orchestrator.registrations.complete()
        found = [
            stored
            for status in _NOT_FINAL
            for stored in self._orchestrator.ledger.of_status(status)
        ]
        owners = {stored.owner for stored in found if stored.owner is not None}
        self._heartbeats.watch(owners)
        self._look_at(found)
        mended += sum(self._mend(stored, runner.runner_id) for stored in found)
        self._heartbeats.remove_dead(owners)
        return mended

    def _look_at(self, found: Sequence[StoredInvocation]) -> None:
        now = time.monotonic()
        seen, self._sights = self._sights, {}
        for stored in found:
            version = (stored.routing, stored.status, len(stored.history), stored.since)
            sight = seen.get(stored.id)
            if sight is None or sight.version != version:
                sight = _Sight(version, now, 0)
            self._sights[stored.id] = sight

    def _mend(self, stored: StoredInvocation, actor: str) -> bool:
        try:
            if stored.status.is_available:
                return self._hint_again(stored)
            if stored.status in _HALF_WAY:
                return self._is_stuck(stored) and self._go_on(stored, actor)
            return self._recover_from_the_dead(stored, actor)
        except (InvocationStatusError, InvocationNotFoundError, DamagedRecordError) as error:
            # Somebody else was faster with this one; the others are mended all the same.
            _logger.info("invocation %s was not recovered: %s", stored.id, error)
            return False

    def _age(self, stored: StoredInvocation) -> float:
        return time.monotonic() - self._sights[stored.id].since

    def _is_stuck(self, stored: StoredInvocation) -> bool:
        return self._age(stored) >= self._settings.max_pending_seconds

    def _hint_again(self, stored: StoredInvocation) -> bool:
        """Push another hint; each one after twice the time, as it may only have to wait long."""
        sight = self._sights[stored.id]
        patience = self._settings.unclaimed_after * 2**sight.hints
        if self._age(stored) < stored.delay + patience:
            return False
        # Under another key: the first hint may be claimed, or due, by a clock that is wrong.
        self._orchestrator.hints.push_again(stored, sight.hints + 1)
        self._sights[stored.id] = sight._replace(hints=sight.hints + 1)
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
