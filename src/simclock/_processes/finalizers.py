"""Whose finalizers are whose: `multiprocessing.util` has one registry, for one process."""

from __future__ import annotations

import functools
import os
import traceback
from multiprocessing import util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Without types: most of it is not public.
_util: Any = util
# What only closes descriptors. An operating system does that at the end of a process.
_CLOSING = (os.close, _util.close_fds)


def call(pid: int, least: int | None = None) -> None:
    """Call those of a process that have a priority, *least* or more, the highest first."""
    keys = [
        key
        for key, finalizer in _of(pid)
        if key[0] is not None and (least is None or key[0] >= least)
    ]
    for key in sorted(keys, reverse=True):
        finalizer = _util._finalizer_registry.get(key)
        if finalizer is not None:  # pragma: no branch - else one before has run it
            try:
                finalizer()
            except Exception:  # noqa: BLE001 - as `multiprocessing` does
                traceback.print_exc()


def drop(pid: int) -> None:
    """Forget those of a process that has ended; close what only they would have closed."""
    for _, finalizer in _of(pid):
        callback, args = finalizer._callback, finalizer._args
        finalizer.cancel()
        if callback in _CLOSING:
            callback(*args)


def anywhere(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Finalize.__call__` for objects that are collected while another process runs.

    *original* takes that for a fork, and does nothing.
    """

    @functools.wraps(original)
    def call(self: Any, wr: Any = None) -> Any:
        return original(self, wr, getpid=lambda: self._pid)

    return call


def _of(pid: int) -> list[tuple[Any, Any]]:
    registry = dict(_util._finalizer_registry)
    return [(key, finalizer) for key, finalizer in registry.items() if finalizer._pid == pid]
