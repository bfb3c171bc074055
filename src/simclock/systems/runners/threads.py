"""The runner whose invocations run in threads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from simclock.systems.runners.inprocess import InProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.runners.bodies import Body
    from simclock.systems.runners.config import ThreadRunnerConfig


class ThreadRunner(InProcessRunner):
    """Runs each invocation in a thread of its own, at most ``max_threads`` at the same time."""

    section = "thread_runner"
    conf: ThreadRunnerConfig

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations run at the same time, at most; others may wait for results."""
        most = self.conf.max_threads or os.cpu_count() or 1
        return max(self.conf.min_parallel_slots, self.conf.min_threads, most)

    def _start_body(self, body: Body, ended: Callable[[], None]) -> None:
        self._run_in_thread(body, ended)
