"""Which locks all simulated processes share, as there is one real process: those of modules."""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.locks import rlock_owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from simclock._core.threads import SimThread

_LOCKS = (_thread.LockType, _thread.RLock)
_IMPORT = "importlib._bootstrap"
# Those that were found, and how many modules there were then.
_found: list[Any] = []
_modules: list[int] = [0]


def owns_shared(thread: SimThread) -> bool:
    """Return whether *thread* owns a lock of a module, or is importing one.

    Killed there, it would own that for ever, with what it guards half done.
    """
    if _modules[0] != len(sys.modules):
        _modules[0] = len(sys.modules)
        _found[:] = _locks_of_modules()
    return any(_owns(thread, lock) for lock in (*_found, *_locks_of_logging())) or _imports(thread)


def _owns(thread: SimThread, lock: Any) -> bool:
    if isinstance(lock, _thread.LockType):
        return bool(_native.owner(lock) == thread.baton.serial)
    return rlock_owner(lock) == thread.ident


def _locks_of_modules() -> Iterator[Any]:
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            if isinstance(value, _LOCKS):
                yield value


def _locks_of_logging() -> Iterator[Any]:
    logging = sys.modules.get("logging")
    for reference in getattr(logging, "_handlerList", ()):
        lock = getattr(reference(), "lock", None)
        if isinstance(lock, _LOCKS):
            yield lock


def _imports(thread: SimThread) -> bool:
    frame: FrameType | None = sys._current_frames().get(thread.ident)
    while frame is not None:
        if frame.f_globals.get("__name__") == _IMPORT:
            return True
        frame = frame.f_back
    return False
