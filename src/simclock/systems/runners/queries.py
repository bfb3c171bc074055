"""What is asked about many invocations at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock.systems.runners.failures import InvocationNotFoundError
from simclock.systems.runners.statuses import InvocationStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId
    from simclock.systems.runners.ledger import Ledger
    from simclock.systems.runners.stored import StoredInvocation

_OWNED = [each for each in InvocationStatus if each.is_owned]


class Queries:
    """Questions to the ledger. What changes meanwhile may be left out, or be there twice."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def matching(
        self, statuses: Collection[InvocationStatus] | None = None, task: TaskId | None = None
    ) -> list[StoredInvocation]:
        """Return those of any of these statuses, and of that task, newest first."""
        found: dict[InvocationId, StoredInvocation] = {}
        for status in InvocationStatus if statuses is None else statuses:
            for stored in self._ledger.of_status(status):
                if task is None or stored.task == task:
                    found[stored.id] = stored
        return sorted(found.values(), key=_age)

    def of_call(self, call_id: CallId) -> list[InvocationId]:
        """Return the ids of those with that task and these arguments, newest first."""
        return [each.id for each in self.matching(task=call_id.task_id) if each.call_id == call_id]

    def of_runner(self, runner_id: str) -> list[InvocationId]:
        """Return the ids of those that a runner owns, newest first."""
        return [each.id for each in self.matching(_OWNED) if each.owner == runner_id]

    def with_statuses(
        self, invocation_ids: Iterable[InvocationId], statuses: Collection[InvocationStatus]
    ) -> list[InvocationId]:
        """Return those of the ids whose invocation has one of the statuses, in their order.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return [each for each in invocation_ids if self._status(each) in statuses]

    def _status(self, invocation_id: InvocationId) -> InvocationStatus:
        stored = self._ledger.find(invocation_id)
        if stored is None:
            raise InvocationNotFoundError(invocation_id)
        return stored.status


def _age(stored: StoredInvocation) -> float:
    return -stored.history[0].timestamp.timestamp()
