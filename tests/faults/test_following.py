"""Plans that are followed."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given

import simclock
from simclock.hypothesis import fault_plans

PLAN = """\
at 0.5 s kill a for 1 s
at 0.75 s kill a
at 1 s pause a
at 1 s pause b for 0.5 s
at 1.25 s kill b for 1 s
at 2 s skew c by -30
at 3 s partition a | b, c for 2 s
"""


def test_a_plan_is_followed_to_the_letter(world):
    with simclock.Simulation() as sim:
        with sim.faults.follow(PLAN, hosts=world.hosts, network=world.network):
            time.sleep(10)
        time.sleep(10)

        assert str(sim.faults.plan).splitlines() == [
            "at 0.5 s kill a for 1 s",
            "at 1 s pause b for 0.5 s",
            "at 1.25 s kill b for 1 s",
            "at 2 s skew c by -30",
            "at 3 s partition a | b, c for 2 s",
        ]

    assert world.log == [
        (0.5, "a kill"),
        # It is down: not killed once more at 0.75 s, nor paused at 1 s.
        (1.0, "b pause"),
        # It is paused no more when it boots.
        (1.25, "b kill"),
        (1.5, "a restart"),
        (2.0, "c move_wall -30.0"),
        (2.25, "b restart"),
        (3.0, "network partition ('a',) ('b', 'c')"),
        (5.0, "network heal a b"),
        (5.0, "network heal a c"),
        (10.0, "c move_wall 30.0"),
        (10.0, "c set_right"),
    ]


def test_a_plan_is_followed_to_its_end_whatever_else_there_is_to_do(world):
    """Nobody else could go on meanwhile: only a fault may wake somebody."""
    lock = threading.Lock()
    lock.acquire()
    world.a.__dict__["resume"] = lock.release
    plan = "\n".join(f"at {at} s skew b for 0.5 s by 1" for at in range(100))

    with (
        simclock.Simulation() as sim,
        sim.faults.follow(f"{plan}\nat 100 s pause a for 1 s", hosts=world.hosts),
    ):
        lock.acquire()
        assert sim.elapsed == 101


def test_what_is_past_already_happens_at_once(world):
    with simclock.Simulation() as sim:
        time.sleep(5)
        plan = simclock.FaultPlan.parse("at 1 s skew a by 3\nat 6 s skew b by 4")
        with sim.faults.follow(plan, hosts=world.hosts):
            time.sleep(0.5)

    assert world.log == [
        (5.0, "a move_wall 3.0"),
        (5.5, "a move_wall -3.0"),
        (5.5, "a set_right"),
    ]


def test_a_plan_lets_a_site_fail(monkeypatch):
    with simclock.Simulation() as sim:
        found = []
        with sim.faults.follow("at 0 s fire x\nat 2 s fire x\nat 2.5 s fire x\nat 2 s fire y"):
            for _ in range(5):
                time.sleep(1)
                found.append(simclock.buggify("x"))
            plan = str(sim.faults.plan)
        assert not simclock.buggify("y")

    assert found == [True, True, True, False, False]
    assert plan == "at 1 s fire x\nat 2 s fire x\nat 3 s fire x"


def test_the_plan_of_a_run_by_choice_has_the_same_effect(world, new_world, simulate):
    def by_choice(sim):
        with sim.faults.phase(
            kill=world.hosts, partition=world.hosts, network=world.network, every=(0.1, 0.3)
        ):
            time.sleep(10)
        return sim.faults.plan

    turns = {("fault: kill b", 2): 1, ("fault: partition", 4): 5, ("fault: kill c", 20): 2}
    plan, _ = simulate(by_choice, turns)
    other = new_world()

    with simclock.Simulation() as sim:
        with sim.faults.follow(plan, hosts=other.hosts, network=other.network):
            time.sleep(10)
        assert sim.faults.plan == plan

    assert len(plan) == 3
    assert other.log == world.log


def test_a_link_heals_with_the_last_of_its_faults(world):
    plan = """
        at 1 s partition a | b, c for 4 s
        at 2 s partition c | a, b for 1 s
        at 3 s slow b | a for 3 s by 0.2
        at 4 s slow a | b, c for 1 s by 0.1
    """
    with (
        simclock.Simulation() as sim,
        sim.faults.follow(plan, hosts=world.hosts, network=world.network),
    ):
        time.sleep(10)

    assert world.log == [
        (1.0, "network partition ('a',) ('b', 'c')"),
        (2.0, "network partition ('c',) ('a', 'b')"),
        (3.0, "network heal b c"),
        (3.0, "network a>b 0.2"),
        (3.0, "network b>a 0.2"),
        (4.0, "network a>b 0.3"),
        (4.0, "network b>a 0.3"),
        (4.0, "network a>c 0.1"),
        (4.0, "network c>a 0.1"),
        (5.0, "network heal a b"),
        (5.0, "network heal a c"),
        (5.0, "network a>b 0.2"),
        (5.0, "network b>a 0.2"),
        (5.0, "network a>c 0.0"),
        (5.0, "network c>a 0.0"),
        (6.0, "network a>b 0.0"),
        (6.0, "network b>a 0.0"),
    ]


@given(fault_plans(["a", "b", "c"], ("kill", "pause", "skew", "drift", "partition", "slow")))
def test_whatever_is_planned_all_is_right_in_the_end(plan):  # noqa: C901 - of small fakes
    down, parted, latencies, wall = set(), set(), {}, {}

    class Host:
        def __init__(self, name):
            self.name = name

        def kill(self):
            down.discard(("pause", self.name))
            assert ("kill", self.name) not in down
            down.add(("kill", self.name))

        def restart(self):
            down.remove(("kill", self.name))

        def pause(self):
            assert not {("pause", self.name), ("kill", self.name)} & down
            down.add(("pause", self.name))

        def resume(self):
            down.remove(("pause", self.name))

        def move_wall(self, by):
            wall[self.name] = "wrong"

        drift = move_wall

        def set_right(self):
            del wall[self.name]

    class Network:
        def partition(self, *sides):
            parted.update(map(frozenset, itertools.product(*sides)))

        def heal(self, *pair):
            parted.remove(frozenset(pair))

        def traits(self, *pair):
            return SimpleNamespace(latency=latencies.get(pair, 0.0))

        def set(self, *pair, one_way, latency):
            latencies[pair] = latency

    with simclock.Simulation() as sim:
        with sim.faults.follow(plan, hosts=map(Host, "abc"), network=Network()):
            time.sleep(3)
        assert (down, parted, wall) == (set(), set(), {})
        assert not any(latencies.values())


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (3, "this is no plan: 3\ngive a simclock.FaultPlan, or its text"),
        (
            "at 1 s kill a\nat 2 s kill d",
            (
                "step 2 of the plan: at 2 s kill d: there is no host 'd', of: a, b, c\n"
                "give it in hosts=[...], or mend the plan"
            ),
        ),
        (
            "at 1 s kill a for 2",
            (
                "step 1 of the plan: at 1 s kill a for 2: 'for 2' is not understood\n"
                "write a fault as 'at 1.25 s kill db-1 for 0.5 s'"
            ),
        ),
        (
            "at 1 s partition a | b, e",
            (
                "step 1 of the plan: at 1 s partition a | b, e: there is no host 'e', of: a, b, c\n"
                "give it in hosts=[...], or mend the plan"
            ),
        ),
    ],
)
def test_errors(world, plan, error):
    with simclock.Simulation() as sim, pytest.raises((TypeError, ValueError)) as caught:
        sim.faults.follow(plan, hosts=world.hosts, network=world.network)

    assert str(caught.value) == error
