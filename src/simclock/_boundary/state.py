"""Process-wide state that a simulation sets and puts back."""

from __future__ import annotations

import gc

# CPython 3.12 freezes a few hundred objects of its own at start-up; who freezes more means it.
FROZEN_BY_PYTHON = 1000


class Collector:
    """Automatic collection of cyclic garbage, off while a simulation runs.

    It would run finalizers at steps that depend on what was allocated before,
    and inside the kernel. What exists already is frozen, so that a collection
    made by the kernel finds the simulation's own garbage only, and quickly.
    """

    def __init__(self) -> None:
        self._was_enabled = gc.isenabled()
        self._froze = gc.get_freeze_count() < FROZEN_BY_PYTHON

    def start(self) -> None:
        """Switch it off."""
        gc.disable()
        if self._froze:
            gc.freeze()

    def stop(self) -> None:
        """Put it back as it was."""
        if self._froze:
            gc.unfreeze()
        self.rest()

    def rest(self) -> None:
        """Let the process collect as it does outside, until `wake`."""
        if self._was_enabled:
            gc.enable()

    def wake(self) -> None:
        """Go on after `rest`."""
        gc.disable()
