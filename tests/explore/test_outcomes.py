"""Sets of outcomes: all that a scenario returns or raises under some schedule."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import pytest

import simclock


def lost_update():
    box = [0]

    def add():
        before = box[0]
        time.sleep(0)
        box[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return box[0]


def lock_order():
    locks = [threading.Lock(), threading.Lock()]

    def take(first, second):
        with first:
            time.sleep(0)
            with second:
                pass

    threads = [
        threading.Thread(target=take, args=order) for order in (locks, list(reversed(locks)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "done"


def test_all_results_are_found():
    found = simclock.outcomes(lost_update, runs=100)

    assert set(found) == {1, 2}
    assert (found.returned, found.raised) == ({1, 2}, frozenset())
    assert sum(each.runs for each in found.values()) == found.evidence.runs == 100
    assert next(iter(found.values())).first == 1
    assert len(found) == 2


def test_each_result_can_be_seen_again():
    for result, outcome in simclock.outcomes(lost_update, runs=100).items():
        again = []
        simclock.replay(lambda: again.append(lost_update()), outcome.token)  # noqa: B023

        assert again == [result]


def test_a_failure_is_an_outcome_and_the_search_goes_on():
    found = simclock.outcomes(lock_order, runs=100)

    assert set(found) == {"done", simclock.Deadlock}
    assert found.raised == {simclock.Deadlock}
    assert isinstance(found[simclock.Deadlock].error, simclock.Deadlock)
    assert found["done"].error is None
    assert found.evidence.runs == 100
    with pytest.raises(simclock.Deadlock):
        simclock.replay(lock_order, found[simclock.Deadlock].token)


@pytest.mark.slow
def test_every_outcome_there_is():
    found = simclock.outcomes(lost_update, strategy="dfs", latency=0, runs=5000)

    assert found.exhausted
    assert set(found) == {1, 2}
    assert not simclock.outcomes(lost_update, runs=3).exhausted


def test_a_run_that_a_limit_has_ended_is_one():
    def scenario():
        while True:
            time.sleep(1)

    found = simclock.outcomes(scenario, runs=2, max_time=5)

    assert set(found) == {simclock.LimitReached}
    assert found.evidence.doubts


def test_a_coroutine_function_is_a_scenario():
    async def scenario():
        await asyncio.sleep(1)
        return "slept"

    assert set(simclock.outcomes(scenario, runs=2)) == {"slept"}


@pytest.mark.parametrize(
    ("result", "key"),
    [
        (None, None),
        ([1, [2]], (1, (2,))),
        ((1, "a"), (1, "a")),
        ({1, 2}, frozenset({1, 2})),
        ({"a": [1]}, frozenset({("a", (1,))})),
    ],
)
def test_what_is_returned_is_a_key(result, key):
    assert list(simclock.outcomes(lambda: result, runs=1)) == [key]


def test_the_order_in_which_a_dictionary_is_filled_is_no_outcome():
    def scenario():
        found = {}
        threads = [
            threading.Thread(target=found.__setitem__, args=(key, [key])) for key in ("a", "b")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    assert set(simclock.outcomes(scenario, runs=50)) == {frozenset({("a", ("a",)), ("b", ("b",))})}


@pytest.mark.parametrize("name", ["shrink", "corpus", "resume", "executor", "choices", "run"])
def test_an_option_that_there_is_not_is_refused(name):
    with pytest.raises(
        TypeError, match=rf"^outcomes\(\) has no option '{name}'\nchoose one of runs, "
    ):
        simclock.outcomes(lost_update, **{name: 3})


def test_an_option_of_the_simulation_is_none_too_many():
    assert set(simclock.outcomes(lost_update, runs=1, max_time=5, step_cost=0)) == {2}


def test_what_is_no_plain_data_is_refused():
    with pytest.raises(TypeError, match=r"the scenario returned what is no plain data: <queue"):
        simclock.outcomes(queue.Queue, runs=1)


def test_what_is_no_scenario_is_refused():
    with pytest.raises(TypeError, match="this is no scenario: 3"):
        simclock.outcomes(3)


def test_what_differs_from_its_repetition_is_told():
    calls = []

    def scenario():
        calls.append(1)
        time.sleep(len(calls))

    assert (
        "two runs of one schedule differ" in simclock.outcomes(scenario, runs=10).evidence.doubts[0]
    )


def test_statements_are_counted():
    from simclock.predicates import sometimes

    found = simclock.outcomes(lambda: sometimes(False, "it rains"), runs=3, strategy="random")

    assert [each.asked for each in found.evidence.predicates] == [3]


def test_a_text_of_them():
    text = str(simclock.outcomes(lock_order, runs=100)).splitlines()

    assert text[0] == "2 outcomes:"
    assert text[1].startswith("  'done': ")
    assert text[2].startswith("  Deadlock was raised: ")
    assert "first in run " in text[2]
    assert text[3].startswith("  100 runs by strategy portfolio, ")
    assert repr(simclock.outcomes(lambda: 3, runs=2, strategy="random")) == "<Outcomes {3: 2}>"
    assert str(simclock.outcomes(lambda: 3, runs=2)).startswith("1 outcome:\n  3: ")
