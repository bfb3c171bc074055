"""What goes wrong with tasks, each kind with its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclock.systems.taskqueue.tasks import TaskResult


class FlowrraError(Exception):
    """What all errors of task executors are."""

    def __reduce__(self) -> tuple[object, ...]:
        # Messages are made from arguments that `args` does not have; errors cross processes.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[FlowrraError], args: tuple[object, ...], attributes: dict[str, object]
) -> FlowrraError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class TaskNotFoundError(FlowrraError, LookupError):
    """No task of that name is registered.

    Attributes:
        task_name: The name.
    """

    def __init__(self, task_name: str) -> None:
        super().__init__(
            f"no task has this name: {task_name!r}\n"
            "register the function by the executor's task(), before it is submitted or run"
        )
        self.task_name = task_name


class UnknownTaskIdError(FlowrraError, LookupError, ValueError):
    """Nothing is known of a task: it was never submitted here, or its record is gone.

    Attributes:
        task_id: Its id.
    """

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"no task has this id: {task_id!r}\n"
            "ask the executor that it was submitted to, or one with the same result backend, "
            "before the record expires"
        )
        self.task_id = task_id


class TaskTimeoutError(FlowrraError, TimeoutError):
    """A task had not ended in time. It goes on.

    Attributes:
        task_id: Its id.
        timeout: How many seconds were given.
    """

    def __init__(self, task_id: str, timeout: float) -> None:
        super().__init__(
            f"task {task_id} has not ended within {timeout:g} s\n"
            "it goes on: wait again, or cancel() it"
        )
        self.task_id = task_id
        self.timeout = timeout


class TaskFailedError(FlowrraError):
    """A task whose value was asked for has none: it has failed, or was cancelled.

    Attributes:
        result: Its record.
    """

    def __init__(self, result: TaskResult) -> None:
        super().__init__(
            f"task {result.task_id} ({result.task_name}) ended as {result.status.value}: "
            f"{result.error}\nsee `result` of this error for its record"
        )
        self.result = result


class ExecutorNotRunningError(FlowrraError):
    """Work was given to what does not run."""

    def __init__(self, who: str = "the executor") -> None:
        super().__init__(f"{who} is not running\nawait its start(), or use `async with`")


class QueueFullError(FlowrraError):
    """There was no room for a task, as long as the submission would wait.

    Attributes:
        limit: How many tasks may wait.
        timeout: How many seconds were given.
    """

    def __init__(self, limit: int, timeout: float) -> None:
        super().__init__(
            f"{limit} tasks wait, and none was taken within {timeout:g} s\n"
            "submit less, or change max_queue_size or submit_timeout of ExecutorConfig"
        )
        self.limit = limit
        self.timeout = timeout


class TaskArgumentError(FlowrraError, TypeError):
    """A task's arguments cannot get to where it is run."""


class WorkerLostError(FlowrraError):
    """Those who ran a task were lost, too often.

    Attributes:
        losses: How often.
    """

    def __init__(self, losses: int) -> None:
        super().__init__(
            f"{losses} workers were lost while they ran this task\n"
            "see whether it makes them crash; ExecutorConfig(max_losses=...) is how many may be"
        )
        self.losses = losses


class BackendError(FlowrraError):
    """A result backend cannot be used, or not for this."""


class DamagedRecordError(BackendError):
    """The record of a task cannot be read. An executor that gets the task lets it fail.

    Attributes:
        task_id: The task's id.
        version: Of the record.
    """

    def __init__(self, task_id: str, version: int, why: str) -> None:
        super().__init__(
            f"the record of task {task_id!r} cannot be read\n  {why}\n"
            "see what else writes there, and submit the task again"
        )
        self.task_id = task_id
        self.version = version


class BrokerError(FlowrraError):
    """A broker cannot be used, or not for this."""


def text_of(error: BaseException) -> str:
    """Return what an error says; if that is nothing, or not to be had, its type's name.

    Errors of users may raise others when they are asked, or say what is a text
    and more than that, which stores do not take.
    """
    try:
        text = str.__str__(str(error))
    except Exception:  # noqa: BLE001 - whatever it is, there is an error to be told
        text = ""
    return text or type(error).__name__
