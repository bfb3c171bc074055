"""The strategy that lets the others take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._strategies.base import Strategy
from simclock._strategies.clock_first import ClockFirst
from simclock._strategies.dfs import DFS
from simclock._strategies.pct import PCT
from simclock._strategies.pos import POS
from simclock._strategies.random_walk import RandomWalk
from simclock._strategies.urw import URW

if TYPE_CHECKING:
    from simclock._core.choices import ChoicePoint


class Portfolio(Strategy):
    """The default: each of the strategies has a blind spot, and not all of them the same.

    The first run is canonical: it is the first one of the bounded search, which also says when
    there is nothing left to run. On small programs POS and URW are the quickest, on long ones PCT;
    the random walk and the search by few preemptions find some of what all of these miss. (Paul
    Thomson, Alastair F. Donaldson, Adam Betts: Concurrency Testing Using Controlled Schedulers: An
    Empirical Study. ACM Transactions on Parallel Computing 2(4), 2016.)

    Attributes:
        member: The strategy that makes the current run, or has made the last one.
    """

    name = "portfolio"

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__(seed)
        self._search = DFS(seed)
        pct, pos, urw = PCT(seed), POS(seed), URW(seed)
        walk, clock = RandomWalk(seed), ClockFirst(seed)
        # URW more often: what it finds at all, it mostly finds first.
        self._turns: tuple[Strategy, ...] = (self._search, urw, pos, pct, urw, walk, clock, urw)
        self._runs = 0
        self.member: Strategy = self._search

    def begin(self) -> None:
        """Begin a run of the member whose turn it is."""
        self.member = self._turns[self._runs % len(self._turns)]
        self._runs += 1
        if self.member.finished:
            # The bounded search, of a program that is not deterministic.
            self.begin()
            return
        self.member.begin()

    def choose(self, point: ChoicePoint) -> int:
        """Return what the member chooses."""
        return self.member.choose(point)

    def end(self, *, complete: bool) -> None:
        """End the run. The search is over when one of the members has run everything."""
        self.member.end(complete=complete)
        self.finished = self.exhausted = self._search.exhausted
        self.covered = self._search.covered
