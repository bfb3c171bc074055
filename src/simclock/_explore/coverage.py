"""Which interleavings a search has seen, and how likely it is that it would see more.

An interleaving is a pair of places: where one thread was when it lost its turn,
and where another was that got it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simclock._core.trace import Trace

# The kinds of records that tell where a thread is when it loses its turn.
PLACES = ("start", "park", "choice", "end")


class Interleavings:
    """What the runs of one search have covered."""

    def __init__(self) -> None:
        # The number of the only run that has had a pair; 0 where there were several.
        self._only: dict[tuple[str, str], int] = {}
        self._digests: set[str] = set()
        self._runs = 0

    def add(self, trace: Trace) -> None:
        """Note the run that *trace* is of."""
        self._runs += 1
        self._digests.add(trace.digest)
        for pair in set(_switches(trace)):
            self._only[pair] = 0 if pair in self._only else self._runs

    def merge(self, later: Interleavings) -> None:
        """Note all the runs that *later* has noted."""
        self._digests |= later._digests
        for pair, run in later._only.items():
            alone = run + self._runs if run else 0
            self._only[pair] = 0 if pair in self._only else alone
        self._runs += later._runs

    def data(self) -> dict[str, Any]:
        """Return it as data that JSON has words for."""
        pairs = [[*pair, run] for pair, run in self._only.items()]
        return {"runs": self._runs, "digests": sorted(self._digests), "pairs": pairs}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Interleavings:
        """Return what `data` was made of."""
        made = cls()
        made._runs = data["runs"]
        made._digests = set(data["digests"])
        made._only = {(before, after): run for before, after, run in data["pairs"]}
        return made

    @property
    def pairs(self) -> int:
        """How many pairs of places were seen."""
        return len(self._only)

    @property
    def distinct(self) -> int:
        """How many traces were different."""
        return len(self._digests)

    @property
    def unseen(self) -> float:
        """The estimated probability that one more run has a pair that no other had.

        The share of the runs that had one which no other had (I. J. Good, "The population
        frequencies of species and the estimation of population parameters", Biometrika 40, 1953).
        """
        alone = set(self._only.values()) - {0}
        return len(alone) / self._runs if self._runs else 1.0


def _switches(trace: Trace) -> Iterator[tuple[str, str]]:
    """Yield, for each switch, where the thread before and the thread after it were."""
    places: dict[str, str] = {}
    last = ""
    for _, path, kind, detail in trace:
        if kind == "run":
            yield places.get(last, ""), places.get(path, "")
        elif path and kind in PLACES:
            places[path] = detail or kind
        last = path or last
