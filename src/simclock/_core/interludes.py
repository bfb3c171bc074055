"""What a thread does that is no step of the run: it lasts no time, and nothing is chosen there.

The first import of a module, which happens once in a process: else the first run of a process would
have choice points that no later one has, and a schedule that was found late would fit no other
process. And what becomes of a line that is logged: else a schedule would fit only who listens to
the same lines in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread

# Locks that may be used in it, and readings of the clock, until it counts as part of the run: it
# may turn round in a loop until another thread has done something. Fewer than a livelock has.
STEPS = 100_000
READINGS = 100_000
# How many there may be while no other thread runs and no time passes: a loop that does nothing else
# has to end.
MOST = 1000


class Interlude:
    """Something of the current thread's that is no step of the run, from `begin` on.

    Unless it has to wait, or starts a thread: from there on it is like all else.
    """

    __slots__ = (
        "_at_instant",
        "_kernel",
        "_reads_left",
        "_step_ns",
        "_steps_left",
        "_thread",
        "_undo",
    )

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._thread: SimThread = kernel.current
        self._undo: Callable[[], None] | None = None

    def begin(self, set_aside: Callable[[], Callable[[], None]] | None = None) -> None:
        """Begin it, unless it is a part of another one, or there were too many.

        *set_aside* is called then, and returns what is called at the end.
        """
        kernel, world = self._kernel, self._kernel.world
        if not kernel.may_begin_interlude():
            return
        self._steps_left = world.steps_left
        self._reads_left = world.reads_left
        self._step_ns = world.step_ns
        self._at_instant = kernel.steps_at_instant
        world.steps_left, world.reads_left, world.step_ns = STEPS, READINGS, 0
        self._thread = kernel.current
        self._thread.interlude = self
        if set_aside is not None:
            self._undo = set_aside()

    def end(self) -> None:
        """Go on as if it had not been. Idempotent, also if it was never begun."""
        if self._thread.interlude is not self:
            return
        self._thread.interlude = None
        kernel, world = self._kernel, self._kernel.world
        world.steps_left = self._steps_left
        world.reads_left = self._reads_left
        world.step_ns = self._step_ns
        kernel.steps_at_instant = self._at_instant
        if self._undo is not None:
            self._undo()
