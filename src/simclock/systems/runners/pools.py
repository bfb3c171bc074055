"""Runners whose processes stay: each is a runner with threads, and is replaced when it is lost."""

from __future__ import annotations

import abc
import time
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.bodies import FIRST_BACK_OFF, LONGEST_BACK_OFF
from simclock.systems.runners.children import SETTLING, ParentRunner
from simclock.systems.runners.workers import STOP, Worker
from simclock.systems.runners.working import run_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext


class PoolRunner(ParentRunner):
    """Has as many processes as it wants, each of which takes invocations by itself.

    One that is lost is replaced: at once, or after a pause that grows if it
    has lived for a short time only.
    """

    def __init__(
        self,
        app: Pynenc,
        runner_cache: dict[str, Any] | None = None,
        runner_context: RunnerContext | None = None,
    ) -> None:
        super().__init__(app, runner_cache, runner_context)
        # By the monotonic clock; no process is started before.
        self._next_start = 0.0
        self._delay = 0.0

    @property
    @abc.abstractmethod
    def threads(self) -> int:
        """How many invocations each process runs at the same time."""

    @abc.abstractmethod
    def _wanted(self) -> int:
        """Return how many processes there should be now."""

    def _hear(self, worker: Worker, load: int) -> None:
        """Hear how many invocations a process runs; in a thread."""

    def _staying(self) -> list[Worker]:
        """Return those that were not told to stop."""
        return [each for each in tuple(self._workers) if not each.is_asked]

    def _on_start(self) -> None:
        self._next_start = self._delay = 0.0

    def runner_loop_iteration(self) -> None:
        """Replace what was lost."""
        self._look_after_the_dead()
        while (
            self.running
            and time.monotonic() >= self._next_start
            and len(self._staying()) < self._wanted()
        ):
            self._start()

    def _start(self) -> None:
        context = self.runner_context.new_child_context(f"{type(self).__name__}Worker")
        self._register_new_child_runner_context(context)
        try:
            self._started(context, run_threads, self.threads, self.section, heard=self._hear)
        except (OSError, EOFError, RuntimeError):
            self._forget_child_runner_context(context)
            raise

    def _bury(self, worker: Worker) -> None:
        super()._bury(worker)
        if not worker.is_asked:
            has_lived = time.monotonic() - worker.began >= LONGEST_BACK_OFF
            self._delay = 0.0 if has_lived else self._longer()
            self._next_start = time.monotonic() + self._delay

    def _longer(self) -> float:
        return min(2 * self._delay, LONGEST_BACK_OFF) or FIRST_BACK_OFF

    def _on_stop_runner_loop(self) -> None:
        """Tell the processes, which give their invocations time by themselves."""
        for each in tuple(self._workers):
            each.say(STOP)

    def _on_stop(self) -> Sequence[str]:
        self._on_stop_runner_loop()
        # They take the grace themselves, and then a moment to note what was killed.
        is_over = self._life.wait_within(self.conf.stop_grace + SETTLING, self._are_over)
        return () if is_over else self._kill_all()
