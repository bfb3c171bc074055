"""Faults of what is between hosts; several at once may be of the same link."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simclock._faults.plans import Fault

    Undo = Callable[[], object]


class Links:
    """The links that faults have changed.

    Args:
        network: What has the methods of `simclock.network.Network`.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        # By how many partitions each link is cut: it heals with the last of them.
        self._cuts: Counter[tuple[str, str]] = Counter()

    def begin(self, fault: Fault) -> Undo | None:
        """Let *fault* happen; return what ends it, if anything does."""
        if fault.what == "reset":
            for one, other in _pairs(fault):
                self._network.reset(one, other)
            return None
        if fault.what == "partition":
            self._network.partition(*fault.sides)
            self._cuts.update(_pairs(fault))
            return functools.partial(self._heal, fault)
        by = fault.by or 0.0
        self._slow(fault, by)
        return functools.partial(self._slow, fault, -by)

    def _heal(self, fault: Fault) -> None:
        for pair in _pairs(fault):
            self._cuts[pair] -= 1
            if not self._cuts[pair]:
                self._network.heal(*pair)

    def _slow(self, fault: Fault, by: float) -> None:
        for pair in _pairs(fault):
            for one, other in (pair, pair[::-1]):
                # As it is now: other faults of the same link may have come or gone meanwhile.
                latency = round(self._network.traits(one, other).latency + by, 9)
                self._network.set(one, other, one_way=True, latency=max(0.0, latency))


def _pairs(fault: Fault) -> Iterator[tuple[str, str]]:
    """Yield each host of one side with each of the other, in one order however they are given."""
    for one, other in itertools.product(*fault.sides):
        yield min(one, other), max(one, other)
