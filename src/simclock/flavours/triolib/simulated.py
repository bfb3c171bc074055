"""trio in a simulation: what goes by chance or by address, and what is kept between runs."""

from __future__ import annotations

import functools
import sys
from math import inf
from threading import get_ident
from typing import TYPE_CHECKING, Any

from simclock.errors import Unwind
from simclock.flavours.triolib import clocks, loops
from simclock.flavours.triolib.waiting import waiting
from simclock.hookspecs import hookimpl
from simclock.lowlevel import OrderedSet, now_ns, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.flavours import WaitingTask
    from simclock.lowlevel import Overlay


class Trio:
    """The plugin."""

    @hookimpl
    def simclock_simulate(self, overlay: Overlay) -> None:
        """Let order be the same in each run, threads be ours, and clocks be exact."""
        for module, put in PUTS:
            overlay.when_loaded(module, functools.partial(put, overlay))

    @hookimpl
    def simclock_waiting_tasks(self, ident: int) -> list[WaitingTask]:
        """Return the tasks of the loop that runs in a thread."""
        return waiting(ident)

    @hookimpl
    def simclock_tell_task(self, error: BaseException, ident: int) -> bool:
        """Let the main task raise *error*: trio's loop does not survive one of its own."""
        return loops.tell(error, ident)


def _put_run(overlay: Overlay, run: Any) -> None:
    # A tie-break of heaps: numbers that grow put equal deadlines in arming order.
    number = overlay.counter("trio ties")
    overlay.replace(run, "id", lambda subject: number() if simulated() else id(subject))
    overlay.replace(run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    overlay.replace(run, "_r", _Order(overlay, run._r))
    overlay.replace(run, "_MAX_TIMEOUT", _Most(run._MAX_TIMEOUT))
    overlay.replace(run.CancelStatus, "__init__", _in_order(run.CancelStatus))
    overlay.replace(run, "setup_runner", loops.noting(run.setup_runner))
    loops.begin()
    overlay.at_end(functools.partial(loops.forget, run))
    clocks.put_system_clock(overlay, run)


@functools.cache
def _in_order(status: Any) -> Any:
    usual = status.__init__

    # A cancellation goes through these sets; what it aborts runs right away.
    @functools.wraps(usual)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        usual(self, *args, **kwargs)
        if simulated():
            self._tasks, self._children = OrderedSet(self._tasks), OrderedSet(self._children)

    return init


class _Order:
    """Trio's random numbers: the order of a batch is from the schedule instead."""

    def __init__(self, overlay: Overlay, original: Any) -> None:
        self._choose = overlay.choose
        self._original = original

    def shuffle(self, batch: list[Any]) -> None:
        """Order the tasks that are to run next; the last one is run first.

        Canonical is the order of their creation, in which *batch* is.
        """
        if not simulated():
            self._original.shuffle(batch)
            return
        left, order = list(batch), []
        while len(left) > 1:
            order.append(left.pop(self._choose(len(left), "trio batch")))
        batch[:] = [*left, *reversed(order)]

    def uniform(self, least: float, most: float) -> float:
        """Return where a clock starts: whole, so that differences of its readings are exact."""
        return least if simulated() else float(self._original.uniform(least, most))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _put_waits(overlay: Overlay, io: Any) -> None:
    """Let a loop that has no deadline wait for ever, not a day at a time; and end in its own way.

    What is raised here passes by its tasks, and leaves them as they are.
    """
    overlay.replace(io.EpollIOManager, "get_events", _get_events(io.EpollIOManager))


# Made once, as all that does not change: a simulation is to be opened in no time.
@functools.cache
def _get_events(manager: Any) -> Any:
    usual = manager.get_events

    @functools.wraps(usual)
    def get_events(self: Any, timeout: float) -> Any:
        if not simulated():
            return usual(self, timeout)
        began_ns = now_ns()
        try:
            events = usual(self, -1 if timeout == inf else min(timeout, MOST))
        except BaseException as error:
            if isinstance(error, Unwind) and loops.tell(error, get_ident()):
                return []
            loops.end(error, sys._getframe(1))
            raise
        if timeout > 0:
            clocks.has_waited(loops.clock_of(self), now_ns() - began_ns)
        return events

    return get_events


def _put_threads(overlay: Overlay, cache: Any) -> None:
    overlay.replace(cache, "THREAD_CACHE", _Threads(cache.THREAD_CACHE, cache.ThreadCache()))
    start = overlay.counter("trio threads", 0)
    overlay.replace(cache, "name_counter", _Names(cache.name_counter, start))


def _put_fixtures(overlay: Overlay, plugin: Any) -> None:
    # pytest-trio starts fixtures in the order of a set of them.
    overlay.replace(plugin, "set", OrderedSet)


# In seconds; epoll takes less than a month.
MOST = 86400.0


class _Most(float):
    """The longest wait, compared with each: there is none for a simulated thread."""

    def __lt__(self, other: float) -> bool:
        return not simulated() and super().__lt__(other)


class _Threads:
    """Two caches of idle threads: a simulated thread is for its simulation only."""

    def __init__(self, usual: Any, ours: Any) -> None:
        self._usual = usual
        self._ours = ours

    def start_thread_soon(self, *args: Any, **kwargs: Any) -> None:
        cache = self._ours if simulated() else self._usual
        cache.start_thread_soon(*args, **kwargs)

    @property
    def _idle_workers(self) -> Any:
        return (self._ours if simulated() else self._usual)._idle_workers


class _Names:
    """Numbers for the names of threads."""

    def __init__(self, usual: Any, ours: Callable[[], int]) -> None:
        self._usual = usual
        self._ours = ours

    def __next__(self) -> int:
        return self._ours() if simulated() else next(self._usual)


# What is done to each module of trio.
PUTS = (
    ("trio._core._run", _put_run),
    ("trio._core._thread_cache", _put_threads),
    ("trio._core._mock_clock", clocks.put_mock_clock),
    ("trio._core._io_epoll", _put_waits),
    ("pytest_trio.plugin", _put_fixtures),
)
