"""The first import of a module, which happens once in a process: no step of any run.

Else the first run in a process would have choice points that no later one has, and a schedule
that was found late in one process would fit no run of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread

# Locks that an import may use, and readings of the clock, until it counts as part of the run: it
# may turn round in a loop until another thread has done something.
STEPS = 1_000_000
READINGS = 100_000


class Loading:
    """An import in the current thread: nothing is chosen or counted there, and no time passes.

    Unless it has to wait, or starts a thread: from there on it is like all else.

    Args:
        kernel: Whose current thread it is.
        undo: Is called at its end.
    """

    __slots__ = ("_kernel", "_reads_left", "_step_ns", "_steps_left", "_thread", "_undo")

    def __init__(self, kernel: Kernel, undo: Callable[[], None]) -> None:
        world = kernel.world
        self._kernel = kernel
        self._undo = undo
        self._thread: SimThread = kernel.current
        self._steps_left = world.steps_left
        self._reads_left = world.reads_left
        self._step_ns = world.step_ns
        world.steps_left, world.reads_left, world.step_ns = STEPS, READINGS, 0
        self._thread.loading = self

    def end(self) -> None:
        """Go on as if it had not been. Idempotent."""
        if self._thread.loading is not self:
            return
        self._thread.loading = None
        world = self._kernel.world
        world.steps_left = self._steps_left
        world.reads_left = self._reads_left
        world.step_ns = self._step_ns
        self._undo()
