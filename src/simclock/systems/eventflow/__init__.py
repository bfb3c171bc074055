"""Events that are done once, kept by their status, and done in the background.

``elements`` are what has an identity; ``restoring`` says which may be restored from what was
written down. ``events`` are done once, ``executions`` are how that went, ``writing`` makes JSON
of it. ``orders`` are ids in a row, ``progressions`` give them a name; ``piles`` have elements of
the ``item_types``, and ``flows`` both. ``locks`` keep threads and tasks apart; ``sentinels`` has
``Unset``; ``failures`` what goes wrong.

``executor`` keeps events by their status and has ``processor`` run them: those of its line, in
``queueing``; in ``crews`` that live in the ``background``; not faster than ``settings`` say, and
when ``permits`` allow it. ``rate_limited`` ones take tokens from ``buckets``. ``breakers`` leave
in peace what is down; ``bells`` wake who waits.
"""

from simclock.systems.eventflow.breakers import (
    CircuitBreaker,
    CircuitBreakerOpenError,
    CircuitState,
)
from simclock.systems.eventflow.buckets import RateLimitConfig, TokenBucket
from simclock.systems.eventflow.elements import Element
from simclock.systems.eventflow.events import Event
from simclock.systems.eventflow.executions import EventStatus, Execution
from simclock.systems.eventflow.executor import Executor
from simclock.systems.eventflow.failures import (
    AccessError,
    ConfigurationError,
    ExecutionError,
    ExistsError,
    LionConnectionError,
    LionprideError,
    LionTimeoutError,
    NotFoundError,
    OperationError,
    QueueFullError,
    RestoredError,
    ValidationError,
)
from simclock.systems.eventflow.flows import Flow
from simclock.systems.eventflow.piles import Pile
from simclock.systems.eventflow.processor import Processor
from simclock.systems.eventflow.progressions import Progression
from simclock.systems.eventflow.rate_limited import RateLimitedExecutor, RateLimitedProcessor
from simclock.systems.eventflow.restoring import register_type_prefix
from simclock.systems.eventflow.sentinels import Unset

__all__ = [
    "AccessError",
    "CircuitBreaker",
    "CircuitBreakerOpenError",
    "CircuitState",
    "ConfigurationError",
    "Element",
    "Event",
    "EventStatus",
    "Execution",
    "ExecutionError",
    "Executor",
    "ExistsError",
    "Flow",
    "LionConnectionError",
    "LionTimeoutError",
    "LionprideError",
    "NotFoundError",
    "OperationError",
    "Pile",
    "Processor",
    "Progression",
    "QueueFullError",
    "RateLimitConfig",
    "RateLimitedExecutor",
    "RateLimitedProcessor",
    "RestoredError",
    "TokenBucket",
    "Unset",
    "ValidationError",
    "register_type_prefix",
]
