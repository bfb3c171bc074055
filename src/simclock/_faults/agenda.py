"""When which fault comes: as a plan says, or by choice at random moments."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.choices import FAULT
from simclock._core.instants import SECOND, to_ns
from simclock._faults import swarm
from simclock._faults.places import middle
from simclock._faults.plans import Fault, FaultPlan, between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simclock._faults.injecting import Injector

# Different sequences of moments among which the schedule chooses.
RHYTHMS = 16
# Ways to part a network that are offered, and further ways of a fault that has many.
PARTS = 15
# Seconds by which a wall clock is moved, and how much faster or slower it may go.
SKEWS = (60.0, -60.0, 0.5, -0.5)
DRIFTS = (0.01, -0.01)
# Seconds that everything takes longer on a slow link.
SLOWNESS = (0.1, 1.0)
# What keeps a host from working.
DOWN = ("kill", "pause")


class Planned:
    """The faults of a plan.

    Args:
        plan: What to do.
        origin_ns: The virtual instant that it counts from.
    """

    def __init__(self, plan: FaultPlan, origin_ns: int) -> None:
        self._left = list(reversed(plan))
        self._origin_ns = origin_ns

    @property
    def next_ns(self) -> int | None:
        """The instant of the next fault; None if there is no other."""
        return self._origin_ns + to_ns(self._left[-1].at) if self._left else None

    def due(self, now_ns: int, active: Iterable[Fault]) -> Iterator[Fault]:  # noqa: ARG002
        """Yield the faults whose instant has come."""
        while self._left and self._origin_ns + to_ns(self._left[-1].at) <= now_ns:
            yield self._left.pop()


class Range(NamedTuple):
    """What faults by choice have in common.

    Attributes:
        every: The least and the most virtual seconds between two moments.
        lasting: How long a fault lasts at least and at most.
        at_most: How many hosts may be killed or paused at once.
    """

    every: tuple[float, float]
    lasting: tuple[float, float]
    at_most: int

    @property
    def durations(self) -> tuple[float, ...]:
        """How long a fault may last; the one that is neither short nor long is first."""
        least, most = self.lasting
        return tuple(dict.fromkeys([middle(least, most), least, most]))


class Chosen:
    """Faults by choice of the schedule, at moments that come again and again.

    At each moment, each fault of each target is a choice of its own; so it can be left out of a
    schedule without any change to the others.

    Args:
        targets: The names of those that each kind of fault may happen to.
        limits: What they have in common.
        run: Makes the choices.
    """

    def __init__(self, targets: Mapping[str, Sequence[str]], limits: Range, run: Injector) -> None:
        self._limits = limits
        self._run = run
        self.weights = swarm.drawn(targets, run.choose)
        self._menus = [
            menu
            for kind, names in targets.items()
            if self.weights[kind]
            for menu in _menus(kind, names, limits)
        ]
        rhythm = run.choose(
            RHYTHMS,
            "moments",
            odds=1 - 1 / RHYTHMS,
            words=tuple(f"faults come in rhythm {n}" for n in range(1, RHYTHMS)),
        )
        self._random = random.Random(f"faults:{run.seed}:{rhythm}")
        self.next_ns: int | None = None
        self._move_on(run.now_ns)

    @property
    def swarm(self) -> str:
        """Which kinds there are in this run, in words."""
        return swarm.said(self.weights)

    def _move_on(self, now_ns: int) -> None:
        # In milliseconds: so a plan can be read.
        self.next_ns = now_ns + to_ns(round(self._random.uniform(*self._limits.every), 3))

    def due(self, now_ns: int, active: Iterable[Fault]) -> Iterator[Fault]:
        """Yield the faults that are chosen, if it is a moment for any."""
        if self.next_ns is None or now_ns < self.next_ns:
            return
        self._move_on(now_ns)
        at = (now_ns - self._run.origin_ns) / SECOND
        here = list(active)
        for menu in self._menus:
            if not self._may_come(menu, here):
                continue
            way = self._run.choose(
                1 + len(menu.ways),
                f"{FAULT}{menu.label}",
                odds=self.weights[menu.kind] / 100 / menu.siblings,
                words=tuple(each.said for each in menu.ways),
            )
            if way:
                found: dict[str, Any] = {**vars(menu.ways[way - 1]), "at": at}
                here.append(Fault(**found))
                yield here[-1]

    def _may_come(self, menu: _Menu, active: list[Fault]) -> bool:
        """Return whether there is none that is alike, nor too many down."""
        if menu.kind in DOWN:
            down = {each.target for each in active if each.what in DOWN}
            return menu.ways[0].target not in down and len(down) < self._limits.at_most
        # What is between hosts is one fault of its kind at a time.
        targets = {each.target for each in menu.ways}
        return not any(each.what == menu.kind and each.target in targets for each in active)


class _Menu(NamedTuple):
    """What may be chosen at one choice point.

    Attributes:
        kind: Of the faults.
        label: What is chosen, in words.
        ways: The faults, at no instant yet.
        siblings: How many points of this kind there are at a moment.
    """

    kind: str
    label: str
    ways: tuple[Fault, ...]
    siblings: int


def _menus(kind: str, names: Sequence[str], limits: Range) -> list[_Menu]:
    if kind in ("kill", "pause", "skew", "drift"):
        ways = [_ways_of_host(kind, name, limits) for name in names]
        labels = [f"{kind} {name}" for name in names]
    else:
        ways = [_ways_between(kind, names, limits)]
        labels = [kind]
    found = zip(labels, ways, strict=True)
    return [_Menu(kind, label, each, len(ways)) for label, each in found]


def _ways_of_host(kind: str, name: str, limits: Range) -> tuple[Fault, ...]:
    durations = limits.durations
    if kind in DOWN:
        return tuple(Fault(0.0, kind, name, lasts=each) for each in durations)
    numbers = SKEWS if kind == "skew" else DRIFTS
    return tuple(Fault(0.0, kind, name, lasts=durations[-1], by=each) for each in numbers)


def _ways_between(kind: str, names: Sequence[str], limits: Range) -> tuple[Fault, ...]:
    durations = limits.durations
    if kind == "partition":
        parts = list(itertools.islice(_parts(names), PARTS))
        lasting = durations if len(parts) * len(durations) <= PARTS else durations[:1]
        return tuple(Fault(0.0, kind, part, lasts=each) for part in parts for each in lasting)
    pairs = [between([one], [other]) for one, other in itertools.combinations(names, 2)]
    if kind == "reset":
        return tuple(Fault(0.0, kind, pair) for pair in pairs)
    return tuple(
        Fault(0.0, kind, pair, lasts=durations[0], by=each) for pair in pairs for each in SLOWNESS
    )


def _parts(names: Sequence[str]) -> Iterator[str]:
    """Yield the ways to part *names* in two, those with few on one side first."""
    for size in range(1, len(names) // 2 + 1):
        for one in itertools.combinations(names, size):
            other = [name for name in names if name not in one]
            # Halves come twice.
            if size < len(other) or names[0] in one:
                yield between(one, other)
