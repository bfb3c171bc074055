"""What the tests of child processes share."""

from __future__ import annotations

import os
import sys

import pytest

import simclock

# A child process costs real seconds: it is started without what it does not need.
PYTHON = [sys.executable, "-S", "-E", "-c"]


@pytest.fixture
def python():
    """Return the arguments that run a program in a child process."""
    return lambda program: [*PYTHON, program]


@pytest.fixture
def simulated():
    """Run a function in a simulation; return what it returned and the virtual seconds it took.

    In microseconds: some loops of the standard library wait until the clock is *past* a
    deadline. No descriptor and no child process is left afterwards.
    """

    def run(function, **options):
        before = _descriptors()
        with simclock.Simulation(**options) as sim:
            result = function()
            elapsed = round(sim.elapsed, 6)
        assert _descriptors() == before
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return result, elapsed

    return run


@pytest.fixture
def ended():
    """Take child processes that a test leaves behind, and end them."""
    left = []

    def take(process):
        left.append(process)
        return process

    yield take
    for process in left:
        process.kill()
        process.wait()


def _descriptors():
    return {
        name: os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if os.path.lexists(f"/proc/self/fd/{name}")
    }
