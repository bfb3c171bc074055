"""Runners that have processes: their identities, their ends, and what these leave behind."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.base import BaseRunner
from simclock.systems.runners.diagnostics import Running, lost_report
from simclock.systems.runners.failures import PynencError
from simclock.systems.runners.logged import tried
from simclock.systems.runners.workers import Worker, check_sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.identifiers import InvocationId

# Seconds that processes have to end which were killed, or have only to leave.
SETTLING = 2.0


class ParentRunner(BaseRunner):
    """Starts processes, each with an identity of its own that owns what it runs.

    When one ends, whatever the reason, what it still owns is rerouted at once.
    """

    def __init__(
        self,
        app: Pynenc,
        runner_cache: dict[str, Any] | None = None,
        runner_context: RunnerContext | None = None,
    ) -> None:
        super().__init__(app, runner_cache, runner_context)
        self._workers: dict[Worker, None] = {}
        # Those that have ended, and were not yet looked at: the loop does it.
        self._over: queue.SimpleQueue[Worker] = queue.SimpleQueue()

    @staticmethod
    def mem_compatible() -> bool:
        """Return False: its processes have memories of their own."""
        return False

    def _check(self) -> None:
        super()._check()
        check_sendable(self.app, type(self).__name__)

    def get_active_child_runner_ids(self) -> list[str]:
        """Return the ids of those whose processes live."""
        return [each.context.runner_id for each in tuple(self._workers) if each.exitcode is None]

    def _started(
        self,
        context: RunnerContext,
        target: Callable[..., None],
        *args: Any,
        heard: Callable[[Worker, Any], object],
    ) -> Worker:
        """Return a process that was started.

        Raises:
            OSError: The system has none for us; EOFError: nor what starts it;
                RuntimeError: nor a thread.
        """
        worker = Worker(
            context,
            target,
            (self.app, context, *args),
            heard=heard,
            ended=self._note_end,
        )
        self._workers[worker] = None
        return worker

    def _note_end(self, worker: Worker) -> None:
        self._over.put(worker)
        self._life.wake.ring()

    def _look_after_the_dead(self) -> None:
        """Reroute what those have left that have ended since the last look."""
        while not self._over.empty():
            self._bury(self._over.get())

    def _bury(self, worker: Worker) -> None:
        """Know a process no more that has ended."""
        self._workers.pop(worker)
        if not worker.is_asked and worker.exitcode != 0:
            self.logger.warning("%s", lost_report(worker.name, worker.pid, worker.exitcode))
        tried("what it had is left to the recovery", lambda: self._reroute_all_of(worker))
        self._forget_child_runner_context(worker.context)

    def _reroute_all_of(self, worker: Worker) -> None:
        context = worker.context
        for each in self.app.orchestrator.get_invocation_ids_of_runner(context.runner_id):
            self._reroute(each, context, orderly=worker.is_asked)

    def _are_over(self) -> bool:
        self._look_after_the_dead()
        return not self._workers

    def _kill_all(self) -> Sequence[str]:
        """Kill all that is left; return the names of those that even that does not end."""
        for each in tuple(self._workers):
            each.kill()
        self._life.wait_within(SETTLING, self._are_over, may_hurry=False)
        return [each.name for each in tuple(self._workers)]

    def _running_now(self) -> list[Running]:
        return [
            Running(f"{each.name} (process {each.pid})", self._doing(each))
            for each in tuple(self._workers)
        ]

    def _doing(self, worker: Worker) -> tuple[str, ...]:
        """Return what a process runs, for logs."""
        try:
            runner_id = worker.context.runner_id
            return tuple(self.app.orchestrator.get_invocation_ids_of_runner(runner_id))
        except PynencError as error:
            return (f"unknown, as the store cannot be used: {error}",)

    def _waiting_for_results(
        self,
        running_invocation_id: InvocationId,  # noqa: ARG002 - it runs none itself
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        wait, timeout = self._wait_for(result_invocation_ids, runner_args)
        wait.wait(timeout)
