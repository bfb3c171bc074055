"""Checkpoints at each line or instruction of chosen modules, so that others may run there.

Python calls us back before the line, as it does for debuggers: `monitoring`
from 3.12 on, `tracing` before. What is said there is the same for both: whose
code it is, and how a callback gets into the kernel.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from simclock._boundary import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from simclock._boundary.overlays import Overlay
    from simclock._core.kernel import Kernel

# What the checkpoints are called in traces and choice points.
LINE = "line"
OPCODE = "opcode"
# Ordinary programs that come with us; all other code of ours is what simulates.
_PROGRAMS = "simclock.systems"
_ADVICE = 'give a list of names of modules, such as ("package.module",)'


class Checkpoints(Protocol):
    """The checkpoints of one simulation."""

    def watch(self, overlay: Overlay) -> None:
        """Reach modules too that are imported while the simulation is open."""

    def start(self) -> None:
        """Offer checkpoints from now on; called by the root thread, which is simulated already.

        Raises:
            Unsupported: Others have taken all that Python has for this.
        """

    def stop(self) -> None:
        """Undo `start`."""


def labels(lines: Iterable[str], opcodes: Iterable[str]) -> dict[str, str]:
    """Return what the checkpoints of each module are called: `LINE` or `OPCODE`.

    A module may be named in both: its lines begin with an instruction anyway.

    Raises:
        TypeError, ValueError: These are no names of modules that can be imported.
    """
    found = dict.fromkeys(_names("lines", lines), LINE)
    return {**found, **dict.fromkeys(_names("opcodes", opcodes), OPCODE)}


def checkpoints(kernel: Kernel, labels: Mapping[str, str]) -> Checkpoints | None:
    """Return what offers *kernel* these checkpoints, or None if nobody would use them.

    To be called before objects are frozen: it looks for functions.
    """
    if not labels or not kernel.world.interested:
        return None
    if sys.version_info >= (3, 12):
        from simclock._boundary.monitoring import Monitoring  # noqa: PLC0415 - one of the two

        return Monitoring(kernel, labels)
    from simclock._boundary.tracing import Tracing  # noqa: PLC0415

    return Tracing(kernel, labels)


class Offers:
    """What callbacks call to offer checkpoints of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        # Where the frames below are that were running when the simulation was opened.
        self._opened_at: dict[FrameType, int] = {}

    def open(self, frames: Iterable[FrameType]) -> None:
        """Offer none where *frames* are now: *with* statements call ``__exit__`` in the same line.

        An error raised there would leave the simulation open for ever.
        """
        self._opened_at.update((frame, frame.f_lineno) for frame in frames)

    def close(self) -> None:
        """Forget the frames."""
        self._opened_at.clear()

    def offering(self, label: str) -> Callable[[FrameType], None]:
        """Return what offers a checkpoint called *label* in a frame, and raises what that raises.

        Python runs callbacks as *tracing*, and what tracers do is not simulated: so
        this ends for the call, and a debugger or coverage sees the kernel as it
        sees it in any redirected call.
        """
        # Bound here: these are on the path of every line.
        current, call_kernel, call_tracing = _native.current, _native.call_kernel, sys.call_tracing
        kernel, opened_at = self._kernel, self._opened_at
        arguments = (kernel.checkpoint, label)

        def offer(frame: FrameType) -> None:  # pragma: no cover - callbacks are not traced
            baton = current()
            # Foreign threads run such code too, others of our threads without their turn, in real
            # time, and the kernel itself. And what a thread does on its way out has to succeed.
            if (
                baton is not None
                and baton is kernel.current.baton
                and not baton.in_kernel
                and not kernel.unwinding
                and opened_at.get(frame) != frame.f_lineno
            ):
                call_tracing(call_kernel, arguments)

        return offer


def stack() -> Iterator[FrameType]:
    """Yield the frames of the calling thread, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _names(option: str, names: Iterable[str]) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{option} is no list of modules: {names!r}\n{_ADVICE}")
    found: list[Any] = list(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{option} has what is no name of a module: {name!r}\n{_ADVICE}")
        if _simulates(name):
            raise ValueError(
                f"{option} has a module of the simulator itself: {name!r}\n"
                "name the modules that are to be tested"
            )
        if not _importable(name):
            raise ValueError(
                f"{option} has a module that cannot be found: {name!r}\n"
                "give its full name, as in sys.modules, and see that it can be imported"
            )
    return found


def _simulates(name: str) -> bool:
    is_program = f"{name}.".startswith(f"{_PROGRAMS}.")
    return name.partition(".")[0] in ("simclock", "pytest_simclock") and not is_program


def _importable(name: str) -> bool:
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False  # a parent that is none, or is no package; an empty or relative name
