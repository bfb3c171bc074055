"""A few runs in real time, with real processes: what is simulated elsewhere is so in fact."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from simclock.systems.runners.app import runner_class
from simclock.systems.runners.multithread import MultiThreadRunner
from simclock.systems.runners.persistent import PersistentProcessRunner
from simclock.systems.runners.process_per_task import ProcessRunner
from simclock.systems.runners.threads import ThreadRunner

pytestmark = pytest.mark.real

MODULES = Path(__file__).with_name("modules")
LIMIT = 60.0  # seconds; far above all that is waited for
# Short, so that those who are dead are found so soon.
QUICK = {
    "runner_considered_dead_after": 2.0,
    "heartbeat_interval": 0.3,
    "max_pending_seconds": 1.0,
    "check_interval": 0.2,
    "lease_duration": 1.0,
}
STORES = ["sqlite", "redis"]
# Not each with each: what a runner does with its processes has nothing to do with the store.
processes = pytest.mark.parametrize(
    ("kind", "app"),
    [
        (ProcessRunner, "sqlite"),
        (ProcessRunner, "redis"),
        (PersistentProcessRunner, "sqlite"),
        (MultiThreadRunner, "redis"),
    ],
    indirect=["app"],
)
unclean = pytest.mark.unclean("multiprocessing keeps a process that tidies up")


@pytest.fixture
def make_quick(make_app):
    """Return a function that makes an application whose cluster notices deaths soon."""
    return lambda kind, **settings: make_app(kind, **{**QUICK, **settings})


@pytest.fixture(params=STORES)
def app(request, make_quick):
    """An application on each of the stores that processes can share."""
    return make_quick(request.param)


@pytest.fixture
def path(tmp_path):
    """Where naps are noted."""
    return tmp_path / "naps"


def wait_for(condition):
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("name", ["ThreadRunner", "AsyncRunner"])
@pytest.mark.parametrize("storage", ["memory", *STORES])
def test_in_one_process(make_quick, started, tasks, name, storage):
    app = make_quick(storage)
    with started(runner_class(name)(app)):
        calls = [app.call(tasks.add, number, 1) for number in range(20)]
        assert [each.get_result(timeout=LIMIT) for each in calls] == list(range(1, 21))
        assert app.call(tasks.parent, [1, 2, 3]).get_result(timeout=LIMIT) == 14


@unclean
@processes
def test_in_processes(app, started, tasks, kind):
    with started(kind(app), LIMIT) as runner:
        calls = [app.call(tasks.add, number, 1) for number in range(3)]
        assert [each.get_result(timeout=LIMIT) for each in calls] == [1, 2, 3]
        name, pid = app.call(tasks.whoami).get_result(timeout=LIMIT)
        assert (name, pid == os.getpid()) == (f"{kind.__name__}Worker", False)
        assert app.call(tasks.parent, [1, 2]).get_result(timeout=LIMIT) == 5
    assert runner.stop_report.abandoned == ()


@unclean
@processes
def test_a_process_starts_no_others_by_multiprocessing(app, started, tasks, kind):
    """It is a daemon, to be ended with its runner; what it would start so would not be."""
    with started(kind(app), LIMIT):
        refused = app.call(tasks.start_a_process, True)
        with pytest.raises(AssertionError, match="daemonic processes are not allowed to have chi"):
            refused.get_result(timeout=LIMIT)
        app.call(tasks.start_a_process, False).get_result(timeout=LIMIT)


@unclean
@processes
def test_a_process_that_is_killed_loses_nothing(app, started, tasks, path, kind):
    with started(kind(app), LIMIT):
        nap = app.call(tasks.nap, 1.0, str(path))
        os.kill(wait_for(lambda: pids(path))[0], signal.SIGKILL)
        assert nap.get_result(timeout=LIMIT) == 1.0

    stored = app.orchestrator.get(nap.invocation_id)
    assert (stored.executions, stored.recoveries) == (2, 1)
    assert [line.split()[0] for line in path.read_text().splitlines()] == [
        *("begins", "begins", "ends")
    ]


def pids(path):
    """Return who has begun a nap."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("begins")]


@contextlib.contextmanager
def another(name, app):
    """Run a runner in a process of its own, by a program."""
    program = subprocess.Popen(
        [sys.executable, MODULES / "runner_program.py", name, app.storage.url, app.storage.prefix],
        stdout=subprocess.PIPE,
    )
    try:
        assert program.stdout.readline() == b"runs\n"
        yield program
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


@pytest.mark.parametrize("name", ["ThreadRunner", "MultiThreadRunner"])
def test_a_runner_that_is_killed_loses_nothing(app, started, tasks, path, name):
    seconds = 3.0 if name == "ThreadRunner" else 1.0
    with another(name, app) as program:
        nap = app.call(tasks.nap, seconds, str(path))
        wait_for(lambda: pids(path))
        program.kill()
        program.wait()
        if name == "ThreadRunner":
            # Nobody else knows what it had, but by its heartbeats.
            with started(ThreadRunner(app)):
                assert nap.get_result(timeout=LIMIT) == seconds
            assert len(pids(path)) == 2
        else:
            # Its processes let what they run come to its end, and end.
            assert nap.get_result(timeout=LIMIT) == seconds
            wait_for(lambda: not is_alive(pids(path)[0]))


def is_alive(pid):
    """Return whether a process is there that is no zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("name", ["ThreadRunner", "AsyncRunner", "ProcessRunner"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_order(make_quick, tasks, path, name, number):
    app = make_quick("sqlite")
    with another(name, app) as program:
        nap = app.call(tasks.nap, 1.0, str(path))
        wait_for(lambda: pids(path))
        program.send_signal(number)
        assert program.wait(LIMIT) == 0
        assert program.stdout.read() == b"put back\n"
    assert nap.status.value == "success"


def test_a_stop_is_bounded(make_quick, tasks):
    app = make_quick("memory", stop_grace=0.3)
    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    nap = app.call(tasks.nap, 2.0)
    wait_for(lambda: nap.status.value == "running")
    runner.stop_runner_loop()
    assert runner.wait_until_stopped(LIMIT)
    thread.join()

    assert app.history(nap)[-2:] == ["killed", "rerouted"]
    (name,) = runner.stop_report.abandoned
    (body,) = [each for each in threading.enumerate() if name in each.name]
    body.join()
    assert app.history(nap)[-2:] == ["killed", "rerouted"]
