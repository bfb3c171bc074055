"""Keys come out in the order of their ranks, whatever was taken out before."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simclock.systems._shared.queues import Ranking, Span

keys = st.sampled_from("abcdef")
ranks = st.integers(0, 5)


class Model(RuleBasedStateMachine):
    """A dict that is searched through each time."""

    def __init__(self):
        super().__init__()
        self.ranking = Ranking()
        self.ranks = {}

    def in_order(self):
        return sorted(self.ranks, key=lambda key: (self.ranks[key], key))

    @rule(key=keys, rank=ranks)
    def add(self, key, rank):
        self.ranking.add(key, rank)
        self.ranks[key] = rank

    @rule(key=keys)
    def discard(self, key):
        assert self.ranking.discard(key) == (self.ranks.pop(key, None) is not None)

    @rule()
    def pop(self):
        first = next(iter(self.in_order()), None)
        self.ranks.pop(first, None)

        assert self.ranking.pop() == first

    @rule(limit=ranks)
    def pop_until(self, limit):
        found = [key for key in self.in_order() if self.ranks[key] <= limit]
        for key in found:
            del self.ranks[key]

        assert self.ranking.pop_until(limit) == found

    @rule(limit=ranks)
    def span(self, limit):
        within = [rank for rank in self.ranks.values() if rank <= limit]
        above = [rank for rank in self.ranks.values() if rank > limit]

        assert self.ranking.span(limit) == Span(len(within), min(above, default=None))

    @invariant()
    def has_what_the_model_has(self):
        assert len(self.ranking) == len(self.ranks)
        assert all((key in self.ranking) == (key in self.ranks) for key in "abcdef")
        assert len(self.ranking._heap) <= 2 * len(self.ranks) + 8 + 20


TestRanking = Model.TestCase


def test_a_key_whose_rank_changes_all_the_time_takes_no_memory():
    ranking = Ranking()
    for rank in range(10_000):
        ranking.add("a", rank)

    assert len(ranking._heap) <= 11
    assert ranking.pop() == "a"
    assert ranking.pop() is None
