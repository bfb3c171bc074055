"""What is to become of a task with an attempt at it, and after that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems.taskqueue.executors.shop import ProcessLost, Reason
from simclock.systems.taskqueue.failures import WorkerLostError, text_of
from simclock.systems.taskqueue.ledger import now
from simclock.systems.taskqueue.tasks import TaskStatus

if TYPE_CHECKING:
    import asyncio

    from simclock.systems.taskqueue.executors.shop import Shop
    from simclock.systems.taskqueue.tasks import Task, TaskResult


class Next(NamedTuple):
    """What is to become of a task after an attempt.

    Attributes:
        changes: Of its record.
        delay: Seconds after which it is ready again; None: it has ended.
    """

    changes: dict[str, Any]
    delay: float | None = None


def beginning(record: TaskResult, owner: str, max_losses: int) -> dict[str, Any]:
    """Return the changes of a record when *owner* gets the task: it runs, or was lost too often."""
    losses = record.losses + (record.status is TaskStatus.RUNNING)
    changes = {"losses": losses, "worker": owner}
    if losses > max_losses:
        return {**changes, **failed(str(WorkerLostError(losses))).changes}
    return {**changes, "status": TaskStatus.RUNNING, "started_at": now(), "progress": None}


def success(result: Any) -> Next:
    """Return that it has ended well."""
    return _ended(TaskStatus.SUCCESS, None, result=result)


def failed(text: str, **changes: Any) -> Next:
    """Return that it has failed for good."""
    return _ended(TaskStatus.FAILED, text, **changes)


def interrupted(*, requeues: bool) -> Next:
    """Return what a stop of the executor makes of it."""
    if requeues:
        return Next({"status": TaskStatus.PENDING, "worker": None}, 0.0)
    return _ended(TaskStatus.CANCELLED, Reason.STOPPED.value)


def of_error(shop: Shop, task: Task, record: TaskResult, error: BaseException) -> Next:
    """Return what an error makes of it."""
    if isinstance(error, ProcessLost):
        return _lost(shop, record)
    if isinstance(error, NotSerialisable):
        # The next time it would be the same.
        return failed(text_of(error))
    return failure(shop, task, record, text_of(error))


def failure(shop: Shop, task: Task, record: TaskResult, text: str) -> Next:
    """Return what a failed attempt makes of it: a retry, if it has one left."""
    retry = record.retries + 1
    if retry > task.max_retries:
        return failed(text)
    delay = task.policy.delay_of(retry, shop.random)
    return Next({"status": TaskStatus.RETRYING, "error": text, "retries": retry}, delay)


def _lost(shop: Shop, record: TaskResult) -> Next:
    losses = record.losses + 1
    if losses > shop.max_losses:
        return failed(str(WorkerLostError(losses)), losses=losses)
    return Next({"status": TaskStatus.PENDING, "losses": losses, "worker": None}, 0.0)


def _ended(status: TaskStatus, error: str | None, **changes: Any) -> Next:
    return Next({"status": status, "error": error, "finished_at": now(), **changes})


def is_success(body: asyncio.Task[Any]) -> bool:
    """Return whether the function has returned."""
    return body.done() and not body.cancelled() and body.exception() is None


def drop(body: asyncio.Task[Any]) -> None:
    """Take note of what it raises, sooner or later: or asyncio says that nobody has."""
    body.add_done_callback(lambda task: task.cancelled() or task.exception())
