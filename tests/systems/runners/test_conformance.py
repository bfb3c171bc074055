"""What all runners do, with simulated processes; `test_real.py` has real ones."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import threading
import time

import pytest

from simclock.systems.runners.app import runner_class
from simclock.systems.runners.failures import (
    PoisonedInvocationError,
    RunnerAlreadyRunningError,
    RunnerNotExecutableError,
    StateBackendError,
    TaskNotFoundError,
)
from simclock.systems.runners.hints import Hints
from simclock.systems.runners.identifiers import CallId, TaskId

pytestmark = pytest.mark.simclock(processes="simulated")

IN_PROCESS = ["ThreadRunner", "AsyncRunner"]
POOLS = ["PersistentProcessRunner", "MultiThreadRunner"]
PARENTS = ["ProcessRunner", *POOLS]
ALL = [*IN_PROCESS, *PARENTS]


def settings_for(places, **settings):
    """Return settings by which each kind of runner runs so many at the same time."""
    return {
        "thread_runner": {"max_threads": places},
        "async_runner": {"max_concurrent": places},
        "process_runner": {"max_processes": places},
        "persistent_process_runner": {"num_processes": places},
        "multi_thread_runner": {"max_processes": places},
        **settings,
    }


@pytest.fixture
def make(make_app):
    """Return a function that makes a runner of that class, with so many places."""

    def make(name, places=2, app="one", **settings):
        kind = "memory" if name in IN_PROCESS else "sqlite"
        return runner_class(name)(make_app(kind, app, **settings_for(places, **settings)))

    return make


@pytest.fixture(params=ALL)
def runner(request, make):
    """A runner of each class, with two places."""
    return make(request.param)


@pytest.fixture(params=PARENTS)
def parent(request, make):
    """A runner of each class that starts processes, with two places."""
    return make(request.param)


def most_at_once(path):
    """Return how many naps there were at the same time, at most."""
    steps = [1 if line.startswith("begins") else -1 for line in path.read_text().splitlines()]
    return max(itertools.accumulate(steps))


def test_results_are_those_of_the_functions(runner, started, tasks):
    with started(runner):
        invocations = [runner.app.call(tasks.add, number, 1) for number in range(5)]
        results = [each.get_result(timeout=60) for each in invocations]
        coroutine = runner.app.call(tasks.nap_async, 0.5)
        assert coroutine.get_result(timeout=60) == 0.5

    assert results == [1, 2, 3, 4, 5]
    assert runner.app.history(invocations[0]) == ["registered", "pending", "running", "success"]


@pytest.mark.parametrize(("task", "args"), [("fail", ("why",)), ("leave", ())])
def test_what_a_function_raises_concerns_its_invocation_only(runner, started, tasks, task, args):
    with started(runner):
        failing = runner.app.call(getattr(tasks, task), *args)
        with pytest.raises((LookupError, SystemExit), match="why" if args else "3"):
            failing.get_result(timeout=60)
        assert runner.app.call(tasks.add, 1, 1).get_result(timeout=60) == 2

    assert failing.status.value == "failed"


def test_retries(runner, started, tasks, tmp_path):
    with started(runner):
        invocation = runner.app.call(tasks.fail_at_first, f"{tmp_path}/tries")
        assert invocation.get_result(timeout=60) == "at last"

    assert runner.app.history(invocation).count("running") == 3


def test_a_task_that_is_not_there_has_failed(runner, started, tasks):
    task = TaskId("nowhere", "nothing")
    routed = runner.app.orchestrator.route_call(task, CallId.of(task, {}), {})
    with started(runner):
        assert runner.app.call(tasks.add, 1, 1).get_result(timeout=60) == 2
        time.sleep(1)

    stored = runner.app.orchestrator.get(routed.id)
    assert (stored.status.value, stored.error.type_name) == ("failed", TaskNotFoundError.__name__)


def test_as_many_at_once_as_there_are_places(runner, started, tasks, tmp_path, sim):
    path = tmp_path / "naps"
    with started(runner):
        naps = [runner.app.call(tasks.nap, 5.0, str(path)) for _ in range(5)]
        for each in naps:
            each.get_result(timeout=60)

    assert most_at_once(path) == 2
    assert 15 <= sim.elapsed < 17
    assert runner.max_parallel_slots == 2


@pytest.mark.parametrize("name", ALL)
def test_who_waits_for_results_leaves_its_place_to_others(make, started, tasks, name):
    runner = make(name, 1)
    with started(runner):
        parents = [runner.app.call(tasks.parent, [1, 2, 3], 0.5) for _ in range(2)]
        assert [each.get_result(timeout=60) for each in parents] == [14, 14]

    history = runner.app.history(parents[0])
    assert history[:4] == ["registered", "pending", "running", "paused"]
    assert history[-2:] == ["resumed", "success"]


@pytest.mark.parametrize("name", ALL)
def test_coroutines_wait_for_several_at_once(make, started, tasks, name):
    runner = make(name, 1)
    with started(runner):
        parents = [runner.app.call(tasks.parent_async, [1, 2, 3]) for _ in range(2)]
        assert [each.get_result(timeout=60) for each in parents] == [14, 14]
    if name in {*IN_PROCESS, "ProcessRunner"}:
        assert runner._places.free == 1


@pytest.mark.parametrize("task", ["leave_a_wait_behind", "leave_a_thread_behind"])
def test_a_body_that_returns_leaves_its_waits(runner, started, tasks, task, sim):
    with started(runner):
        leaving = runner.app.call(getattr(tasks, task))
        assert leaving.get_result(timeout=60) == "left"
        assert sim.elapsed < 2
    assert runner.app.history(leaving)[-3:] == ["paused", "resumed", "success"]


def test_those_who_wait_in_the_pool_leave_some_of_it_to_others(make, started, tasks):
    runner = make("AsyncRunner", 50)
    with started(runner):
        parents = [runner.app.call(tasks.parent_by_the_pool) for _ in range(40)]
        assert [each.get_result(timeout=100) for each in parents] == [4] * 40


def test_a_stop_lets_end_what_ends_in_time(runner, started, tasks, sim):
    with started(runner):
        nap = runner.app.call(tasks.nap, 4.0)
        time.sleep(1)
        waiting = runner.app.call(tasks.parent, [1])
        runner.stop_runner_loop()
        assert runner.wait_until_stopped(10)

    assert 4 <= sim.elapsed < 4.5
    assert nap.status.value == "success"
    assert waiting.status.value == "registered"
    assert runner.stop_report.abandoned == ()


@pytest.mark.parametrize("name", ALL)
def test_a_stop_reroutes_what_does_not_end_in_time(make, started, tasks, sim, name):
    runner = make(name, 1)
    with started(runner):
        nap = runner.app.call(tasks.nap, 30.0)
        time.sleep(1)
        runner.stop_runner_loop()
        assert runner.wait_until_stopped(10)
        assert 6 <= sim.elapsed < 8.1
    assert runner.app.history(nap)[-2:] == ["killed", "rerouted"]
    assert [each.split()[0] for each in runner.stop_report.abandoned] == (
        ["runner_tasks.nap"] if name in IN_PROCESS else []
    )

    with started(runner):
        assert nap.get_result(timeout=100) == 30
    stored = runner.app.orchestrator.get(nap.invocation_id)
    assert (stored.executions, stored.recoveries) == (2, 0)
    # The first body has ended too, by now or long ago; nothing came of it.
    assert runner.app.history(nap).count("success") == 1


def test_a_stop_cancels_coroutines_that_do_not_end_in_time(make, started, tasks, sim):
    runner = make("AsyncRunner")
    with started(runner):
        nap = runner.app.call(tasks.nap_async, 30.0)
        time.sleep(1)
        runner.stop_runner_loop()
        assert runner.wait_until_stopped(10)
        assert round(sim.elapsed, 3) == 6
    assert runner.app.history(nap)[-2:] == ["killed", "rerouted"]
    assert runner.stop_report.abandoned == ()


@pytest.mark.parametrize("name", POOLS)
def test_the_grace_of_a_pool_is_that_of_its_processes(make_app, started, tasks, name):
    kind = runner_class(name)
    app = make_app("sqlite", **{kind.section: {"stop_grace": 20.0}})
    with started(kind(app), 30.0):
        nap = app.call(tasks.nap, 12.0)
        time.sleep(1)

    assert nap.status.value == "success"


def test_bodies_see_that_they_should_stop(runner, started, tasks, sim):
    with started(runner):
        body = runner.app.call(tasks.obedient, 20.0)
        time.sleep(1)
    assert sim.elapsed < 1.5
    assert runner.app.history(body)[-2:] == ["killed", "rerouted"]

    with started(runner):
        assert body.get_result(timeout=60) == "to the end"


@pytest.mark.parametrize("name", ALL)
def test_a_stop_does_not_wait_for_those_that_only_wait(make, started, tasks, sim, name):
    runner = make(name, 1)
    with started(runner):
        waiting = runner.app.call(tasks.wait_for_nobody)
        time.sleep(1)
        assert waiting.status.value == "paused"
        runner.stop_runner_loop()
        assert runner.wait_until_stopped(10)

    assert sim.elapsed < 1.6
    assert runner.app.history(waiting)[-2:] == ["killed", "rerouted"]


def test_a_stop_before_the_run_ends_it_at_once(runner, started, tasks, sim):
    assert runner.wait_until_stopped()
    runner.stop_runner_loop()
    runner.run()
    assert sim.elapsed < 0.2

    with started(runner):
        assert runner.app.call(tasks.add, 1, 1).get_result(timeout=60) == 2


def test_it_runs_once_at_a_time(runner, started):
    with started(runner):
        time.sleep(1)
        assert runner.running
        with pytest.raises(RunnerAlreadyRunningError, match="is running: it runs once at a time"):
            runner.run()
    assert not runner.running


def test_a_store_that_is_away_for_a_while_ends_nothing(runner, started, tasks, monkeypatch, sim):
    claim = Hints.claim

    def claim_or_fail(hints):
        if 1 <= sim.elapsed < 3:
            raise StateBackendError("the store is away")
        return claim(hints)

    monkeypatch.setattr(Hints, "claim", claim_or_fail)
    with started(runner):
        time.sleep(1.5)
        invocation = runner.app.call(tasks.add, 1, 1)
        assert invocation.get_result(timeout=60) == 2

    assert 3 <= sim.elapsed < 6.5


@pytest.mark.parametrize("name", ["ThreadRunner", "ProcessRunner"])
def test_what_is_delayed_is_run_in_time_though_it_looks_seldom(make, started, tasks, name):
    runner = make(name, runner_loop_sleep_time_sec=600.0)
    orchestrator, task = runner.app.orchestrator, tasks.whoami.task_id
    with started(runner):
        time.sleep(1000)
        routed = orchestrator.route_call(task, CallId.of(task, {}), {}, delay=100.5)
        time.sleep(110)
        history = orchestrator.get(routed.id).history

    assert [each.status.value for each in history][-1] == "success"
    taken = history[1].timestamp - history[0].timestamp
    assert taken.total_seconds() == pytest.approx(100.5, abs=0.02)


def taken_after(orchestrator, routed):
    """Return after how many seconds an invocation was taken that was registered."""
    registered, taken = orchestrator.get(routed.id).history[:2]
    return (taken.timestamp - registered.timestamp).total_seconds()


@pytest.mark.parametrize("name", IN_PROCESS)
def test_in_memory_it_looks_seldom_and_work_waits_for_nothing(make, started, tasks, name):
    runner = make(name)
    orchestrator, task = runner.app.orchestrator, tasks.whoami.task_id
    turns, turn = [], runner.runner_loop_iteration
    runner.runner_loop_iteration = lambda: turns.append(time.monotonic()) or turn()

    def route(**options):
        return orchestrator.route_call(task, CallId.of(task, {}), {}, **options)

    with started(runner):
        begin = time.monotonic()
        time.sleep(60)
        assert len(turns) <= 70
        # For the triggers, and what the dead had, there is no need to be later.
        checks = [round(each - begin, 2) for each in turns if each - begin > 4.5]
        assert checks == [float(second) for second in range(5, 60)]
        time.sleep(0.33)
        at_once, delayed = route(), route(delay=2.345)
        time.sleep(5)

    assert taken_after(orchestrator, at_once) == pytest.approx(0, abs=0.001)
    assert taken_after(orchestrator, delayed) == pytest.approx(2.345, abs=0.006)


@pytest.mark.parametrize("name", IN_PROCESS)
def test_what_is_behind_many_hints_of_nothing_is_run_soon(make, started, tasks, name):
    runner = make(name)
    orchestrator, task = runner.app.orchestrator, tasks.whoami.task_id
    with started(runner):
        time.sleep(10.55)
        for number in range(350):
            runner.app.storage.queue.push(f"old {number}", [f"gone {number}", 1])
        routed = orchestrator.route_call(task, CallId.of(task, {}), {})
        time.sleep(5)

    # A hundred at a time: in between it looks at the others, as ever.
    assert taken_after(orchestrator, routed) == pytest.approx(0.3, abs=0.001)


def test_whoever_owns_something_has_a_heartbeat(runner, started, tasks):
    with started(runner):
        nap = runner.app.call(tasks.nap, 30.0)
        for _ in range(3):
            time.sleep(7)
            owner = runner.app.orchestrator.get(nap.invocation_id).owner
            alive = {each.runner_id: each for each in runner.app.orchestrator.active_runners()}
            assert {runner.runner_id, owner} <= alive.keys()
            assert alive[owner].root_runner_id == runner.runner_id
        nap.get_result(timeout=60)

    assert runner.app.orchestrator.active_runners() == []


@pytest.mark.parametrize("name", PARENTS)
def test_memory_cannot_be_shared_with_processes(make_app, name):
    runner = runner_class(name)(make_app("memory"))

    with pytest.raises(RunnerNotExecutableError, match="invocations are in the memory of this"):
        runner.run()
    assert not runner.mem_compatible()
    assert runner.wait_until_stopped()


def test_a_process_that_crashes_concerns_its_invocation_only(parent, started, tasks, tmp_path, sim):
    with started(parent):
        nap = parent.app.call(tasks.nap, 5.0)
        crashing = parent.app.call(tasks.crash, f"{tmp_path}/crashed")
        assert crashing.get_result(timeout=60) == "survived"
        # Not when somebody notices that its heartbeats are missing.
        assert sim.elapsed < 2
        assert nap.get_result(timeout=60) == 5

    stored = parent.app.orchestrator.get(crashing.invocation_id)
    assert (stored.executions, stored.recoveries) == (2, 1)
    assert parent.app.orchestrator.get(nap.invocation_id).executions == 1


def test_what_crashes_again_and_again_has_failed(parent, started, tasks):
    with started(parent):
        crashing = parent.app.call(tasks.always_crash)
        with pytest.raises(PoisonedInvocationError, match="lost its runner 4 times"):
            crashing.get_result(timeout=60)
        assert parent.app.call(tasks.add, 1, 1).get_result(timeout=60) == 2


@pytest.mark.parametrize("name", POOLS)
def test_a_process_that_is_killed_is_replaced(make, started, tasks, name, caplog):
    runner = make(name, 1)
    with started(runner):
        kind, pid = runner.app.call(tasks.whoami).get_result(timeout=60)
        os.kill(pid, signal.SIGKILL)
        again, other = runner.app.call(tasks.whoami).get_result(timeout=60)

    assert kind == again == f"{name}Worker"
    assert other != pid
    assert "exit code -9, oom_killed" in caplog.text


def test_a_process_that_is_told_to_end_gives_its_invocation_back(make, started, tasks, sim):
    runner = make("ProcessRunner", 1)
    with started(runner):
        nap = runner.app.call(tasks.nap, 30.0)
        time.sleep(1)
        (worker,) = runner._workers
        os.kill(worker.pid, signal.SIGTERM)
        time.sleep(4)
        assert nap.status.value == "running"
        time.sleep(4)
        assert runner.app.history(nap).count("rerouted") == 1
        # It sleeps; in the second process it is begun once more.
        assert nap.get_result(timeout=60) == 30
    assert runner.app.orchestrator.get(nap.invocation_id).recoveries == 0


@pytest.mark.parametrize("name", PARENTS)
def test_processes_end_when_their_parent_is_killed(make, started, tasks, sim, name):
    second = make(name, 1)
    sent = pickle.dumps(second.app)
    machine = sim.host("one").start(lambda: runner_class(name)(pickle.loads(sent)).run())
    nap = second.app.call(tasks.nap, 30.0)
    time.sleep(1)
    machine.kill()
    time.sleep(0.5)
    assert nap.status.value == "running"
    # They give it the time that a stop gives.
    time.sleep(8)
    assert nap.status.value == "rerouted"

    with started(second):
        assert nap.get_result(timeout=60) == 30
    assert second.app.orchestrator.get(nap.invocation_id).executions == 2


@pytest.mark.parametrize("name", ALL)
def test_signals_stop_it(make, tasks, sim, name):
    ends = []

    def live():
        make(name).run()
        ends.append((round(sim.elapsed), signal.getsignal(signal.SIGTERM)))

    machine = sim.host("one").start(live)
    time.sleep(3)
    machine.send_signal(signal.SIGTERM)
    machine.join()

    assert ends == [(3, signal.SIG_DFL)]
    assert machine.exitcode == 0


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_second_signal_ends_the_grace(make, tasks, sim, name):
    runner = make(name)
    nap = runner.app.call(tasks.nap, 30.0)

    machine = sim.host("one").start(runner.run)
    time.sleep(3)
    for _ in range(2):
        machine.send_signal(signal.SIGTERM)
        time.sleep(1)
    assert runner.wait_until_stopped(0.1)

    assert round(sim.elapsed, 3) <= 5
    assert nap.status.value == "rerouted"


def test_threads_are_gone_when_it_has_stopped(runner, started, tasks):
    before = set(threading.enumerate())
    with started(runner):
        runner.app.call(tasks.parent, [1, 2]).get_result(timeout=60)
    time.sleep(1)

    left = {each.name for each in set(threading.enumerate()) - before}
    # Daemons of processes that have ended stand still until the simulation is over.
    assert left - {"OneTaskWorker-ear", "ThreadWorker-ear"} == set()
