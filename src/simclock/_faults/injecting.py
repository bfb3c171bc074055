"""What goes wrong in one run, and what is known of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.instants import SECOND
from simclock._faults.places import Place
from simclock._faults.plans import Fault, FaultPlan
from simclock._faults.sites import SeenSite, Sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock._core.waits import Resource
    from simclock._faults.driving import Phase
    from simclock._faults.places import Way


class Seen(NamedTuple):
    """What went wrong in a run.

    Attributes:
        plan: The faults, as a plan that can be followed.
        swarm: Which kinds there could be, and how many, in words; or nothing.
        sites: What was seen of the sites, by name.
    """

    plan: FaultPlan = FaultPlan()
    swarm: str = ""
    sites: dict[str, SeenSite] = {}  # noqa: RUF012 - nobody writes into it


class Injector:
    """Lets things go wrong in one run, and writes down what.

    Args:
        simulation: The run.
        is_off: Whether nothing goes wrong in it.
    """

    def __init__(self, simulation: Any, *, is_off: bool) -> None:
        self._simulation = simulation
        self.is_off = is_off
        # Not any more when a phase has ended, so that the program can recover.
        self.is_on: bool = not is_off
        self.phase: Phase | None = None
        self.swarm = ""
        self._steps: list[Fault] = []
        self._sites = Sites(self.choose, self._note_site)
        self._places: list[Place] = []

    # ---------------------------------------------------------------- what is known

    @property
    def seen(self) -> Seen:
        """What went wrong so far."""
        return Seen(self.plan, self.swarm, self._sites.seen)

    @property
    def plan(self) -> FaultPlan:
        """The faults so far."""
        return FaultPlan(self._steps)

    def note(self, fault: Fault) -> None:
        """Note that *fault* happens now."""
        now = (self._simulation.now_ns - self.origin_ns) / SECOND
        found: dict[str, Any] = {**vars(fault), "at": now}
        self._steps.append(Fault(**found))
        self.mark(f"fault: {fault.said}")

    def mark(self, text: str) -> None:
        """Note *text* in the trace."""
        kernel = self._simulation._running()
        self._simulation._call(
            kernel.trace.add, kernel.world.now_ns, kernel.current.path, "mark", text
        )

    def _note_site(self, name: str, way: int) -> None:
        self.note(Fault(0.0, "fire", name, way=way))

    # ------------------------------------------------------------------------ sites

    def come_to(self, name: str, words: Sequence[str], odds: float, enabled: float) -> int:
        """Return in which way a site fails now, from 1 on; 0: it does not."""
        if self.is_off:
            return 0
        return self._sites.come_to(name, words, odds, enabled, is_on=self.is_on)

    def plan_site(self, fault: Fault) -> None:
        """Let the site that *fault* names fail the next time that somebody comes there."""
        self._sites.plan(fault.target, fault.way)

    def add_place(self, name: str, ways: Sequence[Way], odds: float, enabled: float) -> Place:
        """Let calls of the function called *name* go wrong."""
        words = [each.said for each in ways]

        def choose() -> Way | None:
            way = self.come_to(name, words, odds, enabled)
            return ways[way - 1] if way else None

        place = Place(name, self._simulation, choose)
        self._places.append(place)
        return place

    def put_back(self) -> None:
        """Put all functions back, the last one first."""
        while self._places:
            self._places.pop().put_back()

    # ----------------------------------------------------------------------- phases

    def begin(self, phase: Phase) -> None:
        """Begin a phase in which faults happen."""
        if self.phase is not None:
            raise RuntimeError(
                "there is a phase of faults already\nleave that block first, or give it both"
            )
        self.phase = phase
        self.is_on = True

    def end(self) -> None:
        """End it: from here on nothing goes wrong."""
        self.phase = None
        self.stop()

    def stop(self) -> None:
        """Let nothing go wrong from here on."""
        self.is_on = False
        self._sites.forget_plans()

    # ------------------------------------------------------------------- the kernel

    @property
    def now_ns(self) -> int:
        """The virtual instant."""
        found: int = self._simulation.now_ns
        return found

    @property
    def origin_ns(self) -> int:
        """The instant that faults count from: the start of the run, or of the test."""
        found: int = self._simulation._known().origin_ns
        return found

    @property
    def seed(self) -> int:
        """Of the run."""
        found: int = self._simulation.seed
        return found

    @property
    def is_busy(self) -> bool:
        """Whether another thread could run, now or at some instant."""
        scheduler = self._simulation._running().scheduler
        timers = scheduler.timers.next_deadline_ns()
        return bool(scheduler.ready or scheduler.hot) or timers is not None

    def choose(self, bound: int, label: str, **more: Any) -> int:
        """Make a choice of the schedule, as ``Kernel.choose`` does."""
        choose = functools.partial(self._simulation._running().choose, bound, label, **more)
        found: int = self._simulation._call(choose)
        return found

    def wait(self, resource: Resource, deadline_ns: int | None) -> None:
        """Wait until *resource* is free, or an instant."""
        self._simulation._call(self._simulation._running().wait, "faults", resource, deadline_ns)

    def hint(self, key: int) -> None:
        """Say that the resource called *key* may be free."""
        self._simulation._call(self._simulation._running().hint, key)
