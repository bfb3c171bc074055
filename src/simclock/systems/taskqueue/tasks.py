"""A task, and the record of what becomes of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from simclock.systems._shared.retry import RetryPolicy
from simclock.systems._shared.statuses import Transitions


class TaskStatus(enum.Enum):
    """Where in its life a task is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    RETRYING = "retrying"
    CANCELLED = "cancelled"


TRANSITIONS = Transitions(
    {
        TaskStatus.PENDING: {TaskStatus.RUNNING, TaskStatus.CANCELLED},
        # RUNNING by RUNNING: who ran it was lost. By PENDING: it was interrupted and given back.
        TaskStatus.RUNNING: frozenset(TaskStatus),
        TaskStatus.RETRYING: {TaskStatus.RUNNING, TaskStatus.CANCELLED},
        TaskStatus.SUCCESS: (),
        TaskStatus.FAILED: (),
        TaskStatus.CANCELLED: (),
    }
)


@dataclass(frozen=True)
class Task:
    """One call that was submitted. Tasks are ordered by their priority only.

    Attributes:
        id: What it is known by.
        name: The name of its function.
        args: What to call that with.
        kwargs: The same, by keyword.
        max_retries: How often it is tried after the first time.
        retry_delay: Seconds before the first retry.
        current_retry: Which retry this is; 0: none.
        priority: Those with lower numbers are run first.
        cpu_bound: Whether it is for processes.
        backoff: See `RetryPolicy`.
        max_delay: The same.
        jitter: The same.
    """

    id: str
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    max_retries: int = 3
    retry_delay: float = 1.0
    current_retry: int = 0
    priority: int = 0
    cpu_bound: bool = False
    backoff: float = field(default=1.0, kw_only=True)
    max_delay: float | None = field(default=None, kw_only=True)
    jitter: float = field(default=0.0, kw_only=True)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return self.priority < other.priority

    @property
    def policy(self) -> RetryPolicy:
        """How to retry it."""
        return RetryPolicy(
            self.max_retries, self.retry_delay, self.backoff, self.max_delay, self.jitter
        )

    @property
    def to_dict(self) -> dict[str, Any]:
        """All of it; arguments are as they are."""
        return _as_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Task:
        """Return the task that `to_dict` has shown; what it does not know is left out."""
        known = _known(cls, data)
        return cls(**{**known, "args": tuple(known["args"])})


@dataclass(frozen=True)
class TaskResult:
    """The record of a task: one, from its submission to its end; each change makes a new object.

    All instants are aware, in UTC.

    Attributes:
        task_id: The task's id.
        status: Where it is.
        task_name: The name of its function.
        result: What that has returned.
        error: The text of what went wrong last.
        submitted_at: When it was submitted.
        started_at: When it was begun, the last time.
        finished_at: When it ended.
        retries: How often it was tried again because it had failed.
        args: What its function is called with.
        kwargs: The same, by keyword.
        losses: How often who ran it was lost.
        progress: What it last said by `progress`, and its note: ``(value, note)``.
        worker: Who runs it, or has run it last; of one attempt only.
    """

    task_id: str
    status: TaskStatus
    task_name: str | None = None
    result: Any = None
    error: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    retries: int = 0
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    losses: int = field(default=0, kw_only=True)
    progress: tuple[Any, str | None] | None = field(default=None, kw_only=True)
    worker: str | None = field(default=None, kw_only=True)

    @property
    def is_complete(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in TRANSITIONS.finals

    @property
    def is_success(self) -> bool:
        """Whether it has ended well."""
        return self.status is TaskStatus.SUCCESS

    @property
    def to_dict(self) -> dict[str, Any]:
        """All of it; instants are texts (ISO 8601), arguments and the result are as they are."""
        data = _as_dict(self)
        data["status"] = self.status.value
        for name in _INSTANTS:
            data[name] = None if data[name] is None else data[name].isoformat()
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TaskResult:
        """Return the record that `to_dict` has shown; what it does not know is left out."""
        known = _known(cls, data)
        known["status"] = TaskStatus(known["status"])
        for name in _INSTANTS:
            text = known.get(name)
            known[name] = None if text is None else datetime.fromisoformat(text)
        for name in ("args", "progress"):
            if known.get(name) is not None:
                known[name] = tuple(known[name])
        return cls(**known)


_INSTANTS = ("submitted_at", "started_at", "finished_at")


def _as_dict(record: Any) -> dict[str, Any]:
    # Not `dataclasses.asdict`, which copies arguments deeply.
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _known(kind: Any, data: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in data.items() if name in names}
