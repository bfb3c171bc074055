"""Whether a program repeats: the first difference of two runs, and where that may come from."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time

import pytest

import simclock
from simclock._core.trace import Record, Trace
from simclock._explore.checking import OF_LENGTH, OF_ORDER, OF_TASKS, OF_TIME, difference

# --------------------------------------------------------------------- programs that repeat


def test_a_program_that_repeats_passes(programs):
    assert simclock.check(programs.no_update_lost) is None
    assert simclock.check(programs.lost_update, runs=20) is None


def test_a_program_that_fails_in_the_same_way_repeats():
    def scenario():
        time.sleep(1)
        raise ValueError

    assert simclock.check(scenario) is None


def test_what_the_seed_reaches_repeats():
    def scenario():
        time.sleep(random.random())
        time.sleep(random.SystemRandom().random())
        names = list({f"name {number}" for number in range(9)})
        simclock.active().checkpoint(f"{len(names)} names")

    assert simclock.check(scenario) is None


# --------------------------------------------- three different results under one seed, and more


def counter_in_a_global():
    counter = iter(range(1, 100))
    return lambda: time.sleep(next(counter))


def generator_made_before():
    made = random.Random(3)
    return lambda: time.sleep(1 + made.random())


def system_random_made_before():
    """Its numbers are the simulation's, but what it was asked before it is not."""
    drawn = random.SystemRandom()
    pool = [drawn.random() for _ in range(100)]
    return lambda: time.sleep(1 + pool.pop())


def durations_by_id():
    kept = []

    def scenario():
        kept.append([object() for _ in range(1000)])
        time.sleep(1 + id(kept[-1][-1]) % 1_000_003)

    return scenario


DURATIONS = [
    counter_in_a_global,
    generator_made_before,
    system_random_made_before,
    durations_by_id,
]


@pytest.mark.parametrize("make", DURATIONS)
def test_a_duration_that_differs_is_found(make):
    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(make())

    title, first, second, source = str(caught.value).splitlines()
    assert title == "two runs of one schedule differ at step 1"
    assert first.startswith("  first:  at 100") or make is durations_by_id
    assert first.endswith(" s, thread -: jump")
    assert second.endswith(" s, thread -: jump")
    assert source == f"likely source: {OF_TIME}"


def test_where_the_first_difference_is_comes_with_both_runs():
    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(counter_in_a_global())

    assert str(caught.value).splitlines()[1:3] == [
        "  first:  at 1002.000000000 s, thread -: jump",
        "  second: at 1003.000000000 s, thread -: jump",
    ]


def test_a_difference_in_the_third_run_is_found():
    runs = iter([1, 1, 2])
    with pytest.raises(simclock.Divergence):
        simclock.check(lambda: time.sleep(next(runs)))

    runs = iter([1, 1])
    assert simclock.check(lambda: time.sleep(next(runs)), runs=2) is None


def test_an_order_by_address_is_found():
    class Plain:
        pass

    kept = []

    def scenario():
        numbers = {Plain(): number for number in range(50)}
        kept.append(numbers)
        for each in sorted(numbers, key=lambda each: id(each) * 2654435761 % 2**32):
            simclock.active().checkpoint(str(numbers[each]))

    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(scenario)

    title, first, second, source = str(caught.value).splitlines()
    assert title.startswith("two runs of one schedule differ at step ")
    assert first.startswith("  first:  at 1000.000000000 s, thread 0: mark ")
    assert second.startswith("  second: at 1000.000000000 s, thread 0: mark ")
    assert source == f"likely source: {OF_ORDER}"


def test_a_run_that_is_longer_is_found():
    lengths = iter([1, 1, 2])

    def scenario():
        for _ in range(next(lengths)):
            simclock.active().checkpoint("again")

    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(scenario)

    assert str(caught.value).splitlines() == [
        "two runs of one schedule differ at step 1",
        "  first:  nothing more",
        "  second: at 1000.000000000 s, thread 0: mark again",
        f"likely source: {OF_LENGTH}",
    ]


def test_another_order_of_tasks_is_found():
    orders = iter(["ab", "ba", "ab"])

    async def scenario():
        async def task():
            pass

        tasks = [asyncio.create_task(task(), name=name) for name in next(orders)]
        await asyncio.gather(*tasks)

    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(scenario)

    assert str(caught.value).splitlines()[-1] == f"likely source: {OF_TASKS}"


def test_other_choice_points_are_found_too():
    threads = iter([1, 1, 2])

    def scenario():
        for _ in range(next(threads)):
            threading.Thread(target=simclock.active().checkpoint).start()
        simclock.active().checkpoint()

    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(scenario)

    lines = str(caught.value).splitlines()
    assert lines[0].startswith("two runs of one schedule differ at step ")
    assert lines[3] == f"likely source: {OF_ORDER}"
    assert lines[4].startswith("the run does not follow its schedule, at ")


def test_other_choice_points_are_found_where_the_trace_is_the_same():
    """Readings of the clock are in no trace."""
    readings = iter([1, 2])

    def scenario():
        for _ in range(next(readings)):
            time.monotonic()

    report = simclock.explore(scenario, strategy="canonical")

    assert report.verdict == "inconclusive"
    assert report.evidence.differences == (
        (
            "the run does not follow its schedule, at the end of the run\n"
            "  expected: 1 choice points\n"
            "  found: 2 choice points\n"
            "replay it with the code and the Python that it was made with, or tolerantly"
        ),
    )


def test_another_end_with_the_same_trace_is_found():
    ends = iter([0, 0, 1])

    def scenario():
        assert next(ends) == 0

    with pytest.raises(simclock.Divergence) as caught:
        simclock.check(scenario)

    line = scenario.__code__.co_firstlineno + 1
    assert str(caught.value).splitlines() == [
        f"two runs of one schedule ended differently: passed, AssertionError {__file__}:{line}",
        f"likely source: {OF_LENGTH}",
    ]


def test_another_error_is_another_end():
    errors = iter([KeyError, ValueError])

    def scenario():
        raise next(errors)

    with pytest.raises(simclock.Divergence, match=r"ended differently: KeyError .*, ValueError "):
        simclock.check(scenario)


# ------------------------------------------------------------------------- in searches


@pytest.mark.parametrize("make", DURATIONS)
def test_a_search_repeats_its_first_run(make):
    report = simclock.explore(make(), runs=5, strategy="random")

    assert report.verdict == "inconclusive"
    assert not report.exhausted
    (found,) = report.evidence.differences
    assert found.splitlines()[-1] == f"likely source: {OF_TIME}"
    lines = str(report).splitlines()
    assert "  not deterministic: two runs of one schedule differ at step 1" in lines
    assert f"    likely source: {OF_TIME}" in lines


def test_a_search_repeats_its_tenth_and_hundredth_run(programs):
    """Not the others: a repetition costs as much as a run."""
    calls = []

    def scenario():
        calls.append(simclock.active())
        programs.no_update_lost()

    # How many times the function is called up to that run.
    counts = []
    for runs in (1, 2, 9, 10, 99, 100, 101):
        calls.clear()
        simclock.explore(scenario, runs=runs, strategy="random")
        counts.append((runs, len(calls)))

    assert counts == [(1, 2), (2, 3), (9, 10), (10, 12), (99, 101), (100, 103), (101, 104)]


def test_a_failure_that_does_not_happen_again_says_so():
    results = iter([False, True, True, False, *[True] * 100])

    def scenario():
        time.sleep(1)
        assert next(results)

    report = simclock.explore(scenario, runs=10)

    assert report.verdict == "failed"
    assert (report.failure.reproduced, report.failure.repetitions) == (1, 10)
    line = scenario.__code__.co_firstlineno + 2
    assert str(report).splitlines()[1:4] == [
        "  reproduced 1/10",
        f"  two runs of one schedule ended differently: AssertionError {__file__}:{line}, passed",
        f"  likely source: {OF_LENGTH}",
    ]


# -------------------------------------------------------------------- two traces, as data


def trace(*records):
    made = Trace()
    for record in records:
        made.add(*record)
    return made


SLEEP = (1000, "0", "park", "sleep shop.py:3")


def test_equal_traces_have_no_difference():
    assert difference(trace(SLEEP), trace(SLEEP)) == ""


@pytest.mark.parametrize(
    ("one", "other", "source"),
    [
        (SLEEP, (1001, *SLEEP[1:]), OF_TIME),
        (SLEEP, (1000, "", "jump", ""), OF_TIME),
        ((1000, "", "jump", ""), SLEEP, OF_TIME),
        ((1000, "0", "step", "a"), (1000, "0", "step", "b"), OF_TASKS),
        ((1000, "0", "step", "a"), SLEEP, OF_TASKS),
        (SLEEP, (1000, "0", "park", "sleep shop.py:4"), OF_ORDER),
        (SLEEP, (1000, "0.1", "park", "sleep shop.py:3"), OF_ORDER),
    ],
)
def test_the_kind_of_the_difference_says_where_it_may_come_from(one, other, source):
    found = difference(trace(SLEEP, one, SLEEP), trace(SLEEP, other))

    assert found.splitlines()[0] == "two runs of one schedule differ at step 1"
    assert found.splitlines()[-1] == f"likely source: {source}"


def test_what_is_not_controlled_is_the_likeliest_source():
    found = difference(trace(SLEEP), trace(), ["a foreign thread"])

    assert found.splitlines() == [
        "two runs of one schedule differ at step 0",
        "  first:  at 0.000001000 s, thread 0: park sleep shop.py:3",
        "  second: nothing more",
        "likely source: what is not controlled: a foreign thread",
    ]


def test_steps_are_counted_from_the_beginning_of_long_runs(monkeypatch):
    monkeypatch.setattr(Trace, "KEPT", 10)
    one, other = [trace(*[SLEEP] * 5000, (1001, "0", "end", each)) for each in "ab"]

    assert difference(one, other).splitlines()[0] == "two runs of one schedule differ at step 5000"
    assert one.records[0] == Record(*SLEEP)


def test_a_difference_before_what_is_kept_is_told_too(monkeypatch):
    monkeypatch.setattr(Trace, "KEPT", 10)
    one, other = [trace((1000, "0", "mark", each), *[SLEEP] * 5000) for each in "ab"]

    assert difference(one, other).splitlines() == [
        "two runs of one schedule differ, before the last steps, which are kept",
        f"likely source: {OF_ORDER}",
    ]


def test_three_results_under_one_seed_are_found():
    unseeded = random.Random()

    with pytest.raises(simclock.Divergence, match="two runs of one schedule returned different: "):
        simclock.check(unseeded.random)


def test_results_may_be_nested_data():
    numbers = itertools.count()

    with pytest.raises(simclock.Divergence, match=r"different: \{'found': \(0, \[\]\)\}, "):
        simclock.check(lambda: {"found": (next(numbers), [])})


@pytest.mark.parametrize("make", [object, lambda: [object()], lambda: {"found": object()}])
def test_what_is_no_plain_data_is_not_compared(make):
    assert simclock.check(make) is None


def test_what_only_the_first_run_does_is_no_difference():
    cache = {}

    def scenario():
        if not cache:
            time.sleep(1)
            cache["filled"] = True

    assert simclock.check(scenario) is None
    assert simclock.explore(scenario, runs=3, strategy="random").verdict == "passed"
    cache.clear()
    assert simclock.explore(scenario, runs=3, strategy="random").verdict == "passed"
