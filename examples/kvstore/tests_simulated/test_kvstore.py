"""Each bug is found by a search for faults, shrunk to few of them, and repeated."""

import asyncio
import functools
import tempfile
from pathlib import Path

import pytest
import simclock

from kvstore import Care, Client, Node

ADDS = 4


class Store:
    """A store on hosts of its own, somebody who counts with it, and somebody who reads."""

    def __init__(self, sim, folder, care, size):
        self.folder, self.care = Path(folder), care
        self.hosts = [sim.host(f"n-{number}") for number in range(1, size + 1)]
        self.nodes = {host.name: host.address for host in self.hosts}
        self.web = sim.host("web")
        self.acknowledged = 0
        sim.network.set(latency=0.02)

    def start(self):
        for host in self.hosts:
            host.start(self.run_node, host.name)

    def run_node(self, name):
        asyncio.run(Node(name, self.nodes, self.folder, self.care).run())

    def start_users(self):
        return [
            self.web.start(lambda use=use: asyncio.run(use()), name=use.__name__)
            for use in (self.write, self.read)
        ]

    async def write(self):
        client = Client("writer", self.nodes)
        for _ in range(ADDS):
            await client.add("stock", 1)
            self.acknowledged += 1
            await asyncio.sleep(0.4)

    async def read(self):
        client = Client("reader", self.nodes)
        while self.acknowledged < ADDS:
            before = self.acknowledged
            value = await client.get("stock")
            assert value >= before, f"{value} was read after {before} were acknowledged"
            await asyncio.sleep(0.4)

    def total(self):
        """What is there in the end."""
        found = []
        last = Client("last", self.nodes)
        self.web.start(lambda: found.append(asyncio.run(last.get("stock")))).join()
        return found[0]


def scenario(care, size, kinds):
    """Count with a store while faults happen; whatever was acknowledged is there in the end."""
    sim = simclock.active()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(sim, folder, care, size)
        store.start()
        sim.sleep(2)  # somebody leads
        whom = dict.fromkeys(kinds, store.hosts)
        if "reset" in kinds:
            whom["reset"] = [*store.hosts, store.web]
        with sim.faults.phase(**whom, every=(0.2, 1.0)):
            users = store.start_users()
            users[0].join(8)
        sim.faults.recovers(
            lambda: not any(each.is_alive() for each in users), "everybody is served", within=60
        )
        total = store.total()
        assert total == ADDS, f"{ADDS} were acknowledged, {total} are there"
        for host in store.hosts:
            host.kill()


def scenario_of(care, *kinds, size=3):
    return functools.partial(scenario, care, size, kinds)


# What is left out; the scenario; a seed of the search; the kind of its one or two faults.
BUGS = {
    "flush": (scenario_of(Care(flush=False), "kill", size=1), 3, "kill"),
    "quorum": (scenario_of(Care(quorum=False), "kill"), 5, "kill"),
    "confirm": (scenario_of(Care(confirm=False), "partition"), 1, "partition"),
    "epochs": (scenario_of(Care(epochs=False), "partition"), 2, "partition"),
    "requests": (scenario_of(Care(requests=False), "reset"), 0, "reset"),
}
ALL = ("kill", "pause", "skew", "drift", "partition", "reset", "slow")
# Orders of threads and tasks are searched; how long a step takes is not: no bug here needs that.
SEARCH = {"strategy": "random", "latency": 0.0, "shrink": 50}


def plan_of(failure):
    """The faults that are left, as a plan."""
    _, _, plan = failure.faults.partition("as a plan:\n")
    return simclock.FaultPlan.parse(plan)


def test_without_faults_nothing_goes_wrong():
    simclock.check(scenario_of(Care(), *ALL))


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


def test_with_all_care_everything_may_go_wrong():
    report = simclock.explore(scenario_of(Care(), *ALL), runs=30, **SEARCH)

    assert report.verdict == "passed", str(report)
    assert {each.kind for each in report.evidence.faults} == set(ALL)
