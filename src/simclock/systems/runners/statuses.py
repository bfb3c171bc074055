"""The fourteen statuses of an invocation: which may follow which, and who may say so."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from simclock.systems._shared.statuses import Transitions
from simclock.systems.runners.failures import (
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
)

if TYPE_CHECKING:
    from datetime import datetime


class InvocationStatus(enum.Enum):
    """Where an invocation is.

    *Available* ones may be taken by any runner. *Final* ones never change.
    """

    REGISTERED = "registered"
    CONCURRENCY_CONTROLLED = "concurrency_controlled"
    CONCURRENCY_CONTROLLED_FINAL = "concurrency_controlled_final"
    REROUTED = "rerouted"
    PENDING = "pending"
    PENDING_RECOVERY = "pending_recovery"
    RUNNING = "running"
    RUNNING_RECOVERY = "running_recovery"
    PAUSED = "paused"
    RESUMED = "resumed"
    KILLED = "killed"
    RETRY = "retry"
    SUCCESS = "success"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows it."""
        return self in TRANSITIONS.finals

    @property
    def is_available(self) -> bool:
        """Whether a runner may take the invocation."""
        return self in AVAILABLE

    @property
    def is_owned(self) -> bool:
        """Whether one runner has the invocation, and only that one may change it."""
        return self in OWNED


class InvocationStatusRecord(NamedTuple):
    """A status, and who gave it when.

    Attributes:
        status: The status.
        runner_id: Who owns the invocation; None: nobody.
        timestamp: Since when; aware, in UTC.
    """

    status: InvocationStatus
    runner_id: str | None
    timestamp: datetime


_S = InvocationStatus
# The original's, and: all available ones can be held back by concurrency control, for good too
# (there a rerouted one that was ended its runner); paused and resumed ones can be recovered; and
# whoever gives an invocation back for the last time fails it.
TABLE: dict[InvocationStatus, frozenset[InvocationStatus]] = {
    _S.REGISTERED: frozenset(
        {_S.PENDING, _S.CONCURRENCY_CONTROLLED, _S.CONCURRENCY_CONTROLLED_FINAL}
    ),
    _S.REROUTED: frozenset(
        {_S.PENDING, _S.CONCURRENCY_CONTROLLED, _S.CONCURRENCY_CONTROLLED_FINAL}
    ),
    _S.RETRY: frozenset({_S.PENDING, _S.CONCURRENCY_CONTROLLED, _S.CONCURRENCY_CONTROLLED_FINAL}),
    _S.CONCURRENCY_CONTROLLED: frozenset({_S.REROUTED}),
    _S.PENDING: frozenset({_S.RUNNING, _S.KILLED, _S.REROUTED, _S.FAILED, _S.PENDING_RECOVERY}),
    _S.PENDING_RECOVERY: frozenset({_S.REROUTED, _S.FAILED}),
    _S.RUNNING: frozenset(
        {_S.PAUSED, _S.KILLED, _S.RETRY, _S.SUCCESS, _S.FAILED, _S.RUNNING_RECOVERY}
    ),
    _S.RUNNING_RECOVERY: frozenset({_S.REROUTED, _S.FAILED}),
    _S.PAUSED: frozenset({_S.RESUMED, _S.KILLED, _S.RUNNING_RECOVERY}),
    _S.RESUMED: frozenset(
        {_S.PAUSED, _S.KILLED, _S.RETRY, _S.SUCCESS, _S.FAILED, _S.RUNNING_RECOVERY}
    ),
    _S.KILLED: frozenset({_S.REROUTED, _S.FAILED}),
    _S.SUCCESS: frozenset(),
    _S.FAILED: frozenset(),
    _S.CONCURRENCY_CONTROLLED_FINAL: frozenset(),
}
TRANSITIONS = Transitions(TABLE)
AVAILABLE = frozenset({_S.REGISTERED, _S.REROUTED, _S.RETRY})
OWNED = frozenset({_S.PENDING, _S.RUNNING, _S.PAUSED, _S.RESUMED})
# What takes an invocation from its owner, who is taken to be dead.
OVERRIDES = frozenset({_S.PENDING_RECOVERY, _S.RUNNING_RECOVERY})


def next_owner(
    before: InvocationStatus, after: InvocationStatus, owner: str | None, actor: str | None
) -> str | None:
    """Return who owns the invocation once *after* has followed *before*.

    Args:
        before: Its status.
        after: The one it is to get.
        owner: Who owns it.
        actor: Who says so; None: nobody who could own it.

    Raises:
        InvocationStatusTransitionError: The table does not allow it.
        InvocationStatusOwnershipError: Somebody else owns it, or nobody would.
    """
    if not TRANSITIONS.allows(before, after):
        raise InvocationStatusTransitionError(before, after, TABLE[before])
    if before in OWNED and after not in OVERRIDES and actor != owner:
        raise InvocationStatusOwnershipError(before, after, owner, actor, "somebody else owns it")
    if after not in OWNED:
        return None
    if actor is None:
        raise InvocationStatusOwnershipError(before, after, owner, actor, "it needs an owner")
    return actor
