"""The runner that starts a process for each invocation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.children import ParentRunner
from simclock.systems.runners.failures import InvocationStatusError, StateBackendError
from simclock.systems.runners.places import Places
from simclock.systems.runners.workers import BACK, GRANTED, INTERRUPT, LEFT, STOP, Worker
from simclock.systems.runners.working import run_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.config import ProcessRunnerConfig
    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.stored import StoredInvocation


class _Seat:
    """The place of one process, which it leaves while its invocation waits."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._has_place = True
        self._is_over = False
        self._worker: Worker | None = None
        self.is_waiting = False
        self._is_interrupted = False

    def hear(self, worker: Worker, message: str) -> None:
        """Do what it asks for."""
        self._worker = worker
        if message == LEFT:
            self._has_place, self.is_waiting = False, True
            self._places.leave()
        elif message == BACK:
            self.is_waiting = False
            self._places.come_back(self._granted)

    def _granted(self) -> None:
        self._has_place = True
        assert self._worker is not None
        self._worker.say(GRANTED)

    def interrupt(self, worker: Worker) -> None:
        """Tell it to leave its waits: once, or all that is said might fill the pipe."""
        if not self._is_interrupted:
            self._is_interrupted = True
            worker.say(INTERRUPT)

    def end(self) -> None:
        """Give its place free: the process is over, and was heard to its end."""
        if self._has_place:
            self._places.leave()
        elif not self.is_waiting:
            self._places.withdraw(self._granted)


class ProcessRunner(ParentRunner):
    """Runs each invocation in a process of its own, at most as many at once as it has places.

    One that waits for results is PAUSED, and its process takes no place.
    """

    section = "process_runner"
    conf: ProcessRunnerConfig

    def __init__(
        self,
        app: Pynenc,
        runner_cache: dict[str, Any] | None = None,
        runner_context: RunnerContext | None = None,
    ) -> None:
        super().__init__(app, runner_cache, runner_context)
        self._places = Places(self.max_parallel_slots, self._life.wake.ring)
        self._seats: dict[Worker, _Seat] = {}
        # The identity of the next process; it has a heartbeat, and owns nothing yet.
        self._next: RunnerContext | None = None

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations run at the same time, at most; others may wait for results."""
        most = self.conf.max_processes or os.cpu_count() or 1
        return max(self.conf.min_parallel_slots, most)

    def get_active_child_runner_ids(self) -> list[str]:
        """Return the ids of those whose processes live, or are about to be started."""
        upcoming = self._next
        ids = super().get_active_child_runner_ids()
        return ids if upcoming is None else [*ids, upcoming.runner_id]

    def _on_start(self) -> None:
        self._places = Places(self.max_parallel_slots, self._life.wake.ring)

    def runner_loop_iteration(self) -> None:
        """Take as many invocations as there are places for, and start their processes."""
        self._look_after_the_dead()
        while self.running and self._places.take():
            if not self._take_one():
                return

    def _take_one(self) -> bool:
        has_taken = False
        try:
            context = self._upcoming()
            for stored in self.app.orchestrator.get_invocations_to_run(1, context):
                has_taken = True
                self._start(context, stored)
        finally:
            if not has_taken:
                self._places.put_back()
        return has_taken

    def _upcoming(self) -> RunnerContext:
        if self._next is None:
            context = self.runner_context.new_child_context("ProcessRunnerWorker")
            self._register_new_child_runner_context(context)
            self._next = context
        return self._next

    def _start(self, context: RunnerContext, stored: StoredInvocation) -> None:
        self._has_begun = True
        seat = _Seat(self._places)
        try:
            worker = self._started(context, run_one, stored, heard=seat.hear)
        except (OSError, EOFError, RuntimeError):
            seat.end()
            self._reroute(stored.id, context, orderly=True, routing=stored.routing)
            raise
        self._seats[worker] = seat
        self._next = None
        self._note_begin(context, stored)

    def _note_begin(self, context: RunnerContext, stored: StoredInvocation) -> None:
        """Note that it runs, as its process does once more: that may need longer to be ready.

        A body that is PENDING for long is taken to be forgotten.
        """
        try:
            self.app.orchestrator.start(stored.id, context, routing=stored.routing)
        except (InvocationStatusError, StateBackendError) as error:
            self.logger.debug("its process will say so, or has: %s", error)

    def _bury(self, worker: Worker) -> None:
        self._seats.pop(worker).end()
        super()._bury(worker)

    def _on_stop_runner_loop(self) -> None:
        """Tell the processes."""
        for each in tuple(self._workers):
            each.say(STOP)

    def _on_stop(self) -> Sequence[str]:
        self._on_stop_runner_loop()
        is_over = self._life.wait_within(self.conf.stop_grace, self._are_over)
        abandoned = () if is_over else self._kill_all()
        if self._next is not None:
            self._forget_child_runner_context(self._next)
            self._next = None
        return abandoned

    def _are_over(self) -> bool:
        is_over = super()._are_over()
        seats = dict(self._seats)
        if all(each.is_waiting for each in seats.values()):
            # Nothing here can end their waits; who has a result already goes on with it.
            for worker, seat in seats.items():
                seat.interrupt(worker)
        return is_over
