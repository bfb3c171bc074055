"""A node: the owner of timers and threads, which start, stop and end together."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import numbers
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from simclock.systems._shared.grids import check_interval
from simclock.systems._shared.signals import woken_by_signals
from simclock.systems.rates.callbacks import check_target, name_of, returns_coroutine
from simclock.systems.rates.events import StopEvent
from simclock.systems.rates.sleeping import Sleeper
from simclock.systems.rates.switch import Switch, refuse_copy
from simclock.systems.rates.synchronous import SyncRateExecutor
from simclock.systems.rates.timers import NodeTimer, executor_of
from simclock.systems.rates.works import Work, Works, cancel, wait_for, wait_for_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from simclock.systems.rates.asynchronous import RateExecutor
    from simclock.systems.rates.switch import Asked

logger: logging.Logger = logging.getLogger(__package__)


class Node:
    """Owns timers and threads, and runs them until it is stopped.

    `run` is for coroutines, `spin` for programs without an event loop; timers
    in threads and spawned threads work in both. Each of the two returns when
    the node was stopped and all of it has ended, and may be called again: the
    timers then start anew, spawned threads do not.

    A stop is orderly: what sleeps is woken and ends at once, a callback that
    is under way may return. After *join_timeout* seconds coroutines that have
    not are cancelled, and after as long again what is still there is named in a
    warning, and left behind. Its threads are daemons, so they do not keep the
    program from ending.

    A stop is never missed: before the first run, and after a call of `run` or
    `start`, it is kept for that run, which then returns at once. After a run
    has ended there is nothing to stop, but for threads that were spawned since.
    A run whose event loop was closed is over.

    All but the runs may be called by any thread: `run` is a coroutine of one
    event loop, `spin` is for a thread without one, and neither for threads of
    the node itself. What waits for the end of others belongs to those threads,
    too: `close` where there is an event loop, `close_sync` where there is none.
    Signal handlers may call `stop`.

    Args:
        name: Of the node; names of its timers and threads begin with it.
        join_timeout: Seconds, see above.

    Raises:
        ValueError: *join_timeout* is no positive number.
    """

    def __init__(self, name: str = "node", *, join_timeout: float = 2.0) -> None:
        check_interval(join_timeout, "join_timeout")
        self.name = name
        self.join_timeout = join_timeout
        # Reentrant, as a signal handler may call `stop`. One for all of the node, its switch and
        # its timers: a stop concerns all of one run, and no two locks can be owned crosswise.
        self._lock = threading.RLock()
        self._switch = Switch()
        self._switch.share(self._lock)
        self._sleeper = Sleeper()
        self._stop_event: threading.Event = StopEvent()
        self._timers: list[NodeTimer] = []
        self._works = Works(repr(self))
        # Of what is under way: the event loop of `run`, whether it is `spin`, whether timers start.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spins = False
        self._starts = False
        self._timer_numbers = itertools.count(1)
        self._thread_numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"Node({self.name!r})"

    __reduce__: ClassVar[Callable[..., NoReturn]] = refuse_copy

    # ------------------------------------------------------------------ what it owns

    @property
    def running(self) -> bool:
        """Whether `run` or `spin` is under way, or to come after `start`, and not stopped."""
        return self._switch.on

    @property
    def stop_event(self) -> threading.Event:
        """The event that `stop` sets, for the threads there are; later ones have another."""
        return self._stop_event

    def create_timer(
        self,
        period: float,
        callback: Callable[..., Any],
        mode: str = "async",
        *,
        catch_up: str = "burst",
        max_backlog: int | None = None,
        name: str | None = None,
    ) -> NodeTimer:
        """Call *callback* each *period* seconds while the node runs, from now on if it does.

        Args:
            period: Seconds.
            callback: Is called without arguments.
            mode: ``"async"``: a coroutine function, called in the event loop of
                `run`. ``"sync"``: a plain function, called in a thread of its own.
            catch_up: See `RateExecutor`.
            max_backlog: See `RateExecutor`.
            name: What logs call it; also of its thread or task. By default of the
                node, with a number.

        Raises:
            TypeError: The callback is of the other kind, or swapped with the period.
            ValueError: The period is not finite and positive, or another argument
                has no meaning.
            RuntimeError: It is for an event loop, and the node spins without one.
        """
        executor = executor_of(
            period, callback, mode, self._lock, catch_up=catch_up, max_backlog=max_backlog
        )
        with self._lock:
            if self._spins and mode == "async":
                raise RuntimeError(_needs_a_loop(self, callback))
            name = name or f"{self.name}-timer-{next(self._timer_numbers)}"
            timer = NodeTimer(self, name, executor, self._stop_timer)
            self._timers.append(timer)
            if self._starts:
                self._begin(timer)
        return timer

    def spawn_thread(
        self, target: Callable[..., object], *args: Any, name: str | None = None, **kwargs: Any
    ) -> threading.Thread:
        """Start a thread that runs ``target(stop_event, *args, **kwargs)``, and return it.

        It starts at once, whether the node runs or not, and has to return when
        the event is set. An exception is logged with its traceback and ends
        only this thread.

        Args:
            target: What it runs.
            args: Positional arguments, after the event.
            name: Of the thread; by default of the node, with a number.
            kwargs: Keyword arguments.

        Raises:
            TypeError: *target* cannot be called, or is a coroutine function.
        """
        check_target(target)
        work = Work(name or f"{self.name}-thread-{next(self._thread_numbers)}")
        run = functools.partial(target, self.stop_event, *args, **kwargs)
        return self._works.start_thread(work, run)

    # ------------------------------------------------------------------------- runs

    def start(self) -> None:
        """Expect a run: a stop that was kept is forgotten, one from now on is kept.

        This does not run anything. ``with`` and ``async with`` call it.
        """
        self._switch.start()

    def stop(self) -> None:
        """Have everything end, and do not wait for it. Idempotent."""
        # All of it at once: a run that begins meanwhile is stopped as a whole, or not at all.
        with self._lock:
            self._switch.stop()
            self._stop_event.set()
            if not self._switch.in_run:
                self._rest()
            for each in self._timers.copy():
                each.executor.stop()
            self._sleeper.wake()

    @returns_coroutine
    def run(self) -> Coroutine[Any, Any, None]:
        """Run the timers until `stop` or cancellation, and wait until all has ended.

        A coroutine: nothing runs until it is awaited or made a task. A `stop`
        counts from the call on. Cancelled, it cancels the callbacks that are
        under way.

        Raises:
            AlreadyRunningError: A run is under way; it goes on.
            RuntimeError: The calling thread is one of the node itself.
            asyncio.CancelledError: It was cancelled.
        """
        asked = self._switch.expect()
        return asked.of(self._run(asked), self)

    async def _run(self, asked: Asked) -> None:
        loop = asyncio.get_running_loop()
        own = self._begin_run(asked, "run", loop)
        try:
            self._begin_all(loop)
            await self._sleeper.sleep(None, unless=asked)
        except asyncio.CancelledError:
            cancel(self._works.others(own))
            raise
        finally:
            try:
                # Its loop may be gone when a coroutine is closed: then nothing can be awaited, and
                # another run may be under way.
                if self._switch.is_run(asked):
                    self._end_all()
                    if self._is_in_loop():
                        self._report(await self._settle(own))
            finally:
                self._over(asked, own)

    def spin(self, timeout: float | None = None) -> None:
        """Run the timers until `stop`, and wait until all has ended; the calling thread is blocked.

        In the main thread a signal ends the wait, whichever thread the system has
        given it to: its handler is run at once, and may call `stop`, or raise an
        exception, such as ``KeyboardInterrupt``, which ends the run and is raised.

        Args:
            timeout: Seconds after which it stops by itself; None: never.

        Raises:
            AlreadyRunningError: A run is under way; it goes on.
            RuntimeError: A timer is for an event loop, one runs in the calling
                thread, or that is one of the node itself.
            ValueError: *timeout* is no number, or negative, or longer than threads can wait.
        """
        _check_timeout(timeout)
        if _loop_here() is not None:
            raise RuntimeError(
                f"spin would block the event loop that runs in this thread: {self!r}\n"
                "use `await node.run()`, which runs timers in threads, too"
            )
        with self._lock:
            for each in self._timers:
                if each.mode == "async":
                    raise RuntimeError(_needs_a_loop(self, each.executor.func))
            asked = self._switch.expect()
            own = self._begin_run(asked, "spin", None)
            self._spins = True
        try:
            self._begin_all(None)
            _await(asked, timeout)
        finally:
            self._end_all()
            try:
                self._report(wait_for(self._works.others(own), self.join_timeout))
            finally:
                self._over(asked, own)

    # -------------------------------------------------------------------------- end

    async def close(self) -> list[str]:
        """Stop, wait until all has ended, and return the names of what would not.

        A callback or thread of the node itself only stops: it cannot wait for
        its own end. Neither can a signal handler in the thread that spins.
        The node may be used again afterwards; as with any `stop`, one that has
        never run is to be told so by `start`.
        """
        self.stop()
        works = self._works.others()
        if any(each.is_caller for each in works):
            return []
        return self._report(await wait_for_async(works, self._patience()))

    def close_sync(self) -> list[str]:
        """Do as `close`, in a program without an event loop, or in another thread than that.

        Raises:
            RuntimeError: An event loop runs in this thread, and there is something
                to wait for. The node is stopped all the same.
        """
        self.stop()
        works = self._works.others()
        if any(each.is_caller for each in works):
            return []
        if works and _loop_here() is not None:
            raise RuntimeError(
                f"close_sync would block the event loop that runs in this thread: {self!r}\n"
                "use `await node.close()`, or `async with`"
            )
        return self._report(wait_for(works, self._patience()))

    def __enter__(self) -> Node:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_sync()

    async def __aenter__(self) -> Node:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # --------------------------------------------------------------------- the inside

    def _begin_run(self, asked: Asked, kind: str, loop: asyncio.AbstractEventLoop | None) -> Work:
        with self._lock:
            self._refuse_own(kind)
            self._switch.begin(asked, self, loop)
            self._works.remove_lost()
            own = Work(f"{self.name}.{kind}")
            own.loop = loop
            own.blocks = threading.current_thread() if loop is None else None
            return self._works.add(own)

    def _refuse_own(self, kind: str) -> None:
        """Raise an error in what a run would wait for: it would wait for itself."""
        if self._switch.in_run:
            return  # which is what the caller is told
        for each in self._works.others():
            if each.is_caller:
                raise RuntimeError(
                    f"{kind} would wait for the thread that calls it: {each.name} of {self!r}\n"
                    f"call {kind} in a thread that the node has not started"
                )

    def _begin_all(self, loop: asyncio.AbstractEventLoop | None) -> None:
        with self._lock:
            self._loop = loop
            self._starts = True
            for each in self._timers:
                self._begin(each)

    async def _settle(self, own: Work) -> list[Work]:
        """Wait for all but *own*, cancel what does not end, and return what is left."""
        left = await wait_for_async(self._works.others(own), self.join_timeout)
        if cancel(left):
            left = await wait_for_async(left, self.join_timeout)
        return left

    def _end_all(self) -> None:
        self.stop()
        with self._lock:
            self._starts = False

    def _over(self, asked: Asked, own: Work) -> None:
        """Say that the run is over; another one may begin, or has if the loop was closed."""
        with self._lock:
            if self._switch.is_run(asked):
                self._switch.end(asked)
                self._rest()
        self._works.remove(own)

    def _rest(self) -> None:
        """Forget the run that was; to be called with the lock owned."""
        self._loop = None
        self._spins = False
        self._starts = False
        self._stop_event = StopEvent()

    def _begin(self, timer: NodeTimer) -> None:
        """Start a timer; to be called with the lock owned."""
        if self._switch.asked.is_set():
            return
        executor = timer.executor
        # From here on a stop counts, also before the first step of the thread or task.
        executor.start()
        work = Work(timer.name)
        if isinstance(executor, SyncRateExecutor):
            self._works.start_thread(work, executor.run)
        elif self._is_in_loop():
            work.loop = self._loop
            self._start_task(self._works.add(work), executor)
        else:
            assert self._loop is not None
            work.loop = self._loop
            self._works.add(work)
            try:
                self._loop.call_soon_threadsafe(self._start_task, work, executor)
            except RuntimeError:  # the loop was closed before the run had ended
                self._works.remove(work)
                raise

    def _start_task(self, work: Work, executor: RateExecutor) -> None:
        """In the event loop, start the task of a timer."""
        work.task = asyncio.get_running_loop().create_task(executor.run(), name=work.name)
        work.task.add_done_callback(functools.partial(self._task_ended, work))

    def _task_ended(self, work: Work, task: asyncio.Task[None]) -> None:
        self._works.remove(work)
        if task.cancelled():
            if not self.stop_event.is_set():
                logger.error(
                    "%s of %r has ended: it was cancelled, or its callback raised a CancelledError",
                    work.name,
                    self,
                )
        elif (error := task.exception()) is not None:
            logger.error("%s of %r has ended", work.name, self, exc_info=error)

    def _stop_timer(self, timer: NodeTimer) -> None:
        with self._lock:
            if timer in self._timers:
                self._timers.remove(timer)
            timer.executor.stop()

    def _patience(self) -> float:
        """Return how long to wait: with a run under way, longer than that takes to give up."""
        return self.join_timeout * (3 if self._switch.in_run else 1)

    def _report(self, left: list[Work]) -> list[str]:
        """Warn of what would not end, once each, and return all names."""
        names = [each.name for each in left if not each.reported]
        for each in left:
            each.reported = True
        if names:
            logger.warning(
                "%r has ended without these, which would not stop in %g s: %s",
                self,
                self.join_timeout,
                ", ".join(names),
            )
        return [each.name for each in left]

    def _is_in_loop(self) -> bool:
        loop = _loop_here()
        return loop is not None and loop is self._loop


def _loop_here() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _check_timeout(timeout: Any) -> None:
    if timeout is None:
        return
    # One comparison also refuses nan, infinities and what no thread can wait for.
    is_number = isinstance(timeout, numbers.Real)
    if not is_number or not 0 <= timeout <= threading.TIMEOUT_MAX:
        raise ValueError(
            f"this is no timeout: {timeout!r}\n"
            f"give a number of seconds, from 0 to {threading.TIMEOUT_MAX:g}, or None for no end"
        )


def _await(asked: Asked, timeout: float | None) -> None:
    """Wait until *asked* is set, or so many seconds are over; let handlers of signals run."""
    until = None if timeout is None else time.monotonic() + timeout
    with woken_by_signals(asked.wake):
        # Woken, it waits for the rest, unless a handler has set what it waits for.
        while asked.wait(timeout) and not asked.is_set():
            timeout = None if until is None else until - time.monotonic()


def _needs_a_loop(node: Node, callback: Callable[..., Any]) -> str:
    return (
        f"{node!r} spins without an event loop, which a timer needs: {name_of(callback)}\n"
        "use `await node.run()`, or a plain function with mode='sync'"
    )
