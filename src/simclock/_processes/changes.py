"""What is different in `multiprocessing` while a simulation has simulated processes."""

from __future__ import annotations

import functools
import itertools
import weakref
from multiprocessing import context, process, util
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.overlays import OrderedSet
from simclock._processes import finalizers, sharing
from simclock._processes.popen import Popen

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._boundary.overlays import Overlay

_KINDS = {"ForkProcess": "fork", "SpawnProcess": "spawn", "ForkServerProcess": "forkserver"}
_SHARING = {
    "multiprocessing.synchronize": sharing.share_semaphores,
    "multiprocessing.resource_sharer": sharing.share_descriptors,
    "multiprocessing.resource_tracker": sharing.keep_track,
    "multiprocessing.heap": sharing.share_memory,
}


def change(overlay: Overlay) -> None:
    """Let each start method make a simulated process when a simulated thread asks for one."""
    _count_from_one(overlay)
    _keep_defaults(overlay)
    started = Started(overlay)
    for name, method in _KINDS.items():
        kind = getattr(context, name)
        overlay.replace(kind, "_Popen", staticmethod(started.by(kind._Popen, method)))
    for module, share in _SHARING.items():
        overlay.when_loaded(module, functools.partial(share, overlay))
    overlay.at_end(started.end)


def _count_from_one(overlay: Overlay) -> None:
    """Let names of processes and the order of children be the same in each run."""
    here: Any = process
    overlay.replace(here, "_process_counter", itertools.count(1))
    before, ours = here._children, OrderedSet(here._children)
    overlay.replace(here, "_children", ours)

    def give_back() -> None:
        before.clear()
        before.update(ours)

    overlay.at_end(give_back)


def _keep_defaults(overlay: Overlay) -> None:
    default: Any = context._default_context
    overlay.replace(default, "_actual_context", default._actual_context)
    finalize: Any = util.Finalize
    overlay.replace(finalize, "__call__", finalizers.anywhere(finalize.__call__))


class Started:
    """The processes that one simulation has started."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._popens: weakref.WeakSet[Popen] = weakref.WeakSet()

    def by(self, original: Callable[[Any], Any], method: str) -> Callable[[Any], Any]:
        """Return what starts a process; *original* is for who is not simulated."""

        def popen(process_obj: Any) -> Any:
            if self._overlay.is_callers() and not _native.call_kernel(kernel().port.real_package):
                return self._start(process_obj, method)
            return original(process_obj)

        return popen

    def _start(self, process_obj: Any, method: str) -> Popen:
        popen = Popen(process_obj, method)
        self._popens.add(popen)
        return popen

    def end(self) -> None:
        """Leave no descriptor of those who keep a process object; all have ended by now."""
        # As `multiprocessing` does before it starts another one.
        process.active_children()
        for popen in list(self._popens):
            popen.poll()
            if popen.parent is None:
                popen.close()
            else:
                popen.finalizer.cancel()  # the system has closed them with their process
