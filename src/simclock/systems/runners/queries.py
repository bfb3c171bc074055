"""What is asked about invocations, of one or of many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock.systems._shared.stores.arguments import check_page
from simclock.systems.runners.statuses import TRANSITIONS, InvocationStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId
    from simclock.systems.runners.ledger import Ledger
    from simclock.systems.runners.statuses import InvocationStatusRecord
    from simclock.systems.runners.stored import StoredInvocation

_OWNED = [each for each in InvocationStatus if each.is_owned]


class Queries:
    """Questions to the ledger. What changes meanwhile may be left out of many.

    Args:
        ledger: The records of invocations.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def get(self, invocation_id: InvocationId) -> StoredInvocation:
        """Return all that is known of an invocation.

        Raises:
            InvocationNotFoundError: There is none.
        """
        return self.ledger.get(invocation_id)

    def status(self, invocation_id: InvocationId) -> InvocationStatusRecord:
        """Return where an invocation is.

        Raises:
            InvocationNotFoundError: There is none.
        """
        return self.ledger.get(invocation_id).status_record

    def count_invocations(
        self,
        statuses: Collection[InvocationStatus] | None = None,
        task: TaskId | None = None,
    ) -> int:
        """Return how many there are, of any of these statuses, and of that task."""
        return len(self._matching(statuses, task))

    def get_invocation_ids_paginated(
        self,
        limit: int,
        offset: int = 0,
        *,
        statuses: Collection[InvocationStatus] | None = None,
        task: TaskId | None = None,
    ) -> list[InvocationId]:
        """Return ids, the newest first, of any of these statuses, and of that task."""
        check_page(limit, offset)
        found = self._matching(statuses, task)
        return [each.id for each in found[offset : offset + limit]]

    def get_task_invocation_ids(self, task: TaskId) -> list[InvocationId]:
        """Return the ids of a task's invocations, the newest first."""
        return [each.id for each in self._matching(task=task)]

    def get_call_invocation_ids(self, call_id: CallId) -> list[InvocationId]:
        """Return the ids of the invocations with these arguments, the newest first."""
        return [each.id for each in self._matching(task=call_id.task_id) if each.call_id == call_id]

    def get_invocation_ids_of_runner(self, runner_id: str) -> list[InvocationId]:
        """Return the ids of those that a runner owns, the newest first."""
        return [each.id for each in self._matching(_OWNED) if each.owner == runner_id]

    def filter_by_status(
        self, invocation_ids: Iterable[InvocationId], statuses: Collection[InvocationStatus]
    ) -> list[InvocationId]:
        """Return those that have one of the statuses, in their order.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return [each for each in invocation_ids if self.status(each).status in statuses]

    def filter_by_final(self, invocation_ids: Iterable[InvocationId]) -> list[InvocationId]:
        """Return those that are final, in their order.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self.filter_by_status(invocation_ids, TRANSITIONS.finals)

    def _matching(
        self, statuses: Collection[InvocationStatus] | None = None, task: TaskId | None = None
    ) -> list[StoredInvocation]:
        """Return those of any of these statuses, and of that task, newest first."""
        # By their ids: one that changes meanwhile is found twice.
        found: dict[InvocationId, StoredInvocation] = {}
        for status in InvocationStatus if statuses is None else statuses:
            for stored in self.ledger.of_status(status):
                if task is None or stored.task == task:
                    found[stored.id] = stored
        return sorted(found.values(), key=_age)


def _age(stored: StoredInvocation) -> float:
    return -stored.history[0].timestamp.timestamp()
