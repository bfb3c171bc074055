"""What is wrong with the original's runners, and is not so here: each row has its test."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import statistics
import threading
import time

import pytest

from simclock.systems.runners.app import runner_class
from simclock.systems.runners.asynchronous import AsyncRunner
from simclock.systems.runners.hints import Hints
from simclock.systems.runners.multithread import MultiThreadRunner
from simclock.systems.runners.orchestrator import Orchestrator
from simclock.systems.runners.persistent import PersistentProcessRunner
from simclock.systems.runners.process_per_task import ProcessRunner
from simclock.systems.runners.threads import ThreadRunner

pytestmark = pytest.mark.simclock(processes="simulated")


@pytest.fixture
def counted(monkeypatch):
    """Return a function that counts calls of a method from now on: in a list with one number."""

    def counted(owner, name):
        count, original = [0], getattr(owner, name)

        def call(*args, **kwargs):
            count[0] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)
        return count

    return counted


def test_p4_who_waits_for_a_result_does_not_spin(make_app, started, tasks, counted, sim):
    app = make_app()
    with started(ThreadRunner(app)):
        waiting = app.call(tasks.wait_for_nobody)
        time.sleep(1)
        looks = counted(Orchestrator, "status")
        time.sleep(100)
        # The original looks 200,000 times a second.
        assert 900 <= looks[0] <= 1100
        assert waiting.status.value == "paused"


def test_p4_a_result_of_this_process_ends_the_wait_at_once(make_app, started, tasks, sim):
    app = make_app(thread_runner={"max_threads": 1, "invocation_wait_results_sleep_time_sec": 50.0})
    with started(ThreadRunner(app)):
        assert app.call(tasks.parent, [1, 2, 3], 1.0).get_result(timeout=100) == 14

    assert round(sim.elapsed, 3) == 4


@pytest.mark.parametrize("kind", [ThreadRunner, AsyncRunner])
def test_p5_a_stop_is_bounded_and_a_late_outcome_is_refused(make_app, started, tasks, sim, kind):
    section = f"{kind.section}"
    app = make_app(**{section: {"stop_grace": 0.5}})
    runner = kind(app)
    with started(runner):
        invocation = app.call(tasks.nap, 1.5)
        time.sleep(0.2)
        runner.stop_runner_loop()
        assert runner.wait_until_stopped()
        assert round(sim.elapsed, 3) == 0.7
        time.sleep(2)  # the body has returned
        assert app.history(invocation)[-2:] == ["killed", "rerouted"]
        # Said, and not only logged.
        assert runner.stop_report.abandoned == (f"runner_tasks.nap {invocation.invocation_id}",)

    with started(runner):
        assert invocation.get_result(timeout=60) == 1.5
    assert app.history(invocation).count("running") == 2


def test_p5_a_late_outcome_is_refused_while_the_same_runner_runs_it_again(
    make_app, started, tasks, sim, tmp_path
):
    app = make_app(thread_runner={"stop_grace": 0.5})
    runner = ThreadRunner(app)
    with started(runner):
        invocation = app.call(tasks.nap, 1.5, f"{tmp_path}/naps")
        time.sleep(0.2)
    with started(runner):  # from 0.7 to 2.2; the first body ends at 1.5
        assert invocation.get_result(timeout=60) == 1.5
        assert 2.2 <= sim.elapsed < 2.3

    ends = [line.split()[0] for line in (tmp_path / "naps").read_text().splitlines()]
    assert ends == ["begins", "begins", "ends", "ends"]


@pytest.mark.parametrize("name", ["ThreadRunner", "ProcessRunner", "MultiThreadRunner"])
def test_p9_handlers_of_signals_are_put_back(make_app, sim, name):
    seen = []

    def live():
        signal.signal(signal.SIGTERM, mine)
        before = signal.getsignal(signal.SIGINT)
        with contextlib.closing(pickle.loads(sent)) as app:
            runner = runner_class(name)(app)
            threading.Timer(1, lambda: seen.append(signal.getsignal(signal.SIGTERM))).start()
            threading.Timer(2, runner.stop_runner_loop).start()
            runner.run()
        seen.extend([signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT) is before])

    def mine(*_): ...

    sent = pickle.dumps(make_app("sqlite"))
    sim.host("one").start(live).join()

    during, after, is_same = seen
    assert during is not mine
    assert (after, is_same) == (mine, True)


@pytest.mark.parametrize(
    "trip",
    [
        (ThreadRunner, "memory", 0.0),
        (AsyncRunner, "memory", 0.0),
        (ThreadRunner, "sqlite", 0.002),
        (ProcessRunner, "sqlite", 0.07),
        (PersistentProcessRunner, "sqlite", 0.07),
        (MultiThreadRunner, "sqlite", 0.07),
    ],
)
def test_p12_the_round_trip_of_a_task_that_does_nothing(make_app, started, tasks, trip):
    kind, storage, most = trip
    app = make_app(storage)
    trips = []
    with started(kind(app)):
        app.call(tasks.add, 0, 0).get_result(timeout=60)
        for number in range(8):
            time.sleep(1.237)  # it is idle again, and has waited for as long as it does
            began = time.monotonic()
            app.call(tasks.add, number, 1).get_result(timeout=60)
            trips.append(time.monotonic() - began)

    # The original takes 0.203.
    assert statistics.mean(trips) <= most


def test_p13_a_lost_worker_is_replaced_and_the_work_goes_on(make_app, started, tasks, sim):
    app = make_app("sqlite", multi_thread_runner={"max_processes": 2})
    with started(MultiThreadRunner(app)) as runner:
        naps = [app.call(tasks.nap, 3.0) for _ in range(2)]
        time.sleep(1)
        before = set(runner.get_active_child_runner_ids())
        for each in list(runner._workers):
            os.kill(each.pid, signal.SIGKILL)
        assert app.call(tasks.add, 1, 1).get_result(timeout=60) == 2
        assert [each.get_result(timeout=60) for each in naps] == [3, 3]
        assert sim.elapsed < 8
        after = set(runner.get_active_child_runner_ids())

    assert (len(before), len(after)) == (2, 2)
    assert not before & after
    assert [app.orchestrator.get(each.invocation_id).recoveries for each in naps] == [1, 1]


def test_p13_processes_come_with_the_work_and_go_without_it(make_app, started, tasks, note):
    settings = {"enforce_max_processes": False, "max_processes": 3}
    app = make_app("sqlite", multi_thread_runner=settings)
    with started(MultiThreadRunner(app)) as runner:
        time.sleep(1)
        for number in range(5):  # one that has nothing to do is enough
            assert app.call(tasks.add, number, 1).get_result(timeout=60) == number + 1
        note(len(runner.get_active_child_runner_ids()))
        naps = [app.call(tasks.nap, 3.0) for _ in range(5)]
        time.sleep(1)
        note(len(runner.get_active_child_runner_ids()))
        assert [each.get_result(timeout=60) for each in naps] == [3] * 5
        time.sleep(6)
        note(len(runner.get_active_child_runner_ids()))
        assert app.call(tasks.add, 1, 1).get_result(timeout=60) == 2

    assert [count for _, count in note.log] == [1, 3, 1]


@pytest.mark.parametrize(
    "kind", [ThreadRunner, ProcessRunner, PersistentProcessRunner, MultiThreadRunner]
)
def test_p14_idle_runners_look_seldom(make_app, started, counted, kind):
    sections = ["process_runner", "persistent_process_runner", "multi_thread_runner"]
    counts = ["max_processes", "num_processes", "max_processes"]
    pools = {section: {count: 2} for section, count in zip(sections, counts, strict=True)}
    app = make_app("sqlite", **pools)
    looks = counted(Hints, "claim")
    with started(kind(app)):
        time.sleep(100)

    workers = 2 if kind in {PersistentProcessRunner, MultiThreadRunner} else 1
    # Each 0.1 s at last. The original's look all the time.
    assert 900 * workers <= looks[0] <= 1010 * workers


def test_p15_who_waits_in_a_process_is_paused_and_its_own(make_app, started, tasks):
    app = make_app("sqlite")
    with started(ProcessRunner(app)) as runner:
        waiting = app.call(tasks.parent, [1], 2.0)
        time.sleep(3)
        paused = app.orchestrator.get(waiting.invocation_id)
        children = runner.get_active_child_runner_ids()
        assert waiting.get_result(timeout=60) == 1

    assert paused.status.value == "paused"
    assert paused.owner in children
    assert paused.owner != runner.runner_id
    assert app.history(waiting) == [
        *("registered", "pending", "running", "paused", "resumed", "success")
    ]


def test_p16_as_many_parents_as_places_do_not_block_each_other(make_app, started, tasks, sim):
    app = make_app("sqlite", process_runner={"max_processes": 2})
    with started(ProcessRunner(app)):
        parents = [app.call(tasks.parent, [1, 2], 1.0) for _ in range(4)]
        assert [each.get_result(timeout=100) for each in parents] == [5] * 4

    assert sim.elapsed < 20


def test_p17_no_more_bodies_than_threads(make_app, started, tasks, sim, tmp_path):
    app = make_app(thread_runner={"max_threads": 2})
    path = tmp_path / "bodies"
    with started(ThreadRunner(app)):
        parents = [app.call(tasks.parent_of_naps, str(path)) for _ in range(8)]
        for each in parents:
            each.get_result(timeout=100)

    running = most = 0
    for line in path.read_text().splitlines():
        running += 1 if line == "goes on" else -1
        most = max(most, running)
    assert (most, running) == (2, 0)
