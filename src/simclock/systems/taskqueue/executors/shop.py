"""What all attempts of an executor work with, and why one of them is interrupted."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from simclock.systems.taskqueue.brokers import BaseBroker
    from simclock.systems.taskqueue.ledger import Ledger
    from simclock.systems.taskqueue.tasks import Task

# Seconds before what a store or the system has refused is done again; twice as many each time.
FIRST_BACK_OFF = 0.1
LONGEST_BACK_OFF = 5.0


class Reason(enum.Enum):
    """Why an attempt is interrupted."""

    CANCELLED = "the task was cancelled"
    LOST = "the task is somebody else's by now"
    STOPPED = "the executor was stopped"


class ProcessLost(Exception):
    """The process of a task has ended, and the task had not."""


@dataclass(frozen=True)
class Shop:
    """What all attempts of an executor work with.

    Attributes:
        broker: Where tasks come from.
        ledger: Their records.
        perform: Calls the function of a task.
        knows: Whether it can: whether there is that function.
        max_losses: See `ExecutorConfig`.
        requeues: Whether a task that a stop has interrupted is run again later.
        grace: See `ExecutorConfig`.
        random: For delays.
    """

    broker: BaseBroker
    ledger: Ledger
    perform: Callable[[Task], Awaitable[Any]]
    knows: Callable[[Task], bool]
    max_losses: int
    requeues: bool
    grace: float
    random: random.Random
