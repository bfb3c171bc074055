"""Run tasks later, elsewhere, and again if they fail: coroutines, or functions in processes.

    executor = IOExecutor()

    @executor.task(max_retries=5, retry_delay=2.0)
    async def fetch(url): ...

    async with executor:
        task_id = await executor.submit(fetch, "https://example.org", priority=1)
        record = await executor.wait_for_result(task_id, timeout=60)

``executors`` has those who run tasks; ``config`` says how; ``registry`` the
functions; ``tasks`` what is submitted, and the record of it; ``brokers`` where
tasks wait, ``backends`` where records are kept: in memory, in a SQLite file, on
a Redis server; ``events`` tells of changes; ``failures`` what goes wrong. What
happens is logged to ``simclock.systems.taskqueue``.
"""

from simclock.systems.taskqueue.backends import (
    BaseResultBackend,
    InMemoryBackend,
    RedisBackend,
    SQLiteBackend,
    get_backend,
)
from simclock.systems.taskqueue.brokers import (
    BaseBroker,
    InMemoryBroker,
    RedisBroker,
    SQLiteBroker,
    get_broker,
)
from simclock.systems.taskqueue.config import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    SchedulerConfig,
)
from simclock.systems.taskqueue.events import EventBus, event_bus
from simclock.systems.taskqueue.executors import BaseTaskExecutor, CPUExecutor, IOExecutor
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
from simclock.systems.taskqueue.progress import progress
from simclock.systems.taskqueue.registry import TaskRegistry
from simclock.systems.taskqueue.tasks import Task, TaskResult, TaskStatus

__all__ = [
    "BackendConfig",
    "BackendError",
    "BaseBroker",
    "BaseResultBackend",
    "BaseTaskExecutor",
    "BrokerConfig",
    "BrokerError",
    "CPUExecutor",
    "Config",
    "EventBus",
    "ExecutorConfig",
    "ExecutorNotRunningError",
    "FlowrraError",
    "IOExecutor",
    "InMemoryBackend",
    "InMemoryBroker",
    "QueueFullError",
    "RedisBackend",
    "RedisBroker",
    "SQLiteBackend",
    "SQLiteBroker",
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
    "get_backend",
    "get_broker",
    "progress",
]
