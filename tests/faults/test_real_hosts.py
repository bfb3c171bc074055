"""Faults of simulated machines and processes."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

import simclock


def ticking(log):
    def tick():
        log("up")
        while True:
            time.sleep(1)
            log("tick")

    return tick


def test_a_plan_kills_and_pauses_real_hosts(log):
    with simclock.Simulation() as sim:
        sim.host("db-1").start(ticking(log))
        with sim.faults.follow("at 1.5 s kill db-1 for 1 s\nat 4 s pause db-1 for 2.25 s"):
            time.sleep(6.5)
        sim.host("db-1").kill()

    # The clock of the simulation; each process has its own.
    assert [what for _, what in log] == ["up", "tick", "up", "tick", "tick"]


def test_a_single_process_is_killed_and_starts_again(log):
    with simclock.Simulation() as sim:
        host = sim.host("db-1")
        first, second = host.start(ticking(log)), host.start(time.sleep, 100, name="other")
        pids = first.pid, second.pid
        with sim.faults.follow("at 1.5 s kill db-1/tick"):
            time.sleep(1.75)
            assert (first.is_alive(), second.is_alive()) == (False, True)
        assert first.is_alive()
        assert first.pid != pids[0]
        assert second.pid == pids[1]
        host.kill()


def test_clocks_are_wrong_for_a_while_and_right_in_the_end():
    def shown():
        return (host.wall - datetime(2000, 1, 1, tzinfo=timezone.utc)).total_seconds()

    with simclock.Simulation() as sim:
        host = sim.host("db-1")
        with sim.faults.follow("at 1 s skew db-1 for 2 s by 60\nat 4 s drift db-1 by 0.25"):
            time.sleep(2)
            assert shown() == 62
            time.sleep(2)
            assert shown() == 4
            time.sleep(4)
            assert shown() == 9
        assert shown() == 8


def test_whatever_happens_to_them_they_work_in_the_end(simulate):
    def scenario():
        sim = simclock.active()
        alive = {}

        def live(name):
            while True:
                alive[name] = sim.elapsed
                time.sleep(0.3)

        hosts = [sim.host(name) for name in ("a", "b")]
        for host in hosts:
            host.start(live, host.name)
        with sim.faults.phase(kill=hosts, pause=hosts, skew=hosts, drift=hosts):
            time.sleep(10)
        ended = sim.elapsed
        sim.faults.recovers(lambda: all(at >= ended for at in alive.values()), within=1)
        assert all(host.wall == sim.wall for host in hosts)
        for host in hosts:
            host.kill()

    report = simclock.explore(scenario, strategy="random", runs=30)

    assert report.verdict == "passed", str(report)
    assert {each.kind for each in report.evidence.faults} == {"kill", "pause", "skew", "drift"}


def test_a_process_stays_down_as_long_as_its_machine(log):
    with simclock.Simulation() as sim:
        process = sim.host("db-1").start(ticking(log))
        plan = "at 0.5 s kill db-1/tick for 1 s\nat 1 s kill db-1 for 2 s"
        with sim.faults.follow(plan):
            time.sleep(2.5)
            log("down")
            assert not process.is_alive()
            time.sleep(1)
            assert process.is_alive()
        sim.host("db-1").kill()

    assert [what for _, what in log] == ["up", "down", "up"]


def test_whoever_is_still_down_in_the_end_starts_after_its_machine(log):
    with simclock.Simulation() as sim:
        process = sim.host("db-1").start(ticking(log))
        with sim.faults.follow("at 0.5 s kill db-1/tick for 0.75 s\nat 1 s kill db-1"):
            time.sleep(2.5)
            assert not process.is_alive()
        assert process.is_alive()
        sim.host("db-1").kill()


def test_two_processes_of_one_name_are_only_told_apart_where_one_is_meant():
    with simclock.Simulation() as sim:
        host = sim.host("db-1")
        twins = [host.start(time.sleep, 100) for _ in range(2)]
        with sim.faults.follow("at 1 s kill db-1 for 1 s"):
            time.sleep(3)
        with pytest.raises(ValueError, match="two hosts or processes are called 'db-1/sleep'\n"):
            sim.faults.follow("at 1 s kill db-1/sleep")
        with pytest.raises(ValueError, match="two hosts or processes have one name: 'db-1/sleep'"):
            sim.faults.phase(kill=twins)
        host.kill()


@pytest.mark.parametrize("kind", ["skew", "drift"])
def test_a_process_has_no_wall_clock_of_its_own(kind):
    method = {"skew": "move_wall", "drift": "drift"}[kind]
    said = (
        f"'db-1/sleep' has no {method}()\n"
        "give a host: its processes have no wall clock of their own"
    )
    with simclock.Simulation() as sim:
        process = sim.host("db-1").start(time.sleep, 100)
        with pytest.raises(TypeError) as of_phase:
            sim.faults.phase(**{kind: [process]})
        with pytest.raises(ValueError, match="step 1 of the plan") as of_plan:
            sim.faults.follow(f"at 1 s {kind} db-1/sleep by 0.1")
        process.kill()

    assert str(of_phase.value) == f"{kind}: {said}"
    assert str(of_plan.value).endswith(said)


def test_what_is_between_hosts_is_none_of_a_process():
    with simclock.Simulation() as sim:
        process = sim.host("a").start(time.sleep, 100)
        sim.host("b")
        with pytest.raises(ValueError, match="'a/sleep' is a process\ngive its host"):
            sim.faults.follow("at 1 s partition a/sleep | b")
        with pytest.raises(TypeError, match="slow: 'a/sleep' is a process\ngive its host"):
            sim.faults.phase(slow=[process, sim.host("b")])
        process.kill()


def test_a_name_that_no_plan_can_have_is_refused():
    with simclock.Simulation() as sim:
        process = sim.host("db-1").start(time.sleep, 100, name="a, b")
        with pytest.raises(ValueError, match="a plan cannot name 'db-1/a, b'\ngive a name of"):
            sim.faults.phase(kill=[process])
        process.kill()


def test_the_same_faults_are_the_same_run():
    def scenario():
        sim = simclock.active()
        host = sim.host("a")
        host.start(ticking(lambda _: None))
        with sim.faults.follow("at 1.5 s kill a for 1 s\nat 3 s pause a for 1 s\nat 3.5 s kill a"):
            time.sleep(5)
        host.kill()

    simclock.check(scenario)
