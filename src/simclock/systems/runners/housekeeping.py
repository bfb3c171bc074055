"""What ended long ago is forgotten."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclock.systems.runners.orchestrator import Orchestrator
    from simclock.systems.runners.storage import Storage


class Housekeeping:
    """Removes final invocations, and slots that nobody has, when they have expired.

    By the wall clock of who ended them, and of this machine: one that is
    wrong by more than they are kept forgets them too early, or too late.
    """

    def __init__(self, orchestrator: Orchestrator, storage: Storage) -> None:
        self._orchestrator = orchestrator
        self._storage = storage

    def step(self) -> int:
        """Remove what has expired; return how many invocations that were."""
        now = time.time()
        self._orchestrator.slots.let_expire(now)
        self._orchestrator.registrations.let_expire(now)
        self._storage.slots.purge(now)
        return self._storage.invocations.purge(now)
