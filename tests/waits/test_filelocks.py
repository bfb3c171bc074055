from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import threading
import time

import pytest

from simclock import Deadlock, Escape, Simulation
from simclock._boundary import filelocks

# Real seconds for which another process has a lock.
SHORTLY = 0.2
REAL = 20.0
WHOLE = (os.SEEK_SET, 0, 0, 0)


@pytest.fixture
def opened(tmp_path):
    """Open one and the same file anew; all are closed at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context((tmp_path / "file.lock").open("a+"))


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


def flock(file):
    fcntl.flock(file, fcntl.LOCK_EX)


def flock_by_number(file):
    fcntl.flock(file.fileno(), fcntl.LOCK_EX)


def open_file_lock(file):
    fcntl.fcntl(file, fcntl.F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, *WHOLE))


def unlock(file):
    fcntl.flock(file, fcntl.LOCK_UN)


def close(file):
    file.close()


@pytest.mark.parametrize(
    ("lock", "release"),
    [(flock, unlock), (flock, close), (flock_by_number, unlock), (open_file_lock, close)],
    ids=lambda function: function.__name__,
)
def test_threads_take_turns_at_the_instant_of_the_release(opened, log, lock, release):
    def owner(name, file):
        def run():
            lock(file)
            log((name, "in"))
            time.sleep(10)
            release(file)

        return run

    with Simulation() as sim:
        join(start(*(owner(name, opened()) for name in "abc")))
        assert sim.escapes == ()

    assert log == [(0.0, ("a", "in")), (10.0, ("b", "in")), (20.0, ("c", "in"))]


def test_shared_locks_are_shared_and_wait_for_exclusive_ones(opened, log):
    def owner(name, kind, seconds):
        file = opened()

        def run():
            fcntl.flock(file, kind)
            log(name)
            time.sleep(seconds)
            fcntl.flock(file, fcntl.LOCK_UN)

        return run

    with Simulation():
        join(
            start(
                owner("reader 1", fcntl.LOCK_SH, 1),
                owner("reader 2", fcntl.LOCK_SH, 2),
                owner("writer", fcntl.LOCK_EX, 1),
            )
        )

    assert log == [(0.0, "reader 1"), (0.0, "reader 2"), (2.0, "writer")]


def test_a_lock_that_may_not_wait_is_refused_at_once(opened, log):
    one, other = opened(), opened()
    with Simulation():
        fcntl.flock(one, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        log("refused")

    assert log == [(0.0, "refused")]


def test_record_locks_of_one_process_do_not_exclude_each_other(opened):
    one, other = opened(), opened()
    with Simulation() as sim:
        for file in (one, other):
            fcntl.lockf(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.fcntl(file, fcntl.F_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, *WHOLE))
        assert sim.elapsed == 0.0


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (fcntl.flock, ("file", fcntl.LOCK_EX)),
        (fcntl.flock, (-1, fcntl.LOCK_EX)),
        (fcntl.flock, (10**6, fcntl.LOCK_EX)),
        (fcntl.flock, (0, "exclusively")),
        (fcntl.flock, (0, 0)),
        (fcntl.flock, ()),
        (fcntl.lockf, (10**6, fcntl.LOCK_EX)),
        (fcntl.lockf, (10**6, 0)),
        (fcntl.lockf, (10**6, fcntl.LOCK_EX, "long")),
        (fcntl.lockf, (10**6, fcntl.LOCK_EX, 0, 0, 9)),
        (fcntl.fcntl, (10**6, fcntl.F_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, *WHOLE))),
        (fcntl.fcntl, (10**6, "lock")),
        (fcntl.fcntl, (10**6, fcntl.F_GETFD)),
    ],
)
def test_errors_are_those_of_the_original(function, arguments, outcome):
    real = outcome(function, *arguments)

    with Simulation():
        assert outcome(function, *arguments) == real


def test_a_file_that_is_closed_meanwhile_is_an_error_of_who_waits(opened, log):
    one, other = opened(), opened()

    def waiter():
        with pytest.raises(ValueError, match="closed file"):
            fcntl.flock(other, fcntl.LOCK_EX)
        log("refused")

    with Simulation():
        flock(one)
        waiters = start(waiter)
        time.sleep(1)
        other.close()
        join(waiters)

    assert log == [(1.0, "refused")]


def test_a_lock_that_nobody_can_release_is_a_deadlock(opened):
    one, other = opened(), opened()
    with pytest.raises(Deadlock, match="waits for flock, since"), Simulation():
        flock(one)
        flock(other)


def test_who_is_unwound_while_it_waits_has_no_lock(opened):
    one, other = opened(), opened()
    with Simulation():
        flock(one)
        threading.Thread(target=flock, args=[other], daemon=True).start()
        time.sleep(1)
    unlock(one)

    fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_comes_when_the_wait_is_over_is_given_back(opened, monkeypatch):
    """Asked for the waiting thread, it is taken; then that thread is told something else."""
    one, other = opened(), opened()

    class Told(Exception):
        pass

    class Kernel:
        def step(self, label):
            pass

        def wait_polled(self, reason, gate, deadline_ns):
            assert not gate.free()
            one.close()
            assert gate.free()
            raise Told

    with Simulation():
        pass
    for lock in (flock, open_file_lock):
        one = opened()
        lock(one)
        with monkeypatch.context() as patch, pytest.raises(Told):
            patch.setattr(filelocks, "kernel", Kernel)
            if lock is flock:
                filelocks._flock(other, fcntl.LOCK_EX)
            else:
                wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, *WHOLE)
                filelocks._fcntl(other, fcntl.F_OFD_SETLKW, wanted)
        third = opened()
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
        at_once = struct.pack("hhqqi4x", fcntl.F_WRLCK, *WHOLE)
        fcntl.fcntl(third, fcntl.F_OFD_SETLK, at_once)
        third.close()


OWNER = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
getattr(fcntl, sys.argv[2])(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(float(sys.argv[3]))
"""


@contextlib.contextmanager
def other_process(path, function, seconds):
    command = [sys.executable, "-c", OWNER, path, function, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


@pytest.mark.parametrize("function", ["flock", "lockf"])
def test_the_clock_is_held_for_a_lock_of_another_process(opened, log, function):
    file = opened()
    with other_process(file.name, function, SHORTLY), Simulation() as sim:
        threading.Timer(5, log, ["timer"]).start()
        getattr(fcntl, function)(file, fcntl.LOCK_EX)
        log("owned")
        time.sleep(5)
        (line,) = sim.escapes

    assert log == [(0.0, "owned"), (5.0, "timer")]
    assert line == f"root (0) waited for another process, which locks file.lock, in {function}"


class Number:
    """As the integers of other packages: no ``int``, but it stands for one."""

    def __init__(self, value):
        self._value = value

    def __index__(self):
        return self._value


@pytest.mark.parametrize("number", [int, Number])
def test_an_operation_may_be_whatever_stands_for_an_integer(opened, log, number):
    one, other = opened(), opened()
    with Simulation():
        fcntl.flock(one, fcntl.LOCK_EX)
        threading.Timer(1, fcntl.flock, [one, fcntl.LOCK_UN]).start()
        fcntl.flock(other, number(fcntl.LOCK_EX))
        log("owned")

    assert log == [(1.0, "owned")]


def test_the_other_lockf_holds_the_clock_too(opened, log):
    file = opened()
    with other_process(file.name, "lockf", SHORTLY), Simulation() as sim:
        threading.Timer(5, log, ["timer"]).start()
        with pytest.raises(BlockingIOError):
            os.lockf(file.fileno(), os.F_TLOCK, 0)
        os.lockf(file.fileno(), os.F_LOCK, 0)
        log("owned")
        os.lockf(file.fileno(), os.F_ULOCK, 0)
        time.sleep(5)
        (line,) = sim.escapes

    assert log == [(0.0, "owned"), (5.0, "timer")]
    assert line == "root (0) waited for another process, which locks file.lock, in lockf"


def test_another_process_is_not_waited_for_for_ever(opened, log):
    file = opened()
    with other_process(file.name, "flock", REAL), Simulation(watchdog=SHORTLY):
        threading.Timer(5, log, ["timer"]).start()
        threading.Thread(target=flock, args=[file], daemon=True).start()
        time.sleep(10)

    assert log == [(5.0, "timer")]


def test_strict_mode_refuses_to_wait_for_another_process(opened):
    file = opened()
    with (
        other_process(file.name, "flock", REAL),
        pytest.raises(Escape, match="waits for flock"),
        Simulation(external="strict"),
    ):
        flock(file)
