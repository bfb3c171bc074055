"""States, the latched stop, and an end in bounded time."""

from __future__ import annotations

import threading
import time

import pytest

import simclock
from simclock.systems._shared.lifecycle import Lifecycle, State, Step, escalate

OF_A_RUN = [State.STARTING, State.RUNNING, State.STOPPING]


def at(state, *, latched=False):
    """Return one that has come to a state."""
    life = Lifecycle("it")
    if state is not State.NEW:
        life.start()
    if state not in {State.NEW, State.STARTING}:
        life.ready()
    if state is State.STOPPING:
        life.stop()
    if state in {State.STOPPED, State.FAILED}:
        life.end(failed=state is State.FAILED)
    if latched:
        life.stop()
    assert life.state is state
    return life


@pytest.mark.parametrize("state", list(State))
def test_it_starts_unless_it_runs(state):
    life = at(state)

    if state in OF_A_RUN:
        with pytest.raises(RuntimeError) as caught:
            life.start()
        assert str(caught.value) == (
            f"it is {state.value}: it runs once at a time\n"
            "stop it and wait for its end, or make another one"
        )
        assert life.state is state
    else:
        life.start()
        assert life.state is State.STARTING


@pytest.mark.parametrize(
    ("state", "is_run", "after", "next_run"),
    [
        (State.NEW, False, State.NEW, State.STOPPING),
        (State.STARTING, True, State.STARTING, State.STOPPING),
        (State.RUNNING, True, State.STOPPING, State.RUNNING),
        (State.STOPPING, True, State.STOPPING, State.RUNNING),
        (State.STOPPED, False, State.STOPPED, State.RUNNING),
        (State.FAILED, False, State.FAILED, State.RUNNING),
    ],
)
def test_a_stop_ends_the_run_that_it_is_for_and_no_other(state, is_run, after, next_run):
    life = at(state)

    for _ in range(2):
        assert life.stop() is is_run
        assert life.state is after
    if after in {State.RUNNING, State.STOPPING}:
        life.end(failed=False)
    if life.state is not State.STARTING:
        life.start()

    assert life.ready() is (next_run is State.RUNNING)
    assert life.state is next_run


def test_a_latched_stop_ends_one_run():
    life = at(State.NEW, latched=True)
    life.start()
    assert not life.ready()
    life.end(failed=False)
    life.start()

    assert life.ready()


def test_each_step_is_taken_until_nobody_is_left(log):
    left = ["a", "b", "c"]

    def wait(seconds):
        time.sleep(min(seconds, 0.5))
        log(("waits", seconds))
        return left

    with simclock.Simulation():
        report = escalate(
            [
                Step(lambda: left.remove("a"), 1),
                Step(lambda: [left.remove("b"), left.remove("c")], 2),
                Step(lambda: log("too much"), 3),
            ],
            wait,
        )

    assert log == [(0.0, ("waits", 0)), (0.5, ("waits", 1)), (1.0, ("waits", 2))]
    assert report == (1.0, ())


def test_who_does_not_stop_is_reported():
    assert escalate([Step(lambda: None, 0)], lambda _: ["a", "b"]).abandoned == ("a", "b")


def test_a_stop_and_a_start_at_once_never_miss_each_other():
    def scenario():
        life = Lifecycle("it")
        ends = threading.Thread(target=life.stop)
        ends.start()
        life.start()
        was_running = life.ready()
        ends.join()
        assert life.state is State.STOPPING
        assert was_running in {True, False}

    assert simclock.explore(scenario, strategy="dfs", runs=1000).check().exhausted
