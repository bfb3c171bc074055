"""What a test has to say of faults: which, when, and that the program recovers from them."""

from __future__ import annotations

import math
import sys
import types
from typing import TYPE_CHECKING, Any

from simclock._faults.agenda import Chosen, Planned, Range
from simclock._faults.driving import Phase
from simclock._faults.kinds import Targets
from simclock._faults.places import range_of, ways_of
from simclock._faults.plans import FaultPlan
from simclock._faults.sites import check_probability
from simclock.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import FrameType

    from simclock._faults.injecting import Injector, Seen
    from simclock._faults.places import Place

# Faults that a failure names.
SHOWN = 20
# Calls that go wrong of those that may: a program that works at all has to get somewhere.
FIRES = 0.1

# Pytest leaves out of tracebacks what is called here: they end in the user's lines.
__tracebackhide__ = True


class Faults:
    """What goes wrong in a run: ``sim.faults``.

    In a canonical run nothing does but what a plan says: which faults happen, and when, are choices
    of the schedule. To be used in simulated threads.

    Args:
        simulation: The run.
        injector: Lets things go wrong in it.
    """

    def __init__(self, simulation: Any, injector: Injector) -> None:
        self._simulation = simulation
        self._injector = injector

    # --------------------------------------------------------------- what has happened

    @property
    def plan(self) -> FaultPlan:
        """The faults so far, as a plan that can be followed."""
        return self._injector.plan

    @property
    def swarm(self) -> str:
        """Which kinds of faults this run may have, and how many, such as ``kill 12, pause off``."""
        return self._injector.swarm

    @property
    def seen(self) -> Seen:
        """All that is known of the faults of this run, its sites too."""
        return self._injector.seen

    # ------------------------------------------------------------------------- places

    def at(
        self,
        name: str,
        *,
        error: BaseException | type[BaseException] | None = None,
        delay: tuple[float, float] | None = None,
        drop: bool = False,
        p: float = FIRES,
        enabled: float = 1.0,
    ) -> Place:
        """Let calls of a function go wrong by choice, until the simulation ends.

        The function is replaced where it is named, also a coroutine function; for threads that are
        not of this simulation nothing changes. A module that has imported it by its own name has
        another place, to be named as well.

        Args:
            name: ``"module:qualname"``, such as ``"shop.stock:Stock.take"``.
            error: What is raised instead of the call.
            delay: At least and at most how many seconds later it is called.
            drop: It is not called at all, and returns None.
            p: How likely each call is to go wrong, where schedules are drawn.
            enabled: How likely calls are to go wrong at all in a run.

        Returns:
            What has been replaced; its ``put_back()`` ends it earlier.

        Raises:
            TypeError, ValueError: There is no such function, or an argument has no meaning.
        """
        check_probability("p", p)
        check_probability("enabled", enabled)
        return self._injector.add_place(name, ways_of(error, delay, drop=drop), p, enabled)

    # ------------------------------------------------------------------------- phases

    def phase(
        self,
        *,
        kill: Iterable[Any] = (),
        pause: Iterable[Any] = (),
        skew: Iterable[Any] = (),
        drift: Iterable[Any] = (),
        partition: Iterable[Any] = (),
        reset: Iterable[Any] = (),
        slow: Iterable[Any] = (),
        every: tuple[float, float] = (0.1, 1.0),
        lasting: tuple[float, float] = (0.1, 5.0),
        at_most: int | None = None,
        network: Any = None,
    ) -> Phase:
        """Return a block in which faults happen by choice of the schedule.

        For each run it is drawn which of these kinds there are at all, and how many of each. When
        the block is left, faults stop, also those of sites, and what is broken is put right:
        partitions heal, who is paused goes on, who was killed starts again, clocks are right.

        Args:
            kill: Hosts and processes that are killed, and start again some time later.
            pause: The same that stand still for some time.
            skew: Hosts whose wall clock is moved.
            drift: Hosts whose wall clock goes too fast or too slowly.
            partition: Hosts between which the network is parted in two.
            reset: Hosts between any two of which all connections are reset.
            slow: Hosts between any two of which the network is slow.
            every: At least and at most how many virtual seconds there are from one moment at
                which faults may happen to the next.
            lasting: How long a fault lasts at least and at most.
            at_most: How many hosts may be killed or paused at once; by default any number.
            network: By default that of the simulation.

        Raises:
            TypeError, ValueError: An argument has no meaning.
        """
        given = {
            "kill": kill,
            "pause": pause,
            "skew": skew,
            "drift": drift,
            "partition": partition,
            "reset": reset,
            "slow": slow,
        }
        hosts = {kind: self._hosts(kind, each) for kind, each in given.items()}
        hosts = {kind: each for kind, each in hosts.items() if each}
        if not hosts:
            raise ValueError("no faults are given\nsay who may be hit, such as kill=[host]")
        if at_most is not None and (type(at_most) is not int or at_most < 1):
            raise ValueError(f"at_most is no number of hosts: {at_most!r}\ngive 1 or more")
        limits = Range(
            range_of("every", every),
            range_of("lasting", lasting),
            sys.maxsize if at_most is None else at_most,
        )
        different = {id(host): host for each in hosts.values() for host in each}
        targets = Targets(different.values(), self._network(network))
        names = {kind: [host.name for host in each] for kind, each in hosts.items()}
        targets.check_kinds(names)

        def agenda() -> Chosen:
            chosen = Chosen(names, limits, self._injector)
            self._injector.swarm = chosen.swarm
            return chosen

        return Phase(self._injector, targets, agenda)

    def follow(
        self, plan: FaultPlan | str, *, hosts: Iterable[Any] | None = None, network: Any = None
    ) -> Phase:
        """Return a block in which the faults of *plan* happen, as `phase` does.

        Args:
            plan: The faults, or their text.
            hosts: Hosts and processes that it names; by default those of the simulation.
            network: By default that of the simulation.

        Raises:
            TypeError, ValueError: A step has no meaning, or is about what there is not.
        """
        if isinstance(plan, str):
            plan = FaultPlan.parse(plan)
        if not isinstance(plan, FaultPlan):
            raise TypeError(f"this is no plan: {plan!r}\ngive a simclock.FaultPlan, or its text")
        found = self._all_hosts() if hosts is None else list(hosts)
        targets = Targets(found, self._network(network))
        targets.check(plan)
        injector = self._injector
        return Phase(injector, targets, lambda: Planned(plan, injector.origin_ns))

    def _hosts(self, kind: str, given: Any) -> list[Any]:
        if isinstance(given, str) or not hasattr(given, "__iter__"):
            raise TypeError(f"{kind} is no list of hosts: {given!r}\ngive one, such as [host]")
        found = list(given)
        if found and kind in ("partition", "reset", "slow") and len(found) < 2:
            raise ValueError(f"{kind} is about at least two hosts: {found!r}\ngive more")
        return found

    def _all_hosts(self) -> list[Any]:
        hosts = list(self._simulation.hosts)
        return hosts + [process for host in hosts for process in host.processes]

    def _network(self, given: Any) -> Any:
        return self._simulation.network if given is None else given

    # ----------------------------------------------------------------------- recovery

    def start(self) -> None:
        """Let sites fail again after `stop`, or after a phase."""
        self._injector.is_on = not self._injector.is_off

    def stop(self) -> None:
        """Let nothing go wrong at sites from here on. Leaving a phase does so, too."""
        self._injector.stop()

    def recovers(
        self, check: Callable[[], object], message: str = "", *, within: float = 30.0
    ) -> None:
        """Wait until *check* returns something true, without faults; it must, *within* seconds.

        Called as `simclock.predicates.eventually` does, again and again as time passes. As long as
        it raises an `Exception`, it is not true yet.

        Args:
            check: A function without arguments.
            message: What it means.
            within: Virtual seconds.

        Raises:
            Violation: It was never true. The run fails with it.
            RuntimeError: The faults go on: it was called inside of a phase.
        """
        __tracebackhide__ = True
        recovery = self._recovery(check, message, within)
        self._simulation.settle()
        while not recovery.look():
            if recovery.is_late:
                self._fail(recovery, sys._getframe(1))
            self._simulation._pass_instant(recovery.end_ns)

    async def arecovers(
        self,
        check: Callable[[], object | Awaitable[object]],
        message: str = "",
        *,
        within: float = 30.0,
    ) -> None:
        """Do as `recovers`, in a task of asyncio, trio or another registered flavour.

        Its own loop runs meanwhile. *check* may be a coroutine function.
        """
        __tracebackhide__ = True
        recovery = self._recovery(check, message, within)
        flavour = self._simulation._flavour("arecovers")
        await flavour.in_thread(self._simulation.settle)
        while not await recovery.alook():
            if recovery.is_late:
                self._fail(recovery, sys._getframe(1))
            await flavour.in_thread(lambda: self._simulation._pass_instant(recovery.end_ns))

    def _recovery(self, check: Any, message: str, within: Any) -> _Recovery:
        if self._injector.phase is not None:
            raise RuntimeError(
                "nothing recovers while faults go on: recovers() was called inside of a phase\n"
                "leave the block first"
            )
        self.stop()
        return _Recovery(self._injector, check, message, within)

    def _fail(self, recovery: _Recovery, frame: FrameType) -> None:
        __tracebackhide__ = True
        file, line = frame.f_code.co_filename, frame.f_lineno
        site = f"{file[file.rfind('/') + 1 :]}:{line}"
        error = Violation("\n".join([*recovery.said, *self._said(), f"  at {site}"]), site)
        self._simulation._violated(error, frame)
        raise error

    def _said(self) -> list[str]:
        steps = self.plan
        if not steps:
            return ["  there were no faults"]
        lines = ["  the faults were:", *(f"    {each}" for each in steps[-SHOWN:])]
        if len(steps) > SHOWN:
            lines.insert(1, f"    ... {len(steps) - SHOWN} before these")
        return lines


class _Recovery:
    """What is waited for after the faults."""

    def __init__(self, injector: Injector, check: Any, message: str, within: Any) -> None:
        if not callable(check):
            raise TypeError(
                f"this is no check: {check!r}\n"
                "give a function without arguments that returns whether all is well again"
            )
        if not isinstance(within, (int, float)) or not 0 <= within < math.inf:
            raise ValueError(f"cannot wait within {within!r} seconds\ngive a number, 0 or more")
        self._injector = injector
        self._check = check
        self._within = within
        self._name = message or getattr(check, "__qualname__", type(check).__name__)
        self.end_ns = injector.now_ns + round(within * 1e9)
        self._last = ""

    @property
    def is_late(self) -> bool:
        return self._injector.now_ns >= self.end_ns

    @property
    def said(self) -> list[str]:
        first = f"no recovery: {self._name!r} was not true within {self._within:g} s"
        return [f"{first} after the faults", f"  the last time it {self._last}"]

    def look(self) -> bool:
        try:
            found = self._check()
        except Exception as error:  # noqa: BLE001 - it is not well yet, whatever it is
            return self._is_true(None, error)
        if isinstance(found, types.CoroutineType):
            found.close()
            raise TypeError(
                "the check of recovers() is a coroutine function\n"
                "await arecovers() instead, in a task"
            )
        return self._is_true(found, None)

    async def alook(self) -> bool:
        try:
            found = self._check()
            if hasattr(type(found), "__await__"):
                found = await found
        except Exception as error:  # noqa: BLE001 - as above
            return self._is_true(None, error)
        return self._is_true(found, None)

    def _is_true(self, found: object, error: Exception | None) -> bool:
        self._last = f"returned {found!r}"
        if error is not None:
            self._last = f"raised {type(error).__name__}: {error}"
        return error is None and bool(found)
