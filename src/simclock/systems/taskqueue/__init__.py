"""Run tasks later, elsewhere, and again if they fail: coroutines, or functions in processes.

    executor = IOExecutor()

    @executor.task(max_retries=5, retry_delay=2.0)
    async def fetch(url): ...

    async with executor:
        task_id = await executor.submit(fetch, "https://example.org", priority=1)
        record = await executor.wait_for_result(task_id, timeout=60)

    app = Flowrra.from_urls(backend="redis://localhost")     # both kinds of functions
    scheduler = app.create_scheduler()                       # submits what is due
    await scheduler.schedule_cron("fetch", "0 6 * * MON-FRI", ["https://example.org"])

``executors`` has those who run tasks, ``app`` puts the parts together,
``scheduler`` submits what is due by ``cron`` lines and intervals, ``manager``
looks at it all; ``config`` says how; ``registry`` the functions; ``tasks`` what
is submitted, and the record of it; ``brokers`` where tasks wait, ``backends``
where records are kept: in memory, in a SQLite file, on a Redis server;
``events`` tells of changes; ``failures`` what goes wrong. What happens is logged
to ``simclock.systems.taskqueue``.
"""

from simclock.systems._shared.cron import CronExpression
from simclock.systems.taskqueue.access import Far, Near
from simclock.systems.taskqueue.app import Flowrra
from simclock.systems.taskqueue.backends import (
    BaseResultBackend,
    InMemoryBackend,
    RedisBackend,
    SQLiteBackend,
    StoreBackend,
    get_backend,
)
from simclock.systems.taskqueue.brokers import (
    BaseBroker,
    InMemoryBroker,
    RedisBroker,
    SQLiteBroker,
    StoreBroker,
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
from simclock.systems.taskqueue.manager import FlowrraManager
from simclock.systems.taskqueue.progress import progress
from simclock.systems.taskqueue.registry import TaskRegistry
from simclock.systems.taskqueue.schedule_backends import (
    BaseSchedulerBackend,
    InMemorySchedulerBackend,
    RedisSchedulerBackend,
    SQLiteSchedulerBackend,
    StoreSchedulerBackend,
    get_scheduler_backend,
)
from simclock.systems.taskqueue.scheduler import Scheduler
from simclock.systems.taskqueue.schedules import ScheduledTask, ScheduleType
from simclock.systems.taskqueue.submissions import Submission
from simclock.systems.taskqueue.tasks import Task, TaskResult, TaskStatus

__all__ = [
    "BackendConfig",
    "BackendError",
    "BaseBroker",
    "BaseResultBackend",
    "BaseSchedulerBackend",
    "BaseTaskExecutor",
    "BrokerConfig",
    "BrokerError",
    "CPUExecutor",
    "Config",
    "CronExpression",
    "EventBus",
    "ExecutorConfig",
    "ExecutorNotRunningError",
    "Far",
    "Flowrra",
    "FlowrraError",
    "FlowrraManager",
    "IOExecutor",
    "InMemoryBackend",
    "InMemoryBroker",
    "InMemorySchedulerBackend",
    "Near",
    "QueueFullError",
    "RedisBackend",
    "RedisBroker",
    "RedisSchedulerBackend",
    "SQLiteBackend",
    "SQLiteBroker",
    "SQLiteSchedulerBackend",
    "ScheduleType",
    "ScheduledTask",
    "Scheduler",
    "SchedulerConfig",
    "StoreBackend",
    "StoreBroker",
    "StoreSchedulerBackend",
    "Submission",
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
    "get_scheduler_backend",
    "progress",
]
