"""What cannot be controlled is said, as docs/explanation/uncontrolled.md has it.

What has a folder of its own is shown there: sockets, processes, foreign threads,
libraries that wait in C, searches.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

import pytest

import simclock
from simclock import Escape, Stalled
from simclock.lowlevel import Row

ADVICE = "  it waits in C by itself: no row of the table (python -m simclock rows) simulates it"


@pytest.fixture
def pipe():
    with contextlib.ExitStack() as stack:
        reader, writer = os.pipe()
        yield stack.enter_context(open(reader, "rb")), stack.enter_context(open(writer, "wb"))


def test_what_is_held_is_told_in_the_escapes():
    with simclock.Simulation() as sim:
        os.system("true")
        assert sim.elapsed == 0.0

    (told,) = sim.escapes
    assert told.startswith("root (0), calls system at test_uncontrolled.py:")


def test_what_is_held_is_refused_where_nothing_may_be_outside():
    with pytest.raises(Escape) as caught, simclock.Simulation(external="strict"):
        os.system("true")

    assert "which runs in real time" in str(caught.value).splitlines()[0]


def test_what_is_held_and_not_redirected_is_stalled_if_it_takes_too_long(tmp_path):
    """Nobody opens the other end of the pipe, as everybody stands still."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)

    def open_it():
        threading.Timer(5, lambda: os.close(os.open(path, os.O_WRONLY))).start()
        os.open(path, os.O_RDONLY)

    with pytest.raises(Stalled) as caught:
        simclock.run(open_it, watchdog=0.3)

    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "stalled: root made no progress for 0.3 real seconds: stuck in C code, in posix.open"
    )
    assert lines[-2] == ADVICE
    assert simclock.run(time.sleep, 1) is None


def test_two_threads_that_read_one_buffered_stream_block_each_other_in_c(pipe):
    reader, writer = pipe

    def read_twice():
        for number in (1, 2):
            threading.Thread(target=reader.read, args=(1,), name=f"reader-{number}").start()
        try:
            time.sleep(1)
        finally:
            writer.write(b"ab")
            writer.flush()

    with pytest.raises(Stalled) as caught:
        simclock.run(read_twice, watchdog=0.3)

    assert str(caught.value).splitlines()[0] == (
        "stalled: reader-2 made no progress for 0.3 real seconds:"
        " stuck in C code, in _io.BufferedReader.read"
    )


def test_the_watchdog_keeps_still_while_a_redirected_built_in_is_stuck():
    """Which waits in the kernel, as real sleeps do there."""

    class Slow:
        @simclock.hookimpl
        def simclock_boundary_rows(self):
            return [Row("os.getloadavg", "simulated", "takes its time", lambda: time.sleep(0.5))]

    plugin = Slow()
    simclock.register(plugin)
    try:
        assert simclock.run(os.getloadavg, watchdog=0.1) is None
    finally:
        simclock.unregister(plugin)
        simclock.run(int)  # its row goes when the next simulation opens
