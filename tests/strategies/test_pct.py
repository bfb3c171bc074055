"""PCT's guarantee, on the examples of the paper (figures 1 and 5), and what it rests on."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from simclock._core.choices import CLOCK, THREAD, Candidate, ChoicePoint
from simclock._strategies.clock_first import ClockFirst
from simclock._strategies.pct import PCT

SPINNING = 1_000  # points in a row at which one thread is chosen
# How unlikely it is for a test to fail although the guarantee holds.
ERROR = 1e-9


def least(runs, probability):
    """Return how many hits that many runs have at least, but for the chance of `ERROR`.

    Chernoff: P(hits <= (1 - e) * mean) <= exp(-e**2 * mean / 2).
    """
    mean = runs * probability
    return mean - math.sqrt(2 * mean * math.log(1 / ERROR))


@pytest.mark.parametrize(
    ("figure", "depth", "length"),
    [
        ("order", 1, 9),
        ("long", 1, 21),
        ("atomicity", 2, 20),
        ("deadlock", 2, 20),
        ("twice", 3, 9),
    ],
)
def test_a_bug_is_found_as_often_as_guaranteed(model, figures, figure, depth, length):
    runs = {1: 400, 2: 8_000, 3: 16_000}[depth]
    program = getattr(figures, figure)
    hits = 0
    strategies = [PCT(seed, depth=depth) for seed in range(20)]
    for strategy in strategies:
        hits += sum(bool(ran.failure) for ran in model.campaign(program, strategy, runs // 20))
    # The k of the guarantee.
    assert max(strategy._length for strategy in strategies) == length
    bound = Fraction(1, len(program) * length ** (depth - 1))
    assert least(runs, bound) > 1
    assert hits >= least(runs, bound)


def test_a_random_walk_hardly_ever_finds_what_needs_one_thread_to_be_held_up(model, figures):
    """Figure 5: 21 choices out of two in a row, where PCT needs one."""
    found = model.walk_probability(
        {**figures.long, "0": figures.long["0"][-11:]}, lambda ran: ran.failure
    )
    assert found == Fraction(1, 2**11)


def test_a_depth_of_one_is_one_order_of_the_threads(model):
    program = dict.fromkeys("012", (model.step,) * 3)
    runs = model.campaign(program, PCT(3, depth=1), 60)
    orders = {"".join(line[0] for line in ran.log) for ran in runs}
    assert orders == {"000111222", "000222111", "111000222", "111222000", "222000111", "222111000"}


def threads(*paths):
    return ChoicePoint(
        THREAD, len(paths), tuple(Candidate(path, "step", 0) for path in paths), preempts=True
    )


def test_change_points_lower_whoever_would_go_on_below_all_others():
    strategy = PCT(depth=3)
    strategy.begin()
    strategy._priorities = {"a": 0.9, "b": 0.5, "c": 0.1}
    strategy._changes = {1: -1, 3: -2}
    chosen = ["abc"[strategy.choose(threads("a", "b", "c"))] for _ in range(5)]

    assert chosen == ["a", "b", "b", "c", "c"]
    assert strategy._priorities == {"a": -1, "b": -2, "c": 0.1}


def test_an_earlier_change_may_be_to_the_lower_priority():
    ranks = set()
    strategy = PCT(depth=3)
    strategy._length = 2
    for _ in range(40):
        strategy.begin()
        ranks.add(tuple(sorted(strategy._changes.items())))
    assert ranks == {((0, -1), (1, -2)), ((0, -2), (1, -1))}


def test_the_first_run_has_no_changes_and_teaches_how_long_runs_are():
    strategy = PCT(depth=3)
    strategy.begin()
    assert strategy._changes == {}
    for _ in range(7):
        strategy.choose(threads("a", "b"))
    strategy.end(complete=True)
    for _ in range(30):
        strategy.begin()
        assert len(strategy._changes) == 2
        assert set(strategy._changes) <= set(range(7))
        strategy.choose(threads("a", "b"))
        strategy.end(complete=True)
    assert strategy._length == 7


def test_the_clock_comes_after_every_thread_and_is_no_point_of_the_length():
    strategy = PCT()
    for _ in range(50):
        strategy.begin()
        assert strategy.choose(threads("a", CLOCK)) == 0
        assert strategy.choose(threads("a", "b", CLOCK)) in {0, 1}
        strategy.end(complete=True)
    assert strategy._length == 1


def test_a_thread_that_spins_lets_the_others_run():
    strategy = PCT(depth=1)
    strategy.begin()
    strategy._priorities = {"a": 0.9, "b": 0.5}
    chosen = [strategy.choose(threads("a", "b")) for _ in range(SPINNING + 1)]
    assert chosen == [0] * (SPINNING - 1) + [1, 1]


def test_who_spins_goes_after_those_whose_priority_was_changed():
    strategy = PCT(depth=2)
    strategy._length = 1
    strategy.begin()
    strategy._priorities = {"a": 0.5, "b": 0.9}
    # At the first point, b is lowered; then a spins.
    chosen = [strategy.choose(threads("a", "b")) for _ in range(SPINNING + 1)]
    assert chosen == [0] * SPINNING + [1]
    assert strategy._priorities == {"a": -2, "b": -1}


def test_the_clock_as_a_thread_fires_a_timer_before_work_in_one_of_three_runs(model):
    """As a thread of its own beside two others it has the highest priority in a third of them."""
    program = {
        "0": (model.sleep(5), model.write("fired", 1)),
        "1": (model.sleep(1), model.write("x", 1)),
        "2": (*[model.step] * 10, model.read("fired"), model.check(lambda seen: not seen.register)),
    }
    failed = 0
    for seed in range(300):
        strategy = ClockFirst(seed, depth=1)
        failed += sum(bool(ran.failure) for ran in model.campaign(program, strategy, 1, early=True))
    plain = sum(bool(ran.failure) for ran in model.campaign(program, PCT(), 300, early=True))

    # The sleepers have to come first, too: the runs in which the clock beats only the worker.
    assert plain == 0
    assert 50 <= failed <= 150


def test_bugs_of_depth_3_are_looked_for_where_nothing_else_is_said():
    strategy = PCT()
    strategy._length = 10
    strategy.begin()

    assert sorted(strategy._changes.values()) == [-2, -1]


def test_a_depth_below_one_is_refused():
    with pytest.raises(ValueError, match="depth has to be at least 1: 0"):
        PCT(depth=0)
