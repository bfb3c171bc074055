"""What the tests of the runners share: a storage of each kind, orchestrators, runners by name."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import threading
from pathlib import Path

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.identifiers import CallId, TaskId
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.orchestrator import Orchestrator
from simclock.systems.runners.settings import OrchestratorSettings
from simclock.systems.runners.storage import open_storage

MODULES = Path(__file__).with_name("modules")
KINDS = ["memory", "sqlite", "redis"]
TASK = TaskId("shop", "charge")


@pytest.fixture
def open_kind(tmp_path, request):
    """Return a function that opens the storage of a kind, as another process would.

    Those in memory are always the same.
    """
    with contextlib.ExitStack() as stack:
        in_memory = open_storage("memory://")

        def open_kind(kind):
            if kind == "memory":
                return in_memory
            if kind == "sqlite":
                opened = open_storage(f"sqlite:///{tmp_path}/runners.db", durable=False)
            else:
                url = request.getfixturevalue("redis_url")
                opened = open_storage(url, prefix=request.getfixturevalue("redis_prefix"))
            return stack.enter_context(contextlib.closing(opened))

        yield open_kind


@pytest.fixture(params=KINDS)
def each_storage(request, open_kind):
    """A storage of each kind, in turn."""
    return open_kind(request.param)


class Bench:
    """An orchestrator on a storage, with what tests do over and over again.

    Args:
        storage: Where; a new one in memory by default.
        options: Of all tasks.
        settings: The numbers that are not the defaults.
    """

    def __init__(self, storage=None, options=None, **settings):
        self.storage = storage or open_storage("memory://")
        self.options = options or TaskOptions()
        settings = OrchestratorSettings(**settings)
        self.orchestrator = Orchestrator(self.storage, settings, lambda _: self.options)

    def route(self, *, task=TASK, **arguments):
        """Register a call with these arguments; return what came of it."""
        return self.orchestrator.route_call(task, CallId.of(task, arguments), arguments)

    def routed(self, **arguments):
        """Register a call with these arguments; return its invocation's id."""
        return self.route(**arguments).id

    def take(self, runner, count=1):
        """Return the ids of invocations that the runner gets."""
        return [each.id for each in self.orchestrator.get_invocations_to_run(count, runner)]

    def started(self, runner, **arguments):
        """Return the id of a new invocation that the runner runs."""
        new = self.routed(**arguments)
        assert self.take(runner) == [new]
        self.orchestrator.start(new, runner)
        return new

    def history(self, invocation_id):
        """Return the words of what an invocation went through."""
        return [each.status.value for each in self.orchestrator.get(invocation_id).history]


@pytest.fixture
def make_bench():
    """Return the class `Bench`."""
    return Bench


@pytest.fixture
def bench():
    """A `Bench` in memory, with the options and numbers that are the defaults."""
    return Bench()


@pytest.fixture
def runner():
    """Return a function that returns the identity of the runner of that name."""

    def runner(name="a"):
        return RunnerContext("Runner", name, pid=1, hostname="host", thread_id=1)

    return runner


@pytest.fixture
def note(sim):
    """Return a function that notes something with the instant; its ``log`` has all of it."""

    def note(*what):
        # In microseconds: instants of the wall clock are floats.
        note.log.append((round(sim.elapsed, 6), *what))

    note.log = []
    return note


@pytest.fixture
def tasks(monkeypatch):
    """Return a module whose tasks other processes can import."""
    monkeypatch.syspath_prepend(str(MODULES))
    return importlib.import_module("runner_tasks")


class App(Pynenc):
    """The application of `tasks`, with settings and a place of its own."""

    def call(self, task, *args, **kwargs):
        """Call that task of it."""
        return self.get_task(task.task_id)(*args, **kwargs)

    def history(self, invocation):
        """Return the words of what an invocation went through."""
        return [
            each.status.value for each in self.orchestrator.get(invocation.invocation_id).history
        ]


@pytest.fixture
def make_app(tasks, tmp_path, request):
    """Return a function that makes the application on a storage of that kind; "memory" or another.

    Each has a storage of its own, but for those with the same *name*.
    """
    names = (f"app {number}" for number in itertools.count())
    with contextlib.ExitStack() as stack:

        def make_app(kind="memory", name=None, **settings):
            name = name or next(names)
            if kind == "memory":
                storage = open_storage("memory://")
            elif kind == "sqlite":
                url = f"sqlite:///{tmp_path}/{name}.db"
                storage = open_storage(url, tasks.app.app_id, durable=False)
            else:
                prefix = f"{request.getfixturevalue('redis_prefix')} {name}"
                storage = open_storage(request.getfixturevalue("redis_url"), prefix)
            stack.enter_context(contextlib.closing(storage))
            return App({"app_id": tasks.app.app_id, **settings}, storage=storage)

        yield make_app


@pytest.fixture
def started():
    """Return a context manager in whose block a runner runs, in a thread; then it is stopped."""

    @contextlib.contextmanager
    def started(runner, timeout=20.0):
        thread = threading.Thread(target=runner.run, name="runs the runner", daemon=True)
        thread.start()
        try:
            yield runner
        finally:
            runner.stop_runner_loop()
            assert runner.wait_until_stopped(timeout)
            thread.join()

    return started
