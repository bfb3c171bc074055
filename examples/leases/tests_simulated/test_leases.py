"""Each bug is found by a search for faults, shrunk to few of them, and repeated."""

import functools
import tempfile
from pathlib import Path

import pytest
import simclock

from leases import Care, LockServer, Storage, Worker


def scenario(care, within, kinds):
    """Two workers count in a storage while faults happen; no count is lost, and they go on."""
    sim = simclock.active()
    names = ("locks", "store", "w-1", "w-2")
    locks, store, *machines = hosts = [sim.host(name) for name in names]
    sim.network.set(latency=0.02)
    whom = {kind: [sim.host(name) for name in targets] for kind, targets in kinds.items()}
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(care)
        workers = [Worker(locks.address, store.address, care) for _ in machines]
        store.start(storage.run)
        locks.start(LockServer(Path(folder) / "locks.db", care).run)
        for host, worker in zip(machines, workers, strict=True):
            host.start(worker.run)
        with sim.faults.phase(**whom, every=(0.5, 2.0)):
            sim.sleep(10)
        done = [worker.done for worker in workers]
        sim.faults.recovers(
            lambda: all(each.done > before for each, before in zip(workers, done, strict=True)),
            "both get on",
            within=within,
        )
        values = [value for value, _ in storage.written]
        assert values == list(range(1, len(values) + 1)), f"a count is lost: {values}"
        for host in hosts:
            host.kill()


def scenario_of(care, within=30, **kinds):
    return functools.partial(scenario, care, within, kinds)


WORKERS = ("w-1", "w-2")
CLIENTS = ("locks", *WORKERS)
# Where the storage checks no tokens, nothing may stop a worker, or what it has sent, for long.
MOST = dict.fromkeys(("kill", "skew", "drift", "partition", "reset"), CLIENTS)
ALL = {**MOST, "pause": CLIENTS, "slow": CLIENTS, "partition": (*CLIENTS, "store")}
# What is left out; the scenario; a seed of the search; the kind of its one or two faults.
BUGS = {
    "fencing": (scenario_of(Care(fencing=False), pause=WORKERS), 4, "pause"),
    "durations": (
        # A minute too far into the future is to be no failure of its own.
        scenario_of(Care(fencing=False, durations=False), within=90, skew=CLIENTS),
        2,
        "skew",
    ),
    "persistent": (scenario_of(Care(fencing=False, persistent=False), kill=["locks"]), 2, "kill"),
    "quiet": (
        scenario_of(Care(fencing=False, quiet=False), within=15, kill=["locks"]),
        1,
        "kill",
    ),
    "renewals": (
        scenario_of(Care(fencing=False, renewals=False), partition=CLIENTS),
        3,
        "partition",
    ),
}
# Orders of threads are searched; how long a step takes is not: no bug here needs that.
SEARCH = {"strategy": "random", "latency": 0.0, "shrink": 50}


def plan_of(failure):
    """The faults that are left, as a plan."""
    _, _, plan = failure.faults.partition("as a plan:\n")
    return simclock.FaultPlan.parse(plan)


def test_without_faults_nothing_goes_wrong():
    simclock.check(scenario_of(Care(), **ALL))


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_is_found_shrunk_and_repeated(bug):
    scenario, seed, kind = BUGS[bug]

    report = simclock.explore(scenario, runs=100, seed=seed, **SEARCH)
    failure = report.failure

    assert failure is not None, str(report)
    assert failure.reproduced == failure.repetitions == 10, failure.difference
    # Few, and all of one kind: how many it is stuck at depends on the schedule that was found.
    kinds = [fault.what for fault in plan_of(failure)]
    assert kinds in ([kind] * number for number in (1, 2, 3)), str(report)
    for _ in range(2):
        with pytest.raises(type(failure.error)) as caught:
            simclock.replay(scenario, failure.token)
        assert str(caught.value) == str(failure.error)


@pytest.mark.parametrize("bug", BUGS)
def test_the_bug_needs_a_fault(bug):
    scenario, seed, _ = BUGS[bug]

    report = simclock.explore(scenario, runs=5, seed=seed, faults="off", **SEARCH)

    assert report.verdict == "passed", str(report)


def test_without_tokens_all_else_is_enough_where_nobody_is_paused():
    report = simclock.explore(scenario_of(Care(fencing=False), **MOST), runs=30, **SEARCH)

    assert report.verdict == "passed", str(report)
    assert {each.kind for each in report.evidence.faults} == set(MOST)


def test_with_all_care_everything_may_go_wrong():
    report = simclock.explore(scenario_of(Care(), **ALL), runs=30, **SEARCH)

    assert report.verdict == "passed", str(report)
    assert {each.kind for each in report.evidence.faults} == set(ALL)
