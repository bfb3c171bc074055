"""Mistakes that others have made are found when they are planted into the runners; else nothing."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

import pytest

import simclock

MODULES = str(Path(__file__).with_name("modules"))
# Orders of threads are searched; how long a step takes is not: no mistake here needs that.
SEARCH = {"strategy": "random", "latency": 0.0, "shrink": 0}
MOST = 40
# What the scenario is like; a seed that finds it soon; what is said of it.
SEARCHES = {
    "anybody_succeeds": (
        ("pause", "partition"),
        {"submitted": ("work",) * 2, "seconds": 100, "lasting": (60, 120), "runners": 2},
        4,
        "not its owner",
    ),
    "wall_clocks_tell_who_is_dead": (
        ("skew",),
        {"submitted": ("work",) * 2, "seconds": 80, "rounds": 1, "runners": 2},
        3,
        "was alive .* before it was called dead",
    ),
    "acknowledged_first": (
        ("kill",),
        {
            "submitted": ("work",) * 4,
            "rounds": 1,
            "runners": 2,
            "lasting": (5, 30),
            "latency": 0.8,
            "within": 300,
        },
        3,
        "of the invocations . are not final",
    ),
    "wall_clocks_end_leases": (
        ("skew",),
        {"submitted": ("work",), "latency": 0.3, "runners": 2},
        1,
        "two at once",
    ),
}


@pytest.fixture(scope="module")
def bugs():
    """Return the module of the mistakes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(MODULES)
        yield importlib.import_module("cluster_bugs")


def search(planted, kinds, options, **how):
    """Search the scenario with a mistake."""
    scenario = importlib.import_module("cluster_scenarios").scenario

    def run():
        with planted():
            scenario(*kinds, **options)

    return simclock.explore(run, **SEARCH, **how)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_each_mistake_is_found(bugs, name):
    kinds, options, seed, said = SEARCHES[name]

    report = search(bugs.BUGS[name], kinds, options, runs=MOST, seed=seed)

    assert report.failure is not None, str(report)
    with pytest.raises(type(report.failure.error), match=said):
        raise report.failure.error
    assert report.failure.reproduced == report.failure.repetitions, report.failure.difference
    _, _, plan = report.failure.faults.partition("as a plan:\n")
    happened = {each.what for each in simclock.FaultPlan.parse(plan)}
    assert happened <= set(kinds)
    assert happened


@pytest.mark.parametrize("name", SEARCHES)
def test_without_the_mistake_nothing_is_found(bugs, name):
    assert set(bugs.BUGS) == set(SEARCHES)
    kinds, options, seed, _ = SEARCHES[name]

    report = search(contextlib.nullcontext, kinds, options, runs=3, seed=seed)

    assert report.verdict == "passed", str(report)


@pytest.mark.parametrize("name", SEARCHES)
def test_without_faults_no_mistake_is_found(bugs, name):
    kinds, options, seed, _ = SEARCHES[name]

    report = search(bugs.BUGS[name], kinds, options, runs=1, seed=seed, faults="off")

    assert report.verdict == "passed", str(report)


@pytest.mark.simclock
@pytest.mark.parametrize(
    ("name", "plan", "said"),
    [
        ("nobody_waits_for_a_slot", "at 1 s skew runner-0 by 1", "two at once"),
        ("leases_have_one_token", "at 20 s kill runner-0\nat 20 s kill runner-1", r"\('\w+', 1\)"),
    ],
)
def test_what_needs_no_search_is_found_at_once(bugs, name, plan, said):
    scenario = importlib.import_module("cluster_scenarios").scenario
    options = {"plan": plan, "submitted": ("alone",) * 3, "rounds": 1, "runners": 2}

    with getattr(bugs, name)(), pytest.raises(AssertionError, match=said):
        scenario(**options)
