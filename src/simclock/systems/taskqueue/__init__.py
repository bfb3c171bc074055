"""Run tasks later, elsewhere, and again if they fail: coroutine functions, or plain ones in processes."""

from simclock.systems.taskqueue.config import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    SchedulerConfig,
)
from simclock.systems.taskqueue.events import EventBus, event_bus
from simclock.systems.taskqueue.failures import (
    BackendError,
    BrokerError,
    ExecutorNotRunningError,
    FlowrraError,
    QueueFullError,
    TaskArgumentError,
    TaskFailedError,
    TaskNotFoundError,
    TaskTimeoutError,
    UnknownTaskIdError,
    WorkerLostError,
)
from simclock.systems.taskqueue.registry import TaskRegistry
from simclock.systems.taskqueue.tasks import Task, TaskResult, TaskStatus

__all__ = [
    "BackendConfig",
    "BackendError",
    "BrokerConfig",
    "BrokerError",
    "Config",
    "EventBus",
    "ExecutorConfig",
    "ExecutorNotRunningError",
    "FlowrraError",
    "QueueFullError",
    "SchedulerConfig",
    "Task",
    "TaskArgumentError",
    "TaskFailedError",
    "TaskNotFoundError",
    "TaskRegistry",
    "TaskResult",
    "TaskStatus",
    "TaskTimeoutError",
    "UnknownTaskIdError",
    "WorkerLostError",
    "event_bus",
]
