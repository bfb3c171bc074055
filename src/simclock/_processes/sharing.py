"""What `multiprocessing` shares among processes, for processes that share all there is."""

from __future__ import annotations

import contextlib
import os
from multiprocessing import context
from typing import TYPE_CHECKING, Any

from simclock._processes.parcels import Parcel, Passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._boundary.overlays import Overlay


# ------------------------------------------------------------------------- semaphores


def share_semaphores(overlay: Overlay, module: Any) -> None:
    """Let semaphores go to other processes as they are: opened twice they would be closed twice."""
    kind = module.SemLock
    overlay.replace(kind, "__getstate__", _packed(kind.__getstate__))
    overlay.replace(kind, "__setstate__", _unpack)
    overlay.replace(module, "_multiprocessing", _Nameless(overlay, module._multiprocessing))


def _packed(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def getstate(self: Any) -> Any:
        parcel = context.get_spawning_popen()
        is_fork = getattr(self, "_is_fork_ctx", False)
        if not isinstance(parcel, Parcel) or (is_fork and parcel.method != "fork"):
            return original(self)  # raises what is wrong
        return self._semlock, is_fork

    return getstate


def _unpack(self: Any, state: Any) -> None:
    self._semlock, self._is_fork_ctx = state
    self._make_methods()


class _Nameless:
    """``_multiprocessing`` for semaphores that nobody opens by name: it is taken off at once.

    Else `multiprocessing` would start a real process, to do that in the end.
    """

    def __init__(self, overlay: Overlay, original: Any) -> None:
        self._overlay = overlay
        self._original = original

    def SemLock(self, *args: Any) -> Any:  # noqa: N802 - as the original
        *rest, unlink = args
        return self._original.SemLock(*rest, unlink or self._overlay.is_callers())


# ------------------------------------------------------------------------- descriptors

# Those that are on their way through a connection, by number: of each simulation, innermost last.
_passed: list[dict[int, Passed]] = []


def share_descriptors(overlay: Overlay, module: Any) -> None:
    """Let descriptors go through connections without a server that gives them away."""
    original, next_number = module.DupFd, overlay.counter("descriptors on their way")

    def dup_fd(fd: int) -> Any:
        return _Ticket(next_number(), fd) if overlay.is_callers() else original(fd)

    overlay.replace(module, "DupFd", dup_fd)
    _passed.append({})
    overlay.at_end(_close_passed)


class _Ticket:
    """Stands for a descriptor in what is pickled."""

    def __init__(self, number: int, fd: int) -> None:
        self._number = number
        _passed[-1][number] = Passed(fd)

    def detach(self) -> int:
        """Return the descriptor; once, as the original."""
        return _passed[-1].pop(self._number).detach()


def _close_passed() -> None:
    for passed in _passed.pop().values():
        passed.close()


# -------------------------------------------------------------------------- resources


def keep_track(overlay: Overlay, module: Any) -> None:
    """Let what has a name be unlinked at the end, without a real process that waits for that."""
    left: dict[tuple[str, str], None] = {}

    def register(name: str, rtype: str) -> None:
        if overlay.is_callers():
            left[name, rtype] = None
        else:
            kept[0](name, rtype)

    def unregister(name: str, rtype: str) -> None:
        if (name, rtype) in left:
            del left[name, rtype]
        else:
            kept[1](name, rtype)

    def unlink() -> None:
        for name, rtype in left:
            with contextlib.suppress(OSError):
                module._CLEANUP_FUNCS[rtype](name)

    kept = module.register, module.unregister
    overlay.replace(module, "register", register)
    overlay.replace(module, "unregister", unregister)
    overlay.at_end(unlink)


def share_memory(overlay: Overlay, module: Any) -> None:
    """Let all processes take shared memory from one heap."""

    class OneHeap(module.Heap):  # type: ignore[misc]
        """One that takes no process for a fork of the one before."""

        @property
        def _lastpid(self) -> int:
            return os.getpid()

        @_lastpid.setter
        def _lastpid(self, pid: int) -> None:
            """Do nothing: it is whoever asks."""

    overlay.replace(module.BufferWrapper, "_heap", OneHeap())
