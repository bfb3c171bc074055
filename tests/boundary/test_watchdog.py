"""What the watchdog leaves alone, and what it can only report."""

from __future__ import annotations

import os
import threading
import time

import pytest

import simclock
from simclock._boundary import watchdog

PAUSE = 0.05  # of real seconds; the watchdog's time is shorter than what is done here


@pytest.fixture
def slow_call():
    """Return a function that blocks in C for some looks of the watchdog, and is no row."""
    counter = os.eventfd(0)
    write = threading.Event()

    def answer():
        write.wait(60)
        time.sleep(20 * PAUSE)
        os.eventfd_write(counter, 7)

    answering = threading.Thread(target=answer)
    answering.start()

    def read():
        write.set()
        return os.eventfd_read(counter)

    yield read
    write.set()
    answering.join()
    os.close(counter)


def test_a_debugger_on_the_stack_may_wait_as_long_as_it_likes(slow_call):
    debugger = {"__name__": "pdb", "read": slow_call}
    exec("def interact(): return read()", debugger)

    with simclock.Simulation(watchdog=PAUSE) as sim:
        assert debugger["interact"]() == 7
        assert sim.failure is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("pdb", True),
        ("pydevd.something", True),
        ("IPython.terminal.debugger", True),
        ("IPython.terminal", False),
        ("pdbx", False),
        (None, False),
    ],
)
def test_a_debugger_is_known_by_its_module(name, is_one):
    frames = {"__name__": name}
    exec("import sys\ndef look(): return sys._getframe()", frames)

    frame = frames["look"]()

    # Some debugger may run this test.
    assert watchdog._debugged(frame) >= is_one
    assert watchdog._debugged(frame) == (is_one or watchdog._debugged(frame.f_back))


def test_a_root_that_is_not_the_main_thread_hears_of_its_stall_when_c_code_returns(
    slow_call, capfd
):
    found = []

    def run():
        try:
            with simclock.Simulation(watchdog=PAUSE):
                found.append(slow_call())
                time.sleep(1)
        except simclock.Stalled as stalled:
            found.append(str(stalled).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert found == [
        7,
        (
            f"stalled: root made no progress for {PAUSE:g} real seconds: stuck in C code"
            ", in posix.eventfd_read"
        ),
    ]
    assert "test_watchdog.py" in capfd.readouterr().err
