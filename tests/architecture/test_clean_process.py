"""The suite's guard against tests that leave the process changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

# A line that changes the process, and what the report must say about it.
CHANGES = {
    "gc.disable()": "gc enabled: True -> False",
    "gc.set_threshold(7)": "gc thresholds: *",
    "sys.setrecursionlimit(2345)": "recursion limit: * -> 2345",
    "sys.setprofile(lambda *_: None)": "profile function: None -> *",
    "signal.signal(signal.SIGUSR1, print)": "signal SIGUSR1: * -> <built-in function print>",
    "kept.append(open(os.devnull))": "descriptor *: (nothing) -> /dev/null",
    "threading.Thread(target=time.sleep, args=(30,), daemon=True, name='stray').start()": (
        "thread stray (0x*): (nothing) -> alive"
    ),
}


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a directory that is guarded as this suite is."""
    shutil.copy(CONFTEST, pytester.path)
    return pytester


@pytest.mark.slow
def test_each_change_that_is_left_is_an_error(suite):
    suite.makepyfile(
        "import gc, os, signal, sys, threading, time\n"
        "kept = []\n"
        + "".join(f"def test_{n}():\n    {change}\n" for n, change in enumerate(CHANGES))
    )

    result = suite.runpytest_subprocess("-p", "no:xdist")

    # Each test starts from what the one before left: one report for one change.
    result.assert_outcomes(passed=len(CHANGES), errors=len(CHANGES))
    for number, report in enumerate(CHANGES.values()):
        result.stdout.fnmatch_lines(
            [
                f"*ERROR at teardown of test_{number} *",
                "the test left the process changed:",
                f"  {report}",
            ],
            consecutive=True,
        )


def test_a_redirected_built_in_is_an_error(suite):
    """time-machine redirects as simclock does, so it stands in for a forgotten row."""
    suite.makepyfile(
        """
        import time_machine

        def test_changes():
            time_machine.travel(0).start()
        """
    )

    result = suite.runpytest_subprocess("-p", "no:xdist")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["  built-in time.time: * -> *"])


def test_what_is_put_back_or_ends_by_itself_is_fine(suite):
    suite.makepyfile(
        """
        import gc, os, socket, threading, time
        import time_machine

        def test_puts_back():
            gc.disable()
            gc.enable()
            with time_machine.travel(0):
                pass

        def test_leaves_garbage():
            one, other = socket.socketpair()
            cycle = [os.fdopen(one.detach()), os.fdopen(other.detach())]
            cycle.append(cycle)
            [file.close() for file in cycle[:2]]

        def test_leaves_a_thread_about_to_end():
            threading.Thread(target=time.sleep, args=(0.2,)).start()
        """
    )

    result = suite.runpytest_subprocess("-p", "no:xdist")

    result.assert_outcomes(passed=3)


def test_unclean_says_why_a_change_is_let_through(suite):
    suite.makepyfile(
        """
        import gc
        import pytest

        @pytest.mark.unclean("the subject of this test")
        def test_changes():
            gc.disable()
        """
    )

    result = suite.runpytest_subprocess("-p", "no:xdist")

    result.assert_outcomes(passed=1)
