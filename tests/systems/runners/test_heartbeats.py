"""Who is alive, by what others have seen."""

from __future__ import annotations

import threading
import time

import pytest

pytestmark = pytest.mark.simclock
SETTINGS = {"heartbeat_interval": 5.0, "runner_considered_dead_after": 20.0}


@pytest.fixture
def on_each(each_storage, make_bench):
    return make_bench(each_storage, **SETTINGS)


@pytest.fixture
def both(make_bench):
    """Two benches on one storage, as two machines have it."""
    one = make_bench(**SETTINGS)
    return one, make_bench(one.storage, **SETTINGS)


def active(bench):
    return [each.runner_id for each in bench.orchestrator.active_runners()]


def watch_for(bench, seconds, *, step=1.0):
    """Watch now and then; return who was alive each time, without repetitions."""
    seen = [active(bench)]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(step)
        if (found := active(bench)) != seen[-1]:
            seen.append(found)
    return seen


def test_a_runner_is_active_as_long_as_it_beats(on_each, runner):
    on_each.orchestrator.register_runner_heartbeats([runner("a"), runner("b")])
    for _ in range(30):
        time.sleep(2)
        on_each.orchestrator.register_runner_heartbeats([runner("a")])
        alive = active(on_each)

    assert alive == ["a"]


def test_the_oldest_is_first_and_is_what_it_said(on_each, runner):
    for name in "cab":
        time.sleep(1)
        on_each.orchestrator.register_runner_heartbeats([runner(name)])

    assert on_each.orchestrator.active_runners() == [runner(each) for each in "cab"]


def test_one_that_has_ended_is_not_active(on_each, runner):
    on_each.orchestrator.register_runner_heartbeats([runner("a"), runner("b")])
    on_each.orchestrator.forget_runner("a")

    assert active(on_each) == ["b"]


def test_it_takes_its_time_to_be_dead(both, runner, note):
    one, other = both
    one.orchestrator.register_runner_heartbeats([runner()])
    while active(other):
        time.sleep(1)
    note("dead")

    # 20 s, and 5 % more as clocks may differ.
    assert note.log == [(21, "dead")]


def test_heartbeats_are_written_no_more_often_than_they_must_be(bench, runner):
    for _ in range(100):
        bench.orchestrator.register_runner_heartbeats([runner()])
        time.sleep(0.1)

    # Each 2.5 s, which is half of the interval.
    assert bench.storage.runners.get("a").version == 4


def test_a_wall_clock_that_is_wrong_kills_nobody(both, runner, sim):
    one, other = both
    alive = []

    def beat():
        for number in range(60):
            one.orchestrator.register_runner_heartbeats([runner()])
            time.sleep(2)
            sim.move_wall((-1) ** number * 86400 * 365)

    thread = threading.Thread(target=beat)
    thread.start()
    alive = watch_for(other, 110)
    thread.join()

    assert alive == [["a"]]


def test_a_watcher_that_did_not_look_for_long_takes_nobody_for_dead(both, runner):
    one, other = both
    one.orchestrator.register_runner_heartbeats([runner()])
    assert active(other) == ["a"]
    # Both were frozen, and the watcher is the first to go on.
    time.sleep(10000)

    assert active(other) == ["a"]


def test_one_that_comes_again_is_alive(both, runner):
    one, other = both
    one.orchestrator.register_runner_heartbeats([runner()])
    assert watch_for(other, 60) == [["a"], []]
    one.orchestrator.register_runner_heartbeats([runner()])

    assert active(other) == ["a"]


def test_one_that_was_removed_and_comes_again_is_alive(both, runner):
    one, other = both
    one.orchestrator.register_runner_heartbeats([runner()])
    watch_for(other, 60)
    assert other.orchestrator.heartbeats.remove_dead(["a"]) == 0
    assert other.orchestrator.heartbeats.remove_dead([]) == 1
    assert other.storage.runners.count() == 0
    one.orchestrator.register_runner_heartbeats([runner()])

    assert active(other) == ["a"]


def test_a_beat_of_its_parent_counts_as_its_own(both, runner):
    one, other = both
    for bench in both * 4:
        bench.orchestrator.register_runner_heartbeats([runner("child")])
        time.sleep(3)

    assert active(one) == active(other) == ["child"]


@pytest.mark.parametrize("value", [{"context": "{}"}, {"context": 5, "birth": "x"}, "damaged"])
def test_a_record_of_another_version_keeps_nobody_from_being_watched(bench, runner, value):
    bench.storage.runners.create("odd", "alive", value, at=time.time())
    bench.orchestrator.register_runner_heartbeats([runner("a")])

    assert active(bench) == ["odd", "a"]
    assert watch_for(bench, 70)[-1] == []
    assert bench.orchestrator.heartbeats.remove_dead([]) == 2
