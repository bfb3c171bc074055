"""Clusters, for hours and days on which everything goes wrong: what must hold holds."""

from __future__ import annotations

import contextlib
import importlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simclock
from pytest_simclock.clusters import PATIENT, Cluster
from simclock.hypothesis import fault_plans
from simclock.systems.runners import Config, InvocationStatus, TriggerBuilder
from simclock.systems.runners.services import LEASE

MODULES = str(Path(__file__).with_name("modules"))
RUNNERS = ["runner-0", "runner-1", "runner-2"]


@pytest.fixture(scope="module")
def tasks():
    """Return the module of the tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(MODULES)
        yield importlib.import_module("cluster_tasks")


@pytest.fixture(scope="module")
def rules(tasks):
    """Return the module of what must hold."""
    del tasks
    return importlib.import_module("cluster_rules")


@pytest.fixture(scope="module")
def scenarios(tasks):
    """Return the module of the scenario that is searched."""
    del tasks
    return importlib.import_module("cluster_scenarios")


@pytest.fixture
def watched(sim, tasks, rules, scenarios):
    """Return a function that starts a cluster; it returns that, and what watches it."""
    with contextlib.ExitStack() as stack:

        def start(**settings):
            watch = stack.enter_context(rules.Watch(sim))
            settings = {**scenarios.QUICK, **settings}
            return stack.enter_context(Cluster(sim, tasks.app, **settings)), watch

        yield start


# ------------------------------------------------------------------- literal scenarios


def told(tasks, task):
    """Return what bodies of that task have noted, without their invocations."""
    return [(at, what, where) for at, what, name, _, where in tasks.journal if name == task]


@pytest.mark.simclock
def test_who_is_killed_is_recovered_from_once(sim, watched, tasks):
    cluster, watch = watched(runners=2)
    invocation = cluster.submit(tasks.work, 30)
    with sim.faults.follow("at 20 s kill runner-0 for 100 s"):
        sim.sleep(15)
        (_, _, where), *others = told(tasks, "work")
        assert (where, others) == ("runner-0", [])
        (found,) = cluster.wait_final([invocation])
    watch.check(cluster)

    assert [each.status.value for each in found.history] == [
        "registered",
        "pending",
        "running",
        "running_recovery",
        "rerouted",
        "pending",
        "running",
        "success",
    ]
    assert (found.executions, found.recoveries) == (2, 1)
    again, end = told(tasks, "work")[1:]
    assert (again[1:], end[1:]) == (("begins", "runner-1"), ("ends", "runner-1"))
    # Its last heartbeat was at 10 s or 20 s; it is looked for each 15 s.
    assert 10 + 40 * 1.05 <= again[0] <= 20 + 40 * 1.05 + 15 + 10
    assert end[0] == pytest.approx(again[0] + 30)


# What `Config` says, where patient clusters say something else.
DEFAULT = {
    "heartbeat_interval": 5.0,
    "runner_considered_dead_after": 60.0,
    "check_interval": 1.0,
    "lease_duration": 30.0,
    "runner_loop_sleep_time_sec": 0.1,
    "claim": 30.0,
    "unclaimed_after": 30.0,
}


@pytest.mark.simclock
@pytest.mark.parametrize(
    ("killed", "after"), [("20", 59.0), ("20.1", 63.9), ("22.5", 61.5), ("24.9", 59.1)]
)
def test_who_had_the_lease_is_recovered_from_no_later(sim, watched, tasks, killed, after):
    """Who gets the lease knows by then for how long the other one has been silent."""
    conf = Config()
    has = {**vars(conf.orchestrator), **vars(conf.services), **vars(conf.thread_runner)}
    assert has.items() >= DEFAULT.items()
    cluster, watch = watched(runners=2, max_threads=1, **DEFAULT)
    for _ in range(2):
        cluster.submit(tasks.work, 40)
    sim.sleep(10)
    holder = cluster.app.storage.leases.get(LEASE).value["owner"]
    names = {each.runner_id: each.hostname for each in cluster.app.orchestrator.active_runners()}
    with sim.faults.follow(f"at {killed} s kill {names[holder]}"):
        cluster.wait_final()
    watch.check(cluster)

    *_, again, end = told(tasks, "work")
    (other,) = set(names.values()) - {names[holder]}
    assert again == (pytest.approx(float(killed) + after), "begins", other)
    assert end[1:] == ("ends", other)


@pytest.mark.simclock
@pytest.mark.parametrize("fault", ["pause runner-0", "partition runner-0 | store, runner-1"])
def test_who_was_thought_dead_cannot_say_what_came_of_it(sim, watched, tasks, fault):
    cluster, watch = watched(runners=2)
    invocation = cluster.submit(tasks.work, 120)
    with sim.faults.follow(f"at 20 s {fault} for 100 s"):
        (found,) = cluster.wait_final([invocation])
    sim.sleep(200)
    watch.check(cluster)

    owners = [each.runner_id for each in found.history if each.status is InvocationStatus.RUNNING]
    assert len(set(owners)) == found.executions == 2
    assert found.history[-1].runner_id == owners[1]
    # Both bodies came to their end, of which one counts.
    assert Counter(line[1:] for line in told(tasks, "work")) == {
        (what, where): 1 for what in ("begins", "ends") for where in RUNNERS[:2]
    }


@pytest.mark.simclock
@pytest.mark.parametrize(
    "fault",
    [
        "pause runner-0 for 35 s",
        "partition runner-0 | store, runner-1 for 20 s",
        "skew runner-0 by 3600",
        "skew runner-0 by -3600",
        "drift runner-0 by 0.5",
        "skew runner-1 by 3600",
        "skew runner-1 by -3600",
        "drift runner-1 by -0.5",
    ],
)
def test_who_is_alive_is_not_recovered_from(sim, watched, tasks, fault):
    cluster, watch = watched(runners=2)
    sim.sleep(1)
    invocations = [cluster.submit(tasks.work, 120) for _ in range(4)]
    with sim.faults.follow(f"at 30 s {fault}"):
        found = cluster.wait_final(invocations)
    watch.check(cluster)

    assert [each.executions for each in found] == [1] * 4
    assert {where for _, _, where in told(tasks, "work")} == set(RUNNERS[:2])


@pytest.mark.simclock
def test_what_kills_its_runner_each_time_fails(sim, watched, tasks):
    cluster, watch = watched(runners=2)
    invocation = cluster.submit(tasks.work, 30)
    for number in range(4):
        while len(tasks.journal) == number:
            sim.sleep(1)
        where = tasks.journal[-1][-1]
        with sim.faults.follow(f"at {sim.elapsed} s kill {where}"):
            sim.sleep(1)
    (found,) = cluster.wait_final([invocation])
    watch.check(cluster)

    assert found.status is InvocationStatus.FAILED
    assert found.error.type_name == "PoisonedInvocationError"
    assert (found.executions, found.recoveries) == (4, 3)


# One day: tasks begin each hour, and most of these soon after that.
DAY = """
    at 3660 s kill runner-0 for 600 s
    at 7000 s skew runner-1 for 3000 s by 90
    at 10860 s partition runner-1 | store, runner-0, runner-2 for 900 s
    at 14460 s pause runner-2 for 1000 s
    at 17000 s skew runner-0 for 4000 s by -90
    at 21660 s kill runner-1 for 300 s
    at 21700 s kill runner-2 for 300 s
    at 25000 s drift runner-2 for 5000 s by 0.01
    at 32460 s pause runner-0 for 100 s
    at 32460 s pause runner-1 for 100 s
    at 32460 s pause runner-2 for 100 s
    at 36060 s partition store | runner-0, runner-1, runner-2 for 400 s
    at 43260 s kill runner-0 for 60 s
    at 43260 s kill runner-1 for 60 s
    at 43260 s kill runner-2 for 60 s
    at 50460 s reset store | runner-0
    at 54000 s slow store | runner-0 for 600 s by 0.5
    at 61260 s partition runner-0, runner-1 | store, runner-2 for 900 s
    at 70000 s drift runner-0 for 5000 s by -0.01
    at 79260 s pause runner-1 for 1000 s
"""
DAILY = {
    **PATIENT,
    "runner_loop_sleep_time_sec": 120.0,
    "heartbeat_interval": 90.0,
    "runner_considered_dead_after": 300.0,
    "check_interval": 150.0,
    "lease_duration": 450.0,
    "reroute_delay": 60.0,
    # What has ended is looked at in the end.
    "auto_final_invocation_purge_hours": 48.0,
}


@pytest.mark.slow
@pytest.mark.simclock
def test_a_day_of_a_cluster(sim, watched, tasks):
    cluster, watch = watched(**DAILY)
    cron = TriggerBuilder().on_cron("0 * * * *").with_args_from_cron(tasks.instant_of)
    event = TriggerBuilder().on_event("order").with_args_from_event(tasks.number_of)
    for builder, task in ((cron, tasks.on_the_hour), (event, tasks.on_order)):
        cluster.app.trigger.register(builder.build(task.task_id))
    invocations = []
    with sim.faults.follow(DAY):
        for number in range(24):
            for task in (tasks.work, tasks.flaky, tasks.alone, tasks.alone, tasks.family):
                invocations += [cluster.submit(task, 100)]
            cluster.app.trigger.emit_event("order", {"number": number})
            sim.sleep(3600)
    sim.sleep(300)
    cluster.wait_final()
    watch.check(cluster)

    # The cluster begins a moment after midnight.
    days = [f"2000-01-01T{hour:02}" for hour in range(1, 24)] + ["2000-01-02T00"]
    fired = watch.counts(tasks.on_the_hour)
    assert fired == {(f'"{each}:00:00+00:00"',): 1 for each in days}
    assert watch.counts(tasks.on_order) == {(str(number),): 1 for number in range(24)}
    found = cluster.wait_final(invocations)
    assert {each.status for each in found} == {InvocationStatus.SUCCESS}
    # It was such a day: all of these were there.
    statuses = {entry.status.value for each in found for entry in each.history}
    assert statuses >= {"running_recovery", "retry", "paused", "resumed", "concurrency_controlled"}
    assert {each.where for each in watch.spans} == set(RUNNERS)


# ---------------------------------------------------------------------------- searches


@pytest.mark.slow
@pytest.mark.simclock(runs=6, strategy="random", latency=0.0)
def test_whatever_happens_all_ends_once(sim, scenarios):
    assert sim is simclock.active()
    scenarios.scenario()


@pytest.mark.simclock(runs=3, strategy="pct:depth=3", latency=0.0)
def test_in_a_slow_network_too(sim, scenarios):
    assert sim is simclock.active()
    scenarios.scenario("kill", "pause", "partition", latency=0.2, rounds=1)


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(
    plan=fault_plans(RUNNERS, ["kill", "pause", "skew", "drift"], duration=150.0, lasting=120.0),
    submitted=st.lists(st.sampled_from(["work", "flaky", "alone", "family"]), max_size=4),
)
def test_whatever_is_planned_all_ends_once(scenarios, plan, submitted):
    with simclock.Simulation():
        scenarios.scenario(plan=plan, submitted=submitted)
