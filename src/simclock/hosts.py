"""Simulated machines and the processes on them, in one real process.

    web = sim.host("web-1")
    server = web.start(serve, 8000)
    server.kill()           # a power cut: no ``finally``, no goodbye
    server.restart()

A process is a group of simulated threads: those that its first one starts
belong to it. It has a pid, an environment, signal handlers, an exit code, and
descriptors of its own. Modules are shared by all, as there is one interpreter:
a global of the program is the same in each.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
import re
import signal
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, posting
from simclock._boundary.active import kernels
from simclock._boundary.contexts import Context
from simclock._boundary.network import state as network
from simclock._boundary.threads import FirstThread
from simclock._core import stopping
from simclock._core.instants import FARTHEST, FASTEST, SECOND, delta_to_ns, to_ns
from simclock.errors import Stalled, Unwind

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.groups import Group
    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread

# What a resolver takes for the name of a host.
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.IGNORECASE)
# Addresses are 127.1.X.Y, without the first and the last Y.
MOST = 254 * 254
# The monotonic clocks of a process begin with at most as much, in seconds: each start has another.
LONGEST_UPTIME = 10_000


class Host:
    """A simulated machine: an address, a wall clock, processes.

    Made by ``Simulation.host``. To be used in simulated threads.

    Attributes:
        name: What it is called, also by a resolver in the simulation.
        address: Its IPv4 address, one of the real loopback interface.
        processes: Those that were started on it, in their order.
    """

    def __init__(self, simulation: Kernel, name: str, number: int, seed: int) -> None:
        given: object = name
        if not isinstance(given, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"this is no name of a host: {name!r}\n"
                "use letters, digits, hyphens and dots, such as 'db-1'"
            )
        if name.lower() == "localhost" or name.rpartition(".")[2].isdigit():
            raise ValueError(
                f"a resolver takes this for an address: {name!r}\ngive a name, such as 'db-1'"
            )
        if number > MOST:
            raise ValueError(f"this is one host too many: {name!r}\nuse at most {MOST} hosts")
        self.name = name
        self.address: str = f"127.1.{(number - 1) // 254}.{(number - 1) % 254 + 1}"
        self.processes: list[Process] = []
        self._kernel = simulation
        self._uptimes = random.Random(f"{seed}:{name}:uptime")
        # Of its wall clock: how far it is off, what it gains in a second, and since when.
        self.wall_parts: tuple[int, int, int] = 0, 0, 0
        self._lost: list[Process] = []

    def start(
        self,
        function: Callable[..., object],
        *args: Any,
        name: str | None = None,
        environ: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Process:
        """Run ``function(*args, **kwargs)`` in a new process on this host.

        Args:
            function: What its main thread runs, again after each restart. For
                coroutines: ``host.start(lambda: asyncio.run(main()))``.
            args: Positional arguments: the objects themselves, no copies.
            name: What reports call the process; by default the function's name.
            environ: Its environment; by default a copy of the caller's.
            kwargs: Keyword arguments.

        Raises:
            TypeError: *function* cannot be called, or is a coroutine function or a generator's, or
                *environ* is no environment.
        """
        given: object = function
        if not callable(given) or _only_makes_something(function):
            raise TypeError(_cannot_run(function))
        if environ is not None and not _is_environment(environ):
            raise TypeError(
                f"this is no environment: {environ!r}\n"
                "names and values are text, such as environ={'PORT': '8000'}"
            )
        called = name or getattr(function, "__name__", type(function).__name__)
        process = Process(self, f"{self.name}/{called}", lambda: function(*args, **kwargs), environ)
        self.processes.append(process)
        process._begin()
        return process

    # ------------------------------------------------------------------ all of it

    def kill(self) -> None:
        """Cut its power: its processes end at once, and no connection says goodbye.

        The other ends hear nothing, and who connects waits, until `restart`.
        """
        _in_kernel(self._kernel, network.cut, self._kernel, self)
        alive = [each for each in self.processes if each.is_alive()]
        self._lost += [each for each in alive if each not in self._lost]
        for group in self._living():
            _in_kernel(self._kernel, posting.send, self._kernel, group, int(signal.SIGKILL))

    def restart(self) -> None:
        """Start again what was running when it was killed; kill it first if that was not done.

        What is left of old connections is reset.

        Raises:
            RuntimeError: The caller runs on it, and would be killed.
        """
        group = self._kernel.group
        if group is not None and group.host is self:
            raise RuntimeError(_would_be_killed(self))
        self.kill()
        _in_kernel(self._kernel, network.boot, self._kernel, self)
        lost, self._lost = self._lost, []
        for each in lost:
            each.restart()

    def pause(self) -> None:
        """Let all its processes stand still."""
        for group in self._living():
            _in_kernel(self._kernel, stopping.pause, self._kernel, group)

    def resume(self) -> None:
        """Undo `pause`."""
        for group in self._living():
            _in_kernel(self._kernel, stopping.resume, self._kernel, group)

    def _living(self) -> list[Group]:
        """Return its processes, also those of `multiprocessing`.

        That of the calling thread is the last: it does not come back.
        """
        mine = [each for each in self._kernel.groups.values() if each.host is self]
        living = [each for each in mine if not each.ended]
        return sorted(living, key=lambda each: each is self._kernel.group)

    # ------------------------------------------------------------- its wall clock

    @property
    def wall(self) -> datetime:
        """What its wall clock shows, in UTC. Takes no time."""
        world: Any = self._kernel.world
        shown_ns = world.now_ns + world.wall_ns + self._off_ns()
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=shown_ns // 1000)

    def move_wall(self, delta: timedelta | float) -> None:
        """Move its wall clock by *delta*, a timedelta or seconds, also backwards.

        Its processes' sleeps and monotonic clocks do not notice.
        """
        is_delta = isinstance(delta, timedelta)
        seconds = delta.total_seconds() if isinstance(delta, timedelta) else delta
        _check("a step of a wall clock", seconds, FARTHEST)
        off_ns = self._off_ns() + (
            delta_to_ns(delta) if is_delta else _signed_ns(seconds)  # type: ignore[arg-type]
        )
        self._set_wall(off_ns, self.wall_parts[1], f"moved by {seconds:+g} s")

    def drift(self, rate: float) -> None:
        """Let its wall clock gain *rate* seconds in each second from now on; lose, if negative."""
        _check("a rate of drift", rate, FASTEST)
        self._set_wall(self._off_ns(), round(rate * SECOND), f"drifts by {rate:+g}")

    def set_right(self) -> None:
        """Let its wall clock show what the simulation's does, as a time server would have it."""
        self._set_wall(0, 0, "is right")

    def forget_wall(self) -> None:
        """Let its wall clock be right, as long as none of its processes runs."""
        self.wall_parts = 0, 0, 0

    def _off_ns(self) -> int:
        off_ns, drift_ppb, from_ns = self.wall_parts
        return off_ns + (self._kernel.world.now_ns - from_ns) * drift_ppb // SECOND

    def _set_wall(self, off_ns: int, drift_ppb: int, what: str) -> None:
        _in_kernel(self._kernel, self._change_wall, off_ns, drift_ppb, what)

    def _change_wall(self, off_ns: int, drift_ppb: int, what: str) -> None:
        simulation = self._kernel
        now_ns = simulation.world.now_ns
        self.wall_parts = off_ns, drift_ppb, now_ns
        if simulation.group is not None:
            simulation.port.set_wall(simulation.group)
        label = f"wall clock of {self.name} {what}"
        simulation.trace.add(now_ns, simulation.current.path, "mark", label)

    def new_skew_ns(self) -> int:
        """Return what the monotonic clocks of a process that starts now show more."""
        shown_ns = self._uptimes.randrange(1, LONGEST_UPTIME) * SECOND
        # Whole seconds, so that differences of readings are as exact as elsewhere.
        return shown_ns - self._kernel.world.now_ns // SECOND * SECOND

    def __repr__(self) -> str:
        return f"<Host {self.name!r} {self.address}>"


class Process:
    """A simulated process: threads that live and die together. Made by `Host.start`.

    To be used in simulated threads.

    Attributes:
        name: What reports call it: its host and its function.
        host: Where it runs.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        function: Callable[[], object],
        environ: Mapping[str, str] | None,
    ) -> None:
        self.name = name
        self.host = host
        self._function = function
        self._environ = dict(os.environ if environ is None else environ)
        self._kernel = host._kernel
        self._group: Group | None = None
        self._error: BaseException | None = None

    # ------------------------------------------------------------------- what it is

    @property
    def pid(self) -> int:
        """What ``os.getpid()`` returns in it; another one after `restart`."""
        return self._known().number

    @property
    def exitcode(self) -> int | None:
        """What it has ended with; None as long as it runs.

        0 when its function has returned, 1 when that has raised, what
        ``sys.exit`` or ``os._exit`` said, -9 when it was killed, and so on for
        each signal.
        """
        group = self._known()
        return group.exitcode if group.ended else None

    @property
    def error(self) -> BaseException | None:
        """The exception that has ended it, if one has."""
        return self._error

    @property
    def state(self) -> str:
        """``"running"``, ``"paused"`` or ``"ended"``."""
        return self._known().state

    @property
    def threads(self) -> tuple[SimThread, ...]:
        """Its threads that have not ended, in the order of their start."""
        return tuple(self._known().threads.values())

    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return not self._known().ended

    def _known(self) -> Group:
        assert self._group is not None
        return self._group

    # --------------------------------------------------------------- what is done to it

    def kill(self) -> None:
        """End it at once, as SIGKILL and a power cut do.

        No thread of it runs again; no ``finally`` of it is ever seen. Its
        descriptors are closed, what its buffers have is lost, its transactions
        in SQLite databases are rolled back. (Where one of its threads owns a
        lock of a module, which all processes share here, that one goes on until
        it has released it.)
        """
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send it SIGTERM, which it may handle; else it ends at once, without any ``finally``."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, signum: int) -> None:
        """Send it a signal; 0 is none. One that has ended already does not notice.

        Raises:
            ValueError: There is no such signal.
        """
        if signum and signum not in signal.valid_signals():
            raise ValueError(f"this is no signal: {signum!r}\ngive one such as signal.SIGTERM")
        _in_kernel(self._kernel, posting.send, self._kernel, self._known(), int(signum))

    def pause(self) -> None:
        """Let it stand still: none of its threads runs, while the clock goes on. Idempotent."""
        _in_kernel(self._kernel, stopping.pause, self._kernel, self._known())

    def resume(self) -> None:
        """Let it go on after `pause`. What has come due meanwhile is late. Idempotent."""
        _in_kernel(self._kernel, stopping.resume, self._kernel, self._known())

    def restart(self) -> None:
        """Start it again, with a new pid and clocks that begin anew; kill it first if it runs.

        Raises:
            RuntimeError: It is the caller's own, who would be killed.
        """
        if self._kernel.group is self._group:
            raise RuntimeError(_would_be_killed(self))
        self.kill()
        self.join()
        self._begin()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most *timeout* virtual seconds; return whether it has."""
        if timeout is not None:
            _check("a timeout", timeout, FARTHEST)
        _in_kernel(self._kernel, stopping.join, self._kernel, self._known(), timeout)
        return not self.is_alive()

    # ------------------------------------------------------------------- how it runs

    def _begin(self) -> None:
        self._error = None
        group: Group = _in_kernel(self._kernel, self._new_group)
        FirstThread(group, functools.partial(self._run, group)).start()

    def _new_group(self) -> Group:
        simulation = self._kernel
        context = Context(self._environ)
        parent = os.getpid() if simulation.group is None else simulation.group.number
        group = simulation.new_group(self.name, parent, self.host, self.host.new_skew_ns())
        group.context = context
        self._group = group
        return group

    def _run(self, group: Group) -> None:
        if group.ended:
            return  # killed before its first thread was there
        exitcode = 1
        try:
            _check_result(self._function())
            exitcode = 0
        except Unwind:
            raise
        except SystemExit as error:
            exitcode = posting.code_of(error)
        except BaseException as error:
            if not self._kernel.unwinding:
                self._error = error
            raise
        finally:
            if not self._kernel.unwinding:
                _leave(group, exitcode)

    def __repr__(self) -> str:
        return f"<Process {self.name!r} {self.pid} {self.state}>"


def _leave(group: Group, exitcode: int) -> None:
    """Let the process of the calling thread end as Python does: threads, ``atexit``, the rest."""
    simulation = kernels[-1]
    _whatever_it_raises(functools.partial(_join_threads, simulation, group))
    while group.context.at_exit:
        _whatever_it_raises(group.context.at_exit.pop())
    _native.call_kernel(stopping.finish, simulation, group, exitcode)


def _join_threads(simulation: Kernel, group: Group) -> None:
    _native.call_kernel(simulation.port.retire, _others(simulation, group))
    for thread in _others(simulation, group):
        python_thread = thread.python_thread
        if python_thread is not None and not thread.daemon:
            python_thread.join()


def _whatever_it_raises(function: Callable[[], object]) -> None:
    """Call *function* at the end of a process, which an error does not keep from it.

    It may be one of a signal's handler, too.
    """
    try:
        function()
    except (Unwind, Stalled):
        raise  # the simulation is over
    except SystemExit:
        pass
    except BaseException:  # noqa: BLE001 - it is told, as Python does
        traceback.print_exc()


def _others(simulation: Kernel, group: Group) -> list[SimThread]:
    return [each for each in group.threads.values() if each is not simulation.current]


def _only_makes_something(function: Any) -> bool:
    """Return whether a call of *function* runs nothing: it is that of a coroutine or generator."""
    while isinstance(function, functools.partial):
        function = function.func
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    )
    called = getattr(type(function), "__call__", None)  # noqa: B004 - its kind is asked
    return any(kind(each) for kind in kinds for each in (function, called))


def _is_environment(environ: Any) -> bool:
    """Return whether the system would take *environ* for a process."""
    if not isinstance(environ, Mapping):
        return False
    texts = [each for item in environ.items() for each in item]
    if not all(isinstance(each, str) and "\0" not in each for each in texts):
        return False
    try:
        os.fsencode("".join(texts))
    except UnicodeEncodeError:
        return False
    return all(name and "=" not in name for name in environ)


def _cannot_run(given: object) -> str:
    return (
        f"a process cannot run this: {given!r}\n"
        "give a function and its arguments, such as host.start(lambda: asyncio.run(main()))"
    )


def _would_be_killed(subject: object) -> str:
    return (
        f"this would kill its caller, who starts nothing then: the restart of {subject!r}\n"
        "call it from the test, or from a process on another host"
    )


def _check_result(result: object) -> None:
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(_cannot_run(result))


def _in_kernel(simulation: Kernel, function: Callable[..., Any], *args: Any) -> Any:
    if kernels[-1:] != [simulation] or not _native.simulated():
        raise RuntimeError(
            "hosts and processes belong to the threads of their simulation\n"
            "call this from a simulated thread, while the simulation is open"
        )
    return _native.call_kernel(function, *args)


def _check(what: str, value: Any, most: float) -> None:
    if not isinstance(value, (int, float)) or not abs(value) <= most:
        raise ValueError(f"this is not {what}: {value!r}\ngive a number of at most {most:g}")


def _signed_ns(seconds: float) -> int:
    return to_ns(seconds) if seconds >= 0 else -to_ns(-seconds)
