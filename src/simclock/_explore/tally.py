"""What the runs of a search add up to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from simclock._explore.coverage import Interleavings
from simclock._explore.report import Evidence, Injected, Site
from simclock.predicates import Ledger, Predicate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simclock._explore.playing import Played
    from simclock._faults.injecting import Seen

# What has been found, each once, in the order in which it was.
_ORDERED = ("uncontrolled", "limits", "differences")


class Tally:
    """The evidence so far. Can be pickled: parts of a search may be made in other processes.

    Attributes:
        exhausted: Whether there is no other schedule.
        covered: What was run in full, in words.
        predicates: What was seen of the program's statements.
        faults: How often each kind of fault has happened, and in how many runs.
        sites: Of each site, in how many runs somebody has come there, in how many of these it was
            enabled, how often it has failed, and in how many runs.
    """

    def __init__(self) -> None:
        self.exhausted: bool = False
        self.covered: str = ""
        self.predicates: Ledger = Ledger()
        self.faults: dict[str, list[int]] = {}
        self.sites: dict[str, list[int]] = {}
        self._interleavings = Interleavings()
        self._points: list[int] = []
        self._ways = self._steps = self._threads = self._unfair = 0
        # In the order in which they were found.
        self._uncontrolled: dict[str, None] = {}
        self._limits: dict[str, None] = {}
        self._differences: dict[str, None] = {}

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return len(self._points)

    @property
    def is_cut(self) -> bool:
        """Whether a limit has ended a run."""
        return bool(self._limits)

    @property
    def distinct(self) -> int:
        """How many runs had different traces."""
        return self._interleavings.distinct

    def add(self, played: Played) -> None:
        """Add a run."""
        self._interleavings.add(played.trace)
        self._points.append(played.schedule.points)
        self._ways += played.ways
        self._steps += len(played.trace)
        self._threads = max(self._threads, played.threads)
        self._unfair += played.is_fair
        self.predicates.update(played.predicates)
        self._add_faults(played.faults)
        self._uncontrolled.update(dict.fromkeys(played.uncontrolled))
        if played.verdict == "inconclusive":
            self._limits[str(played.error).splitlines()[0]] = None

    def _add_faults(self, seen: Seen) -> None:
        for kind, times in Counter(each.what for each in seen.plan if each.what != "fire").items():
            _add(self.faults, kind, [times, 1])
        for name, site in seen.sites.items():
            _add(self.sites, name, [1, int(site.is_enabled), site.fired, int(site.fired > 0)])

    def add_differences(self, found: Iterable[str]) -> None:
        """Add where repetitions of a run differed from it."""
        self._differences.update(dict.fromkeys(found))

    def merge(self, later: Tally) -> None:
        """Add all that *later* has."""
        self.exhausted |= later.exhausted
        self.covered = self.covered or later.covered
        self._interleavings.merge(later._interleavings)
        self.predicates.update(later.predicates)
        for mine, others in ((self.faults, later.faults), (self.sites, later.sites)):
            for name, counts in others.items():
                _add(mine, name, counts)
        self._points += later._points
        self._ways += later._ways
        self._steps += later._steps
        self._threads = max(self._threads, later._threads)
        self._unfair += later._unfair
        self._uncontrolled.update(later._uncontrolled)
        self._limits.update(later._limits)
        self._differences.update(later._differences)

    def data(self) -> dict[str, Any]:
        """Return it as data that JSON has words for."""
        data = {name.lstrip("_"): value for name, value in vars(self).items()}
        ordered = {name: list(data[name]) for name in _ORDERED}
        return {
            **data,
            **ordered,
            "interleavings": self._interleavings.data(),
            "predicates": [list(each) for each in self.predicates],
            "is_overfull": self.predicates.is_full,
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Tally:
        """Return what `data` was made of.

        Raises:
            KeyError, TypeError, ValueError: It was not.
        """
        made = cls()
        for name in vars(made):
            value = data[name.lstrip("_")]
            setattr(made, name, dict.fromkeys(value) if name.lstrip("_") in _ORDERED else value)
        made._interleavings = Interleavings.of_data(data["interleavings"])
        made.predicates = Ledger(Predicate(*each) for each in data["predicates"])
        made.predicates.is_full = data["is_overfull"]
        return made

    def evidence(self, *, seconds: float, strategy: str, fidelity: str) -> Evidence:
        """Return it, of a search that took so many real seconds."""
        points = self._points or [0]
        doubts = self._differences or self._uncontrolled or self._limits
        return Evidence(
            runs=self.runs,
            distinct=self.distinct,
            points=(min(points), sum(points) / len(points), max(points)),
            branching=self._ways / max(1, sum(points)),
            steps=self._steps,
            threads=self._threads,
            pairs=self._interleavings.pairs,
            unseen=self._interleavings.unseen,
            exhausted=self.exhausted and not doubts,
            covered=self.covered,
            seconds=seconds,
            uncontrolled=tuple(self._uncontrolled),
            limits=tuple(self._limits),
            differences=tuple(self._differences),
            unfair=self._unfair,
            strategy=strategy,
            fidelity=fidelity,
            predicates=tuple(self.predicates),
            is_overfull=self.predicates.is_full,
            faults=tuple(Injected(kind, *counts) for kind, counts in sorted(self.faults.items())),
            sites=tuple(Site(name, *counts) for name, counts in sorted(self.sites.items())),
        )


def _add(known: dict[str, list[int]], name: str, counts: list[int]) -> None:
    """Add *counts* to what is known of *name*."""
    before = known.get(name, [0] * len(counts))
    known[name] = [one + other for one, other in zip(before, counts, strict=True)]
