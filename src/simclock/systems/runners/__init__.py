"""Run tasks on many runners: each invocation ends once, whatever happens to those who run it.

    app = Pynenc({"app_id": "shop", "storage_url": "redis://localhost"})

    @app.task(max_retries=3, retry_delay=1.0, backoff=2.0)
    def charge(order: int) -> str: ...

    invocation = charge(7)              # registered, for any runner of the application
    invocation.get_result(timeout=60)   # in one place
    ThreadRunner(app).run()             # in another

``app`` puts the parts together; ``tasks`` and ``options`` say what is to be
run and how, ``calls`` and ``arguments`` with what; ``invocations`` is what a
caller has of it, ``execution`` what a runner does with it, ``context`` who
runs it. In the mode of ``development`` tasks are run where they are called.
``python -m simclock.systems.runners`` starts runners, and shows what there is.

``orchestrator`` decides who may run what: an invocation is one record
(``stored``) of the ``ledger``, which goes from one of its ``statuses`` to
another by compare-and-set (``steps``, ``changes``); the queue only ``hints`` at
what may be available, which ``taking`` follows; ``slots`` keeps those apart
that must not be there at the same time. ``heartbeats`` tells who is alive,
``recovery`` takes from the dead, ``housekeeping`` forgets what ended long ago.
All of it is kept in a ``storage``: memory, SQLite, Redis, or a server of stores.

``base`` is what all runners are: threads, coroutines, processes for each
task, workers that stay, workers with threads. ``triggers`` begin tasks by
themselves, ``services`` sees that one runner at a time does what only one may
do. ``config`` has the numbers, ``failures`` what goes wrong, ``identifiers``
what everything is known by. What happens is logged to
``simclock.systems.runners``.
"""

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.arguments import Arguments
from simclock.systems.runners.asynchronous import AsyncRunner
from simclock.systems.runners.base import BaseRunner
from simclock.systems.runners.conditions import (
    CompositeCondition,
    CompositeLogic,
    CronCondition,
    EventCondition,
    ExceptionCondition,
    ResultCondition,
    StatusCondition,
)
from simclock.systems.runners.config import Config
from simclock.systems.runners.context import (
    CurrentInvocation,
    RunnerContext,
    current_invocation,
)
from simclock.systems.runners.development import (
    ConcurrentInvocation,
    ConcurrentInvocationGroup,
)
from simclock.systems.runners.dummy import (
    DummyRunner,
    ExternalRunner,
)
from simclock.systems.runners.failures import (
    ConcurrencyControlledError,
    ConfigError,
    DamagedRecordError,
    InvalidTaskOptionsError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationError,
    InvocationInterrupted,
    InvocationNotFoundError,
    InvocationStatusError,
    InvocationStatusOwnershipError,
    InvocationStatusRaceConditionError,
    InvocationStatusTransitionError,
    PoisonedInvocationError,
    PynencError,
    ResultTimeoutError,
    RetryError,
    RunnerAlreadyRunningError,
    RunnerError,
    RunnerNotExecutableError,
    SerializationError,
    StateBackendError,
    TaskError,
    TaskFailedError,
    TaskNotFoundError,
)
from simclock.systems.runners.identifiers import (
    CallId,
    InvocationId,
    TaskId,
)
from simclock.systems.runners.invocations import (
    DistributedInvocation,
    DistributedInvocationGroup,
    ReusedInvocation,
)
from simclock.systems.runners.multithread import MultiThreadRunner
from simclock.systems.runners.options import (
    ConcurrencyControlType,
    TaskOptions,
)
from simclock.systems.runners.orchestrator import Orchestrator
from simclock.systems.runners.persistent import PersistentProcessRunner
from simclock.systems.runners.process_per_task import ProcessRunner
from simclock.systems.runners.serializers import (
    BaseSerializer,
    JsonSerializer,
    PickleSerializer,
)
from simclock.systems.runners.settings import OrchestratorSettings
from simclock.systems.runners.statuses import (
    InvocationStatus,
    InvocationStatusRecord,
)
from simclock.systems.runners.storage import (
    Storage,
    open_storage,
)
from simclock.systems.runners.tasks import Task
from simclock.systems.runners.threads import ThreadRunner
from simclock.systems.runners.trigger_builder import TriggerBuilder
from simclock.systems.runners.trigger_definitions import TriggerDefinition
from simclock.systems.runners.triggers import TriggerEngine

__all__ = [
    "Arguments",
    "AsyncRunner",
    "BaseRunner",
    "BaseSerializer",
    "CallId",
    "CompositeCondition",
    "CompositeLogic",
    "ConcurrencyControlType",
    "ConcurrencyControlledError",
    "ConcurrentInvocation",
    "ConcurrentInvocationGroup",
    "Config",
    "ConfigError",
    "CronCondition",
    "CurrentInvocation",
    "DamagedRecordError",
    "DistributedInvocation",
    "DistributedInvocationGroup",
    "DummyRunner",
    "EventCondition",
    "ExceptionCondition",
    "ExternalRunner",
    "InvalidTaskOptionsError",
    "InvocationConcurrencyWithDifferentArgumentsError",
    "InvocationError",
    "InvocationId",
    "InvocationInterrupted",
    "InvocationNotFoundError",
    "InvocationStatus",
    "InvocationStatusError",
    "InvocationStatusOwnershipError",
    "InvocationStatusRaceConditionError",
    "InvocationStatusRecord",
    "InvocationStatusTransitionError",
    "JsonSerializer",
    "MultiThreadRunner",
    "Orchestrator",
    "OrchestratorSettings",
    "PersistentProcessRunner",
    "PickleSerializer",
    "PoisonedInvocationError",
    "ProcessRunner",
    "Pynenc",
    "PynencError",
    "ResultCondition",
    "ResultTimeoutError",
    "RetryError",
    "ReusedInvocation",
    "RunnerAlreadyRunningError",
    "RunnerContext",
    "RunnerError",
    "RunnerNotExecutableError",
    "SerializationError",
    "StateBackendError",
    "StatusCondition",
    "Storage",
    "Task",
    "TaskError",
    "TaskFailedError",
    "TaskId",
    "TaskNotFoundError",
    "TaskOptions",
    "ThreadRunner",
    "TriggerBuilder",
    "TriggerDefinition",
    "TriggerEngine",
    "current_invocation",
    "open_storage",
]
