"""The kernel's port to real threads, real signals and real time."""

from __future__ import annotations

import _thread
import functools
import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, libraries, realtime, remains
from simclock._boundary.active import kernels
from simclock._boundary.contexts import Contexts
from simclock._boundary.outside import Outside
from simclock._boundary.rows import originals
from simclock.errors import Stalled, Unwind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simclock._core.groups import Group
    from simclock._core.threads import SimThread


# Idents of threads that stay parked for ever: they help nobody.
_abandoned: set[int] = set()


class NativePort:
    """What `simclock._core.ports.Port` asks for, on this machine."""

    def __init__(
        self,
        epoch_ns: int,
        start_ns: int,
        *,
        is_main: bool,
        real_packages: frozenset[str] = frozenset(),
    ) -> None:
        self.world = _native.World()
        self.world.wall_ns = epoch_ns - start_ns
        self.is_main = is_main
        self.real_packages = real_packages
        self.outside = Outside()
        self.working = self.outside.working
        # Bound here: these are on the path of every switch.
        self.switch = _native.switch
        self.give_turn = _native.give_turn
        self.current = _native.current
        self.call_user = _native.call_user
        self.check_signals = _native.check_signals
        self.wait_kick = _native.wait_kick
        self.foreign_steps = _native.foreign_steps
        self.real_seconds = realtime.now
        self.real_package: Callable[[], str] = (
            functools.partial(libraries.real_package, real_packages) if real_packages else _nowhere
        )
        self.signals_wanted: Callable[[], bool] = _native.wanted if is_main else _never

    def disturbed(self) -> bool:
        """Return whether anything from outside is to be looked at before the clock moves."""
        return bool(
            self.outside.children
            or self.outside.typed_until
            or self.signals_wanted()
            or (self.real_packages and self.real_package())
        )

    def new_baton(self) -> _native.Baton:
        """Return the C half of a simulated thread."""
        return _native.Baton(self.world)

    def start(
        self, thread: SimThread, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> int:
        """Arrange that *function* runs on a carrier at the thread's first turn."""
        return _native.start(thread.baton, function, args, kwargs)

    def cancel(self, thread: SimThread) -> None:
        """Forget what a thread that never ran was to run."""
        threading._limbo.pop(thread.python_thread, None)  # type: ignore[attr-defined]
        _native.cancel(thread.baton)

    def silence(self, thread: SimThread) -> None:
        """Keep *thread*'s end by us from every excepthook; only a plain SystemExit is silent."""
        python_thread = thread.python_thread
        if python_thread is not None:
            if threading._limbo.pop(python_thread, None) is not None:  # type: ignore[attr-defined]
                # It is stopped before it could enter itself, and will take itself off.
                threading._active[thread.ident] = python_thread  # type: ignore[attr-defined]
            report = python_thread._invoke_excepthook
            python_thread._invoke_excepthook = functools.partial(_report_unless_unwound, report)

    def abandon(self, thread: SimThread) -> None:
        """Take *thread* off the lists that the interpreter's exit joins."""
        _abandoned.add(thread.ident)
        locks = getattr(threading, "_shutdown_locks", None)
        if locks is not None:
            locks.discard(thread.sentinel)
        _forget_workers(lambda worker: worker.ident == thread.ident)

    def ended(self, thread: SimThread) -> list[int]:
        """Publish that *thread* has ended; return the keys of what joins wait for."""
        if thread.handle is not None:
            thread.handle._set_done()
            key, thread.handle = id(thread.handle), None
            return [key]
        if thread.sentinel is not None:
            # Python released it in C, with the thread's state.
            _native.disown(thread.sentinel)
            key, thread.sentinel = id(thread.sentinel), None
            return [key]
        return []

    def foreign_threads(self) -> list[str]:
        """Return the names of the foreign threads that ``threading`` knows and are alive."""
        simulated = {thread.ident for kernel in kernels for thread in kernel.all_threads()}
        simulated |= _abandoned
        return [
            thread._name
            for ident, thread in threading._active.copy().items()  # type: ignore[attr-defined]
            # A thread that `threading` did not start is infrastructure: it only asked who it is.
            if ident not in simulated and not isinstance(thread, threading._DummyThread)
        ]

    def collect(self) -> None:
        """Collect cyclic garbage, as user code: finalizers may wait."""
        _native.call_user(gc.collect)

    @functools.cached_property
    def contexts(self) -> Contexts:
        """What simulated processes have of their own."""
        return Contexts(self.world)

    def enter(self, group: Group | None) -> None:
        """Put in place what a simulated process has of its own, None for the test's."""
        self.contexts.enter(group)

    def set_wall(self, group: Group) -> None:
        """Let the wall clock be that of the host of *group*, which has changed."""
        self.contexts.set_wall(group)

    def let_go(self, group: Group) -> None:
        """Let go of what the operating system takes from a process that has ended."""
        mine = self.contexts.owned(group)
        if self.outside.network is not None:
            # It may open some of its own, which would count as the current process'.
            mine -= self.outside.network.dies(mine)
        self.contexts.let_go(group, mine)

    def mourn(self, unwind: Callable[[], None]) -> None:
        """Call *unwind*, which ends the threads of killed processes, so that nothing is seen."""
        with remains.silenced():
            unwind()
            # Pools are listed by workers, as weak keys. But work that was left in the queue of a
            # killed pool, and knows that pool, keeps its worker, and so itself, for ever.
            _forget_workers(_has_ended)
            gc.collect()
            self.contexts.close()

    def retire(self, threads: list[SimThread]) -> None:
        """Shut down the thread pools that *threads* work for."""
        for thread in threads:
            worker = _worker_frame(thread)
            if worker is None:
                continue
            thread.pooled = True
            executor = worker.f_locals["executor_reference"]()
            if executor is not None:
                _native.call_user(executor.shutdown, False)
            else:
                _native.call_user(worker.f_locals["work_queue"].put, None)


def _forget_workers(is_over: Callable[[Any], bool]) -> None:
    """Take workers of pools off the list of those that the interpreter's exit joins."""
    pool: Any = sys.modules.get("concurrent.futures.thread")
    for worker in list(pool._threads_queues) if pool is not None else ():
        if is_over(worker):
            del pool._threads_queues[worker]


def _has_ended(worker: Any) -> bool:
    return threading._active.get(worker.ident) is not worker  # type: ignore[attr-defined]


def _worker_frame(thread: SimThread) -> FrameType | None:
    frame = sys._current_frames().get(thread.ident) if thread.started else None
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if frame.f_code.co_name == "_worker" and name == "concurrent.futures.thread":
            return frame
        frame = frame.f_back
    return None


def _report_unless_unwound(report: Callable[[Any], None], thread: Any) -> None:
    if not _is_ours(sys.exc_info()[1]):
        report(thread)


def _is_ours(error: Any) -> bool:
    """Return whether nothing but the end of the simulation has raised *error*."""
    within = getattr(error, "exceptions", None)  # of a group, such as trio makes
    if within:
        return all(map(_is_ours, within))
    # Stalled: the simulation raises that itself.
    return isinstance(error, (Unwind, Stalled))


def _never() -> bool:
    return False


def _nowhere() -> str:
    return ""


def start_foreign(function: Callable[[], None]) -> None:
    """Start a foreign thread that ``threading`` does not know, from any thread.

    Returns when it runs: Python 3.10 crashes on a thread whose first
    instruction comes after the interpreter's end.
    """
    original = originals.get("_thread.start_new_thread", _thread.start_new_thread)
    acquire = originals.get("_thread.LockType.acquire", _thread.LockType.acquire)
    release = originals.get("_thread.LockType.release", _thread.LockType.release)
    begun = _thread.allocate_lock()
    acquire(begun)

    def run() -> None:
        release(begun)
        function()

    original(run, ())
    acquire(begun)
