"""The default strategy."""

from __future__ import annotations

import pytest

from simclock._core.choices import THREAD, Candidate, ChoicePoint
from simclock._strategies.portfolio import Portfolio

TURNS = ["dfs", "urw", "pos", "pct", "urw", "random", "clock", "urw"]


def test_the_first_run_is_canonical_and_then_each_has_its_turns(model):
    program = dict.fromkeys("012", (model.step,) * 6)
    strategy = Portfolio()
    runs = [(strategy.member.name, ran.choices) for ran in model.campaign(program, strategy, 17)]
    assert [name for name, _ in runs] == [*TURNS, *TURNS, "dfs"]
    assert not any(runs[0][1])


def test_it_is_exhausted_with_its_search(model):
    program = {"0": (model.step,) * 2, "1": (model.step,) * 2}
    strategy = Portfolio()
    runs = list(model.campaign(program, strategy, 1_000))
    # The search has six schedules, in every eighth run.
    assert len(runs) == 5 * len(TURNS) + 1
    assert strategy.finished
    assert strategy.exhausted
    assert strategy.covered == "every schedule with at most 2 preemptions"


def test_without_anything_to_choose_one_run_is_all(model):
    strategy = Portfolio()
    assert len(list(model.campaign({"0": (model.step,)}, strategy, 10))) == 1
    assert strategy.exhausted


def test_a_search_that_has_no_runs_left_is_left_out():
    """The program has come to other points than before: there is nothing to branch from."""
    strategy = Portfolio()
    names, begun = [], []
    for member in {id(each): each for each in strategy._turns}.values():

        def begin(member=member, begin=member.begin):
            begun.append(member.name)
            begin()

        member.begin = begin
    for bound in range(2, 22):
        strategy.begin()
        names.append(strategy.member.name)
        if strategy.member.name == "dfs":
            ways = tuple(Candidate(str(path), "step", 0) for path in range(bound))
            strategy.choose(ChoicePoint(THREAD, bound, ways, preempts=True))
        strategy.end(complete=True)
    assert names == begun == [*TURNS, *TURNS, *TURNS[1:5]]
    assert not strategy.finished


@pytest.mark.parametrize("figure", ["order", "atomicity", "deadlock", "long", "twice"])
def test_it_finds_each_bug_of_the_papers_in_each_of_ten_campaigns(model, figures, figure):
    for seed in range(10):
        runs = model.campaign(getattr(figures, figure), Portfolio(seed), 1_000)
        assert any(ran.failure for ran in runs), seed
