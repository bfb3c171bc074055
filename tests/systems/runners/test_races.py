"""Runners under many schedules: stops, waits and ends that come at the same time."""

from __future__ import annotations

import threading
import time

import pytest

from simclock.systems.runners.app import runner_class
from simclock.systems.runners.life import Life
from simclock.systems.runners.places import Places

pytestmark = pytest.mark.simclock(processes="simulated")


class Bodies:
    """Bodies of `Places`: they take a place, leave it, come back."""

    def __init__(self, limit):
        self.news = threading.Semaphore(0)
        self.places = Places(limit, self.news.release)
        self.limit = limit
        self.inside = 0
        self.done = 0

    def live(self, rounds):
        """Have a place, which was taken already, and leave it again and again."""
        for _ in range(rounds):
            self.work()
            self.places.leave()
            granted = threading.Event()
            self.places.come_back(granted.set)
            granted.wait()
        self.work()
        self.done += 1
        self.places.leave()

    def work(self):
        self.inside += 1
        assert self.inside <= self.limit
        time.sleep(0.01)
        self.inside -= 1

    def give_up(self):
        """Leave, ask for a place, and want it no more."""
        self.places.leave()
        self.places.come_back(granted := threading.Event().set)
        self.places.withdraw(granted)
        self.done += 1


@pytest.mark.simclock(runs=150)
def test_places_are_neither_lost_nor_made():
    bodies = Bodies(2)
    targets = [lambda: bodies.live(2)] * 3 + [bodies.give_up] * 2
    threads = [threading.Thread(target=each) for each in targets]
    for each in threads:
        while not bodies.places.take():
            bodies.news.acquire()
        each.start()
    for each in threads:
        each.join()

    assert (bodies.done, bodies.places.free) == (5, 2)
    assert [bodies.places.take() for _ in range(3)] == [True, True, False]


def test_a_run_that_begins_as_another_one_ends_is_waited_for(monkeypatch):
    life = Life("it")
    life.begin()
    end = life._lifecycle.end

    def end_and_begin(**kwargs):
        end(**kwargs)
        life.begin()

    monkeypatch.setattr(life._lifecycle, "end", end_and_begin)
    life.end(failed=False)
    assert life.wait_for_end(0) is False


@pytest.mark.simclock(runs=25)
@pytest.mark.parametrize(
    ("name", "task", "instant"),
    [
        ("ThreadRunner", "parent", 0.5),
        ("ThreadRunner", "parent", 1.0),
        ("AsyncRunner", "parent_async", 1.0),
    ],
)
def test_what_a_stop_interrupts_is_run_again(make_app, tasks, name, task, instant):
    app = make_app(thread_runner={"max_threads": 2}, async_runner={"max_concurrent": 2})
    args = ([1, 2], 0.5) if task == "parent" else ([1, 2],)
    calls = [app.call(getattr(tasks, task), *args) for _ in range(2)]
    runner = runner_class(name)(app)
    stopping = threading.Timer(instant, runner.stop_runner_loop)
    stopping.start()
    runner.run()
    stopping.join()
    assert runner.stop_report.abandoned == ()
    # Nobody owns anything any more.
    assert {app.orchestrator.get(each.invocation_id).owner for each in calls} == {None}

    thread = threading.Thread(target=runner.run)
    thread.start()
    while not runner.running:  # a stop between two runs is none
        time.sleep(0.001)
    assert [each.get_result(timeout=100) for each in calls] == [5, 5]
    runner.stop_runner_loop()
    thread.join()


@pytest.mark.simclock(runs=40)
def test_two_runners_share_the_work(make_app, tasks):
    app = make_app(thread_runner={"max_threads": 1})
    runners = [runner_class("ThreadRunner")(app) for _ in range(2)]
    threads = [threading.Thread(target=each.run) for each in runners]
    for each in threads:
        each.start()
    calls = [app.call(tasks.parent, [1, 2]) for _ in range(3)]
    assert [each.get_result(timeout=100) for each in calls] == [5, 5, 5]
    for each in runners:
        each.stop_runner_loop()
    for each in threads:
        each.join()

    every = app.orchestrator.get_invocation_ids_paginated(limit=100)
    assert len(every) == 9
    assert {app.orchestrator.get(each).executions for each in every} == {1}


@pytest.mark.parametrize("name", ["ProcessRunner", "MultiThreadRunner"])
@pytest.mark.parametrize("instant", [0.001, 0.01, 0.03, 0.1, 0.11, 0.15, 0.2, 0.25, 0.3])
def test_processes_that_are_lost_at_any_time_lose_nothing(make_app, tasks, started, name, instant):
    settings = {"max_processes": 1}
    app = make_app("sqlite", process_runner=settings, multi_thread_runner=settings)
    runner = runner_class(name)(app)
    with started(runner):
        call = app.call(tasks.parent, [1, 2], 0.1)
        for _ in range(2):
            time.sleep(instant)
            for each in list(runner._workers):
                each._process.kill()
        assert call.get_result(timeout=100) == 5
