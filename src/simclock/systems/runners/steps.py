"""One step of an invocation from one status to the next, as a new value. Nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.failures import (
    InvocationStatusError,
    InvocationStatusOwnershipError,
    PoisonedInvocationError,
)
from simclock.systems.runners.statuses import InvocationStatus, next_owner
from simclock.systems.runners.stored import HistoryEntry, StoredError, StoredInvocation, with_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId


def registered(
    invocation_id: InvocationId,
    task: TaskId,
    call_id: CallId,
    arguments: Mapping[str, str],
    *,
    parent: InvocationId | None,
    delay: float,
) -> StoredInvocation:
    """Return a new invocation."""
    now = datetime.now(timezone.utc)
    return StoredInvocation(
        id=invocation_id,
        task=task,
        arguments=dict(arguments),
        call_id=call_id,
        status=InvocationStatus.REGISTERED,
        owner=None,
        since=now,
        routing=1,
        delay=delay,
        parent=parent,
        history=(HistoryEntry(InvocationStatus.REGISTERED, None, now),),
    )


def step(
    stored: StoredInvocation,
    after: InvocationStatus,
    actor: str | None,
    *,
    note: str | None = None,
    **fields: Any,
) -> StoredInvocation:
    """Return the invocation with its next status.

    Args:
        stored: As it is.
        after: The next status.
        actor: Which runner says so.
        note: Why, for the history.
        fields: What else changes.

    Raises:
        InvocationStatusTransitionError: The table does not allow it.
        InvocationStatusOwnershipError: *actor* may not say so.
    """
    try:
        owner = next_owner(stored.status, after, stored.owner, actor)
    except InvocationStatusError as error:
        error.invocation_id = stored.id
        raise
    now = datetime.now(timezone.utc)
    if after.is_available:
        fields = {"routing": stored.routing + 1, "delay": 0.0, **fields}
    entry = HistoryEntry(after, actor, now, note)
    return replace(
        stored,
        status=after,
        owner=owner,
        since=now,
        history=with_entry(stored.history, entry),
        **fields,
    )


def given_back(
    stored: StoredInvocation, actor: str | None, *, most: int | None, note: str | None = None
) -> StoredInvocation:
    """Return the invocation as it is made available again, or as failed if that was too often.

    Args:
        stored: As it is: killed, or to be recovered.
        actor: Which runner says so.
        most: How often that may be; None: it does not count.
        note: Why, for the history.
    """
    if most is None:
        return step(stored, InvocationStatus.REROUTED, actor, note=note)
    if stored.recoveries < most:
        return step(
            stored, InvocationStatus.REROUTED, actor, note=note, recoveries=stored.recoveries + 1
        )
    poisoned = PoisonedInvocationError(stored.id, stored.recoveries)
    error = StoredError(type(poisoned).__name__, str(poisoned))
    return step(stored, InvocationStatus.FAILED, actor, note=error.text, error=error)


def check_fence(
    stored: StoredInvocation, after: InvocationStatus, actor: str, routing: int | None
) -> None:
    """Raise an `InvocationStatusOwnershipError` if the invocation was rerouted meanwhile.

    Then its owner may be the same runner again, but not the same thread of it.
    """
    if routing is None or routing == stored.routing:
        return
    error = InvocationStatusOwnershipError(
        stored.status, after, stored.owner, actor, f"it was rerouted after routing {routing}"
    )
    error.invocation_id = stored.id
    raise error


def was_taken_already(
    stored: StoredInvocation, after: InvocationStatus, actor: str, routing: int | None
) -> bool:
    """Return whether *actor* has taken that step already: it was repeated.

    Only with a fence: without one the step may have been another one.
    """
    if routing is None or stored.status is not after:
        return False
    expected = routing + 1 if after.is_available else routing
    return stored.routing == expected and stored.history[-1].runner_id == actor
