"""The fixtures `sim_app` and `sim_cluster`."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import pytest

from simclock.systems.runners import InvocationStatus, PersistentProcessRunner, ThreadRunner
from simclock.systems.runners.failures import ConfigError

MODULES = Path(__file__).with_name("modules")


@pytest.fixture
def tasks(monkeypatch):
    """Return the module of the tasks."""
    monkeypatch.syspath_prepend(str(MODULES))
    return importlib.import_module("cluster_tasks")


def places(cluster, invocations):
    """Return on which machines invocations of `where` were run."""
    return {
        cluster.app.serializer.deserialize(each.result)
        for each in cluster.wait_final(invocations, timeout=600)
    }


# ---------------------------------------------------------------------------- sim_app


def test_an_application_is_run_in_simulated_time(sim_app, sim, tasks, started):
    invocation = sim_app.task(tasks.nap.func)(3600)

    with started(ThreadRunner(sim_app)):
        assert invocation.get_result() == 3600

    assert sim.elapsed == pytest.approx(3600)


@pytest.mark.parametrize("number", [1, 2])
def test_each_application_is_on_a_storage_of_its_own(sim_app, tasks, number):
    sim_app.task(tasks.nap.func)(number)

    assert sim_app.orchestrator.count_invocations() == 1
    assert sim_app.storage.is_shared_memory


# ------------------------------------------------------------------------ sim_cluster


@pytest.mark.parametrize("store", ["served", "sqlite"])
def test_a_cluster_runs_what_is_submitted(sim_cluster, tasks, store):
    cluster = sim_cluster(tasks.app, store=store)
    invocations = [cluster.submit(tasks.where) for _ in range(20)]

    assert places(cluster, invocations) <= {"runner-0", "runner-1", "runner-2"}
    assert len(places(cluster, invocations)) > 1
    found = cluster.invocations()
    assert [each.id for each in found] == [each.invocation_id for each in invocations]
    assert {each.status for each in found} == {InvocationStatus.SUCCESS}
    assert (cluster.store is None) == (store == "sqlite")


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [("kill", "restart"), ("pause", "resume"), ("cut", "heal"), ("stop", "restart")],
)
def test_a_machine_that_is_down_runs_nothing_until_it_is_up_again(
    sim_cluster, tasks, breaks, mends
):
    cluster = sim_cluster(tasks.app, runners=2)
    first, second = cluster.runners

    getattr(first, breaks)()
    assert places(cluster, [cluster.submit(tasks.where) for _ in range(6)]) == {"runner-1"}
    getattr(first, mends)()
    second.kill()
    assert places(cluster, [cluster.submit(tasks.where)]) == {"runner-0"}


def test_a_machine_that_starts_again_has_another_runner(sim_cluster, tasks):
    cluster = sim_cluster(tasks.app, runners=1)
    time.sleep(1)
    (before,) = cluster.app.orchestrator.active_runners()
    cluster.runners[0].restart()
    time.sleep(1)

    runners = cluster.app.orchestrator.active_runners()
    assert {each.hostname for each in runners} == {"runner-0"}
    assert len({each.runner_id for each in runners} - {before.runner_id}) == 1


def test_a_runner_that_is_stopped_says_goodbye(sim_cluster, tasks):
    cluster = sim_cluster(tasks.app, runners=2)
    time.sleep(1)

    assert cluster.runners[0].stop()
    assert [each.hostname for each in cluster.app.orchestrator.active_runners()] == ["runner-1"]


def test_machines_have_wall_clocks_of_their_own(sim_cluster, sim):
    cluster = sim_cluster(runners=2)
    first, second = cluster.runners
    first.skew(-3600)
    second.drift(0.01)
    time.sleep(1000)

    assert (first.host.wall - sim.wall).total_seconds() == -3600
    assert (second.host.wall - sim.wall).total_seconds() == pytest.approx(10)
    first.set_right()
    assert first.host.wall == sim.wall


def test_settings_are_said_by_name(sim_cluster, tasks):
    cluster = sim_cluster(
        tasks.app, runners=1, heartbeat_interval=7.0, max_threads=1, stop_grace=2.0
    )
    conf = cluster.app.conf

    assert conf.orchestrator.heartbeat_interval == 7.0
    assert conf.thread_runner.max_threads == 1
    assert conf.runner.stop_grace == conf.thread_runner.stop_grace == 2.0
    assert tasks.app.conf.orchestrator.heartbeat_interval == 5.0


def test_any_class_of_runners_can_be_had(sim_cluster, tasks):
    cluster = sim_cluster(tasks.app, runners=2, runner=PersistentProcessRunner, num_processes=1)

    assert places(cluster, [cluster.submit(tasks.where) for _ in range(6)]) <= {
        "runner-0",
        "runner-1",
    }
    assert cluster.runners[0].process.name == "runner-0/PersistentProcessRunner"


def test_what_is_not_final_in_time_is_named(sim_cluster, tasks):
    cluster = sim_cluster(tasks.app, runners=1)
    invocation = cluster.submit(tasks.nap, 1000)

    with pytest.raises(
        TimeoutError, match=r"1 are not final after 100 s\n  cluster_tasks.nap .*running"
    ):
        cluster.wait_final(timeout=100)
    assert cluster.wait_final([invocation.invocation_id])[0].status is InvocationStatus.SUCCESS


def test_faults_may_happen_to_runners_and_between_all(sim_cluster):
    cluster = sim_cluster(runners=2)
    runners = [each.host for each in cluster.runners]

    assert cluster.targets("kill", "partition") == {
        "kill": runners,
        "partition": [cluster.store, *runners],
    }
    assert set(cluster.targets()) == {
        "kill",
        "pause",
        "skew",
        "drift",
        "partition",
        "reset",
        "slow",
    }
    with pytest.raises(ValueError, match=r"no such faults: \['fire'\]\ngive some of kill, pause"):
        cluster.targets("fire")


def test_connections_to_a_file_cannot_be_cut(sim_cluster):
    with pytest.raises(ValueError, match="no such faults"):
        sim_cluster(store="sqlite").targets("partition")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"runners": 0}, ValueError, "no number of runners: 0"),
        ({"store": "redis"}, ValueError, "no such store: 'redis'"),
        ({"runner": "Thread"}, ConfigError, "no such class of runners"),
        ({"heartbeat": 1.0}, TypeError, "no such settings: heartbeat"),
        ({"heartbeat_interval": -1.0}, ConfigError, "heartbeat_interval"),
    ],
)
def test_what_has_no_meaning_is_refused(sim_cluster, sim, options, error, text):
    with pytest.raises(error, match=text):
        sim_cluster(**options)
    assert sim.hosts == ()


def test_a_simulation_has_one_cluster(sim_cluster):
    sim_cluster(runners=1)

    with pytest.raises(RuntimeError, match="the simulation has a cluster"):
        sim_cluster(runners=1)


TESTS = """
    import os
    import threading
    import time

    import cluster_tasks

    hosts = []

    def test_one(sim_cluster, sim):
        cluster = sim_cluster(cluster_tasks.app)
        hosts.extend(sim.hosts)
        cluster.submit(cluster_tasks.nap, 1000)
        time.sleep(60)

    def test_nothing_is_left_of_it():
        assert len(hosts) == 4
        assert not any(each.is_alive() for host in hosts for each in host.processes)
        assert threading.active_count() == 1
        assert cluster_tasks.app.orchestrator.count_invocations() == 0

    def test_a_phase(sim_cluster, sim):
        cluster = sim_cluster(cluster_tasks.app, store="sqlite", runners=1)
        with sim.faults.phase(**cluster.targets("kill", "skew")):
            time.sleep(60)
"""


def test_machines_have_no_power_after_the_test(pytester, monkeypatch):
    monkeypatch.syspath_prepend(str(MODULES))
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_inprocess("-p", "no:xdist", "-W", "error")

    result.assert_outcomes(passed=3)
