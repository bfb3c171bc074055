"""The event loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import re
import selectors
import sys
from asyncio import base_events
from typing import TYPE_CHECKING, Any

from simclock.flavours.aio import drivers
from simclock.flavours.aio.durations import FINE, NEVER, duration_ns, instant_ns
from simclock.flavours.aio.handles import SleepHandle, Timers, new_handle, new_timer
from simclock.flavours.aio.tasks import KEEPING, Future, Task, name_of, stepped
from simclock.flavours.sites import Sites
from simclock.lowlevel import NOISE_NS, TASKS, LoopKernel, counter, monotonic, simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PlainFuture = asyncio.Future
_PlainHandle = asyncio.Handle
_eager_task_factory = getattr(asyncio, "eager_task_factory", None)
# What asyncio itself calls a task that has no name: the number counts through the whole process.
# "None" is what 3.13.0 does where a factory has made the task.
_DEFAULT_NAME = r"Task-\d+|None"
# Handles of one turn from which on the turn is a crowd: what each may do at one instant is a lot
# together.
CROWD = 100
# What counts tasks in a simulation, for their names.
NAMED = "asyncio tasks"


class Selector(selectors.DefaultSelector):
    """The operating system's.

    Attributes:
        registered: What it is asked about, by descriptor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registered: Mapping[int, selectors.SelectorKey] = self._fd_to_key  # type: ignore[attr-defined]


if TYPE_CHECKING:

    class _StockLoop(asyncio.SelectorEventLoop):
        """The stock loop, with what of it is private."""

        def _make_self_pipe(self) -> None: ...
        def _close_self_pipe(self) -> None: ...
        def _write_to_self(self) -> None: ...
        def _run_forever_setup(self) -> None: ...
        def _child_watcher_callback(self, *args: Any) -> None: ...
        async def _make_subprocess_transport(self, *args: Any, **options: Any) -> Any: ...
        def __getattr__(self, name: str) -> Any: ...
else:
    _StockLoop = asyncio.SelectorEventLoop


class SimEventLoop(_StockLoop):
    """An asyncio event loop in virtual time.

    In a simulation, where ``asyncio.run`` and its like give one, its time is
    the simulation's. By itself, with no simulation, it has a clock of its own,
    which goes to the next deadline whenever nothing is ready::

        asyncio.run(main(), loop_factory=simclock.SimEventLoop)

    It does what the stock loop does, in the same order, but for: time is
    exact, in integer nanoseconds; what is due at the same instant is called in
    the order in which it was armed; what can never go on is a `Deadlock`.
    By itself it waits, in real time, for jobs of executors and for child
    processes, but no longer than the next deadline is away; threads that the
    program starts by itself, and answers from the network, are what only a
    simulation waits for.

    As thread-safe as the stock loop: `call_soon_threadsafe` only.
    """

    def __init__(self) -> None:
        # Before the rest: the base class asks for the self-pipe and for debug mode.
        self._timers = Timers()
        self._ssock: Any = None
        self._csock: Any = None
        # What its tasks and futures are told apart by.
        self.numbers: Iterator[int] = itertools.count(1)
        self._at_home = simulated()
        self._alone: drivers.Alone | None = None
        self._foreign: drivers.Foreign | None = None
        super().__init__(Selector())
        self._next_name = counter(NAMED) if self._at_home else itertools.count(1).__next__
        self._sites = Sites()
        self._in_run_forever = False
        self._driver: Any = None
        self._clock: Any = None
        self._take_driver()

    # ------------------------------------------------------------------ its time

    def _take_driver(self) -> None:
        """Take time and events from where this thread has them now."""
        selector: Any = self._selector
        is_replaced = self._is_replaced(selector)
        if simulated() and not is_replaced:
            driver: Any = LoopKernel(self._ready, selector, self._next_deadline_ns)
        elif self._at_home or is_replaced:
            driver = self._foreign = self._foreign or drivers.Foreign(self, self._read_foreign)
        else:
            driver = self._alone = self._alone or drivers.Alone(self)
        before = self._clock
        self._driver, self._clock = driver, driver.clock
        # On the way of each turn.
        self._turn, self._wait = driver.turn, driver.wait
        self._record, self._path = driver.record, driver.path
        self._merged, self._chaos = driver.merged, driver.chaos
        if self._timers.heap and before is not self._clock:
            # What is left of each duration stays the same from one clock to another.
            self._timers.shift(self._clock.now_ns - before.now_ns)

    def _next_deadline_ns(self) -> int | None:
        heap = self._timers.heap
        return heap[0][0] if heap else None

    def _read_foreign(self) -> float:
        return self.time() if self._has_time_replaced() else monotonic()

    def _is_replaced(self, selector: Any) -> bool:
        """Return whether somebody has put their own time or wait in the place of ours."""
        if type(selector) is not Selector or "select" in vars(selector):
            return True
        return self._has_time_replaced()

    def _has_time_replaced(self) -> bool:
        return "time" in vars(self) or type(self).time is not SimEventLoop.time

    def _retake_driver(self) -> None:
        """Take time from where this thread has it, while no run is bound to another one."""
        if self._thread_id is None and not self._closed:
            self._take_driver()

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        self._retake_driver()
        return self._driver.time()  # type: ignore[no-any-return]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Call *callback* after *delay* seconds, to the nanosecond."""
        if (
            self._debug
            or self._thread_id is None
            or type(delay) is not float
            or not 0 < delay < FINE
        ):
            return self._call_later(delay, callback, args, context)
        deadline_ns = self._clock.now_ns + (math.ceil(delay * 1e9 - NOISE_NS) or 1)
        handle: asyncio.TimerHandle = new_timer(deadline_ns / 1e9, callback, args, self, context)
        # As `Timers.arm`, without the call: nothing is done more often.
        timers = self._timers
        timers.armed = number = timers.armed + 1
        heapq.heappush(timers.heap, (deadline_ns, number, handle))
        return handle

    def _call_later(
        self, delay: float, callback: Callable[..., Any], args: tuple[Any, ...], context: Any
    ) -> asyncio.TimerHandle:
        if delay is None:
            raise TypeError("delay must not be None")
        self._retake_driver()
        deadline_ns = self._clock.now_ns + duration_ns(delay)
        when = delay if math.isinf(delay) else deadline_ns / 1e9
        return self._arm(deadline_ns, when, callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Call *callback* at *when*, a time of the loop's clock."""
        if when is None:
            raise TypeError("when cannot be None")
        self._retake_driver()
        handle = self._arm(instant_ns(when, self._clock.now_ns), when, callback, args, context)
        if self._merged is not None:
            self._timers.absolute.add(self._timers.armed)
        return handle

    def _arm(
        self,
        deadline_ns: int,
        when: float,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Any,
    ) -> asyncio.TimerHandle:
        self._check_closed()
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_at")
            handle: Any = asyncio.TimerHandle(when, callback, args, self, context)
            # Up to who called `call_later` or `call_at`.
            while handle._source_traceback and handle._source_traceback[-1].filename == __file__:
                del handle._source_traceback[-1]
        else:
            handle = new_timer(when, callback, args, self, context)
        handle._scheduled = deadline_ns < NEVER
        if handle._scheduled:
            self._timers.arm(deadline_ns, handle)
        return handle  # type: ignore[no-any-return]

    def _timer_handle_cancelled(self, handle: Any) -> None:
        if handle._scheduled:
            self._timers.cancelled()

    # ------------------------------------------------------------- what is ready

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Call *callback* in the next turn, after what is ready already."""
        if self._closed or self._debug:
            watched: Any = super().call_soon(callback, *args, context=context)  # raises, if closed
            del watched._source_traceback[-1]
            return watched  # type: ignore[no-any-return]
        handle: asyncio.Handle = new_handle(_PlainHandle, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        if id(sys._getframe(1).f_code) in KEEPING:
            return _PlainFuture(loop=self)
        return Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, **options: Any) -> Any:
        """Return a task of this loop that runs *coro*; its default name is the same in each run."""
        factory = self._task_factory
        if factory is not None and factory is not _eager_task_factory:
            return self._have_task_made(coro, name, options)
        self._check_closed()
        if name is None:
            name = f"Task-{self._next_name()}"
        if factory is not None:
            options["eager_start"] = True
            if self._record is not None:
                # Its first step is taken by its constructor.
                site = self._sites.of_coroutine(coro)
                self._record(self._clock.now_ns, self._path, "step", f"{name} {site}")
        task: Any = Task(coro, loop=self, name=name, **options)
        if task._source_traceback:
            del task._source_traceback[-1]
        return task

    def _have_task_made(self, coro: Any, name: Any, options: dict[str, Any]) -> Any:
        """Return what the user's task factory makes; number its default name."""
        task = super().create_task(coro, name=name, **options)
        if name is None and hasattr(task, "get_name") and self._has_chance_name(task):
            task.set_name(f"Task-{self._next_name()}")
        return task

    def _has_chance_name(self, task: Any) -> bool:
        # `asyncio.Task` as it is in a simulation has numbered it already.
        pattern = "None" if hasattr(type(task), "_simclock_base") else _DEFAULT_NAME
        return re.fullmatch(pattern, task.get_name()) is not None

    # ------------------------------------------------------------------- running

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        # Also here: 3.13.0 takes a running loop for ended when it has refused to run it again.
        self._check_running()
        self._retake_driver()
        self._in_run_forever = True
        try:
            super().run_forever()
        finally:
            self._in_run_forever = False

    def _run_forever_setup(self) -> None:
        """Start a run: since 3.13 a method, which other ways to run a loop call by themselves."""
        if not self._in_run_forever:
            self._retake_driver()
        super()._run_forever_setup()

    def _run_once(self) -> None:
        """Take one turn; for `run_forever`, take turns until the loop is to stop."""
        ready, heap = self._ready, self._timers.heap
        while True:
            while heap and heap[0][2]._cancelled:
                self._timers.drop()
            if ready or self._stopping or (heap and heap[0][0] <= self._clock.now_ns):
                events = self._turn()
            else:
                events = self._wait_here()
            if events:
                self._process_events(events)
                events = None  # else an exception would keep them in a cycle
            if self._merged is not None:
                self._move_due_in_order()
            elif heap and heap[0][0] <= self._clock.now_ns:
                self._timers.move_due(self._clock.now_ns, ready)
            # What these add is called in the next turn.
            count = len(ready)
            if count > CROWD:
                self._driver.expect(count)
            if self._debug:
                self._call_watched(count)
            else:
                self._call(count)
            if self._stopping or not self._in_run_forever:
                return

    def _wait_here(self) -> Any:
        """Wait until something happens, and return that; nothing where the thread is elsewhere."""
        if not self._driver.is_here:
            # A coroutine has opened a simulation, or left the one that it was in.
            self._take_driver()
            return None
        return self._wait(self._next_deadline_ns())

    def _move_due_in_order(self) -> None:
        """Let the schedule say what of that which is due now comes first."""
        self._timers.move_due_merged(self._clock.now_ns, self._ready, self._merged)
        if self._chaos:
            self._permute_tasks()

    def _permute_tasks(self) -> None:
        """Let the tasks that are ready take their steps in the order that the schedule has.

        In the places that they have among other callbacks, which stay where
        they are; and what one task has to do stays in its order.
        """
        ready = self._ready
        places: list[int] = []
        steps: dict[int, list[Any]] = {}
        for place, handle in enumerate(ready):
            task = stepped(handle._callback)
            if task is not None:
                places.append(place)
                steps.setdefault(id(task), []).append(handle)
        if len(steps) > 1 and self._merged is not None:
            handles = self._merged(list(steps.values()), TASKS)
            for place, handle in zip(places, handles, strict=True):
                ready[place] = handle

    # In each of these the handle is let go at the end: the traceback of an error that nobody has
    # asked for has this frame, and would keep the task that it is about alive.

    def _call(self, count: int) -> None:
        """Call *count* handles; in a simulation, steps of tasks among them go into its trace."""
        handle: Any
        ready, record = self._ready, self._record
        for _ in range(count):
            if record is not None:
                # Still in its place: an interrupt in here must not lose it.
                handle = ready[0]
                if type(handle) is not SleepHandle:  # which is no step
                    task = stepped(handle._callback)
                    if task is not None:
                        detail = f"{name_of(task)} {self._sites.of(task)}"
                        record(self._clock.now_ns, self._path, "step", detail)
                        task = None
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        handle = None

    def _call_watched(self, count: int) -> None:
        """Call *count* handles as debug mode does: say which ones take long."""
        handle: Any
        stopwatch = self._driver.stopwatch
        for _ in range(count):
            handle = self._current_handle = self._ready[0]
            began = stopwatch()
            try:
                self._call(1)
            finally:
                self._current_handle = None
            seconds = stopwatch() - began
            if seconds >= self.slow_callback_duration:
                text = repr(stepped(handle._callback) or handle)
                logger: Any = base_events.logger  # type: ignore[attr-defined]
                logger.warning("Executing %s took %.3f seconds", text, seconds)
        handle = None

    def _watches(self) -> bool:
        """Return whether somebody outside may make something ready: by a descriptor or a signal."""
        selector: Any = self._selector
        own = self._ssock is not None
        return len(selector.registered) > own or bool(self._signal_handlers)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Call *func* in an executor, and return the future of its result."""
        job = super().run_in_executor(executor, func, *args)
        if self._alone is not None:
            self._alone.begin(job)
            job.add_done_callback(self._alone.jobs.discard)
        return job

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        """Shut the default executor down, as the stock loop does: in a thread."""
        jobs = self._alone.jobs if self._alone is not None else set()
        jobs.add(self)
        try:
            await super().shutdown_default_executor(*args, **options)
        finally:
            jobs.discard(self)

    async def _make_subprocess_transport(self, *args: Any, **options: Any) -> Any:
        transport: Any = await super()._make_subprocess_transport(*args, **options)
        if self._alone is not None and transport.get_returncode() is None:
            self._alone.begin(transport)
        return transport

    def _child_watcher_callback(self, pid: int, returncode: int, transport: Any) -> None:
        super()._child_watcher_callback(pid, returncode, transport)
        if self._alone is not None:
            self.call_soon_threadsafe(self._alone.jobs.discard, transport)

    def close(self) -> None:
        """Close the loop, which must not be running."""
        super().close()
        self._timers.clear()

    # ---------------------------------------------------- how it is woken from outside

    def _make_self_pipe(self) -> None:
        """Do nothing yet: few programs have foreign threads or signal handlers."""

    def _open_self_pipe(self) -> None:
        if self._ssock is None:
            super()._make_self_pipe()

    def _close_self_pipe(self) -> None:
        if self._ssock is not None:
            super()._close_self_pipe()

    def _write_to_self(self) -> None:
        super()._write_to_self()
        self._driver.wake()

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., Any], *args: Any
    ) -> None:
        """Call *callback* when the process gets a signal."""
        self._open_self_pipe()
        super().add_signal_handler(sig, callback, *args)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return what ``asyncio.new_event_loop()`` gives while a simulation is open."""
    return SimEventLoop() if simulated() else asyncio.SelectorEventLoop()
