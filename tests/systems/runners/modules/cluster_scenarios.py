"""Half an hour of a cluster while things go wrong: for searches."""

from __future__ import annotations

import cluster_tasks as tasks
from cluster_rules import Watch

import simclock
from pytest_simclock.clusters import Cluster

# A minute has several of everything.
QUICK = {
    "runner_loop_sleep_time_sec": 10.0,
    "invocation_wait_results_sleep_time_sec": 10.0,
    "heartbeat_interval": 10.0,
    "runner_considered_dead_after": 40.0,
    "max_pending_seconds": 40.0,
    "claim": 30.0,
    "unclaimed_after": 60.0,
    "reroute_delay": 10.0,
    "check_interval": 15.0,
    "lease_duration": 45.0,
}


def scenario(
    *kinds,
    submitted=("work", "flaky", "alone", "alone", "family"),
    seconds=30,
    rounds=2,
    runners=3,
    lasting=(5, 120),
    within=1800,
    latency=0.0,
    plan=None,
):
    """Submit tasks while these kinds of faults happen; what must hold, holds.

    Args:
        kinds: Of faults; none: all.
        submitted: Names of tasks, in each round.
        seconds: For which their bodies work.
        rounds: How many there are, 90 s each.
        runners: How many.
        lasting: How long faults last.
        within: Seconds after the faults in which everything has to be final.
        latency: Of the network.
        plan: The faults, instead of those kinds by choice.
    """
    sim = simclock.active()
    with Watch(sim) as watch, Cluster(sim, tasks.app, runners=runners, **QUICK) as cluster:
        sim.network.set(latency=latency)
        invocations = []
        targets = cluster.targets(*kinds)
        by_choice = sim.faults.phase(**targets, every=(10, 60), lasting=lasting)
        with by_choice if plan is None else sim.faults.follow(plan):
            for _ in range(rounds):
                invocations += [cluster.submit(getattr(tasks, name), seconds) for name in submitted]
                sim.sleep(90)
        cluster.wait_final(timeout=within)
        watch.check(cluster)
        check_results(cluster, invocations, seconds)
    return watch


def check_results(cluster, invocations, seconds):
    """Raise an `AssertionError` unless what has succeeded has the right result."""
    for each in cluster.wait_final(invocations):
        if each.result is not None:
            result = cluster.app.serializer.deserialize(each.result)
            assert result == seconds * (2 if each.task == tasks.family.task_id else 1), each
