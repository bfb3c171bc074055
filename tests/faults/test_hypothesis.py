"""Plans, and faults by choice, that Hypothesis draws."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import simclock
from simclock.hypothesis import Deviations, fault_plans, schedules

thorough = settings(
    database=None,
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much],
)


def smallest(strategy, condition):
    return find(strategy, condition, settings=thorough, random=random.Random(1))


EVERYTHING = ("kill", "pause", "skew", "drift", "partition", "reset", "slow", "fire")


@given(fault_plans(["a", "b", "c"], EVERYTHING, duration=3, lasting=2, most=4))
def test_plans_are_as_they_were_asked_for(plan):
    assert len(plan) <= 4
    for fault in plan:
        assert 0 <= fault.at <= 3
        assert fault.lasts is None or 0 < fault.lasts <= 2
        names = [name for side in fault.sides for name in side]
        assert len(set(names)) == len(names)
        assert {*names} <= {"a", "b", "c"}
        assert (fault.what in {"partition", "reset", "slow"}) == (len(names) == 3)


@pytest.mark.parametrize(
    ("condition", "least"),
    [
        (lambda plan: True, ""),
        (len, "at 0 s kill a for 0.001 s"),
        (lambda plan: len(plan) > 1, "at 0 s kill a for 0.001 s\nat 0 s kill a for 0.001 s"),
        (lambda plan: any(each.at > 2 for each in plan), "at 2.001 s kill a for 0.001 s"),
        (
            lambda plan: any(each.what == "partition" for each in plan),
            "at 0 s partition a | b, c for 0.001 s",
        ),
        (lambda plan: any("b" in each.target for each in plan), "at 0 s kill b for 0.001 s"),
        (lambda plan: any(each.what == "reset" for each in plan), "at 0 s reset a | b, c"),
        (
            lambda plan: any(each.what == "skew" and each.by < 0 for each in plan),
            "at 0 s skew a for 0.001 s by -60",
        ),
    ],
)
def test_plans_shrink_to_few_simple_steps(condition, least):
    plan = smallest(fault_plans(["a", "b", "c"], EVERYTHING), condition)

    assert str(plan) == least


def test_a_bug_that_needs_a_fault_is_found_and_shrunk_to_it():
    def fails(plan):
        stored, acknowledged = [], []

        def serve():
            for number in range(3):
                time.sleep(1)
                acknowledged.append(number)
                time.sleep(1)
                stored.append(number)

        with simclock.Simulation() as sim:
            host = sim.host("db-1")
            host.start(serve)
            sim.host("db-2")
            with sim.faults.follow(plan):
                time.sleep(5)
            time.sleep(10)
        return stored != acknowledged

    plan = smallest(fault_plans(["db-2", "db-1"], ("pause", "kill"), duration=4), fails)

    assert str(plan) == "at 1 s kill db-1 for 0.001 s"


def test_a_schedule_may_have_faults():
    def scenario():
        if simclock.buggify("disk.full"):
            raise OSError
        time.sleep(1)
        simclock.buggify("net.slow")

    def fails(schedule):
        try:
            schedule.run(scenario)
        except OSError:
            return True
        return False

    # What only tunes the faults is no point of a schedule.
    assert smallest(schedules(), fails) == Deviations((0, 0, 1))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((["a"], ["explode"]), "unknown fault: 'explode'\nchoose one of kill, pause, skew, drift,"),
        (([],), "no faults can be drawn of ['kill', 'pause'] for []\ngive some of each"),
        ((["a"], []), "no faults can be drawn of [] for ['a']\ngive some of each"),
        ((["a"], ["reset"]), "a fault between hosts needs two: ['a']\nname another one"),
        (("db",), "hosts are no names: 'db'\ngive a list of them, as ['db']"),
        (([3],), "hosts are no names: [3]\ngive a list of them, as ['3']"),
        ((None,), "hosts are no names: None\ngive a list of them, as ['None']"),
        ((["a", "b", "a"],), "hosts have 'a' twice: ['a', 'b', 'a']\nname each once"),
        ((["a,b"],), "a kill hits one host or process; write a line for each: at=0"),
        ((["a "], ["fire"]), "the target has words that mean something else in a plan: at=0"),
        ((["a"], "kill"), "kinds are no names: 'kill'\ngive a list of them, as ['kill']"),
    ],
)
def test_errors(arguments, error):
    with pytest.raises((TypeError, ValueError), match="\n") as caught:
        fault_plans(*arguments)

    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"duration": "3"}, "duration is no number of virtual seconds from 0 to 3e+09: '3'\n"),
        ({"duration": True}, "duration is no number of virtual seconds from 0 to 3e+09: True\n"),
        ({"duration": -1}, "duration is no number of virtual seconds from 0 to 3e+09: -1\n"),
        ({"lasting": 0}, "lasting is no number of virtual seconds from 0.001 to 3e+09: 0\n"),
        ({"most": 1.5}, "most is no number of faults: 1.5\ngive a whole one, from 0 on"),
    ],
)
def test_errors_of_options(options, error):
    with pytest.raises(ValueError, match="\n") as caught:
        fault_plans(["a"], **options)

    assert str(caught.value).startswith(error)


@given(st.data())
def test_plans_can_be_drawn_in_the_middle_of_a_test(data):
    assert isinstance(data.draw(fault_plans(["a"])), simclock.FaultPlan)


def test_a_schedule_may_have_faults_of_hosts(world):
    def scenario():
        sim = simclock.active()
        with sim.faults.phase(kill=world.hosts, pause=world.hosts, every=(1, 1)):
            time.sleep(3.5)
        return {str(each.what) for each in sim.faults.plan}

    def fails(schedule):
        return "pause" in schedule.run(scenario)

    (deviation,) = smallest(schedules(), fails).deviations

    assert deviation[1:] == (0, 1)
