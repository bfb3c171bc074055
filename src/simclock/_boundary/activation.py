"""Switching the boundary on and off, all of it, in the right order."""

from __future__ import annotations

import _thread
import functools
import os
import threading
from typing import TYPE_CHECKING

from simclock._boundary import (
    _native,
    databases,
    entropy,
    importing,
    libraries,
    lines,
    overlays,
    platforms,
    signals,
    wallclock,
)
from simclock._boundary.active import kernels
from simclock._boundary.network import state as network
from simclock._boundary.state import Collector
from simclock._boundary.watchdog import watchdog
from simclock.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simclock._core.kernel import Kernel

_prepared = False
# How to undo the steps of each open simulation, innermost last.
_open: list[list[Callable[[], None]]] = []
# For each `rest` that no `wake` has followed, whether garbage is collected.
_resting: list[bool] = []
# That of the outermost simulation.
_collector: list[Collector] = []


def prepare() -> None:
    """Do what is done once in a process; raise `Unsupported` where that cannot be."""
    global _prepared  # noqa: PLW0603
    if not _prepared:
        platforms.check_platform()
        os.register_at_fork(after_in_child=forget)
        _prepared = True


def check_thread() -> None:
    """Raise `Unsupported` if the calling thread cannot open a simulation now."""
    if kernels and not _native.simulated() and _thread.get_ident() != kernels[-1].outside:
        raise Unsupported(
            f"thread {threading.current_thread().name!r} cannot open a simulation: "
            "another one is open, and it is foreign to that\n"
            "open it in a simulated thread, or after the other has been closed"
        )


@signals.uninterrupted
def open_boundary(
    kernel: Kernel,
    seed: int,
    clock: wallclock.WallClock,
    change: Callable[[overlays.Overlay], None],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Make the calling thread the root of *kernel* and switch everything on.

    *change* is what plugins do to their libraries; *labels* is what
    `lines.labels` returns.
    """
    checkpoints = lines.checkpoints(kernel, labels or {})
    undo: list[Callable[[], None]] = []
    is_main = _thread.get_ident() == threading.main_thread().ident
    try:
        if _resting:
            # Opened by who has left another one for a while.
            collect = wake()
            undo.append(lambda: rest(collect=collect))
        # First to begin and last to end: an interrupt between two steps waits until all are done.
        if is_main and not _open:
            undo.append(signals.stop)
            signals.start()
        elif is_main:
            undo.append(signals.listen)
            signals.hush()
        _open.append(undo)
        wall = wallclock.Provided(clock)
        _begin(undo, wall.start, wall.stop)
        if len(_open) == 1:
            _begin(undo, _native.enable, _native.disable)
            _collector[:] = [Collector()]
            _begin(undo, _collector[0].start, _collector[0].stop)
            _begin(undo, databases.start, databases.stop)
            _begin(undo, importing.start, importing.stop)
        entropy.start(seed)
        undo.append(entropy.stop)
        overlays.start(seed, _watched(change, checkpoints), chaos=kernel.source.chaos)
        undo.append(overlays.stop)
        _begin(undo, libraries.start, libraries.stop)
        kernel.adopt_root(_thread.get_ident())
        kernels.append(kernel)
        kernel.hush(overlays.quiet())
        undo.append(_drop_kernel)
        undo.append(functools.partial(network.end, kernel))
        watchdog.watch(kernel.limits.stall)
        _native.open(kernel.root.baton, is_main)
        undo.append(_native.close)
        if checkpoints is not None:
            _begin(undo, checkpoints.start, checkpoints.stop)
        wall.check()
        if is_main:
            signals.listen()
    except BaseException:
        _close(undo)
        raise


@signals.uninterrupted
def close_boundary() -> None:
    """Undo the last `open_boundary`."""
    undo = _open[-1]
    if signals.stop in undo or signals.listen in undo:
        signals.hush()
    _close(undo)


def rest(*, collect: bool) -> None:
    """Give back what a thread outside would notice, while the simulations stand still.

    Those who run tests set signal handlers of their own between two parts of a test.
    """
    _resting.append(collect)
    if collect:
        _collector[0].rest()
    if signals.stop in _open[0]:
        signals.stop()


def wake() -> bool:
    """Go on after `rest`; signals are only noted until ``signals.listen()``.

    Returns what `rest` was told, for the next one.
    """
    collect = _resting.pop()
    _collector[0].wake()
    if signals.stop in _open[0]:
        signals.start()
    return collect


def _close(undo: list[Callable[[], None]]) -> None:
    """Do the steps of *undo*, last first, each whatever the others do."""
    _open[:] = [other for other in _open if other is not undo]
    errors = []
    while undo:
        try:
            undo.pop()()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise errors[0]


def _begin(
    undo: list[Callable[[], None]], start: Callable[[], None], stop: Callable[[], None]
) -> None:
    start()
    undo.append(stop)


def _watched(
    change: Callable[[overlays.Overlay], None], checkpoints: lines.Checkpoints | None
) -> Callable[[overlays.Overlay], None]:
    if checkpoints is None:
        return change

    def both(overlay: overlays.Overlay) -> None:
        change(overlay)
        checkpoints.watch(overlay)

    return both


def _drop_kernel() -> None:
    kernels.pop()


def forget() -> None:
    """In a forked child: there is no simulation here, and never was."""
    watchdog.forget()
    _resting.clear()
    while _open:
        close_boundary()
