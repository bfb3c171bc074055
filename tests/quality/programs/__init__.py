"""Small programs with known bugs, in ordinary Python, and a fixed version beside each.

``bug`` raises (an `AssertionError`, or what the simulation finds: a deadlock) under some legal
schedules; ``fixed`` under none, also where the clock moves although threads could run, for up to a
tenth of a second. Each module says what fails. `time.sleep(0)` marks a place between two accesses of
a shared variable, where real threads may be switched.

Those after SCTBench are written anew from what is known of the original's bug.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from . import (
    account,
    bounded_buffer,
    carter01,
    check_then_act,
    circular_buffer,
    condition_cancel,
    deadlock01,
    lazy01,
    lost_update,
    lost_wakeup,
    order_violation,
    orphaned_lock,
    philosophers,
    pool_deadline,
    queue,
    reorder,
    stack,
    timer,
    token_ring,
    ttl,
    twostage,
    wronglock,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Program(NamedTuple):
    """A bug and its mend.

    Attributes:
        bug: Fails under some schedules, unless not *broken*.
        fixed: Never fails.
        broken: Whether this Python has the bug.
    """

    bug: Callable[[], Any]
    fixed: Callable[[], Any]
    broken: bool = True


def _sized(module, size):
    return Program(functools.partial(module.bug, size), functools.partial(module.fixed, size))


PROGRAMS = {
    "account": Program(account.bug, account.fixed),
    "lazy01": Program(lazy01.bug, lazy01.fixed),
    "deadlock01": Program(deadlock01.bug, deadlock01.fixed),
    "carter01": Program(carter01.bug, carter01.fixed),
    "token_ring": Program(token_ring.bug, token_ring.fixed),
    "stack": Program(stack.bug, stack.fixed),
    "circular_buffer": Program(circular_buffer.bug, circular_buffer.fixed),
    "queue": Program(queue.bug, queue.fixed),
    "twostage": _sized(twostage, 1),
    "twostage_5": _sized(twostage, 4),
    "twostage_10": _sized(twostage, 9),
    "reorder_3": _sized(reorder, 3),
    "reorder_4": _sized(reorder, 4),
    "reorder_5": _sized(reorder, 5),
    "reorder_10": _sized(reorder, 10),
    "wronglock_3": _sized(wronglock, 3),
    "wronglock_7": _sized(wronglock, 7),
    "philosophers_3": _sized(philosophers, 3),
    "philosophers_5": _sized(philosophers, 5),
    "philosophers_7": _sized(philosophers, 7),
    "lost_update": Program(lost_update.bug, lost_update.fixed),
    "lost_wakeup": Program(lost_wakeup.bug, lost_wakeup.fixed),
    "bounded_buffer": Program(bounded_buffer.bug, bounded_buffer.fixed),
    "order_violation": Program(order_violation.bug, order_violation.fixed),
    "orphaned_lock": Program(orphaned_lock.bug, orphaned_lock.fixed),
    "timer": Program(timer.bug, timer.fixed),
    "ttl": Program(ttl.bug, ttl.fixed),
    "pool_deadline": Program(pool_deadline.bug, pool_deadline.fixed),
    "condition_cancel": Program(
        condition_cancel.bug, condition_cancel.fixed, broken=sys.version_info < (3, 13)
    ),
    "check_then_act": Program(check_then_act.bug, check_then_act.fixed),
}
