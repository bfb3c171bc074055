"""URW: each interleaving equally likely (section 2 of the paper), from profiles that are no good."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from simclock._core.choices import THREAD, Candidate, ChoicePoint
from simclock._strategies.random_walk import RandomWalk
from simclock._strategies.urw import KEPT, URW

# Of the chi-square distribution: what is exceeded once in a million, by degrees of freedom.
MILLIONTH = {7: 40.52, 9: 44.81, 19: 64.26}


def shifts(model, zeros, ones):
    """Return a program whose result tells its interleaving, bit by bit."""
    return {
        "0": (model.update("x", lambda x: (x or 1) << 1),) * zeros,
        "1": (model.update("x", lambda x: (x or 1) << 1 | 1),) * ones,
    }


def chi_square(counts, expected):
    return sum((counts[key] - mean) ** 2 / mean for key, mean in expected.items())


def results(model, program, strategy, runs, *, learn=0):
    list(model.campaign(program, strategy, learn))
    return Counter(ran.shared["x"] for ran in model.campaign(program, strategy, runs))


@pytest.mark.parametrize(("zeros", "ones", "ways"), [(3, 3, 20), (1, 7, 8), (2, 3, 10)])
def test_each_interleaving_is_as_likely_as_any_other(model, zeros, ones, ways):
    program = shifts(model, zeros, ones)
    everything = {ran.shared["x"] for ran in model.brute_force(program)}
    assert len(everything) == ways
    counts = results(model, program, URW(5), 4_000, learn=100)
    assert set(counts) == everything
    assert chi_square(counts, dict.fromkeys(everything, 4_000 / ways)) < MILLIONTH[ways - 1]


def test_a_random_walk_is_far_from_that_and_exactly_as_far_as_computed(model):
    program = shifts(model, 3, 3)
    everything = sorted({ran.shared["x"] for ran in model.brute_force(program)})
    exact = {
        x: model.walk_probability(program, lambda ran, x=x: ran.shared["x"] == x)
        for x in everything
    }
    # 000111 and 111000; the longer both threads have something left, the less likely.
    assert Counter(exact.values()) == {Fraction(1, 8): 2, Fraction(1, 16): 6, Fraction(1, 32): 12}

    counts = results(model, program, RandomWalk(5), 4_000)
    assert chi_square(counts, {x: float(4_000 * p) for x, p in exact.items()}) < MILLIONTH[19]
    assert chi_square(counts, dict.fromkeys(everything, 200)) > 1_000


def test_what_a_thread_has_yet_to_start_counts_as_its_own(model):
    """After the first start: two operations of one thread against three (five, in all) of the rest."""
    bit = {c: model.update("x", lambda x, c=c: (x or 1) * 10 + c) for c in (1, 2)}
    program = {
        "0": (model.start("0.1"), model.start("0.2")),
        "0.1": (bit[1],) * 2,
        "0.2": (bit[2],) * 2,
    }
    strategy = URW(2)
    list(model.campaign(program, strategy, 100))
    counts = Counter(tuple(ran.log) for ran in model.campaign(program, strategy, 4_000))
    # The start of 0.2 and its two operations among the two of 0.1.
    assert len(counts) == 10
    assert chi_square(counts, dict.fromkeys(counts, 400)) < MILLIONTH[9]


def threads(*paths):
    return ChoicePoint(
        THREAD, len(paths), tuple(Candidate(path, "step", 0) for path in paths), preempts=True
    )


def test_a_tree_of_threads_is_taken_apart_as_they_come():
    strategy = URW()
    strategy._totals = {"0": 2.0, "0.1": 3.0, "0.1.1": 5.0, "0.2": 7.0}
    strategy.begin()
    strategy.choose(threads("0", "0.1"))
    assert sum(strategy._left.values()) == 2 + 3 + 5 + 7 - 1
    strategy.choose(threads("0.1.1", "0.2"))
    assert sum(strategy._left.values()) == 2 + 3 + 5 + 7 - 2
    assert strategy._left["0.1"] in {2, 3}


def test_a_parent_that_comes_after_its_child_does_not_count_it_twice():
    strategy = URW()
    strategy._totals = {"0": 2.0, "0.1": 3.0, "0.2": 7.0}
    strategy.begin()
    strategy.choose(threads("0.1", "0.2"))
    strategy.choose(threads("0", "0.2"))
    assert sum(strategy._left.values()) == 2 + 3 + 7 - 2


def test_profiles_are_the_largest_counts_and_fade():
    strategy = URW()

    def turns(count, *, complete):
        strategy.begin()
        strategy._appear("0")
        strategy._done["0"] = count
        strategy.end(complete=complete)
        return strategy._totals.get("0")

    assert turns(10_000, complete=False) is None
    assert turns(100, complete=True) == 100
    assert turns(50, complete=True) == 100 * KEPT
    assert turns(100, complete=True) == 100


def test_each_run_counts_anew():
    strategy = URW()
    strategy.begin()
    strategy.choose(threads("0", "1"))
    strategy.begin()

    assert strategy._done == {}


def test_a_thread_that_polls_does_not_take_over():
    """Estimates that only grow would give it more turns, and so more to count, in each run."""
    strategy = URW(1)

    most = 0
    for _ in range(1_000):
        strategy.begin()
        done, polls = 0, 0
        while done < 20:
            if strategy.choose(threads("0", "1")):
                polls += 1
            else:
                done += 1
        strategy.end(complete=True)
        most = max(most, polls)
    assert most < 150
