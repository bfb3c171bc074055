"""The runner whose processes stay, and run one invocation at a time each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from simclock.systems.runners.pools import PoolRunner

if TYPE_CHECKING:
    from simclock.systems.runners.config import PersistentProcessRunnerConfig


class PersistentProcessRunner(PoolRunner):
    """Has ``num_processes`` processes, each of which runs one invocation after the other."""

    section = "persistent_process_runner"
    conf: PersistentProcessRunnerConfig
    threads = 1

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations run at the same time, at most; others may wait for results."""
        most = self.conf.num_processes or os.cpu_count() or 1
        return max(self.conf.min_parallel_slots, most)

    def _wanted(self) -> int:
        return self.max_parallel_slots
