"""When invariants are looked at, on a kernel without a boundary."""

from __future__ import annotations

import sys
import traceback

import pytest

from simclock import LimitReached
from simclock._core.watching import PACKAGE, Watch, traceback_of


@pytest.fixture
def watched(bench):
    """A bench, the watch of its kernel, and a list of the calls of an invariant."""
    b, calls = bench(), []
    b.port.call_user = lambda function: function()
    watch = Watch(b.kernel)
    watch.add("it", "a.py:1", lambda: calls.append(b.now()))
    yield b, watch, calls
    b.kernel.failure, b.kernel.ending = None, False


def fail(kernel):
    kernel.failure = LimitReached("enough")


def end(kernel):
    kernel.ending = True


@pytest.mark.parametrize("over", [fail, end])
def test_nothing_is_looked_at_where_the_run_is_over(watched, over):
    b, watch, calls = watched
    watch.look()
    over(b.kernel)
    watch.look()

    assert calls == [0]


def test_who_has_gone_on_looks_only_if_time_has_passed(watched):
    b, watch, calls = watched
    watch.after_turn()
    watch.after_turn()
    b.kernel.world.now_ns += 10**9
    watch.after_turn()

    assert calls == [0, 1]


def test_a_step_counts_once_where_it_would_be_answered_in_c(watched):
    b, watch, _ = watched
    b.kernel.world.steps_left = 10

    watch.step()
    assert b.kernel.world.steps_left == 9

    b.kernel._choosing = True  # then the checkpoint itself counts
    watch.step()
    assert b.kernel.world.steps_left == 9
    b.kernel._choosing = False


def test_who_is_closed_sees_no_steps_of_tasks(watched):
    b, watch, calls = watched
    b.kernel.trace.add(0, "0", "step", "a")
    watch.close()
    b.kernel.trace.add(0, "0", "step", "b")

    assert calls == [0]


def test_a_traceback_ends_with_the_users_line():
    own = {"sys": sys, "traceback_of": traceback_of}
    source = "def own():\n    return traceback_of(sys._getframe())"
    exec(compile(source, f"{PACKAGE}/made_up.py", "exec"), own)

    frames = [frame for frame, _ in traceback.walk_tb(own["own"]())]
    assert frames[-1].f_code.co_name == "test_a_traceback_ends_with_the_users_line"
