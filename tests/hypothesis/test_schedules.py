"""What Hypothesis finds by drawing schedules, and what it makes of that."""

from __future__ import annotations

import contextlib
import random
import threading
import time

import pytest
from hypothesis import HealthCheck, assume, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import simclock
from simclock.hypothesis import Deviations, schedules

thorough = settings(
    database=None,
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much],
)


def fails(schedule, scenario, *args):
    try:
        schedule.run(scenario, *args)
    except (AssertionError, simclock.Deadlock):
        return True
    return False


def smallest(strategy, condition, number=0):
    return find(strategy, condition, settings=thorough, random=random.Random(number))


def together(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def sell(stock, orders):
    """Take each order from the stock in a thread of its own, if there is enough left."""
    left = stock
    lock = threading.Lock()

    def take(number):
        nonlocal left
        with lock:
            enough = left >= number
        if enough:
            with lock:
                left -= number

    together(*[lambda number=number: take(number) for number in orders])
    assert left >= 0


def add(numbers):
    """Add numbers up, each in a thread, without a lock."""
    total = 0

    def work(number):
        nonlocal total
        before = total
        time.sleep(0)
        total = before + number

    together(*[lambda number=number: work(number) for number in numbers])
    assert total == sum(numbers)


def lock_in_order(pairs):
    """Own two of three locks at once, one pair after the other in each thread."""
    locks = [threading.Lock() for _ in range(3)]

    def work(first, second):
        with locks[first], locks[second] if first != second else contextlib.nullcontext():
            pass

    together(*[lambda pair=pair: work(*pair) for pair in pairs])


def test_the_simplest_schedule_is_the_canonical_one():
    assert smallest(schedules(), lambda _: True) == Deviations()


def test_what_needs_no_schedule_is_told_with_the_canonical_one():
    found = smallest(
        st.tuples(schedules(), st.integers()), lambda drawn: drawn[0].run(abs, drawn[1]) > 9
    )

    assert found == (Deviations(), 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "data", "minimum"),
    [
        (
            sell,
            st.tuples(st.integers(0, 20), st.lists(st.integers(1, 9), max_size=6)),
            (1, [1, 1]),
        ),
        (add, st.tuples(st.lists(st.integers(0, 9), max_size=6)), ([0, 1],)),
        (
            lock_in_order,
            st.tuples(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=3)),
            ([(0, 1), (1, 0)],),
        ),
    ],
    ids=["sell", "add", "lock in order"],
)
def test_data_and_schedule_are_shrunk_together(scenario, data, minimum):
    """Not from everywhere: Hypothesis deletes and lowers one thing at a time, and may be stuck."""
    both = st.tuples(schedules(), data).map(lambda drawn: (drawn[0], *drawn[1]))

    def found(number):
        # Hypothesis draws constants of the modules that are imported: no seed finds it everywhere.
        with contextlib.suppress(NoSuchExample):
            schedule, *rest = smallest(
                both, lambda each: fails(each[0], scenario, *each[1:]), number
            )
            return tuple(rest), len(schedule.deviations)
        return None

    assert any(found(number) == (minimum, 1) for number in range(8))


def test_the_bug_is_in_the_schedule_and_not_in_the_data():
    assert not fails(Deviations(), sell, 1, [1, 1])
    assert not fails(Deviations(), add, [0, 1])
    assert not fails(Deviations(), lock_in_order, [(0, 1), (1, 0)])


def test_what_has_no_bug_is_not_accused():
    def scenario(orders):
        lock = threading.Lock()
        left = 5

        def take(number):
            nonlocal left
            with lock:
                if left >= number:
                    left -= number

        together(*[lambda number=number: take(number) for number in orders])
        assert left >= 0

    @settings(thorough, max_examples=100)
    @given(st.lists(st.integers(1, 5), max_size=4), schedules())
    def test(orders, schedule):
        schedule.run(scenario, orders)

    test()


def test_hypothesis_says_nothing_of_flakiness_or_health(failure_of):
    @seed(1)
    @settings(database=None, max_examples=1000, deadline=None)
    @given(orders=st.lists(st.integers(1, 9)), schedule=schedules())
    def test(orders, schedule):
        assume(orders)
        with schedule.simulation():
            sell(max(orders), orders)

    error, told = failure_of(test)

    assert type(error) is AssertionError
    assert "orders=[1, 1]" in told
    assert "\nsimclock: Deviations((" in told


def test_an_assumption_inside_of_a_run_is_one():
    runs = []

    @settings(database=None, max_examples=20)
    @given(schedule=schedules())
    def test(schedule):
        def scenario():
            runs.append(schedule)
            time.sleep(1)
            assume(len(runs) % 2)

        schedule.run(scenario)

    test()

    assert len(runs) > 20


def test_a_program_that_is_not_deterministic_is_called_flaky(failure_of):
    runs = []

    @settings(database=None, max_examples=20)
    @given(schedule=schedules())
    def test(schedule):
        runs.append(schedule)
        schedule.run(divmod, 1, len(runs) - 3)

    error, _ = failure_of(test)

    assert "Flaky" in type(error).__name__
