"""Phases: faults by choice of the schedule, and the end of them all."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import simclock

# Moments at 0.1 s, 0.2 s, 0.3 s...
REGULAR = {"every": (0.1, 0.1), "lasting": (0.25, 0.25)}


def test_in_a_canonical_run_nothing_happens(world):
    with simclock.Simulation() as sim:
        with sim.faults.phase(kill=world.hosts, partition=world.hosts, network=world.network):
            time.sleep(100)
        assert sim.elapsed == 100

    assert world.log == []
    assert sim.faults_seen.swarm == "kill 10, partition 10"


def test_a_fault_is_one_choice_and_ends_by_itself(world, simulate):
    def scenario(sim):
        with sim.faults.phase(kill=world.hosts, pause=[world.b], **REGULAR):
            time.sleep(1)
        return str(sim.faults.plan)

    choices = {("fault: kill a", 1): 1, ("fault: pause b", 1): 1, ("fault: kill c", 4): 1}
    plan, points = simulate(scenario, choices)

    assert world.log == [
        (0.2, "a kill"),
        (0.2, "b pause"),
        (0.45, "a restart"),
        (0.45, "b resume"),
        (0.5, "c kill"),
        (0.75, "c restart"),
    ]
    assert plan.splitlines() == [
        "at 0.2 s kill a for 0.25 s",
        "at 0.2 s pause b for 0.25 s",
        "at 0.5 s kill c for 0.25 s",
    ]
    assert [each.label for each in points[:9]] == [
        "swarm: kill",
        "weight: kill",
        "swarm: pause",
        "weight: pause",
        "moments",
        "fault: kill a",
        "fault: kill b",
        "fault: kill c",
        "fault: pause b",
    ]
    # Ten in a hundred moments, of which each host has its share.
    assert [round(each.odds, 4) for each in points[5:9]] == [0.0333, 0.0333, 0.0333, 0.1]
    assert points[5].words == ("kill a for 0.25 s",)


def test_faults_last_in_three_ways(world, simulate):
    def scenario(sim):
        with sim.faults.phase(kill=[world.a], every=(1, 1), lasting=(0.1, 0.9)):
            time.sleep(5)

    _, points = simulate(scenario, {("fault: kill a", turn): turn + 1 for turn in range(3)})

    assert world.log == [
        (1.0, "a kill"),
        (1.3, "a restart"),
        (2.0, "a kill"),
        (2.1, "a restart"),
        (3.0, "a kill"),
        (3.9, "a restart"),
    ]
    assert [each.bound for each in points[-4:]] == [4, 4, 4, 4]


def test_the_end_puts_everything_right(world, simulate):
    def scenario(sim):
        every = {"every": (0.1, 0.1), "lasting": (50, 50), "network": world.network}
        hosts = world.hosts
        with sim.faults.phase(
            kill=[world.a], pause=[world.b], skew=hosts, drift=hosts, partition=hosts, slow=hosts,
            reset=hosts, **every,
        ):  # fmt: skip
            time.sleep(0.15)
            world.log.append((0.15, "-"))
        assert sim.elapsed == 0.15
        time.sleep(100)

    labels = ("kill a", "pause b", "skew c", "drift a", "partition", "reset", "slow")
    simulate(scenario, {(f"fault: {each}", 0): 2 if each == "skew c" else 1 for each in labels})

    assert world.log == [
        (0.1, "a kill"),
        (0.1, "b pause"),
        (0.1, "c move_wall -60.0"),
        (0.1, "a drift 0.01"),
        (0.1, "network partition ('a',) ('b', 'c')"),
        (0.1, "network reset a b"),
        (0.1, "network a>b 0.1"),
        (0.1, "network b>a 0.1"),
        (0.15, "-"),
        (0.15, "network heal a b"),
        (0.15, "network heal a c"),
        (0.15, "network a>b 0.0"),
        (0.15, "network b>a 0.0"),
        (0.15, "b resume"),
        (0.15, "a restart"),
        (0.15, "c move_wall 60.0"),
        (0.15, "a drift 0.0"),
        (0.15, "c set_right"),
        (0.15, "a set_right"),
    ]


def test_an_error_in_the_block_goes_through_and_all_is_put_right(world, simulate):
    def scenario(sim):
        with pytest.raises(ZeroDivisionError), sim.faults.phase(kill=[world.a], **REGULAR):
            time.sleep(0.15)
            raise ZeroDivisionError

    simulate(scenario, {("fault: kill a", 0): 1})

    assert world.log == [(0.1, "a kill"), (0.15, "a restart")]


def test_sites_do_not_fail_after_a_phase(world, simulate):
    def scenario(sim):
        found = [simclock.buggify("x")]
        with sim.faults.phase(kill=[world.a], **REGULAR):
            found.append(simclock.buggify("x"))
        found.append(simclock.buggify("x"))
        with sim.faults.phase(kill=[world.a], **REGULAR):
            found.append(simclock.buggify("x"))
        return found

    fires = {("site: x", turn): 1 for turn in range(4)}

    assert simulate(scenario, fires)[0] == [True, True, False, True]


def test_who_is_down_is_not_hit_once_more_and_few_are_down_at_once(world, simulate):
    def scenario(sim):
        hosts = world.hosts
        with sim.faults.phase(kill=hosts, pause=hosts, at_most=2, **REGULAR):
            time.sleep(0.35)

    labels = [f"fault: {kind} {name}" for kind in ("kill", "pause") for name in "abc"]
    _, points = simulate(scenario, {(label, 0): 1 for label in labels})

    assert world.log[:2] == [(0.1, "a kill"), (0.1, "b kill")]
    assert world.log[2:] == [(0.35, "a restart"), (0.35, "b restart")]
    # At 0.1 s nobody else is asked for, nor at 0.2 s and 0.3 s.
    assert [each.label for each in points[5:]] == ["fault: kill a", "fault: kill b"]


def test_a_network_is_parted_in_every_way(world, simulate):
    def scenario(sim):
        with sim.faults.phase(partition=new.hosts, network=new.network, **REGULAR):
            time.sleep(0.15)

    new = type(world)("abcd")
    _, points = simulate(scenario)

    assert [each.removesuffix(" for 0.25 s") for each in points[-1].words] == [
        "partition a | b, c, d",
        "partition b | a, c, d",
        "partition c | a, b, d",
        "partition d | a, b, c",
        "partition a, b | c, d",
        "partition a, c | b, d",
        "partition a, d | b, c",
    ]


def test_the_swarm_is_drawn_once_and_said(world, simulate):
    def scenario(sim):
        with sim.faults.phase(kill=[world.a], pause=[world.a], skew=[world.a], every=(1, 1)):
            time.sleep(1)
            return sim.faults.swarm

    choices = {("swarm: pause", 0): 1, ("weight: kill", 0): 12, ("weight: skew", 0): 100}
    said, points = simulate(scenario, choices)

    assert said == "kill 12, pause off, skew 100"
    assert [(each.label, each.odds, each.tunes) for each in points] == [
        ("swarm: kill", 0.5, True),
        ("weight: kill", 1.0, True),
        ("swarm: pause", 0.5, True),
        ("swarm: skew", 0.5, True),
        ("weight: skew", 1.0, True),
        ("moments", 15 / 16, False),
        ("fault: kill a", 0.12, False),
        ("fault: skew a", 1.0, False),
    ]


def test_a_single_kind_is_always_on(world, simulate):
    def scenario(sim):
        with sim.faults.phase(kill=[world.a]):
            pass

    assert [each.label for each in simulate(scenario)[1]] == ["weight: kill", "moments"]


def test_moments_are_within_their_range_and_the_same_in_each_run(world, simulate):
    def moments(rhythm):
        world.log.clear()

        def scenario(sim):
            with sim.faults.phase(skew=[world.a], every=(0.5, 2.0), lasting=(0.001, 0.001)):
                time.sleep(50)

        choices = {("fault: skew a", turn): 1 for turn in range(100)}
        simulate(scenario, {**choices, ("moments", 0): rhythm})
        return [at for at, what in world.log if what == "a move_wall 60.0"]

    first, again, other = moments(0), moments(0), moments(7)

    assert first == again != other
    gaps = [later - earlier for earlier, later in zip([0.0, *first], first, strict=False)]
    assert 25 < len(first) < 100
    assert all(0.4999 < gap < 2.0001 for gap in gaps)
    assert min(gaps) < 1.0
    assert max(gaps) > 1.5


def test_a_deadlock_in_a_phase_is_found(world):
    lock = threading.Lock()
    lock.acquire()

    def scenario():
        with simclock.Simulation() as sim, sim.faults.phase(kill=[world.a]):
            lock.acquire()

    with pytest.raises(simclock.Deadlock):
        scenario()


def test_in_a_coroutine(world, simulate):
    async def main(sim):
        with sim.faults.phase(kill=[world.a], **REGULAR):
            await asyncio.sleep(0.3)
        await asyncio.sleep(0)
        return sim.elapsed

    elapsed, _ = simulate(lambda sim: asyncio.run(main(sim)), {("fault: kill a", 0): 1})

    assert elapsed == 0.3
    assert world.log == [(0.1, "a kill"), (0.3, "a restart")]


def test_what_a_fault_raises_is_raised_where_the_block_is_left(simulate):
    class Broken:
        name = "broken"

        def kill(self):
            raise KeyError("no power to cut")

        def restart(self):
            pass

    def scenario(sim):
        with pytest.raises(KeyError, match="no power to cut"), sim.faults.phase(kill=[Broken()]):
            time.sleep(2)

    simulate(scenario, {("fault: kill broken", 0): 1})


def test_one_that_cannot_be_put_right_leaves_the_others_to_be(simulate):
    done = []

    class Host:
        def __init__(self, name):
            self.name = name

        def kill(self):
            pass

        def restart(self):
            done.append(self.name)
            if self.name != "c":
                raise KeyError(self.name)

    def scenario(sim):
        with (
            pytest.raises(KeyError, match="a"),
            sim.faults.phase(kill=[Host(name) for name in "abc"], every=(1, 1), lasting=(9, 9)),
        ):
            time.sleep(1.5)
        with (
            pytest.raises(ZeroDivisionError),
            sim.faults.phase(kill=[Host("a")], every=(1, 1), lasting=(9, 9)),
        ):
            time.sleep(1.5)
            raise ZeroDivisionError

    hits = [(f"fault: kill {name}", 0) for name in "abc"] + [("fault: kill a", 1)]
    simulate(scenario, dict.fromkeys(hits, 1))

    assert done == ["a", "b", "c", "a"]


def test_where_nobody_can_wait_in_the_simulation_there_is_no_phase(world):
    with simclock.Simulation() as sim:
        refused = pytest.raises(RuntimeError, match="only a thread of the innermost simulation can")
        with sim.real_time(), refused, sim.faults.phase(kill=[world.a]):
            pass
        with simclock.Simulation(), refused, sim.faults.follow("at 1 s fire x"):
            pass
        with sim.faults.follow("at 1 s kill a", hosts=world.hosts):
            time.sleep(2)

    assert world.log == [(1.0, "a kill"), (2.0, "a restart")]


def test_with_faults_off_a_phase_does_nothing(world, simulate):
    def scenario(sim):
        with sim.faults.phase(kill=[world.a], **REGULAR):
            time.sleep(1)
        with sim.faults.follow("at 1 s kill a", hosts=world.hosts):
            time.sleep(1)
        assert sim.started_threads == 1

    _, points = simulate(scenario, {("fault: kill a", 0): 1}, faults="off")

    assert (points, world.log) == ([], [])


def test_a_phase_is_used_once_and_alone(world):
    with simclock.Simulation() as sim:
        phase, other = (sim.faults.phase(kill=[world.a]) for _ in range(2))
        is_refused = pytest.raises(RuntimeError, match="there is a phase of faults already\n")
        with phase, is_refused, other:
            pass
        with pytest.raises(RuntimeError, match="this phase was used already\n"), phase:
            pass


ONE_NAME = type("Host", (), {"name": "a"})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, "no faults are given\nsay who may be hit, such as kill=[host]"),
        ({"kill": "a"}, "kill is no list of hosts: 'a'\ngive one, such as [host]"),
        (
            {"kill": [3]},
            "this is no host: 3\ngive what sim.host() or host.start() returns",
        ),
        (
            {"kill": [ONE_NAME()], "pause": [ONE_NAME()]},
            (
                "two hosts or processes have one name: 'a'\n"
                "give them others: a plan tells them apart by these"
            ),
        ),
        (
            {"kill": [ONE_NAME()], "every": 3},
            "every is no range of seconds: 3\ngive two such as (0.1, 2.0)",
        ),
        (
            {"kill": [ONE_NAME()], "lasting": (0, 1)},
            "lasting is no range of seconds: (0, 1)\ngive two such as (0.1, 2.0)",
        ),
        (
            {"kill": [ONE_NAME()], "at_most": 0},
            "at_most is no number of hosts: 0\ngive 1 or more",
        ),
    ],
)
def test_errors(options, error):
    with simclock.Simulation() as sim, pytest.raises((TypeError, ValueError)) as caught:
        sim.faults.phase(**options)

    assert str(caught.value) == error


def test_a_partition_needs_two_hosts(world):
    with simclock.Simulation() as sim, pytest.raises(ValueError, match="partition is about at lea"):
        sim.faults.phase(partition=[world.a], network=world.network)
