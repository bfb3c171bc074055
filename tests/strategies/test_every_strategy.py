"""What holds for each of the built-in strategies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from simclock._core.choices import CLOCK, COST, EVENTS, THREAD, Candidate, ChoicePoint
from simclock._strategies.base import Strategy
from simclock._strategies.naming import BUILT_IN
from simclock._strategies.randomised import Randomised

DRAWN = sorted(name for name, made in BUILT_IN.items() if issubclass(made, Randomised))
SOURCES = Path(__file__).parents[2] / "src" / "simclock" / "_strategies"


def program(model):
    return {
        "0": (model.start("0.1"), model.order(EVENTS, 3), model.sleep(5), model.write("x", 0)),
        "0.1": (model.start("0.1.1"), model.acquire("l"), model.write("x", 1), model.release("l")),
        "0.1.1": (model.order(COST, 3), model.acquire("l"), model.read("x"), model.release("l")),
    }


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_same_seed_makes_the_same_choices(model, name):
    def choices(seed):
        runs = model.campaign(program(model), BUILT_IN[name](seed), 40, early=True)
        return [ran.choices for ran in runs]

    assert choices(1) == choices(1)
    assert name == "canonical" or choices(1) != choices(2)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_seed_is_0_where_none_is_given(model, name):
    without, with_0 = (
        [ran.choices for ran in model.campaign(program(model), strategy, 40, early=True)]
        for strategy in (BUILT_IN[name](), BUILT_IN[name](0))
    )

    assert without == with_0


def test_what_a_strategy_is_that_says_nothing_else():
    class Own(Strategy):
        name = "own"

    made = Own()

    assert (made.divisible, made.finished, made.exhausted, made.covered) == (True, False, False, "")
    assert made.random.random() == Own(0).random.random()


def test_no_choice_depends_on_the_hash_seed():
    """Nothing is iterated over whose order does."""
    text = (
        "import sys, random\n"
        "from simclock._core.choices import *\n"
        "from simclock._strategies.naming import BUILT_IN\n"
        "for name in sorted(BUILT_IN):\n"
        "    made, dice = BUILT_IN[name]('a'), random.Random(1)\n"
        "    for _ in range(30):\n"
        "        if made.finished: break\n"
        "        made.begin()\n"
        "        for _ in range(20):\n"
        "            paths = ['0', '0.1', '0.2', '0.1.1', CLOCK][:dice.randrange(2, 6)]\n"
        "            ways = tuple(Candidate(path, dice.choice('ab'), dice.randrange(3)) for path in paths)\n"
        "            print(name, made.choose(ChoicePoint(THREAD, len(ways), ways, True)))\n"
        "        made.end(complete=True)\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    ]
    assert said[0] == said[1]
    assert said[0].count("\n") > 3_000


@pytest.mark.parametrize("name", DRAWN)
def test_orders_are_drawn_uniformly(name):
    strategy = BUILT_IN[name]()
    counts = Counter()
    for _ in range(100):
        strategy.begin()
        counts.update(strategy.choose(ChoicePoint(EVENTS, 3)) for _ in range(9))
        strategy.end(complete=True)
    assert set(counts) == {0, 1, 2}
    assert all(220 < count < 380 for count in counts.values())


@pytest.mark.parametrize("name", DRAWN)
def test_time_seldom_passes_in_a_reading_of_the_clock(name):
    strategy = BUILT_IN[name]()
    counts = Counter()
    for _ in range(400):
        strategy.begin()
        counts.update(strategy.choose(ChoicePoint(COST, 3)) for _ in range(10))
        strategy.end(complete=True)
    # The mean of the rates is 21 of 256.
    assert 3_500 < counts[0] < 3_850
    assert min(counts[1], counts[2]) > 50


@pytest.mark.parametrize("name", DRAWN)
def test_what_has_odds_is_drawn_by_these(name):
    """Whatever the rate at which time passes in a run, and whatever else is drawn."""
    strategy = BUILT_IN[name]()
    counts = {odds: Counter() for odds in (0.0, 0.1, 0.75, 1.0)}
    for _ in range(400):
        strategy.begin()
        for odds, found in counts.items():
            points = [ChoicePoint("fault: kill a", 4, odds=odds)] * 10
            found.update(strategy.choose(each) for each in points)
        strategy.end(complete=True)
    assert counts[0.0] == {0: 4000}
    assert counts[1.0].keys() == {1, 2, 3}
    # 400 of 4000 with a deviation of 19, and 3000 with one of 27; a third of each for each way.
    assert abs(4000 - counts[0.1][0] - 400) < 5 * 19
    assert abs(4000 - counts[0.75][0] - 3000) < 5 * 28
    assert all(abs(counts[0.75][way] - 1000) < 5 * 28 for way in (1, 2, 3))


def ways(*paths):
    return ChoicePoint(
        THREAD, len(paths), tuple(Candidate(path, "step", 0) for path in paths), preempts=True
    )


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"pct", "clock"}))
@pytest.mark.parametrize("others", [("0",), ("0", "0.1")])
def test_the_clock_is_seldom_chosen_and_in_some_runs_never(name, others):
    strategy = BUILT_IN[name]()
    chosen = []
    for _ in range(200):
        strategy.begin()
        picks = [strategy.choose(ways(*others, CLOCK)) for _ in range(40)]
        chosen.append(picks.count(len(others)))
        strategy.end(complete=True)
    assert 0.05 < sum(chosen) / (200 * 40) < 0.12
    assert 50 < chosen.count(0) < 110


def test_canonical_is_one_run_and_exhausted_if_nothing_was_to_be_chosen():
    strategy = BUILT_IN["canonical"]()
    strategy.begin()
    strategy.end(complete=True)
    assert (strategy.finished, strategy.exhausted) == (True, True)

    strategy = BUILT_IN["canonical"]()
    strategy.begin()
    assert strategy.choose(ways("0", "0.1")) == 0
    strategy.end(complete=True)
    assert (strategy.finished, strategy.exhausted) == (True, False)

    strategy = BUILT_IN["canonical"]()
    strategy.begin()
    strategy.end(complete=False)
    assert (strategy.finished, strategy.exhausted) == (True, False)


def test_a_strategy_has_to_choose():
    class Nothing(Strategy):
        name = "nothing"

    class Threads(Randomised):
        name = "threads"

    for made in (Nothing(), Threads()):
        made.begin()
        with pytest.raises(NotImplementedError):
            made.choose(ways("0", "0.1"))


PAPERS = {
    "pct": "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs. ASPLOS 2010.",
    "clock": "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs. ASPLOS 2010.",
    "pos": "Xinhao Yuan, Junfeng Yang, Ronghui Gu: Partial Order Aware Concurrency Sampling. CAV 2018.",
    "urw": "Huan Zhao, Dylan Wolff, Umang Mathur, Abhik Roychoudhury: Selectively Uniform Concurrency Testing. ASPLOS 2025.",
    "dfs": "Madanlal Musuvathi, Shaz Qadeer: Iterative Context Bounding for Systematic Testing of Multithreaded Programs. PLDI 2007.",
}


@pytest.mark.parametrize("name", PAPERS)
def test_each_names_its_paper(name):
    assert PAPERS[name] in " ".join(BUILT_IN[name].__doc__.split())
