"""A failure is shrunk to what it takes, and stays the failure that it was."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

import simclock
from simclock._core.choices import THREAD
from simclock._core.recording import Follow
from simclock._explore import shrinking
from simclock._explore.choosing import settings_of
from simclock._explore.playing import play
from simclock._explore.search import Search
from simclock._explore.shrinking import shrink
from simclock._explore.spreading import run_all


def failed(scenario, strategy="random", seed=0, runs=500, latency=0.0):
    """Return the first run that fails, and what makes runs of the scenario."""
    settings = settings_of(latency=latency)
    search = Search(strategy, settings, runs=runs, seed=seed)
    run_all(search, scenario, lambda: None)
    assert search.failed is not None
    return search.failed, lambda answers: play(scenario, answers, settings)


@pytest.mark.parametrize("seed", range(5))
def test_one_preemption_is_left_of_a_lost_update(programs, seed):
    found, repeat = failed(programs.lost_update, seed=seed)

    shrunk = shrink(found, repeat)

    # After the first thread has read.
    assert len(shrunk.played.schedule.deviations) == 1
    assert shrunk.played.schedule.deviations[0].label == THREAD
    assert shrunk.played.signature == found.signature
    assert shrunk.passing.verdict == "passed"
    assert shrunk.passing.schedule.deviations == ()


def test_it_does_not_depend_on_what_was_found(programs):
    """The least schedule is one: whatever it is shrunk from."""
    shrunk = set()
    for seed in range(8):
        found, repeat = failed(programs.lock_order, seed=seed)
        shrunk.add(shrink(found, repeat).played.schedule.deviations)

    assert len(shrunk) == 1


def test_a_failure_of_every_run_needs_no_choice():
    def scenario():
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        raise ValueError("always")

    found, repeat = failed(scenario, seed=2)
    assert found.schedule.deviations
    shrunk = shrink(found, repeat)

    assert shrunk.played.schedule.deviations == ()
    assert shrunk.passing is None


def both_ways():
    """Fails in one way after one choice, in another one after two."""
    log = []
    together = [threading.Thread(target=log.append, args=(n,)) for n in range(3)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    if log == [2, 1, 0]:
        raise KeyError("turned round")
    if log != [0, 1, 2]:
        raise ValueError("another order")


def test_another_failure_is_not_taken_for_this_one():
    """Though it would take fewer choices."""
    settings = settings_of(latency=0)
    for seed in range(200):
        search = Search("random", settings, runs=1, seed=seed)
        run_all(search, both_ways, lambda: None)
        found = search.failed
        if found is not None and isinstance(found.error, KeyError):
            break

    shrunk = shrink(found, lambda answers: play(both_ways, answers, settings))

    assert isinstance(shrunk.played.error, KeyError)
    assert len(shrunk.played.schedule.deviations) == 2
    assert shrunk.passing is None  # with one of them it fails, too, in the other way


@pytest.mark.slow
def test_deadlocks_are_told_apart_by_where_the_threads_wait():
    def scenario():
        locks = [threading.Lock() for _ in range(4)]

        def take(first, second):
            with locks[first]:
                pass
            with locks[first], locks[second]:
                pass

        def other(first, second):
            with locks[first], locks[second]:
                pass

        pairs = [(take, 0, 1), (take, 1, 0), (other, 2, 3), (other, 3, 2)]
        threads = [threading.Thread(target=each, args=(a, b)) for each, a, b in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    signatures = set()
    for seed in range(10):
        found, repeat = failed(scenario, seed=seed)
        shrunk = shrink(found, repeat)
        assert shrunk.played.signature == found.signature
        signatures.add(found.signature)

    assert len(signatures) > 1
    assert all(text.startswith("Deadlock ") for text in signatures)


def test_livelocks_are_told_apart_by_who_spins():
    def spin_one(flags):
        while not flags:
            time.sleep(0)

    def spin_two(flags):
        while not flags:
            time.sleep(0)

    def signature(spin):
        def scenario():
            thread = threading.Thread(target=spin, args=([],))
            thread.start()
            thread.join()

        settings = settings_of(latency=0, options={"max_steps_per_instant": 5000})
        played = play(
            scenario, Follow(simclock.Schedule(0, "legal", 0, (), 0), strict=False), settings
        )
        assert isinstance(played.error, simclock.Livelock)
        return played.signature

    assert signature(spin_one) == signature(spin_one)
    assert signature(spin_one) != signature(spin_two)


def test_leaks_are_told_apart_by_what_leaks():
    def signature(name, seconds):
        def scenario():
            time.sleep(seconds)
            lock = threading.Lock()
            lock.acquire()
            threading.Thread(target=lock.acquire, name=name).start()

        settings = settings_of(latency=0)
        played = play(
            scenario, Follow(simclock.Schedule(0, "legal", 0, (), 0), strict=False), settings
        )
        assert isinstance(played.error, simclock.Leak)
        return played.signature

    assert signature("one", 1) == signature("one", 2)
    assert signature("one", 1) != signature("two", 1)


def test_an_exception_of_a_thread_is_part_of_the_failure():
    def raising(error):
        def scenario():
            def target():
                raise error

            never = threading.Lock()
            never.acquire()
            threading.Thread(target=target).start()
            never.acquire()

        return scenario

    found = [failed(raising(error))[0] for error in (KeyError("a"), ValueError("a"))]

    assert [each.signature.split()[0] for each in found] == ["Deadlock", "Deadlock"]
    assert "of KeyError" in found[0].signature
    assert "of ValueError" in found[1].signature


def test_where_a_library_raises_its_caller_counts():
    import queue

    def scenario():
        orders = queue.Queue()
        thread = threading.Thread(target=orders.put, args=(1,))
        thread.start()
        orders.get_nowait()
        orders.get_nowait()

    found, _ = failed(scenario, strategy="canonical")
    error, mine, theirs = found.signature.split()

    assert error == "Empty"
    assert mine.rpartition(":")[0] == __file__
    assert theirs.rpartition(":")[0] == queue.__file__


def test_the_budget_is_kept(programs):
    found, repeat = failed(programs.lost_update, seed=3)
    made = []

    def counting(answers):
        made.append(answers)
        return repeat(answers)

    shrunk = shrink(found, counting, runs=3)

    assert shrunk.runs == len(made)
    assert len(made) <= 3 + 1 + shrinking.NEIGHBOURS
    assert shrunk.played.signature == found.signature


def test_no_run_is_begun_when_the_time_is_over(programs):
    found, repeat = failed(programs.lost_update)

    shrunk = shrink(found, repeat, seconds=0)

    assert shrunk.played.schedule == found.schedule


def test_what_cannot_be_repeated_is_left_as_it_is(programs):
    found, _ = failed(programs.lost_update)

    shrunk = shrink(found, lambda answers: play(programs.no_update_lost, answers, settings_of()))

    assert shrunk == (found, None, 1)


def test_garbage_of_many_runs_is_collected(programs, monkeypatch):
    collected = []
    monkeypatch.setattr(shrinking.gc, "collect", lambda: collected.append(1))
    monkeypatch.setattr(shrinking, "COLLECT_EVERY", 2)
    found, repeat = failed(programs.lost_update)

    shrunk = shrink(found, repeat)

    assert len(collected) == shrunk.runs // 2


def test_one_choice_may_do_for_several():
    """Each of two pairs of choices fails, and so does a single one that is in neither."""
    log = []

    def scenario():
        log.clear()
        threads = [threading.Thread(target=log.append, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log[-1] != 0

    found, repeat = failed(scenario, seed=1)

    assert len(shrink(found, repeat).played.schedule.deviations) == 1


# ------------------------------------------------------------------ as users meet it


def test_a_report_says_how_it_was_shrunk(programs):
    report = simclock.explore(programs.lost_update, strategy="random")

    failure = report.failure
    lengths = [
        len(simclock.Schedule.from_token(token).deviations)
        for token in (failure.found, failure.token)
    ]
    assert lengths[0] > lengths[1] == 1
    assert failure.shrinking.startswith(f"{lengths[0]} choices shrunk to 1 in ")
    assert f"  {failure.shrinking}; reproduced 10/10" in str(report).splitlines()
    with pytest.raises(AssertionError):
        simclock.replay(programs.lost_update, failure.token)


def test_it_can_be_left_as_it_was_found(programs):
    failure = simclock.explore(programs.lost_update, shrink=0).failure

    assert failure.token == failure.found
    assert failure.shrinking == ""
    assert failure.story.startswith("canonical except:")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-1, ValueError, "shrink must be above 0: -1"),
        ("all", TypeError, "shrink must be a whole number, or 0: 'all'"),
    ],
)
def test_a_budget_that_is_none_is_refused(programs, value, error, text):
    with pytest.raises(error, match=text):
        simclock.explore(programs.lost_update, shrink=value)


def test_what_does_not_repeat_is_not_shrunk():
    numbers = SimpleNamespace(run=0)

    def scenario():
        numbers.run += 1
        threads = [threading.Thread(target=lambda: None) for _ in range(numbers.run)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert numbers.run < 3

    failure = simclock.explore(scenario, strategy="random").failure

    assert failure.token == failure.found
    assert (failure.shrinking, failure.story) == ("", "")
    assert failure.reproduced == 0


def test_the_schedule_of_a_shrunk_run_is_the_one_that_was_made(programs):
    found, repeat = failed(programs.lost_update, seed=2)
    shrunk = shrink(found, repeat)

    again = repeat(Follow(shrunk.played.schedule, strict=True))

    assert again.end == shrunk.played.end
