"""How invocations are changed, and what follows each change."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from simclock.systems.runners.failures import PynencError
from simclock.systems.runners.hints import Hints
from simclock.systems.runners.ledger import Ledger
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.steps import check_fence, step, was_taken_already

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.identifiers import InvocationId, TaskId
    from simclock.systems.runners.settings import OrchestratorSettings
    from simclock.systems.runners.statuses import InvocationStatus
    from simclock.systems.runners.storage import Storage
    from simclock.systems.runners.stored import StoredInvocation

_logger = logging.getLogger("simclock.systems.runners")


class Changes:
    """Makes changes, and does what follows: hints in the queue, what is told, the bell.

    Args:
        storage: Where everything is.
        settings: The numbers.
        options_of: Returns the options of a task, or raises a `PynencError` if it does not
            know it.

    Attributes:
        ledger: The records of invocations.
        hints: The queue.
        settings: The numbers.
        on_change: Each is called with the invocation after each change that this process
            has made. Its errors are logged.
    """

    def __init__(
        self,
        storage: Storage,
        settings: OrchestratorSettings,
        options_of: Callable[[TaskId], TaskOptions],
    ) -> None:
        self.settings = settings
        self.ledger: Ledger = Ledger(
            storage.invocations, settings.auto_final_invocation_purge_hours * 3600 or None
        )
        self.hints: Hints = Hints(storage.queue, settings.claim)
        self.on_change: list[Callable[[StoredInvocation], object]] = []
        self._bell = storage.bell
        self._options_of = options_of

    def options_of(self, task: TaskId) -> TaskOptions:
        """Return the options of a task; the default ones if it is not known here.

        One that is not known here is taken all the same: whoever runs it says what is wrong.
        """
        try:
            return self._options_of(task)
        except PynencError:
            return TaskOptions()

    def change(
        self,
        invocation_id: InvocationId,
        after: InvocationStatus,
        runner: RunnerContext,
        *,
        routing: int | None,
        fields_of: Callable[[StoredInvocation], Mapping[str, object]] = lambda _: {},
        note: str | None = None,
    ) -> StoredInvocation:
        """Give an invocation its next status; what was done already is done no more.

        Args:
            invocation_id: Which.
            after: The status.
            runner: Who says so.
            routing: What it has to be; None: anything.
            fields_of: Returns what else changes.
            note: Why, for the history.
        """

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            if was_taken_already(now, after, runner.runner_id, routing):
                return [now]
            check_fence(now, after, runner.runner_id, routing)
            return [step(now, after, runner.runner_id, note=note, **fields_of(now))]

        return self.apply(invocation_id, decide)[-1]

    def apply(
        self,
        invocation_id: InvocationId,
        decide: Callable[[StoredInvocation], Sequence[StoredInvocation]],
    ) -> Sequence[StoredInvocation]:
        """Change an invocation as `Ledger.change` does, and do what has to follow."""
        steps = self.ledger.change(invocation_id, decide)
        if steps and steps[-1].status.is_available:
            self.hints.push(steps[-1])
        self._announce(steps)
        return steps

    def created(self, new: StoredInvocation, is_new: bool) -> None:
        """Do what follows when an invocation was created; it may have been there already."""
        self.hints.push(new)
        if is_new:
            self._announce([new])

    def _announce(self, steps: Sequence[StoredInvocation]) -> None:
        for stored in steps:
            for call in list(self.on_change):
                try:
                    call(stored)
                except Exception:
                    _logger.exception("a change of invocation %s could not be told", stored.id)
        if steps and (steps[-1].status.is_available or steps[-1].status.is_final):
            self._bell.ring()
