"""Invariants: what is to hold wherever another thread, or another task, may go on.

Between two such places nobody else can see what a thread has made of the state.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from simclock.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simclock._core.kernel import Kernel

PACKAGE = str(Path(__file__).parent.parent)
# An invariant may read the clock and use free locks as often as it likes: nothing is counted.
PLENTY = 1 << 40
ADVICE = "let it only look at the state: it must not sleep, nor wait for a lock that is not free"


class Watch:
    """The invariants of a simulation.

    While one is called, the clock stands still, nothing is a choice point, and
    nothing waits.

    Args:
        kernel: Whose steps they are called at.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._invariants: list[tuple[str, str, Callable[[], object]]] = []
        # The name of the one that is being called.
        self._called = ""
        self._looked_ns = -1
        self._threads = 1
        kernel.watch = self
        # Every operation is to come by, also what is answered in C otherwise.
        kernel.world.interested = 1
        kernel.trace.watch(self.look)

    def add(self, name: str, site: str, function: Callable[[], object]) -> None:
        """Have *function*, which is called *name* and was made at *site*, called at each step."""
        self._invariants.append((name, site, function))

    def close(self) -> None:
        """Forget them all."""
        kernel = self._kernel
        kernel.watch = None
        kernel.trace.watch(None)
        kernel.world.interested = kernel.source.interested

    # ------------------------------------------------------------------- when

    def step(self) -> bool:
        """Call them where a thread may lose its turn; return whether one was being called already.

        What is answered in C otherwise counts as it does there.
        """
        if not (self._called or self._kernel._choosing):
            self._kernel.world.steps_left -= 1
        return self.look()

    def look(self) -> bool:
        """Call them; return whether one was being called already."""
        if self._called:
            return True
        kernel = self._kernel
        if not (kernel.ending or kernel.failure or kernel._strays):
            self._looked_ns, self._threads = kernel.world.now_ns, len(kernel.living)
            with _Aside(kernel):
                for name, site, function in self._invariants:
                    self._call(name, site, function)
        return False

    def before_wait(self) -> None:
        """Call them before the current thread waits.

        Raises:
            RuntimeError: It is one of them that would wait.
        """
        name = self._called
        if self.look():
            error = RuntimeError(
                f"an invariant would wait: {name!r}\n  at {self._kernel.site()}\n{ADVICE}"
            )
            self._kernel.fail(error)
            raise error

    def after_turn(self) -> None:
        """Call them in a thread that goes on, if time has passed, or a thread has ended."""
        kernel = self._kernel
        moved = kernel.world.now_ns != self._looked_ns or len(kernel.living) != self._threads
        if moved and not kernel.unwinding:
            self.look()

    # ---------------------------------------------------------------- how

    def _call(self, name: str, site: str, function: Callable[[], object]) -> None:
        kernel = self._kernel
        self._called = name
        raised: BaseException | None = None
        result: object = None
        try:
            result = kernel.port.call_user(function)
        except BaseException as error:  # noqa: BLE001 - it is the run's
            raised = error
        finally:
            self._called = ""
        if kernel.failure is not None:
            return  # it would have waited, or has stated something itself
        if isinstance(raised, (KeyboardInterrupt, SystemExit)):
            kernel.fail(raised)
        elif raised is not None:
            self._fail(name, site, f"raised {type(raised).__name__}: {raised}", raised)
        elif not (result is None or result):
            self._fail(name, site, "did not hold", None)

    def _fail(self, name: str, site: str, what: str, cause: BaseException | None) -> None:
        kernel = self._kernel
        found = f"after a step of thread {kernel.current.path} at {kernel.site()}"
        error = Violation(f"invariant {name!r} of {site}\n  {what}\n  {found}", site)
        error.__cause__ = cause
        if kernel.current is not kernel.root:  # which raises it where it is
            error.__traceback__ = traceback_of(sys._getframe())
        kernel.fail(error)


class _Aside:
    """A block that leaves no trace in the run: no step, no reading of the clock, no choice."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._kept: tuple[Any, ...] = ()

    def __enter__(self) -> None:
        kernel, world = self._kernel, self._kernel.world
        self._kept = (
            world.reads_left,
            world.steps_left,
            world.step_ns,
            world.interested,
            kernel.steps_at_instant,
            kernel._choosing,
        )
        world.reads_left = world.steps_left = PLENTY
        world.step_ns = world.interested = 0
        kernel._choosing = False

    def __exit__(self, *_: object) -> None:
        kernel, world = self._kernel, self._kernel.world
        (
            world.reads_left,
            world.steps_left,
            world.step_ns,
            world.interested,
            kernel.steps_at_instant,
            kernel._choosing,
        ) = self._kept


def traceback_of(frame: FrameType | None) -> TracebackType | None:
    """Return a traceback of what has called *frame*; its last line is the user's."""
    found: TracebackType | None = None
    while frame is not None:
        if found is not None or not frame.f_code.co_filename.startswith(PACKAGE):
            found = TracebackType(found, frame, max(frame.f_lasti, 0), frame.f_lineno or 0)
        frame = frame.f_back
    return found
