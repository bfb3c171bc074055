"""Runners whose invocations run in their own process: at most so many at once."""

from __future__ import annotations

import abc
import threading
import time
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.base import BaseRunner
from simclock.systems.runners.bodies import Body, current_body
from simclock.systems.runners.diagnostics import Running
from simclock.systems.runners.pacing import Pacing
from simclock.systems.runners.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.identifiers import InvocationId
    from simclock.systems.runners.stored import StoredInvocation


class InProcessRunner(BaseRunner):
    """Runs invocations in this process.

    A stop gives them `stop_grace` seconds; those that end in time end as ever.
    Those that only wait for others are interrupted when nothing else runs
    here. The rest is KILLED and rerouted, and what Python cannot end goes on
    as a daemon; what comes of it is refused, as it owns the invocation no more.
    """

    def __init__(
        self,
        app: Pynenc,
        runner_cache: dict[str, Any] | None = None,
        runner_context: RunnerContext | None = None,
    ) -> None:
        super().__init__(app, runner_cache, runner_context)
        # Both are of one run: what was abandoned by an earlier one takes no place in the next.
        self._places = Places(self.max_parallel_slots, self._life.wake.ring)
        self._bodies: dict[Body, None] = {}

    @staticmethod
    def mem_compatible() -> bool:
        """Return True."""
        return True

    def get_active_child_runner_ids(self) -> list[str]:
        """Return none: it starts no runners."""
        return []

    def _new_pacing(self) -> Pacing:
        seldom = self.app.conf.services.check_interval
        # Whoever registers something in the memory of this process rings for it.
        if self.app.storage.is_shared_memory and self.conf.runner_loop_sleep_time_sec < seldom:
            return Pacing(self._life.wake, seldom, is_told=True)
        return super()._new_pacing()

    def _due(self) -> float | None:
        due = super()._due()
        if not self._pacing.is_told or self._services is None:
            return due
        waits = [self._services.wait_of()]
        if due is not None:
            waits.append(due)
        if self.app.storage.queue.counts(time.time()).ready:
            # There was no place for it, or too much else before it.
            waits.append(self.conf.runner_loop_sleep_time_sec)
        return min(waits)

    def _on_start(self) -> None:
        self._places = Places(self.max_parallel_slots, self._life.wake.ring)
        self._bodies = {}

    def runner_loop_iteration(self) -> None:
        """Take as many invocations as there are places for, and begin to run them."""
        while self.running and self._places.take():
            if not self._take_one():
                return

    def _take_one(self) -> bool:
        """Take an invocation for a place that was taken; return whether there was one."""
        has_taken = False
        try:
            # To its end: it does something after the last one.
            for stored in self.app.orchestrator.get_invocations_to_run(1, self._context):
                has_taken = True
                self._begin_to_run(stored)
        finally:
            if not has_taken:
                self._places.put_back()
        return has_taken

    def _begin_to_run(self, stored: StoredInvocation) -> None:
        body = Body(self.app, stored, self._context, self._places)
        bodies = self._bodies
        bodies[body] = None
        self._has_begun = True

        def forget() -> None:
            bodies.pop(body, None)
            self._life.wake.ring()

        try:
            self._start_body(body, forget)
        except RuntimeError as error:  # the system has no thread for it
            self.logger.warning("%s cannot be begun: %s", body.name, error)
            self._reroute(stored.id, self._context, orderly=True, routing=stored.routing)
            body.finish()
            forget()

    @abc.abstractmethod
    def _start_body(self, body: Body, ended: Callable[[], None]) -> None:
        """Have the body run, and *ended* called afterwards.

        Raises:
            RuntimeError: It cannot be started.
        """

    def _run_in_thread(self, body: Body, ended: Callable[[], None]) -> None:
        """Run it in a thread of its own; a daemon, as nothing can end it."""

        def run() -> None:
            try:
                body.run(self)
            finally:
                ended()

        threading.Thread(
            target=run, name=f"{type(self).__name__}: {body.name}", daemon=True
        ).start()

    def _waiting_for_results(
        self,
        running_invocation_id: InvocationId,  # noqa: ARG002 - its body is known by the context
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        wait, timeout = self._wait_for(result_invocation_ids, runner_args)
        body = current_body.get()
        if body is None:  # somebody else, who has no place
            wait.wait(timeout)
        else:
            body.wait(wait, timeout)

    def _on_stop_runner_loop(self) -> None:
        """Do nothing: the end of the loop is enough."""

    def _running_now(self) -> list[Running]:
        return [Running(type(self).__name__, (each.name,)) for each in tuple(self._bodies)]

    def _on_stop(self) -> Sequence[str]:
        for each in tuple(self._bodies):
            each.stop.set()
        if not self._life.wait_within(self.conf.stop_grace, self._are_over):
            self._kill_all()
        return [each.name for each in tuple(self._bodies)]

    def _are_over(self) -> bool:
        bodies = tuple(self._bodies)
        if all(each.is_waiting for each in bodies):
            # Nothing here can end their waits; who has a result already goes on with it.
            for each in bodies:
                each.interrupt()
        return not bodies

    def _kill_all(self) -> None:
        for each in tuple(self._bodies):
            each.interrupt()
            stored = each.stored
            self._reroute(stored.id, self._context, orderly=True, routing=stored.routing)
