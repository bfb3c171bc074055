"""POS: exact probabilities, from every ranking of the priorities that a run draws."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from simclock._core.choices import THREAD, Candidate, ChoicePoint
from simclock._strategies.pos import POS


class Ranking:
    """Random numbers of which only the order matters, and is known."""

    def __init__(self, ranks):
        self._ranks = iter(ranks)

    def random(self):
        return next(self._ranks)

    def choice(self, values):
        return values[0]


def probability(model, program, draws, wanted):
    """Return how likely POS is to come to what is *wanted*, if a run has at most so many draws."""
    hits = 0
    rankings = list(itertools.permutations(range(draws)))
    for ranks in rankings:
        strategy = POS()
        strategy.random = Ranking(ranks)
        strategy.begin()
        hits += bool(wanted(model.run(program, strategy)))
        strategy.end(complete=True)
    return Fraction(hits, len(rankings))


def comes_late(ran):
    return ran.log[-1].startswith("1 ")


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_operations_that_race_with_nothing_do_not_make_an_order_unlikely(model, steps):
    """A random walk has to choose one thread again and again; POS draws one number against each."""
    program = {
        "0": (*[model.step] * steps, model.write("x", 1)),
        "1": (model.write("x", 2),),
    }
    assert model.walk_probability(program, comes_late) == Fraction(1, 2 ** (steps + 1))
    assert probability(model, program, steps + 3, comes_late) == Fraction(1, steps + 2)


def test_each_race_is_drawn_again(model):
    """Priorities that are kept would have to fall all along the chain: 1 / 4! and not 1 / 2**3."""
    write = model.write("x", 1)
    program = {"0": (write, write), "1": (write, write)}
    alternating = tuple(f"{path} write x" for path in "0101")
    assert probability(model, program, 7, lambda ran: ran.log == alternating) == Fraction(1, 8)


@pytest.mark.parametrize(("first", "second", "expected"), [("x", "x", 4), ("x", "y", 3)])
def test_only_operations_on_one_object_race(model, first, second, expected):
    """Of two pending operations, the one that lost a race is drawn anew against the next one."""
    program = {"0": (model.write(first, 1),) * 2, "1": (model.write(second, 1),)}
    assert probability(model, program, 5, comes_late) == Fraction(1, expected)


def test_each_run_draws_its_priorities_anew():
    strategy = POS()
    ways = (Candidate("0", "step", 0), Candidate("1", "step", 0))
    strategy.begin()
    strategy.choose(ChoicePoint(THREAD, 2, ways, preempts=True))
    assert strategy._pending

    strategy.begin()
    assert not strategy._pending


def test_an_operation_that_went_on_unseen_has_a_new_priority():
    """Where a thread is alone, nobody is asked."""
    strategy = POS()
    strategy.random = Ranking([0, 1, 3, 2])
    strategy.begin()
    other = Candidate("1", "step", 0)
    for first in (Candidate("0", "acquire", 1), Candidate("0", "release", 1)):
        ways = (first, other)
        strategy._priority(first)
        chosen = strategy.choose(ChoicePoint(THREAD, 2, ways, preempts=True))
        assert ways[chosen] == (other if first.operation == "acquire" else first)
