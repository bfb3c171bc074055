"""The bounded search: each schedule once, few preemptions first, and no claim that is not true."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simclock._core.choices import CLOCK, COST, EVENTS, THREAD, Candidate, ChoicePoint
from simclock._strategies.dfs import CUT, DFS


def outcome(ran):
    return ran.failure, tuple(sorted(ran.shared.items())), ran.log


def compare(model, program, *, early=False, seed=0):
    """Run the search to its end beside brute force; return how many schedules there are."""
    expected = {ran.choices: ran for ran in model.brute_force(program, early=early)}
    strategy = DFS(seed)
    runs = list(model.campaign(program, strategy, len(expected) + 1, early=early))
    assert [ran.choices for ran in runs[:1]] == [(0,) * len(runs[0].points)]
    assert len(runs) == len(expected)
    assert {ran.choices: outcome(ran) for ran in runs} == {
        c: outcome(ran) for c, ran in expected.items()
    }
    costs = [model.cost(ran) for ran in runs]
    assert costs == sorted(costs)
    assert strategy.finished
    assert strategy.exhausted
    assert strategy.explored == max(costs)
    return len(runs)


def test_two_threads_of_three_steps_have_twenty_interleavings(model):
    program = {"0": (model.step,) * 3, "1": (model.step,) * 3}
    assert compare(model, program) == 20


@pytest.mark.parametrize("early", [False, True])
def test_clock_and_orders_are_searched_too(model, early):
    program = {
        "0": (model.sleep(2), model.write("x", 1)),
        "1": (model.order(EVENTS, 3), model.order(COST, 2), model.read("x")),
    }
    assert compare(model, program, early=early) > 12


def test_runs_come_in_the_order_of_their_preemptions(model):
    program = {"0": (model.step,) * 2, "1": (model.step,) * 2}
    runs = list(model.campaign(program, DFS(), 100))
    found = [("".join(line[0] for line in ran.log), model.cost(ran)) for ran in runs]
    assert found[0] == ("0011", 0)
    # 1100 is free: nobody runs yet.
    assert found[1] == ("1100", 0)
    assert sorted(found[2:4]) == [("0110", 1), ("1001", 1)]
    assert sorted(found[4:]) == [("0101", 2), ("1010", 2)]


def test_fewer_deviations_come_first_among_equally_many_preemptions(model):
    program = {"0": (model.step,) * 3, "1": (model.step,) * 3, "2": (model.step,) * 2}
    runs = [
        (model.cost(ran), sum(map(bool, ran.choices)))
        for ran in model.campaign(program, DFS(4), 10_000)
    ]
    assert runs == sorted(runs)


NAMES = st.sampled_from("xy")
LOCKS = st.sampled_from("ab")


def operations(model):
    """Sequences of up to three operations; what is locked is released, in any nesting."""
    simple = st.one_of(
        st.builds(model.read, NAMES),
        st.builds(lambda name: model.write(name, lambda register: register + 1), NAMES),
        st.just(model.sleep(1)),
        st.just(model.order(EVENTS, 2)),
        st.just(model.order(COST, 2)),
    )
    flat = st.lists(simple.map(lambda op: (op,)), min_size=1, max_size=2)
    locked = st.builds(
        lambda lock, body: [(model.acquire(lock),), *body, (model.release(lock),)],
        LOCKS,
        st.lists(simple.map(lambda op: (op,)), max_size=1),
    )
    return st.one_of(flat, locked).map(lambda parts: tuple(op for part in parts for op in part))


@pytest.fixture(scope="session")
def programs(model):
    def program(root, child, third):
        threads = {"0": (model.start("0.1"), *root), "0.1": child}
        if third is not None:
            threads["1"] = (model.update(third, lambda value: value + 10),)
        return threads

    return st.builds(program, operations(model), operations(model), st.none() | NAMES)


def test_no_outcome_is_missed_on_generated_programs(model, programs):
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(programs, st.booleans(), st.integers(0, 3))
    def check(program, early, seed):
        compare(model, program, early=early, seed=seed)

    check()


def test_two_locks_in_both_orders_need_one_preemption_to_deadlock(model):
    program = {
        "0": (model.acquire("a"), model.acquire("b"), model.release("b"), model.release("a")),
        "1": (model.acquire("b"), model.acquire("a"), model.release("a"), model.release("b")),
    }
    strategy = DFS()
    found = [(model.cost(ran), ran.failure) for ran in model.campaign(program, strategy, 1_000)]
    assert strategy.exhausted
    assert {failure for spent, failure in found if spent == 0} == {""}
    assert "deadlock" in {failure for spent, failure in found if spent == 1}


@pytest.mark.parametrize(
    ("preemptions", "runs", "exhausted", "explored"),
    [(0, 2, False, 0), (1, 4, False, 1), (2, 6, True, 2), (3, 6, True, 2), (None, 6, True, 2)],
)
def test_a_bound_that_cuts_something_leaves_the_search_finished_and_not_exhausted(
    model, preemptions, runs, exhausted, explored
):
    program = {"0": (model.step,) * 2, "1": (model.step,) * 2}
    strategy = DFS(preemptions=preemptions)
    assert len(list(model.campaign(program, strategy, 100))) == runs
    assert strategy.finished
    assert strategy.exhausted is exhausted
    assert strategy.explored == explored


def test_what_was_explored_is_said_as_it_becomes_true(model):
    program = {"0": (model.step,) * 2, "1": (model.step,) * 2}
    strategy = DFS()
    found = [(strategy.explored, strategy.covered) for _ in model.campaign(program, strategy, 100)]
    none = (0, "every schedule with at most 0 preemptions")
    one = (1, "every schedule with at most 1 preemption")
    two = (2, "every schedule with at most 2 preemptions")
    assert found == [(None, ""), none, none, one, one, two]


def point(bound, *, label=THREAD, preempts=True, clock=False):
    if label != THREAD:
        return ChoicePoint(label, bound)
    paths = [str(number) for number in range(bound)]
    if clock:
        paths[-1] = CLOCK
    return ChoicePoint(THREAD, bound, tuple(Candidate(path, "step", 0) for path in paths), preempts)


def test_every_fault_is_run_and_what_tunes_them_is_not():
    points = [
        ChoicePoint("swarm: kill", 2, odds=0.5, tunes=True),
        ChoicePoint("fault: kill a", 3, odds=0.01),
        ChoicePoint("weight: kill", 101, odds=1.0, tunes=True),
        ChoicePoint("fault: kill b", 2, odds=0.01),
    ]
    strategy = DFS()
    runs = []
    while not strategy.finished:
        runs.append(one_run(strategy, points))
    assert sorted(runs) == [[0, one, 0, other] for one in range(3) for other in range(2)]
    assert strategy.exhausted
    assert strategy.explored == 2
    # Each fault counts as a preemption does, whichever of its ways it is.
    assert [sum(map(bool, choices)) for choices in runs] == [0, 1, 1, 1, 2, 2]


def one_run(strategy, points, *, complete=True):
    strategy.begin()
    choices = [strategy.choose(each) for each in points]
    strategy.end(complete=complete)
    return choices


def test_a_program_without_choices_is_exhausted_after_one_run():
    strategy = DFS()
    assert one_run(strategy, []) == []
    assert (strategy.finished, strategy.exhausted, strategy.explored) == (True, True, 0)


def test_a_program_that_comes_to_other_points_is_never_exhausted():
    strategy = DFS()
    one_run(strategy, [point(2)])
    assert strategy.covered == "every schedule with at most 0 preemptions"
    assert one_run(strategy, [point(3), point(2)]) == [0, 0]
    assert (strategy.finished, strategy.exhausted, strategy.explored) == (True, False, None)
    assert strategy.covered == ""


def test_a_program_that_ends_early_is_never_exhausted():
    strategy = DFS()
    one_run(strategy, [point(2), point(2)])
    one_run(strategy, [])
    while not strategy.finished:
        one_run(strategy, [point(2), point(2)])
    assert (strategy.exhausted, strategy.explored) == (False, None)


def test_a_run_that_was_cut_leaves_a_doubt_for_ever():
    strategy = DFS()
    one_run(strategy, [point(2, preempts=False), point(2)])
    one_run(strategy, [point(2, preempts=False), point(2)])
    assert strategy.explored == 0
    one_run(strategy, [point(2, preempts=False), point(2)], complete=False)
    while not strategy.finished:
        one_run(strategy, [point(2, preempts=False), point(2)])
    assert (strategy.exhausted, strategy.explored) == (False, 0)


def test_a_cut_before_the_run_is_where_it_was_sent_is_no_other_program():
    strategy = DFS()
    one_run(strategy, [point(2, preempts=False)])
    one_run(strategy, [], complete=False)
    assert (strategy.finished, strategy.exhausted, strategy.explored) == (True, False, None)


def test_a_run_that_was_cut_is_branched_from_near_its_start_only():
    strategy = DFS()
    one_run(strategy, [point(2)] * 5 * CUT, complete=False)
    assert sum(len(branch.ways) for branch in strategy._branches) == CUT


@pytest.mark.parametrize(
    ("at", "free"),
    [
        (point(3), 0),
        (point(3, preempts=False), 2),
        (point(3, preempts=False, clock=True), 1),
        (point(3, label=COST), 0),
        (point(3, label=EVENTS), 2),
    ],
)
def test_what_costs_a_preemption(at, free):
    strategy = DFS(preemptions=0)
    one_run(strategy, [at])
    left = sum(len(branch.ways) for branch in strategy._branches)
    assert left == free


def test_a_negative_bound_is_refused():
    with pytest.raises(ValueError, match="preemptions have to be at least 0, or none: -1"):
        DFS(preemptions=-1)
