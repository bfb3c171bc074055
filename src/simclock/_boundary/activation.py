"""Switching the boundary on and off, all of it, in the right order."""

from __future__ import annotations

import _thread
import os
import threading
from typing import TYPE_CHECKING

from simclock._boundary import (
    _native,
    entropy,
    identity,
    platforms,
    rows,
    signals,
    table,
    wallclock,
)
from simclock._boundary.active import kernels
from simclock._boundary.state import Collector
from simclock._boundary.watchdog import watchdog
from simclock.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.kernel import Kernel

_prepared = False
# How to undo the steps of each open simulation, innermost last.
_open: list[list[Callable[[], None]]] = []


def prepare() -> None:
    """Make the slots, once in a process; raise `Unsupported` where that cannot be."""
    global _prepared  # noqa: PLW0603
    if not _prepared:
        platforms.check()
        rows.redirect(table.REDIRECTED)
        os.register_at_fork(after_in_child=forget)
        _prepared = True


def check_thread() -> None:
    """Raise `Unsupported` if the calling thread cannot open a simulation now."""
    if kernels and not _native.simulated():
        raise Unsupported(
            f"thread {threading.current_thread().name!r} cannot open a simulation: another one is open, and it "
            "is foreign to that\nopen it in a simulated thread, or after the other has been closed"
        )


def open_boundary(kernel: Kernel, seed: int) -> None:
    """Make the calling thread the root of *kernel* and switch everything on."""
    undo: list[Callable[[], None]] = []
    _open.append(undo)
    is_main = _thread.get_ident() == threading.main_thread().ident
    try:
        if len(_open) == 1:
            _begin(undo, wallclock.start, wallclock.stop)
            _begin(undo, _native.enable, _native.disable)
            collector = Collector()
            _begin(undo, collector.start, collector.stop)
            if is_main:
                _begin(undo, signals.start, signals.stop)
        entropy.start(seed)
        undo.append(entropy.stop)
        identity.start(seed)
        undo.append(identity.stop)
        kernel.root.ident = _thread.get_ident()
        kernels.append(kernel)
        undo.append(_drop_kernel)
        watchdog.watch(kernel.limits.stall)
        _native.open(kernel.root.baton, is_main)
        undo.append(_native.close)
    except BaseException:
        close_boundary()
        raise


def close_boundary() -> None:
    """Undo `open_boundary`, last step first, each whatever the others do."""
    undo = _open.pop()
    errors = []
    while undo:
        try:
            undo.pop()()
        except BaseException as error:  # noqa: BLE001, PERF203 - raised below
            errors.append(error)
    if errors:
        raise errors[0]


def _begin(undo: list[Callable[[], None]], start: Callable[[], None], stop: Callable[[], None]) -> None:
    start()
    undo.append(stop)


def _drop_kernel() -> None:
    kernels.pop()


def forget() -> None:
    """In a forked child: there is no simulation here, and never was."""
    watchdog.forget()
    while _open:
        close_boundary()
