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
# may turn round in a loop until another thread has done something.
STEPS = 1_000_000
READINGS = 100_000


class Interlude:
    """Something of the current thread's that is no step of the run.

    Unless it has to wait, or starts a thread: from there on it is like all else.

    Args:
        kernel: Whose current thread it is.
        undo: Is called at its end.
    """

    __slots__ = ("_kernel", "_reads_left", "_step_ns", "_steps_left", "_thread", "_undo")

    def __init__(self, kernel: Kernel, undo: Callable[[], None] | None = None) -> None:
        world = kernel.world
        self._kernel = kernel
        self._undo = undo
        self._thread: SimThread = kernel.current
        self._steps_left = world.steps_left
        self._reads_left = world.reads_left
        self._step_ns = world.step_ns
        world.steps_left, world.reads_left, world.step_ns = STEPS, READINGS, 0
        self._thread.interlude = self

    def end(self) -> None:
        """Go on as if it had not been. Idempotent."""
        if self._thread.interlude is not self:
            return
        self._thread.interlude = None
        world = self._kernel.world
        world.steps_left = self._steps_left
        world.reads_left = self._reads_left
        world.step_ns = self._step_ns
        if self._undo is not None:
            self._undo()
