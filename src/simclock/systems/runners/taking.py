"""How a runner gets invocations: by following the hints of the queue."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from simclock.systems.runners.failures import (
    DamagedRecordError,
    InvocationStatusError,
    InvocationStatusRaceConditionError,
)
from simclock.systems.runners.logged import tried
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.steps import check_fence, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock.systems.runners.changes import Changes
    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.hints import Hint
    from simclock.systems.runners.options import TaskOptions
    from simclock.systems.runners.slots import RunningSlots
    from simclock.systems.runners.stored import StoredInvocation

_logger = logging.getLogger("simclock.systems.runners")
_S = InvocationStatus
# Of one request for work: who is asked often enough looks at the others then, and can be stopped.
_MOST_HINTS = 100


class Taking:
    """Takes invocations that are available. It may be used from any thread."""

    def __init__(self, changes: Changes, slots: RunningSlots) -> None:
        self._changes = changes
        self._slots = slots
        self._delay = changes.settings.reroute_delay

    def take(self, count: int, runner: RunnerContext) -> Iterator[StoredInvocation]:
        """Yield invocations that are pending now, and the runner's; at most *count*.

        Each is taken when it is asked for. There may be more, even if there
        were fewer than *count*.
        """
        for _ in range(_MOST_HINTS + count):
            hint = self._changes.hints.claim() if count > 0 else None
            if hint is None:
                return
            stored = self._followed(hint, runner)
            if stored is not None:
                count -= 1
                yield stored

    def tell_next(self, changed: StoredInvocation) -> None:
        """If an invocation has left its slot, have the next one looked at now, not later."""
        status = changed.status
        if status is not _S.REGISTERED and (status.is_final or status.is_available):
            tried("nobody is told of a slot that is free", lambda: self._tell_next(changed))

    def _tell_next(self, left: StoredInvocation) -> None:
        waiting = self._slots.next_of(left, self._changes.options_of(left.task))
        if waiting is not None:
            self._changes.hints.push_now(waiting)

    def _followed(self, hint: Hint, runner: RunnerContext) -> StoredInvocation | None:
        """Return the invocation that a hint means, taken; None if it is not to be run now."""
        try:
            taken = self._take(hint, runner)
        except InvocationStatusRaceConditionError:
            self._changes.hints.postpone(hint, self._delay)
            return None
        except DamagedRecordError:
            _logger.exception("an invocation that cannot be read stays in the queue")
            return None
        except InvocationStatusError:
            taken = None  # somebody else has taken it
        self._changes.hints.drop(hint)
        return taken

    def _take(self, hint: Hint, runner: RunnerContext) -> StoredInvocation | None:
        stored = self._changes.ledger.find(hint.invocation_id)
        if stored is None or stored.routing != hint.routing or not stored.status.is_available:
            return None
        options = self._changes.options_of(stored.task)
        if not self._slots.take(stored, options):
            self._hold_back(stored, options, runner)
            return None
        actor = runner.runner_id

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            # Nobody takes it twice: another hint of it may be followed by another thread.
            check_fence(now, _S.PENDING, actor, hint.routing)
            return [step(now, _S.PENDING, actor)]

        return self._changes.apply(stored.id, decide)[-1]

    def _hold_back(
        self, stored: StoredInvocation, options: TaskOptions, runner: RunnerContext
    ) -> None:
        note = f"running_concurrency={options.running_concurrency.name}"

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            check_fence(now, _S.CONCURRENCY_CONTROLLED, runner.runner_id, stored.routing)
            if not options.reroute_on_concurrency_control:
                return [step(now, _S.CONCURRENCY_CONTROLLED_FINAL, runner.runner_id, note=note)]
            held = step(now, _S.CONCURRENCY_CONTROLLED, runner.runner_id, note=note)
            return [held, step(held, _S.REROUTED, runner.runner_id, delay=self._delay)]

        self._changes.apply(stored.id, decide)
