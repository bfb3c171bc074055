"""The runner with several processes, each of which has several threads."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.pools import PoolRunner
from simclock.systems.runners.workers import STOP, Worker

if TYPE_CHECKING:
    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.config import MultiThreadRunnerConfig
    from simclock.systems.runners.context import RunnerContext


class MultiThreadRunner(PoolRunner):
    """Has up to ``max_processes`` processes with ``max_threads`` threads each.

    With ``enforce_max_processes`` all of them are there from the start on.
    Otherwise there are ``min_processes``, one more whenever something is to be
    run and all are busy, and those that have nothing to do for
    ``idle_timeout_process_sec`` end.
    """

    section = "multi_thread_runner"
    conf: MultiThreadRunnerConfig

    def __init__(
        self,
        app: Pynenc,
        runner_cache: dict[str, Any] | None = None,
        runner_context: RunnerContext | None = None,
    ) -> None:
        super().__init__(app, runner_cache, runner_context)
        # How many invocations each runs, and since when that is so; by the monotonic clock.
        self._loads: dict[Worker, tuple[int, float]] = {}

    @property
    def threads(self) -> int:
        """How many invocations each process runs at the same time."""
        return max(self.conf.min_threads, self.conf.max_threads)

    @property
    def _max_processes(self) -> int:
        return max(self.conf.min_processes, self.conf.max_processes or os.cpu_count() or 1)

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations run at the same time, at most; others may wait for results."""
        return max(self.conf.min_parallel_slots, self._max_processes * self.threads)

    def _hear(self, worker: Worker, load: int) -> None:
        self._loads[worker] = (load, time.monotonic())
        self._life.wake.ring()

    def _wanted(self) -> int:
        if self.conf.enforce_max_processes:
            return self._max_processes
        staying = self._staying()
        if self._max_processes > len(staying) >= self.conf.min_processes and self._lacks(staying):
            return len(staying) + 1
        return max(len(staying), self.conf.min_processes)

    def _lacks(self, staying: list[Worker]) -> bool:
        """Return whether something is to be run, and all are busy."""
        are_busy = all(self._load(each)[0] >= self.threads for each in staying)
        return are_busy and self.app.storage.queue.counts(time.time()).ready > 0

    def _load(self, worker: Worker) -> tuple[int, float]:
        return self._loads.get(worker, (0, worker.began))

    def runner_loop_iteration(self) -> None:
        """Replace what was lost, start what is lacking, and end what is idle."""
        super().runner_loop_iteration()
        if not self.conf.enforce_max_processes:
            self._end_the_idle()

    def _end_the_idle(self) -> None:
        staying = self._staying()
        for each in staying[: len(staying) - self.conf.min_processes]:
            load, since = self._load(each)
            if not load and time.monotonic() - since >= self.conf.idle_timeout_process_sec:
                # What it may take at this moment it runs, or gives back.
                each.say(STOP)

    def _bury(self, worker: Worker) -> None:
        self._loads.pop(worker, None)
        super()._bury(worker)
