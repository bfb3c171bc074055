"""A schedule as data: what it makes of a run, and what is said about it."""

from __future__ import annotations

import asyncio
import re
import threading
import time

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import simclock
from simclock.hypothesis import Deviations, drawn, following, schedules

# Made here, so that no test depends on what another one has remembered.
quick = settings(database=None, max_examples=5, derandomize=True)


def order():
    """Return the order in which two threads get a lock that the first of them is to have."""
    log = []
    lock = threading.Lock()

    def work(name):
        with lock:
            log.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return log


# When the first of the two begins, the main thread goes on instead.
SWAPPED = Deviations((0, 0, 1))


def test_without_deviations_a_run_is_the_canonical_one():
    assert Deviations().run(order) == simclock.run(order) == ["a", "b"]


def test_a_deviation_lets_another_thread_go_on():
    assert SWAPPED.run(order) == ["b", "a"]
    with SWAPPED.simulation(seed=7) as simulation:
        assert order() == ["b", "a"]
    assert simulation.seed == 7


def test_a_choice_that_is_too_large_starts_again_with_the_first():
    assert Deviations((0, 0, 2)).run(order) == ["b", "a"]


def test_what_the_run_does_not_come_to_is_left_out():
    assert Deviations((0, 999, 1), (7, 0, 1)).run(order) == ["a", "b"]


@pytest.mark.parametrize("further", [0, 1, 5])
def test_points_are_counted_for_each_thread(further):
    def scenario():
        log = []
        lock = threading.Lock()

        def first():
            with lock:
                log.append("first")
            with lock:
                log.append("again")

        def second():
            with lock:
                log.append("second")

        threads = [threading.Thread(target=each) for each in (first, second)]
        for each in threads:
            each.start()
        for _ in range(further):
            with lock:
                pass
        for each in threads:
            each.join()
        return log

    assert Deviations().run(scenario) == ["first", "again", "second"]
    # Whatever the main thread does.
    assert Deviations((0, 2, 1)).run(scenario) == ["first", "second", "again"]


def test_arguments_and_options_are_those_of_run():
    assert Deviations().run(divmod, 7, 2, epoch=0.0) == (3, 1)


def test_coroutines_are_run_as_by_run():
    async def main():
        await asyncio.sleep(1)
        return "done"

    assert Deviations().run(asyncio.run, main()) == "done"
    with pytest.raises(TypeError, match=r"simclock.run\(asyncio.run, main\(\)\)"):
        Deviations().run(main)


# ------------------------------------------------------------------------ as a value


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Deviations(), "Deviations()"),
        (Deviations((1, 0, 2), (0, 3, 1)), "Deviations((0, 3, 1), (1, 0, 2))"),
        (Deviations(latency=0), "Deviations(latency=0)"),
        (
            Deviations((0, 3, 1), fidelity="chaos"),
            "Deviations((0, 3, 1), fidelity='chaos')",
        ),
    ],
)
def test_the_repr_makes_an_equal_one(made, said):
    again = eval(repr(made))

    assert repr(made) == said
    assert (again, hash(again)) == (made, hash(made))
    assert again.deviations == made.deviations


def test_different_ones_are_not_equal():
    assert len({Deviations(), Deviations((0, 3, 1)), Deviations(latency=0)}) == 3
    assert Deviations() != ()


@pytest.mark.parametrize("wrong", [(0, 1), (0, 0, 0), (-1, 0, 1), (0, -1, 1), 3, ("0", 1, 1)])
def test_what_is_no_deviation_is_refused(wrong):
    with pytest.raises(
        ValueError,
        match=f"^this is no deviation: {re.escape(repr(wrong))}\ngive \\(thread, point, choice\\)",
    ):
        Deviations(wrong)


def test_two_choices_at_one_point_are_refused():
    with pytest.raises(ValueError, match=r"^two deviations at one choice point: "):
        Deviations((0, 1, 1), (0, 1, 2))


@pytest.mark.parametrize("make", [Deviations, schedules])
def test_fidelity_and_latency_are_those_of_a_search(make):
    with pytest.raises(ValueError, match=r"^unknown fidelity: 'real'\nchoose one of legal, chaos"):
        make(fidelity="real")
    with pytest.raises(ValueError, match=r"^latency is out of range: -1"):
        make(latency=-1)


def test_the_latency_says_how_far_the_clock_may_move():
    def scenario():
        threading.Thread(target=time.sleep, args=(0.01,)).start()
        time.sleep(0.001)
        time.sleep(0)
        return time.monotonic()

    def ends(latency):
        return {
            Deviations((thread, point, choice), latency=latency).run(scenario)
            for thread in range(2)
            for point in range(5)
            for choice in (1, 2)
        }

    assert ends(0) == {1000.001}
    assert {1000.001, 1000.01} <= ends(0.1)


def test_the_fidelity_says_whether_tasks_have_an_order():
    async def main():
        log = []

        async def work(name):
            log.append(name)

        await asyncio.gather(*map(work, "ab"))
        return log

    def orders(fidelity):
        return {
            "".join(Deviations((thread, 0, 1), fidelity=fidelity).run(asyncio.run, main()))
            for thread in range(3)
        }

    assert orders("legal") == {"ab"}
    assert orders("chaos") == {"ab", "ba"}


def test_a_block_is_used_once():
    before = threading.excepthook
    block = SWAPPED.simulation()
    with block:
        order()

    with pytest.raises(RuntimeError), block:
        pass
    assert threading.excepthook is before
    assert simclock.active() is None


def test_a_run_is_recorded_for_runners_of_tests():
    block, schedule = SWAPPED.recording(seed=7)
    with block as simulation:
        assert order() == ["b", "a"]

    assert simulation.seed == schedule().seed == 7
    with following(schedule()):
        assert order() == ["b", "a"]


# ---------------------------------------------------------------------- what is raised


def test_what_a_thread_raises_fails_the_run():
    def scenario():
        threading.Thread(target=[].pop).start()

    with pytest.raises(IndexError, match="pop from empty list"):
        Deviations().run(scenario)


def test_what_a_thread_raised_is_the_cause_of_what_came_of_it():
    def scenario():
        threading.Thread(target=[].pop).start()
        threading.Event().wait()

    with pytest.raises(simclock.Deadlock) as caught:
        Deviations().run(scenario)
    assert isinstance(caught.value.__cause__, IndexError)


def test_nor_is_it_lost_where_the_end_of_the_block_finds_something():
    with pytest.raises(simclock.Leak) as caught, Deviations().simulation():
        threading.Thread(target=[].pop).start()
        threading.Thread(target=threading.Event().wait).start()
    assert isinstance(caught.value.__cause__, IndexError)
    assert simclock.active() is None


def test_a_failure_tells_the_token_of_its_run(failure_of):
    @quick
    @example(schedule=SWAPPED)
    @given(schedule=schedules())
    def test(schedule):
        assert schedule.run(order) == ["a", "b"]

    def scenario():
        assert order() == ["a", "b"]

    _, told = failure_of(test)

    (token,) = re.findall(r"^simclock: Deviations\(\(0, 0, 1\)\), token (\S+)$", told, re.MULTILINE)
    with pytest.raises(AssertionError):
        simclock.replay(scenario, token)


def test_outside_of_hypothesis_nothing_is_told(capsys):
    with pytest.raises(ZeroDivisionError):
        Deviations().run(divmod, 1, 0)

    assert capsys.readouterr() == ("", "")


# ------------------------------------------------------------------- for runners of tests


def test_an_example_that_is_drawn_has_a_schedule_and_an_explicit_one_has_none():
    found = []

    @settings(quick, max_examples=30)
    @example(number=1)
    @given(number=st.integers())
    def test(number):
        found.append(drawn(fidelity="chaos", latency=0))
        event("it still works")

    test()

    assert found[0] is None
    assert found[1] == Deviations(fidelity="chaos", latency=0)
    assert len(found) > 6
    assert any(each.deviations for each in found[1:])


def test_a_schedule_can_be_followed():
    def scenario():
        assert order() == ["a", "b"]

    token = simclock.explore(scenario).failure.token
    schedule = simclock.Schedule.from_token(token)

    with following(schedule, seed=99) as simulation:
        assert order() == ["b", "a"]
    assert simulation.seed == schedule.seed

    with pytest.raises(simclock.Divergence), following(schedule):
        pass
    with following(schedule, strict=False):
        pass
