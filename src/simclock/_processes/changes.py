"""What is different in `multiprocessing` while a simulation has simulated processes."""

from __future__ import annotations

import functools
import itertools
import weakref
from multiprocessing import context, process, util
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.loops import simulated
from simclock._boundary.overlays import OrderedSet
from simclock._processes import finalizers, groups, sharing
from simclock._processes.popen import Popen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
    default: Any = context._default_context  # type: ignore[attr-defined]
    overlay.replace(default, "_actual_context", default._actual_context)
    _count_from_one(overlay)
    made: weakref.WeakSet[Popen] = weakref.WeakSet()
    for name, method in _KINDS.items():
        kind = getattr(context, name)
        overlay.replace(kind, "_Popen", staticmethod(_popen(kind._Popen, method, made)))
    overlay.replace(
        util.Finalize,  # type: ignore[attr-defined]
        "__call__",
        finalizers.anywhere(util.Finalize.__call__),  # type: ignore[attr-defined]
    )
    for module, share in _SHARING.items():
        overlay.when_loaded(module, functools.partial(share, overlay))
    overlay.at_end(functools.partial(_end, made))


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


def _end(made: Iterable[Popen]) -> None:
    """Leave nothing behind: neither processes nor descriptors of those who keep process objects."""
    groups.end_all()
    for popen in list(made):
        popen.poll()
        popen.close()


def _popen(
    original: Callable[[Any], Any], method: str, made: weakref.WeakSet[Popen]
) -> Callable[[Any], Any]:
    def popen(process_obj: Any) -> Any:
        if simulated() and not _native.call_kernel(kernel().port.real_package):
            popen = Popen(process_obj, method)
            made.add(popen)
            return popen
        return original(process_obj)

    return popen
