"""Bugs that need a fault are found, shrunk to that one fault, and told."""

from __future__ import annotations

import queue
import threading
import time

import pytest

import simclock
from simclock import buggify
from simclock._explore.tally import Tally


def loses_what_it_has_acknowledged():
    """A server acknowledges an order before it is stored; its machine may be switched off."""
    sim = simclock.active()
    stored, acknowledged, orders = [], [], queue.Queue()

    def serve():
        while True:
            order = orders.get()
            acknowledged.append(order)
            time.sleep(0.2)
            stored.append(order)

    host = sim.host("db-1")
    host.start(serve)
    with sim.faults.phase(kill=[host], pause=[host], lasting=(0.5, 0.5)):
        for number in range(5):
            orders.put(number)
            time.sleep(1)
    sim.faults.recovers(lambda: stored == acknowledged, "all orders are stored", within=10)


def writes_without_a_look_at_the_disk():
    time.sleep(0.5)
    buggify("net.slow")
    if buggify("disk.full"):
        raise OSError(28, "No space left on device")


STRATEGIES = ("portfolio", "random", "pct", "pos", "urw", "clock", "dfs")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_finds_a_fault_and_shrinks_to_it(strategy):
    report = simclock.explore(loses_what_it_has_acknowledged, strategy=strategy, runs=500)
    failure = report.failure

    assert failure.reproduced == 10
    schedule = simclock.Schedule.from_token(failure.token)
    assert [(each.label, each.choice) for each in schedule.deviations] == [("fault: kill db-1", 1)]
    first, second, third = failure.story.splitlines()[:3]
    assert first == "canonical except:"
    assert second.startswith("  at ")
    assert second.endswith(" s kill db-1 for 0.5 s")
    at = second.strip().partition(" kill ")[0]
    assert third == f"likely cause: kill db-1 for 0.5 s, {at}"
    assert f"it passes without the fault {at}; from step" in failure.story
    assert failure.faults.splitlines()[-2:] == ["faults, as a plan:", second]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_finds_a_site(strategy):
    report = simclock.explore(writes_without_a_look_at_the_disk, strategy=strategy, runs=500)
    failure = report.failure

    schedule = simclock.Schedule.from_token(failure.token)
    assert [each.label for each in schedule.deviations] == ["site: disk.full"]
    assert failure.story.splitlines()[:2] == ["canonical except:", "  at 0.5 s disk.full fires"]
    sites, *plan = failure.faults.splitlines()
    assert sites.startswith("sites of the run as it was found: net.slow o")
    assert sites.endswith(", disk.full fired")
    assert plan == ["faults, as a plan:", "  at 0.5 s fire disk.full"]


def test_a_failure_is_replayed():
    report = simclock.explore(loses_what_it_has_acknowledged, seed=3)

    for _ in range(2):
        with pytest.raises(simclock.Violation) as caught:
            simclock.replay(loses_what_it_has_acknowledged, report.failure.token)
        assert str(caught.value) == str(report.failure.error)
    with pytest.raises(simclock.Violation):
        simclock.replay(loses_what_it_has_acknowledged, report.failure.found)


def test_a_search_is_the_same_each_time():
    first, second = (
        simclock.explore(loses_what_it_has_acknowledged, strategy="random", seed=5)
        for _ in range(2)
    )

    assert first.failure.found == second.failure.found
    assert first.failure.faults == second.failure.faults


def test_the_swarm_of_the_run_is_in_the_report():
    report = simclock.explore(loses_what_it_has_acknowledged, strategy="random", shrink=0)
    swarm, title, *steps = report.failure.faults.splitlines()

    name, _, said = swarm.partition(": ")
    kinds = dict(each.split() for each in said.split(", "))
    assert name == "faults of the run as it was found"
    assert kinds.keys() == {"kill", "pause"}
    assert 1 <= int(kinds["kill"]) <= 100
    assert title == "faults, as a plan:"
    plan = simclock.FaultPlan.parse("\n".join(steps))
    assert "kill" in {each.what for each in plan}
    for line in report.failure.faults.splitlines():
        assert f"  {line}" in str(report).splitlines()


def test_faults_that_a_failure_does_not_need_are_said_to_be_so():
    def always():
        buggify("one", enabled=1)
        buggify("other", enabled=1)
        raise KeyError

    unneeded = [
        simclock.explore(always, strategy="random", seed=seed).failure.faults for seed in range(20)
    ]

    assert set(unneeded) == {"", "no fault is needed"}


def test_nothing_is_marked_where_the_cause_is_a_fault():
    failure = simclock.explore(loses_what_it_has_acknowledged).failure

    assert "the run that fails; lines are of test_finding.py\n" in failure.story
    assert "*" not in failure.story


def test_two_faults_are_needed_and_named():
    def scenario():
        first = buggify("one", enabled=1)
        time.sleep(1)
        buggify("neither", enabled=1)
        if buggify("other", enabled=1) and first:
            raise ValueError("both")

    report = simclock.explore(scenario, strategy="random")

    assert report.failure.story.splitlines()[:5] == [
        "canonical except:",
        "  at 0 s one fires",
        "  at 1 s other fires",
        "likely cause: one fires, at 0 s",
        "  and: other fires, at 1 s",
    ]
    assert "it passes without the fault at 1 s" in report.failure.story


def test_a_fault_and_an_order_are_needed():
    """The fault is no choice among threads: each is shrunk by itself."""

    def scenario():
        count = 0

        def add():
            nonlocal count
            before = count
            simclock.active().checkpoint("read")
            count = before + 1

        threads = [threading.Thread(target=add) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        if count == 1 and buggify("x"):
            raise ValueError

    report = simclock.explore(scenario, strategy="random")
    schedule = simclock.Schedule.from_token(report.failure.token)

    assert [each.label for each in schedule.deviations] == ["thread", "site: x"]


# ------------------------------------------------------------------------- evidence


def harmless():
    sim = simclock.active()
    hosts = [sim.host("a"), sim.host("b")]
    with sim.faults.phase(kill=hosts, pause=hosts, every=(0.5, 0.5)):
        time.sleep(2)
        buggify("fails", enabled=1)
        buggify("never", p=0)
    buggify("after", enabled=1)


def test_a_pass_says_how_many_faults_there_were_in_how_many_runs():
    report = simclock.explore(harmless, strategy="random", runs=50)
    kinds = {each.kind: each for each in report.evidence.faults}
    sites = {each.name: each for each in report.evidence.sites}

    assert report.verdict == "passed"
    assert kinds.keys() == {"kill", "pause"}
    assert 50 > kinds["kill"].runs >= 5
    assert kinds["kill"].times >= kinds["kill"].runs
    assert sites["never"][1:] == (50, sites["never"].enabled, 0, 0)
    assert sites["after"][1:] == (50, 50, 0, 0)
    fired = sites["fails"].fired
    # A quarter, with a deviation of 3.
    assert 3 <= fired <= 25
    assert sites["fails"] == ("fails", 50, 50, fired, fired)
    lines = [line.strip() for line in str(report).splitlines()]
    times, runs = kinds["kill"][1:]
    kill = f"kill {times} times in {runs} runs"
    assert (
        f"faults: {kill}, pause {kinds['pause'].times} times in {kinds['pause'].runs} runs" in lines
    )
    assert f"failed by choice: fails {fired} times in {fired} of 50 runs" in lines
    assert "never failed by choice: after, reached in 50 runs, enabled in 50" in lines


def test_evidence_is_added_up_over_the_parts_of_a_search():
    report = simclock.explore(harmless, strategy="random", runs=10)
    first, second = Tally(), Tally()
    for tally in (first, second):
        tally.faults = {each.kind: [*each[1:]] for each in report.evidence.faults}
        tally.sites = {each.name: [*each[1:]] for each in report.evidence.sites}
    second.faults["skew"] = [3, 2]
    first.merge(Tally.of_data(second.data()))

    assert first.faults["kill"] == [2 * each for each in second.faults["kill"]]
    assert first.faults["skew"] == [3, 2]
    assert first.sites["after"] == [20, 20, 0, 0]


def test_parts_of_a_search_that_are_kept_have_the_same_evidence(tmp_path):
    def search():
        return simclock.explore(harmless, strategy="random", runs=120, resume=tmp_path)

    first, again = search(), search()

    assert first.evidence.faults == again.evidence.faults
    assert first.evidence.sites == again.evidence.sites
    assert {each.reached for each in again.evidence.sites} == {120}


def test_a_failure_of_a_part_has_its_faults(tmp_path):
    report = simclock.explore(writes_without_a_look_at_the_disk, resume=tmp_path)

    assert report.failure.faults.endswith("faults, as a plan:\n  at 0.5 s fire disk.full")


def test_a_search_without_faults_says_nothing_of_them():
    report = simclock.explore(lambda: time.sleep(1))

    assert "fault" not in str(report)
    assert "by choice" not in str(report)


def test_what_a_failure_has_cut_short_says_nothing_of_silent_sites():
    report = simclock.explore(writes_without_a_look_at_the_disk, strategy="dfs")

    assert "failed by choice: disk.full once in 1 of " in str(report)
    assert "never failed" not in str(report)


# ------------------------------------------------------------- a search of everything


def test_the_search_of_all_schedules_has_every_combination_of_faults():
    def scenario():
        first = buggify("first")
        return first, buggify("second"), buggify("never", p=0)

    found = simclock.outcomes(scenario, strategy="dfs")

    assert found.exhausted
    assert {outcome: each.runs for outcome, each in found.items()} == {
        (False, False, False): 1,
        (True, False, False): 1,
        (False, True, False): 1,
        (True, True, False): 1,
    }
