"""Random asyncio programs do the same on the stock loop, on ours, and on ours by itself.

`./dev asyncprograms` runs thousands.
"""

from __future__ import annotations

import sys

import pytest

from simclock import SimEventLoop

EACH = 30


pytestmark = pytest.mark.usefixtures("modules_of", "frozen_heap")


@pytest.fixture
def log_of():
    """Run a program on all loops; return its log as lines of text."""
    from tools.asyncprograms.comparing import check
    from tools.asyncprograms.program import Program
    from tools.asyncprograms.running import simulate

    def run(*bodies, options=frozenset()):
        program = Program(0, bodies, options)
        assert check(program) == ""
        return [str(line) for line in simulate(program, SimEventLoop).log]

    return run


@pytest.mark.parametrize(
    "first",
    [0, EACH, *(pytest.param(each, marks=pytest.mark.slow) for each in range(2 * EACH, 150, EACH))],
)
def test_random_programs_do_the_same_on_each_loop(first):
    from tools.asyncprograms.comparing import check
    from tools.asyncprograms.drawing import draw

    assert [check(draw(seed)) for seed in range(first, first + EACH)] == [""] * EACH


@pytest.mark.parametrize(
    "name",
    [
        "LastFirst",
        "EqualInReverse",
        "LateByABit",
        "TimersFirst",
        "ForgetsContexts",
        "WakesLate",
    ],
)
def test_a_broken_loop_is_found_within_few_programs(name):
    from tools.asyncprograms import broken
    from tools.asyncprograms.comparing import check
    from tools.asyncprograms.drawing import draw

    assert any(check(draw(seed), getattr(broken, name)) for seed in range(60))


@pytest.mark.slow
def test_a_program_that_fails_is_made_smaller():
    from tools.asyncprograms.broken import EqualInReverse
    from tools.asyncprograms.comparing import check
    from tools.asyncprograms.drawing import draw
    from tools.asyncprograms.reducing import reduce

    program = next(each for each in map(draw, range(40)) if check(each, EqualInReverse))
    small = reduce(program, lambda smaller: bool(check(smaller, EqualInReverse)))
    assert len(list(small.steps())) <= 4


def test_equal_deadlines_come_in_arming_order(log_of):
    from tools.asyncprograms.program import body, step

    assert log_of(
        body(step("call_later", 1), step("sleep", 1)),
        body(step("sleep", 0.5), step("call_later", 0.5), step("sleep", 0.5)),
        body(step("call_later", 1)),
    ) == [
        "0 t.1: call_later: armed",
        "0 t.3: call_later: armed",
        "0.5 t.2: sleep: slept",
        "0.5 t.2: call_later: armed",
        "1 t.1/later1: called t.1",
        "1 t.3/later2: called t.3",
        "1 t.2/later3: called t.2",
        "1 t.1: sleep: slept",
        "1 t.2: sleep: slept",
        "1 task 0: at last: 't.1'",
        "1 task 1: at last: 't.2'",
        "1 task 2: at last: 't.3'",
    ]


def test_what_a_thread_asks_for_comes_before_what_is_due_then(log_of):
    from tools.asyncprograms.program import body, step

    assert log_of(
        body(step("sleep_in_a_thread", 1)),
        body(step("sleep", 1)),
        body(step("start_thread", body(step("thread_sleep", 1), step("thread_call_soon")))),
    ) == [
        "0 t.3: start_thread: thread1",
        "1 thread1: thread_sleep: None",
        "1 thread1: thread_call_soon: armed",
        "1 thread1/soon1: called unset",
        "1 t.1: sleep_in_a_thread: None",
        "1 t.2: sleep: slept",
        "1 task 0: at last: 't.1'",
        "1 task 1: at last: 't.2'",
        "1 task 2: at last: 't.3'",
    ]


def test_a_timer_that_is_due_already_comes_before_a_thread_that_could_go_on(log_of):
    """The loop does not wait for it, and only who waits lets others run."""
    from tools.asyncprograms.program import body, step

    turns = body(step("call_in_turn", 3, 0))
    assert log_of(body(step("start_thread", body(step("thread_run", 1.5, False, turns))))) == [
        "0 t.1: start_thread: thread1",
        "0 thread1.1: call_in_turn: armed",
        "0 thread1.1/turn1: called thread1.1 3",
        "0 thread1.1/turn1: called thread1.1 2",
        "0 thread1.1/turn1: called thread1.1 1",
        "0 thread1.1/turn1: called thread1.1 0",
        "0 thread1: thread_run: thread1.1",
        "0.5 task 0: at last: 't.1'",
        "0.5 task 1: at last: 'thread1.1'",
    ]


def test_a_timeout_while_the_loop_is_blocked_comes_late(log_of):
    from tools.asyncprograms.program import body, step

    assert log_of(
        body(step("wait_for", 1, body(step("sleep", 3)))),
        body(step("sleep", 0.5), step("block", 2)),
    ) == [
        "0.5 t.2: sleep: slept",
        "2.5 t.2: block: None",
        "2.5 t.1.1: sleep: CancelledError()",
        "2.5 t.1: wait_for: TimeoutError()",
        "2.5 task 0: at last: 't.1'",
        "2.5 task 1: at last: 't.2'",
    ]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup is new in 3.11")
def test_a_group_cancels_its_tasks_in_an_order_that_repeats(log_of):
    from tools.asyncprograms.program import body, step

    assert log_of(
        body(
            step(
                "group",
                body(step("sleep", 2)),
                body(step("sleep", 3)),
                body(step("sleep", 1), step("fail", 7)),
                body(step("sleep", 3)),
            )
        ),
    ) == [
        "1 t.1.2: sleep: slept",
        "1 t.1.2: fail: raises Fault(7)",
        "1 t.1.1: sleep: CancelledError()",
        "1 t.1.3: sleep: CancelledError()",
        "1 t.1: sleep: CancelledError()",
        "1 t.1: group: raises ExceptionGroup(unhandled errors in a TaskGroup (1 sub-exception)Fault(7))",
        "1 task 0: at last: raised ExceptionGroup(unhandled errors in a TaskGroup (1 sub-exception)Fault(7))",
        "1 task 1: at last: cancelled",
        "1 task 2: at last: raised Fault(7)",
        "1 task 3: at last: cancelled",
    ]
