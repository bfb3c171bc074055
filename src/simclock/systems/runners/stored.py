"""What is kept of an invocation, all in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems.runners.failures import DamagedRecordError
from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId
from simclock.systems.runners.statuses import InvocationStatus, InvocationStatusRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Of the record's layout: another number for each change.
LAYOUT = 1
# What waits long for others of its kind is rerouted without end: the first entry and the latest
# ones are kept.
LONGEST_HISTORY = 100


class HistoryEntry(NamedTuple):
    """One line of an invocation's history.

    Attributes:
        status: What was reached.
        runner_id: By whom; None: nobody who could own it.
        timestamp: When; aware, in UTC.
        note: Why, if there is more to say.
    """

    status: InvocationStatus
    runner_id: str | None
    timestamp: datetime
    note: str | None = None


class StoredError(NamedTuple):
    """What a task has failed with.

    Attributes:
        type_name: Of its class.
        text: What it says.
        payload: The error as the serializer has written it; None: `failures.restore` makes it.
    """

    type_name: str
    text: str
    payload: str | None = None


@dataclass(frozen=True)
class StoredInvocation:
    """An invocation as it is kept.

    Attributes:
        id: Which.
        task: What it runs.
        arguments: With what, by name; as the serializer has written them.
        call_id: The task with these arguments.
        status: Where it is.
        owner: Which runner has it; None: nobody.
        since: When it got its status; aware, in UTC.
        routing: How often it was made available: older entries of the queue are void.
        delay: Seconds for which it was to wait, when it was made available the last time.
        executions: How often its body was begun.
        retries: How often it was tried again because it failed.
        recoveries: How often it was tried again because its runner was lost.
        parent: Which invocation has called it.
        history: What it went through; of a long one the middle is gone.
        result: What it returned, as the serializer has written it.
        error: What it failed with.
        waits_for: What it waits for, while it is paused.
    """

    id: InvocationId
    task: TaskId
    arguments: Mapping[str, str]
    call_id: CallId
    status: InvocationStatus
    owner: str | None
    since: datetime
    routing: int = 0
    delay: float = 0.0
    executions: int = 0
    retries: int = 0
    recoveries: int = 0
    parent: InvocationId | None = None
    history: tuple[HistoryEntry, ...] = ()
    result: str | None = None
    error: StoredError | None = None
    waits_for: tuple[InvocationId, ...] = ()

    @property
    def status_record(self) -> InvocationStatusRecord:
        """Its status, owner and instant."""
        return InvocationStatusRecord(self.status, self.owner, self.since)

    def to_value(self) -> dict[str, Any]:
        """Return what a record can keep, and `from_value` reads."""
        return {
            "layout": LAYOUT,
            "task": self.task.key,
            "arguments": dict(self.arguments),
            "args_id": self.call_id.args_id,
            "status": self.status.value,
            "owner": self.owner,
            "since": self.since,
            "routing": self.routing,
            "delay": self.delay,
            "executions": self.executions,
            "retries": self.retries,
            "recoveries": self.recoveries,
            "parent": None if self.parent is None else str(self.parent),
            "history": [(each.status.value, *each[1:]) for each in self.history],
            "result": self.result,
            "error": None if self.error is None else tuple(self.error),
            "waits_for": [str(each) for each in self.waits_for],
        }

    @classmethod
    def from_value(cls, invocation_id: str, value: Any) -> StoredInvocation:
        """Return what `to_value` has written.

        Raises:
            DamagedRecordError: This is something else, or of another version.
        """
        if not isinstance(value, dict) or value.get("layout") != LAYOUT:
            found = value.get("layout") if isinstance(value, dict) else None
            raise DamagedRecordError(
                f"the record of invocation {invocation_id} is of layout {found!r}, not {LAYOUT}\n"
                "use the version that has written it, or another prefix"
            )
        try:
            return _read(InvocationId(invocation_id), value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamagedRecordError(
                f"this is no record of an invocation: {invocation_id}: {error!r}\n"
                "it was written by something else, or was damaged: purge it"
            ) from error


def with_entry(history: tuple[HistoryEntry, ...], entry: HistoryEntry) -> tuple[HistoryEntry, ...]:
    """Return *history* with one more entry, without its middle if it gets too long."""
    if len(history) >= LONGEST_HISTORY:
        history = (history[0], *history[2:])
    return (*history, entry)


def _read(invocation_id: InvocationId, value: dict[str, Any]) -> StoredInvocation:
    task = TaskId.from_key(value["task"])
    parent, error = value["parent"], value["error"]
    return StoredInvocation(
        id=invocation_id,
        task=task,
        arguments=value["arguments"],
        call_id=CallId(task, value["args_id"]),
        status=InvocationStatus(value["status"]),
        owner=value["owner"],
        since=value["since"],
        routing=value["routing"],
        delay=value["delay"],
        executions=value["executions"],
        retries=value["retries"],
        recoveries=value["recoveries"],
        parent=None if parent is None else InvocationId(parent),
        history=tuple(
            HistoryEntry(InvocationStatus(status), *rest) for status, *rest in value["history"]
        ),
        result=value["result"],
        error=None if error is None else StoredError(*error),
        waits_for=tuple(map(InvocationId, value["waits_for"])),
    )
