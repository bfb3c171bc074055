"""What becomes of what is claimed and cannot be run here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from simclock.systems.taskqueue.executors.shop import FIRST_BACK_OFF
from simclock.systems.taskqueue.ledger import now
from simclock.systems.taskqueue.tasks import TaskStatus

if TYPE_CHECKING:
    from simclock.systems.taskqueue.brokers import BaseBroker, Claim
    from simclock.systems.taskqueue.failures import DamagedRecordError
    from simclock.systems.taskqueue.ledger import Ledger

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")

# How often, and after how many seconds at most, a task is given back whose function is not
# registered here: others may have it, such as those who were started a minute later. In all this
# takes six minutes.
MOST_REFUSALS = 15
LONGEST_REFUSAL = 60.0


async def leave_to_others(broker: BaseBroker, claim: Claim, name: str) -> None:
    """Give back a task whose function is not registered here, later each time."""
    delay = min(FIRST_BACK_OFF * 2 ** (claim.deliveries - 1), LONGEST_REFUSAL)
    logger.warning(
        "task %s is given back for %g s, as its function is not registered here", name, delay
    )
    await broker.release(claim, delay)


async def refuse(broker: BaseBroker, ledger: Ledger, claim: Claim) -> None:
    """Deal with what is no task, though it was in the queue."""
    logger.error("the queue has something that is no task: %s", claim.key)
    found = await ledger.read(claim.key)
    if found is not None and not found.record.is_complete:
        error = "what was found in the queue is no task"
        changes = {"status": TaskStatus.FAILED, "error": error, "finished_at": now()}
        if found.record.status is not TaskStatus.RUNNING:
            found = await ledger.change(found, status=TaskStatus.RUNNING)
        if found is not None:
            await ledger.change(found, **changes)
    await broker.acknowledge(claim)


async def set_aside(
    broker: BaseBroker, ledger: Ledger, claim: Claim, damaged: DamagedRecordError
) -> None:
    """Have a task fail whose record cannot be read: the next time it would be the same."""
    logger.error("task %s is set aside: %s", claim.key, damaged)
    if await ledger.set_aside(damaged, claim.task):
        await broker.acknowledge(claim)
    else:
        # It is another record by now, perhaps one that can be read.
        await broker.release(claim, FIRST_BACK_OFF)
