"""Events that are done once, kept by their status, and done in the background.

``elements`` are what has an identity; ``restoring`` says which may be restored from what was
written down. ``events`` are done once, ``executions`` are how that went. ``orders`` are ids in
a row, ``progressions`` give them a name; ``piles`` have elements of the ``item_types``, and
``flows`` both. ``locks`` keep threads and tasks apart; ``sentinels`` has ``Unset``; ``failures``
what goes wrong.
"""

from simclock.systems.eventflow.elements import Element
from simclock.systems.eventflow.events import Event
from simclock.systems.eventflow.executions import EventStatus, Execution
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
from simclock.systems.eventflow.progressions import Progression
from simclock.systems.eventflow.restoring import register_type_prefix
from simclock.systems.eventflow.sentinels import Unset

__all__ = [
    "AccessError",
    "ConfigurationError",
    "Element",
    "Event",
    "EventStatus",
    "Execution",
    "ExecutionError",
    "ExistsError",
    "Flow",
    "LionConnectionError",
    "LionTimeoutError",
    "LionprideError",
    "NotFoundError",
    "OperationError",
    "Pile",
    "Progression",
    "QueueFullError",
    "RestoredError",
    "Unset",
    "ValidationError",
    "register_type_prefix",
]
