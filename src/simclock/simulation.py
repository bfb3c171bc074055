"""A simulation: the one place that knows kernel, boundary and plugins at once."""

from __future__ import annotations

import _thread
import functools
import inspect
import itertools
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simclock import faults, flavours, plugins, predicates
from simclock._boundary import _native, activation, realtime, signals, wallclock
from simclock._boundary.active import kernels
from simclock._boundary.lines import labels
from simclock._boundary.logs import Listener
from simclock._boundary.network.state import held_up, net
from simclock._boundary.port import NativePort
from simclock._core.choices import Canonical
from simclock._core.instants import SECOND, START_NS, delta_to_ns, to_ns, to_seconds
from simclock._core.kernel import Kernel
from simclock._core.notes import NotedChoices, NotedTrace, Notes
from simclock._core.ports import Limits
from simclock._core.trace import ObservedTrace
from simclock._core.watching import Watch, traceback_of
from simclock._faults.control import Faults
from simclock._faults.injecting import Injector, Seen
from simclock._processes.models import REAL
from simclock.errors import Leak, Violation
from simclock.hosts import Host
from simclock.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from simclock._boundary.network.state import Net
    from simclock._core.choices import ChoiceSource
    from simclock._core.threads import SimThread
    from simclock._core.trace import Trace
    from simclock.flavours import Flavour

    Result = TypeVar("Result")

EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
YEAR = 366 * 86400.0
# In seconds. The wall clock must fit a 64-bit number of nanoseconds after the longest run.
LATEST = 6e9
LONGEST = 3e9
EXTERNAL = ("hold", "strict", "ignore")
FAULTS = ("on", "off")

# The simulations of `active.kernels`, innermost last.
_open: list[Simulation] = []
# These and the blocks in real time, in the order in which they were entered.
blocks: list[Simulation | RealTime] = []
_hold_numbers = itertools.count()


class Simulation:
    """One virtual clock, one schedule, and the threads that run on them.

    A context manager: inside, the calling thread and every thread started from
    it wait in virtual time, exactly one of them runs at a time, and which one
    is the same in each run. Opening another simulation inside suspends this
    one. A simulation can be opened once.

    Args:
        seed: Seeds every random number drawn inside.
        epoch: The wall clock's start: an aware datetime, or POSIX seconds. By
            default 2000-01-01T00:00:00Z. The monotonic clocks start at 1000 s:
            a whole number, so that differences are exact; not 0, which programs
            take for "never"; below 2**24, where a float of seconds still resolves
            nanoseconds.
        external: What a wait for something outside does (what a foreign thread
            owns, a child process, the answer to a request that was sent to
            another process): ``"hold"`` makes the clock wait for it,
            ``"strict"`` raises `Escape`, ``"ignore"`` lets the clock run on.
        max_time: Virtual seconds after which the run fails with `LimitReached`.
        max_steps: Kernel steps after which it fails with `LimitReached`.
        max_steps_per_instant: Steps without time passing after which it fails
            with `Livelock`.
        watchdog: Real seconds without progress after which it fails with
            `Stalled`; also how long the clock is held for something outside
            that never comes.
        drain: Virtual seconds that leftover threads get to end by themselves.
        step_cost: Virtual seconds that a step without a wait takes: each
            reading of a clock; each use of a free lock or queue too, counted
            by thousands. With 0 two readings without a wait between them are
            equal, and a loop that takes such steps for ever is a `Livelock`;
            code that was written for real time needs a microsecond, ``1e-6``.
        wall_clock: Who provides the wall clock: ``"time-machine"``,
            ``"freezegun"``, or None for freezegun if it is active already and
            time-machine otherwise.
        processes: What processes of `multiprocessing` are: ``"real"`` ones, for which the clock is
            held, ``"simulated"``, groups of simulated threads, or what a plugin calls its own.
        real_packages: Names of packages whose calls run in real time while the
            clock is held, such as ``("grpc",)``: for libraries that wait in C or
            for real servers. A wait inside of such a call is one for something
            outside, a thread started there is foreign, and a sleep is real.
        lines: Names of modules, such as ``("shop.stock",)``, of which each line is a checkpoint: a
            place where another thread may run. Others are where a program waits, or uses a lock
            or a queue, whatever module it is of.
        opcodes: The same for each instruction.
        choices: Answers the run's choice points; see `simclock.explore`, which makes such sources.
            By default each is answered canonically: the running thread goes on, and who came
            first is first.
        faults: ``"off"``: nothing goes wrong, whatever `faults` and `simclock.buggify` are told.
        timeline: Whether to note beside the trace what `simclock.Timeline` shows if it can: the
            lines of the program that records come from, the choices in words, log lines.

    Raises:
        TypeError, ValueError: An option has no meaning.
        Unsupported: On opening, where this process cannot be simulated.
    """

    def __init__(
        self,
        seed: int = 0,
        epoch: datetime | float = EPOCH,
        external: str = "hold",
        *,
        max_time: float = 10 * YEAR,
        max_steps: int = 10_000_000,
        max_steps_per_instant: int = 1_000_000,
        watchdog: float = 30.0,
        drain: float = 60.0,
        step_cost: float = 0.0,
        wall_clock: str | None = None,
        processes: str = REAL,
        real_packages: Iterable[str] = (),
        lines: Iterable[str] = (),
        opcodes: Iterable[str] = (),
        choices: ChoiceSource | None = None,
        faults: str = "on",
        timeline: bool = False,
    ) -> None:
        if not isinstance(seed, int):
            raise TypeError(f"seed must be an integer: {seed!r}\ngive a number such as 0")
        if external not in EXTERNAL:
            raise ValueError(
                f"unknown external policy: {external!r}\nchoose one of {', '.join(EXTERNAL)}"
            )
        if faults not in FAULTS:
            raise ValueError(f"unknown faults: {faults!r}\nchoose one of {', '.join(FAULTS)}")
        self._seed = seed
        self._epoch_ns = _epoch_ns(epoch)
        self._external = external
        self._limits = Limits(
            time_ns=to_ns(_positive("max_time", max_time, most=LONGEST)),
            steps=int(_positive("max_steps", max_steps, least=1)),
            steps_per_instant=int(
                _positive("max_steps_per_instant", max_steps_per_instant, least=1)
            ),
            stall=_positive("watchdog", watchdog),
            drain_ns=to_ns(_positive("drain", drain, least=0.0, most=YEAR)),
            step_ns=to_ns(_positive("step_cost", step_cost, least=0.0, most=1.0)),
        )
        self._wall_clock = wall_clock
        if not isinstance(processes, str):
            raise TypeError(
                f"processes must be a name: {processes!r}\ngive one such as 'real' or 'simulated'"
            )
        self._processes = processes
        self._real_packages = _package_names(real_packages)
        self._labels = labels(lines, opcodes)
        self._choices: ChoiceSource = Canonical() if choices is None else choices
        # What was seen so far of the statements of `simclock.predicates`, also in simulations that
        # were opened inside.
        self.predicates: predicates.Ledger = predicates.Ledger()
        self._has_faults = faults == "on"
        self._injector: Injector | None = None
        self._notes = Notes() if timeline else None
        self._listener: Listener | None = None
        self._kernel: Kernel | None = None
        self._hosts: dict[str, Host] = {}
        self._forks = 0
        self._closed = False

    # ------------------------------------------------------------ open and close

    @signals.uninterrupted
    def __enter__(self) -> Simulation:
        if self._kernel is not None:
            raise RuntimeError(
                "a simulation can be opened once\nmake a new Simulation for each run"
            )
        activation.prepare()
        activation.check_thread()
        plugins.prepare()
        clock = plugins.wall_clock(self._wall_clock or wallclock.suitable())
        model = plugins.process_model(self._processes)()
        is_main = _is_main_thread()
        port = NativePort(
            self._epoch_ns, START_NS, is_main=is_main, real_packages=self._real_packages
        )
        kernel = Kernel(port, self._choices, self._limits, self._external)
        self._kernel = kernel
        self._extend(kernel)
        self._forks = _native.forks()
        change = functools.partial(plugins.simulate, model=model)
        activation.open_boundary(kernel, self._seed, clock(), change, self._labels)
        if self._listener is not None:
            self._listener.start()
        _open.append(self)
        blocks.append(self)
        return self

    def _extend(self, kernel: Kernel) -> None:
        """Let the plugins take part in this run."""
        kernel.describe_deadlock = self._describe_deadlock
        kernel.describe_thread = plugins.describe_thread
        kernel.tell_task = plugins.tell_task
        trace: ObservedTrace | None = None
        if self._notes is not None:
            trace = NotedTrace(self._notes, kernel.fail)
            self._listener = Listener(kernel, self._notes)
            if kernel.source.interested:
                kernel.source = NotedChoices(kernel.source, self._notes, trace.__len__)
        elif plugins.has_trace_observers():
            trace = ObservedTrace(kernel.fail)
        if trace is not None:
            kernel.trace = trace
            trace.observers += plugins.trace_observers(self)

    def _describe_deadlock(self, threads: list[SimThread]) -> list[str]:
        return [*held_up(self._known()), *plugins.describe_deadlock(self, threads)]

    @signals.uninterrupted
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        if self._forks != _native.forks() or self._closed:
            return  # a forked child: its simulation is gone
        kernel = self._running()
        if kernels[-1] is not kernel or _native.current() is not kernel.root.baton:
            raise RuntimeError(
                "a simulation is closed by the thread that opened it, innermost first\n"
                "use it in a with statement"
            )
        self._closed = True
        leaks: list[str] = []
        try:
            leaks = _native.call_kernel(kernel.end)
        finally:
            _open.remove(self)
            if _open:
                _open[-1].predicates.update(self.predicates)
            blocks.remove(self)
            self._put_back()
            if self._listener is not None:
                self._listener.stop()
            activation.close_boundary()
            kernel.forget()
            failure = kernel.failure
            if failure is not None and failure is not error:
                # What the watchdog raises in a thread is a copy: no cause of itself.
                is_copy = isinstance(error, type(failure)) and str(error) == str(failure)
                raise failure from None if is_copy else error
        if leaks and error is None:
            leak = Leak(_describe(leaks))
            # Without since when, which differs from schedule to schedule.
            leak.where = tuple(sorted(line.partition(", waits for")[0] for line in leaks))
            raise leak

    # ------------------------------------------------------------------- the clock

    @property
    def now_ns(self) -> int:
        """The virtual monotonic clock, in nanoseconds. Starts at 1000 s."""
        return self._known().world.now_ns

    @property
    def elapsed_ns(self) -> int:
        """Virtual nanoseconds since the start; in a test of a whole suite, since the test's."""
        return self.now_ns - self._known().origin_ns

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start; in a test of a whole suite, since the test's."""
        return to_seconds(self.elapsed_ns)

    def sleep(self, seconds: float) -> None:
        """Sleep for virtual *seconds*, then settle.

        Unlike ``time.sleep``, everything else that happens at the instant of
        waking has happened when this returns.
        """
        _check_sleep(seconds)
        self._call(self._sleep, to_ns(seconds))

    def _sleep(self, duration_ns: int) -> None:
        kernel = self._running()
        kernel.sleep_until(kernel.world.now_ns + duration_ns)
        kernel.settle()

    @property
    def wall(self) -> datetime:
        """What the wall clock shows, in UTC.

        To a simulated thread that is what a program reads, also inside a
        ``travel`` or ``freeze_time``, which take it for a reading of theirs;
        to others, and after the end, it is what those started from. Takes no
        virtual time.
        """
        inner: Any = self._known().world
        if kernels[-1:] == [self._known()] and _native.simulated():
            return wallclock.shown(inner)
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
            microseconds=(inner.now_ns + inner.wall_ns) // 1000
        )

    def move_wall(self, delta: timedelta | float) -> None:
        """Move the wall clock by *delta*, a timedelta or seconds, also backwards.

        As when somebody sets a computer's clock: sleeps, timeouts and the
        monotonic clocks do not notice. A ``travel`` or ``freeze_time`` that
        ticks moves too, one that stands still does not.
        """
        self._call(self._move_wall, _delta_ns(delta))

    def _move_wall(self, delta_ns: int) -> None:
        kernel = self._running()
        inner: Any = kernel.world
        moved_ns = inner.now_ns + inner.wall_ns + delta_ns
        if abs(moved_ns) > LATEST * SECOND:
            raise ValueError(
                f"the wall clock would be out of range: {moved_ns / SECOND:g} POSIX seconds\n"
                f"move it to at most {LATEST:g} before or after 1970"
            )
        inner.wall_ns += delta_ns
        label = f"wall clock moved by {to_seconds(delta_ns):+g} s"
        kernel.trace.add(inner.now_ns, kernel.current.path, "mark", label)

    def sleep_until(self, when: datetime) -> None:
        """Sleep until the wall clock shows *when*, an aware datetime, then settle.

        A wall clock that is moved meanwhile is noticed at the end of the
        sleep: moved back, the sleep goes on; moved forward, it was too long.
        """
        if not isinstance(when, datetime):
            raise TypeError(f"this is no datetime: {when!r}\ngive one with a time zone")
        if when.utcoffset() is None:
            raise ValueError(
                f"when has no time zone: {when!r}\n"
                "give it one, such as tzinfo=timezone.utc or ZoneInfo('Europe/Berlin')"
            )
        target, shown = when.astimezone(timezone.utc), self.wall
        if target < shown:
            raise ValueError(
                f"cannot sleep until {target.isoformat()}: it is {shown.isoformat()} already\n"
                "give an instant that is to come"
            )
        self.settle()
        while (shown := self.wall) < target:
            self._call(self._sleep, _delta_ns(target - shown))
            if self.wall == shown:
                raise RuntimeError(
                    f"the wall clock stands still at {shown.isoformat()}, "
                    f"it will never show {target.isoformat()}\n"
                    "use a travel or freeze_time that ticks, with tick=True"
                )

    def settle(self) -> None:
        """Run until every other thread is durably blocked, without moving time."""
        self._call(self._running().settle)

    async def asettle(self) -> None:
        """Let every thread, and every task of every loop, run until it is durably blocked.

        Time does not move. To be awaited in a task of asyncio, trio or another
        registered flavour; its own loop runs meanwhile, as with any await.

        Raises:
            RuntimeError: The caller is no task of a flavour that is known.
        """
        await self._flavour("asettle").in_thread(self.settle)

    async def asleep(self, seconds: float) -> None:
        """Sleep for virtual *seconds* in a task, then settle; see `sleep` and `asettle`."""
        flavour = self._flavour("asleep")
        _check_sleep(seconds)
        nap = flavour.sleep(seconds)
        assert nap is not None
        await nap
        await self.asettle()

    def _flavour(self, method: str) -> Flavour:
        self._running()
        flavour = flavours.running()
        if flavour is None:
            raise RuntimeError(
                f"{method}() was awaited in no task of {', '.join(flavours.registered())}\n"
                f"call {method[1:]}() instead, or register a plugin with the flavour of your loop"
            )
        return flavour

    def checkpoint(self, label: str = "checkpoint") -> None:
        """Offer the other threads to run here, and mark the place in the trace."""
        self._call(self._mark, str(label))

    def _mark(self, label: str) -> None:
        kernel = self._running()
        kernel.trace.add(kernel.world.now_ns, kernel.current.path, "mark", label)
        kernel.checkpoint(label)

    def invariant(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Have *function* called at each step; the run fails when it returns false, or raises.

        At each step: wherever another thread may go on, and before each step of
        a task of asyncio. One that returns None has not found anything wrong:
        it may consist of assertions. It is called by whichever thread is there,
        must only look at the state, and takes no time; where it would have to
        wait, the run fails with a ``RuntimeError``. Can be used as a decorator.

        Until the simulation ends; in a test of a whole suite, until the test's end.

        Returns:
            *function*.

        Raises:
            TypeError: It is no function without arguments, or a coroutine function.
        """
        kernel = self._running()
        given: Any = function
        if not callable(given) or inspect.iscoroutinefunction(given):
            raise TypeError(
                f"this is no invariant: {function!r}\n"
                "give a function without arguments that returns whether all is well"
            )
        name = getattr(given, "__qualname__", type(given).__name__)
        # An object that can be called has none of its own; there it is where it was handed over.
        code = getattr(given, "__code__", None)
        caller = sys._getframe(1)
        line = caller.f_lineno if code is None else code.co_firstlineno
        site = f"{Path((code or caller.f_code).co_filename).name}:{line}"
        watch = kernel.watch or Watch(kernel)
        watch.add(name, site, function)
        return function

    def _violated(self, error: Violation, frame: FrameType) -> None:
        """Let the run fail with *error*, which is about to be raised where *frame* is."""
        _native.call_kernel(self._fail, error, frame)

    def _fail(self, error: Violation, frame: FrameType) -> None:
        kernel = self._running()
        if kernel.failure is not None or kernel.unwinding:
            return
        if kernel.current is kernel.root:
            before = kernel.root.error
            kernel.fail(error)
            kernel.root.error = before
        else:
            # The thread raises it where it is. The main thread, which waits, raises a copy: both
            # have a traceback that ends there.
            copy = Violation(str(error), error.site)
            kernel.fail(copy.with_traceback(traceback_of(frame)))

    def _pass_instant(self, latest_ns: int) -> None:
        """Wait for the next instant at which something may happen, or the latest; then settle."""
        self._call(self._next_instant, latest_ns)

    def _next_instant(self, latest_ns: int) -> None:
        kernel = self._running()
        # A loop that has started this thread has told nobody yet what it waits for.
        kernel.settle()
        first_ns = kernel.scheduler.timers.next_deadline_ns()
        soon_ns = latest_ns if first_ns is None else min(first_ns, latest_ns)
        kernel.sleep_until(max(soon_ns, kernel.world.now_ns + 1))
        kernel.settle()

    # ---------------------------------------------------------------------- faults

    @property
    def faults(self) -> Faults:
        """What goes wrong in this run, by choice of the schedule or by a plan."""
        return Faults(self, self._injecting())

    @property
    def faults_seen(self) -> Seen:
        """The faults so far, as data."""
        return Seen() if self._injector is None else self._injector.seen

    def _injecting(self) -> Injector:
        if self._injector is None:
            self._injector = Injector(self, is_off=not self._has_faults)
        return self._injector

    def _comes_to(self, site: str, odds: float, enabled: float) -> bool:
        """Return whether a site of the program fails now."""
        return bool(self._injecting().come_to(site, ("fires",), odds, enabled))

    def _put_back(self) -> None:
        """Undo what faults have done to the program."""
        if self._injector is not None:
            self._injector.put_back()

    def _forget_faults(self) -> None:
        """Begin anew: what went wrong belongs to a stretch that has ended."""
        self._put_back()
        self._injector = None

    # ------------------------------------------------------------- hosts and processes

    def host(self, name: str) -> Host:
        """Return the simulated machine called *name*, made when it is first asked for.

        Raises:
            ValueError: It is no name that a host can have.
        """
        kernel = self._running()
        found = self._hosts.get(name)
        if found is None:
            found = self._hosts[name] = Host(kernel, name, len(self._hosts) + 1, self._seed)
            self._net().names.add(found.name, found.address)
        return found

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The simulated machines, in the order in which they were made."""
        return tuple(self._hosts.values())

    @property
    def network(self) -> Network:
        """What is between the hosts: see `simclock.network.Network`."""
        return Network(self._net, self._call)

    def _net(self) -> Net:
        return net(self._running())

    # ----------------------------------------------------------- the world outside

    def hold(self, owner: str) -> Hold:
        """Keep the clock from jumping while real work is under way outside.

        Counted; *owner* is named in every report. Use as a context manager, or
        call ``release()``, from any thread.
        """
        return Hold(self._running(), owner)

    def real_time(self) -> RealTime:
        """Leave the simulation for a block: calls in it are real, the clock is held.

        The thread keeps its turn, so the whole simulation stands still: the
        block must not wait for what another simulated thread has to do.
        """
        self._running()
        return RealTime()

    # ------------------------------------------------------------------- evidence

    @property
    def seed(self) -> int:
        """The number that every random number drawn inside comes from."""
        return self._seed

    @property
    def threads(self) -> tuple[SimThread, ...]:
        """The simulated threads that have not ended, in order of their start."""
        return tuple(self._known().living.values())

    @property
    def started_threads(self) -> int:
        """How many simulated threads there have been, with the one that opened it."""
        return self._known().started_threads

    @property
    def thread_names(self) -> dict[str, str]:
        """The names of simulated threads by their paths, also of those that have ended lately."""
        return self._known().thread_names()

    @property
    def trace(self) -> Trace:
        """What happened so far."""
        return self._known().trace

    @property
    def escapes(self) -> tuple[str, ...]:
        """What was waited for in real time, one line for each.

        The clock was held meanwhile, and let go again where nothing came.
        """
        return tuple(self._known().escapes)

    @property
    def foreign(self) -> tuple[str, ...]:
        """The names of foreign threads that may have taken part; known when it is closed.

        Those that there are, if a thread that is not simulated has used a lock
        or a queue meanwhile: it may have been another one of the program's.
        """
        return self._known().foreign

    @property
    def failure(self) -> BaseException | None:
        """The first error that the kernel found, even if it was swallowed."""
        return self._known().failure

    def _known(self) -> Kernel:
        if self._kernel is None:
            raise RuntimeError("this simulation is not open\nuse it in a with statement")
        return self._kernel

    def _running(self) -> Kernel:
        kernel = self._known()
        if kernel not in kernels:
            raise RuntimeError("this simulation is closed\nmake a new Simulation for each run")
        return kernel

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        if kernels[-1:] != [self._running()] or not _native.simulated():
            raise RuntimeError(
                "only a thread of the innermost simulation can wait in it\n"
                "call this from a simulated thread, "
                "and not inside another simulation or real_time()"
            )
        return _native.call_kernel(function, *args)


class Hold:
    """A counted, owned reason for the clock not to jump."""

    def __init__(self, kernel: Kernel, owner: str) -> None:
        self._holds = kernel.holds
        # Not its id: it counts even if nobody keeps it. And the stretch that it was made in.
        self._key = (next(_hold_numbers), kernel.stretch)
        self._holds[self._key] = owner

    def release(self) -> None:
        """Let the clock go on. Idempotent; may be called from any thread."""
        self._holds.pop(self._key, None)
        _native.kick()

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class RealTime:
    """A block in which the calling thread is not simulated."""

    def __init__(self) -> None:
        self._baton: _native.Baton | None = None

    @signals.uninterrupted
    def __enter__(self) -> RealTime:
        if not _native.simulated():
            raise RuntimeError(
                "real_time() is for simulated threads\nthis thread is in real time already"
            )
        self._baton = _native.current()
        kernels[-1].outside = _thread.get_ident()
        _native.leave()
        blocks.append(self)
        return self

    @signals.uninterrupted
    def __exit__(self, *_: object) -> None:
        if self in blocks:
            blocks.remove(self)
        if not kernels:
            return  # a forked child: its simulation is gone
        assert self._baton is not None
        _native.resume(self._baton)
        kernels[-1].outside = 0


def run(function: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Call ``function(*args)`` in a simulation of its own and return its result.

    *options* are those of `Simulation`. For a coroutine, *function* is
    ``asyncio.run`` or its like: ``simclock.run(asyncio.run, main())``.

    Raises:
        TypeError: *function* is a coroutine, or only makes one.
    """
    given: object = function
    if inspect.iscoroutine(given) or inspect.iscoroutinefunction(given):
        name = getattr(given, "__name__", "main")
        raise TypeError(
            f"this does not run by itself: {function!r}\n"
            f"give it to what runs coroutines: simclock.run(asyncio.run, {name}())"
        )
    __tracebackhide__ = True
    with Simulation(**options):
        return function(*args)


def active() -> Simulation | None:
    """Return the simulation that the calling thread belongs to, or None."""
    return _open[-1] if _open and _native.simulated() else None


predicates.connect(active)
faults.connect(active)


def real_seconds() -> float:
    """Return a reading of the real monotonic clock, for a thread that is not simulated."""
    return realtime.now()


def _is_main_thread() -> bool:
    import threading  # noqa: PLC0415

    return threading.get_ident() == threading.main_thread().ident


def _describe(leaks: list[str]) -> str:
    lines = "\n".join(f"  {leak}" for leak in leaks)
    return (
        f"the simulation left something behind\n{lines}\nend, join or release what is named above"
    )


def _delta_ns(delta: timedelta | float) -> int:
    if isinstance(delta, timedelta):
        return delta_to_ns(delta)
    if not isinstance(delta, (int, float)):
        raise TypeError(f"this is no duration: {delta!r}\ngive a timedelta or seconds")
    if not abs(delta) < float("inf"):
        raise ValueError(f"this is no duration: {delta!r} seconds\ngive a finite number")
    return to_ns(delta) if delta >= 0 else -to_ns(-delta)


def _package_names(names: Iterable[str]) -> frozenset[str]:
    advice = 'give a list of names such as ("grpc",)'
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"real_packages is no list of names: {names!r}\n{advice}")
    found: list[Any] = list(names)
    for name in found:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"this is no top-level name of a package: {name!r}\n{advice}")
    return frozenset(found)


def _epoch_ns(epoch: datetime | float) -> int:
    if isinstance(epoch, datetime):
        if epoch.tzinfo is None:
            raise ValueError(
                f"epoch has no time zone: {epoch!r}\ngive it one, such as tzinfo=timezone.utc"
            )
        since = epoch - datetime(1970, 1, 1, tzinfo=timezone.utc)
        _check_epoch(since.days * 86400 + since.seconds)
        return delta_to_ns(since)
    if not isinstance(epoch, (int, float)):
        raise TypeError(
            f"epoch is no time: {epoch!r}\n"
            "give POSIX seconds or an aware datetime, such as "
            f"{_epoch_example(epoch)}"
        )
    _check_epoch(epoch)
    return to_ns(epoch)


def _epoch_example(epoch: object) -> str:
    """Return how to write *epoch*, if that is a text that can be read, or another one."""
    try:
        read = datetime.fromisoformat(str(epoch))
    except ValueError:
        return "datetime(2024, 2, 29, 12, tzinfo=timezone.utc)"
    aware = read if read.tzinfo else read.replace(tzinfo=timezone.utc)
    return f"datetime.fromisoformat({aware.isoformat()!r})"


def _check_sleep(seconds: Any) -> None:
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < float("inf"):
        raise ValueError(
            f"cannot sleep for {seconds!r} seconds\ngive a number that is not negative"
        )


def _check_epoch(seconds: float) -> None:
    if not abs(seconds) <= LATEST:
        raise ValueError(f"epoch is out of range: {seconds!r}\ngive POSIX seconds up to {LATEST:g}")


def _positive(name: str, value: float, *, least: float | None = None, most: float = 1e18) -> float:
    start = "more than 0" if least is None else f"{least:g} or more"
    advice = f"give a number, {start}, up to {most:g}"
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number: {value!r}\n{advice}")
    enough = value > 0 if least is None else value >= least
    if not (enough and value <= most):
        raise ValueError(f"{name} is out of range: {value!r}\n{advice}")
    return value
