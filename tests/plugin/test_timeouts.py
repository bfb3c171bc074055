"""pytest-timeout beside simclock: its seconds are real ones, and it still stops what hangs."""

from __future__ import annotations

import pytest

WORLDS = {"whole suite": ["--simclock"], "marker": []}

HANGS = {
    "a loop": "while True: pass",
    "a blocking call": "os.eventfd_read(COUNTER)",
}


def body(statement, world, *, fixture="pass", tear_down="pass"):
    marker = "pytest.mark.simclock" if world == "marker" else "[]"
    return f"""
import os, threading, time, pytest

COUNTER = os.eventfd(0)

pytestmark = {marker}

@pytest.fixture
def resource():
    {fixture}
    yield
    {tear_down}

def test_hangs(resource):
    {statement}

def test_after():
    os.close(COUNTER)
    time.sleep(3600)
"""


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("hang", HANGS)
def test_by_signal_it_fails_the_test_and_the_next_one_runs(suite, hang, world):
    result = suite(
        body(HANGS[hang], world), "--timeout=0.3", "--timeout-method=signal", *WORLDS[world]
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_hangs*",
            f">       {HANGS[hang]}*",
            "E   *Failed: Timeout (>0.3s) from pytest-timeout.",
            "simclock: 2 tests in simulated time, 1 h 0 min of it in *",
        ]
    )


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("hang", ["a loop", "a blocking call"])
def test_by_thread_it_ends_the_session_with_all_stacks(pytester, hang, world):
    pytester.makepyfile(test_suite=body(HANGS[hang], world))

    result = pytester.runpytest_subprocess(
        "-p",
        "no:random-order",
        "--timeout=0.5",
        "--timeout-method=thread",
        *WORLDS[world],
        timeout=60,
    )

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*+ Timeout +*", f"*{HANGS[hang]}*"])


@pytest.mark.parametrize("world", WORLDS)
def test_a_loop_that_counts_looks_like_a_computation_and_is_ended_by_thread(pytester, world):
    """The watchdog, whose patience is shorter, lets it go on."""
    loop = "while True: number += 1"
    pytester.makepyfile(test_suite=body(f"number = 0\n    {loop}", world))

    result = pytester.runpytest_subprocess(
        "-p",
        "no:random-order",
        "--timeout=3",
        "--timeout-method=thread",
        "--simclock-watchdog=1",
        *WORLDS[world],
        timeout=60,
    )

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*+ Timeout +*", f"*{loop}*"])
    assert "stalled" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("method", ["signal", "thread"])
@pytest.mark.parametrize("world", WORLDS)
def test_a_virtual_wait_for_ever_needs_no_timeout(suite, method, world):
    result = suite(
        body("threading.Event().wait()", world),
        "--timeout=30",
        f"--timeout-method={method}",
        *WORLDS[world],
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("*Deadlock: *deadlock: 1 thread can never run again*")
    result.stdout.no_fnmatch_line("*Timeout*")


@pytest.mark.parametrize("method", ["signal", "thread"])
@pytest.mark.parametrize("world", WORLDS)
def test_virtual_hours_are_no_timeout(suite, method, world):
    result = suite(
        body("time.sleep(3600)", world),
        "--timeout=30",
        f"--timeout-method={method}",
        *WORLDS[world],
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("phase", ["fixture", "tear_down"])
def test_a_fixture_that_hangs_is_an_error_of_its_phase(suite, phase, world):
    result = suite(
        body("pass", world, **{phase: "while True: pass"}),
        "--timeout=0.3",
        "--timeout-method=signal",
        *WORLDS[world],
    )

    result.assert_outcomes(errors=1, passed=1 if phase == "fixture" else 2)
    when = "setup" if phase == "fixture" else "teardown"
    result.stdout.fnmatch_lines(
        [f"*ERROR at {when} of test_hangs*", "E   *Failed: Timeout (>0.3s) from pytest-timeout."]
    )


def test_the_marker_of_pytest_timeout_counts_real_seconds_too(suite):
    result = suite(
        """
        import time, pytest

        @pytest.mark.timeout(0.3)
        def test_virtual(sim):
            time.sleep(3600)

        @pytest.mark.timeout(0.3, func_only=True)
        def test_real(sim):
            with sim.real_time():
                time.sleep(60)
        """
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("E   *Failed: Timeout (>0.3s) from pytest-timeout.")
