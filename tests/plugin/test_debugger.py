"""The debugger in simulated tests: it stops where it always does, and time stands still there."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

WORLDS = {"whole suite": ["--simclock"], "marker": []}


@pytest.fixture
def typed(pytester):
    """Return a function that runs a suite while somebody types, slowly, and returns its output."""

    def run(text, *arguments, lines, pause=0.0):
        pytester.makepyfile(test_suite=text)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as child:
            for line in lines:
                time.sleep(pause)
                child.stdin.write(f"{line}\n".encode())
                child.stdin.flush()
            out, _ = child.communicate(timeout=60)
        return pytest.LineMatcher(out.decode().splitlines()), child.returncode

    return run


def body(text, world):
    marker = "pytest.mark.simclock" if world == "marker" else "[]"
    return f"import threading, time, pytest\npytestmark = {marker}\n{text}"


@pytest.mark.parametrize("world", WORLDS)
def test_pdb_opens_where_a_test_fails_and_can_run_its_code(typed, world):
    shown, status = typed(
        body(
            """
def test_fails():
    local = "seen"
    assert local == "other"

def test_after():
    time.sleep(3600)
""",
            world,
        ),
        "--pdb",
        *WORLDS[world],
        lines=["p local * 2", "p time.gmtime().tm_year > 2020", "c"],
    )

    assert status == 1
    shown.fnmatch_lines(
        [
            "E       AssertionError: assert 'seen' == 'other'",
            "*entering PDB*",
            "*test_suite.py(*)test_fails()",
            '-> assert local == "other"',
            "(Pdb) 'seenseen'",
            # The test is over: pytest asks outside of it.
            "(Pdb) True",
            "simclock: 2 tests in simulated time, 1 h 0 min of it in *",
            "*1 failed, 1 passed in *",
        ]
    )


def test_pdb_opens_where_the_kernel_found_a_deadlock(typed):
    shown, status = typed(
        body(
            """
def test_fails():
    number = 7
    threading.Event().wait()
""",
            "marker",
        ),
        "--pdb",
        lines=["up", "up", "p number", "q"],
    )

    assert status == 2
    shown.fnmatch_lines(
        ["*deadlock: 1 thread can never run again*", "*entering PDB*", "(Pdb) 7", "*Quitting*"]
    )


def test_at_a_prompt_the_functions_of_time_tell_the_real_time(typed):
    shown, status = typed(
        body(
            """
def test(sim):
    time.sleep(60)
    breakpoint()
""",
            "marker",
        ),
        lines=["p sim.elapsed", "p time.time() > 1.6e9", "c"],
    )

    assert status == 0
    shown.fnmatch_lines(["(Pdb) 60.0", "(Pdb) True"])


@pytest.mark.parametrize("world", WORLDS)
def test_a_breakpoint_waits_for_slow_typing_while_virtual_time_stands_still(typed, world):
    shown, status = typed(
        body(
            """
def test():
    begin = time.monotonic()
    late = []
    threading.Timer(0.5, late.append, [1]).start()
    breakpoint()
    assert not late
    assert time.monotonic() - begin < 0.01
    time.sleep(1)
    assert late == [1]
    breakpoint()
""",
            world,
        ),
        "--simclock-watchdog=0.5",
        *WORLDS[world],
        lines=["p 'typed' + ' slowly'", "c", "n", "c"],
        pause=0.8,
    )

    assert status == 0
    shown.fnmatch_lines(["*PDB set_trace*", "*test_suite.py(*)test()", "(Pdb) 'typed slowly'"])
    shown.fnmatch_lines("*1 passed in *")


def test_quitting_at_a_breakpoint_ends_the_session_and_tears_down(typed):
    shown, status = typed(
        body(
            """
@pytest.fixture(scope="module")
def wide():
    yield
    print("the wide one is torn down")

@pytest.fixture
def own():
    yield
    print("its own is torn down")

def test_quits(wide, own, sim):
    breakpoint()

def test_after(sim):
    pass
""",
            "marker",
        ),
        "-s",
        lines=["q"],
    )

    assert status == 2
    shown.fnmatch_lines(
        ["*its own is torn down", "*the wide one is torn down", "*Exit: Quitting debugger*"]
    )


@pytest.mark.parametrize("world", WORLDS)
def test_trace_stops_at_the_start_of_each_test(typed, world):
    shown, status = typed(
        body(
            """
def test_one():
    time.sleep(3600)

def test_two():
    pass
""",
            world,
        ),
        "--trace",
        *WORLDS[world],
        lines=["c", "c"],
    )

    assert status == 0
    shown.fnmatch_lines(
        ["*PDB runcall*", "-> time.sleep(3600)", "*PDB runcall*", "-> pass", "*2 passed in *"]
    )
