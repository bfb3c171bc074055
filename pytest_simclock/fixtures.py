"""The fixtures we give, and the rule for those that several tests share.

A fixture is set up in the world of the test that asks for it first: in the
suite's simulation, or else in real time, for a simulation of one test ends
with that. It is torn down in the same world.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_simclock.closure import requested_fixtures
from pytest_simclock.collecting import Kind, kind_of
from pytest_simclock.neighbours import keeps_loop, kept_loops
from pytest_simclock.options import mode

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_simclock.worlds import World, Worlds
    from simclock import Simulation
    from simclock.systems.eventflow import Executor
    from simclock.systems.rates import Node
    from simclock.systems.services import ServiceRunner
    from simclock.systems.taskqueue import CPUExecutor, IOExecutor

# The simulation that a test is run in, while it is.
simulation_of: pytest.StashKey[Simulation] = pytest.StashKey()


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Simulation:
    """Return the simulation that the test runs in. Asking for it makes the test simulated.

    ``elapsed``, ``sleep()``, ``settle()``, ``wall``, ``move_wall()``,
    ``sleep_until()``, ``hold()``, ``real_time()``, ``checkpoint()``,
    ``threads``, ``trace``, ``seed``: see ``simclock.Simulation``.
    """
    simulation: Simulation | None = request.node.stash.get(simulation_of, None)
    if simulation is not None:
        return simulation
    if mode(request.config) is False:
        pytest.skip("it needs simulated time, which --no-simclock switches off")
    pytest.fail(
        "the sim fixture is for simulated tests: this one is not simulated\n"
        "mark it with @pytest.mark.simclock, or take sim as an argument of the test",
        pytrace=False,
    )


@pytest.fixture
def sim_node(sim: Simulation) -> Iterator[Node]:
    """Return a `Node` of ``simclock.systems.rates`` in the test's simulation.

    It is closed at the end, whatever the test leaves running in it. The test
    errs if some of that would not stop.
    """
    del sim  # it makes the test simulated
    from simclock.systems.rates import Node

    node = Node("sim_node")
    yield node
    node.close_sync()
    # Coroutines of a loop that has stopped are not to blame: whoever closes it cancels them.
    left = [work for work in node._works.others() if work.loop is None or work.loop.is_running()]
    if left:
        pytest.fail(
            f"of {node!r} these would not stop in {node.join_timeout:g} s after the test:"
            f" {', '.join(work.name for work in left)}\n"
            "let threads return when their stop_event is set, and callbacks not wait for ever;\n"
            "or raise sim_node.join_timeout",
            pytrace=False,
        )


@pytest.fixture
def sim_runtime(sim: Simulation) -> Iterator[ServiceRunner]:
    """Return a ``simclock.systems.services.ServiceRunner`` that accepts in a simulated thread.

    It is shut down after the test, whatever that leaves in it. If payloads
    have failed by then, the test errs with their `BackgroundFailure`. It runs
    the services that are made while the test has it, and no others.
    """
    del sim  # it makes the test simulated
    from simclock.systems.services import BackgroundFailure, ServiceRunner, units

    runner = ServiceRunner()
    failures: list[BackgroundFailure] = []

    def accept() -> None:
        try:
            runner.accept()
        except BackgroundFailure as error:
            failures.append(error)

    thread = threading.Thread(target=accept, name="sim_runtime")
    with units.apart():
        thread.start()
        runner.running.wait()
        yield runner
        runner.shutdown()
        thread.join()
    for failure in failures:
        raise failure


@pytest.fixture
def sim_io_executor(sim: Simulation) -> Iterator[IOExecutor]:
    """Return an `IOExecutor` of ``simclock.systems.taskqueue``, with all it keeps in memory.

    The test starts it, by ``async with``, and errs if it leaves it running.
    """
    del sim  # it makes the test simulated
    from simclock.systems.taskqueue import IOExecutor

    executor = IOExecutor()
    yield executor
    _see_that_it_was_stopped(executor, "sim_io_executor", running=executor._run is not None)


@pytest.fixture
def sim_cpu_executor(sim: Simulation) -> Iterator[CPUExecutor]:
    """Return a `CPUExecutor` with two processes, and all it keeps in memory.

    The processes are simulated, unless the marker or the command line says
    what ``processes`` are. The test starts it, as `sim_io_executor`.
    """
    del sim  # it makes the test simulated
    from simclock.systems.taskqueue import BackendConfig, Config, CPUExecutor, ExecutorConfig

    executor = CPUExecutor(Config(None, BackendConfig("memory://"), ExecutorConfig(cpu_workers=2)))
    yield executor
    _see_that_it_was_stopped(executor, "sim_cpu_executor", running=executor._run is not None)


@pytest.fixture
def sim_event_executor(sim: Simulation) -> Iterator[Executor]:
    """Return an `Executor` of ``simclock.systems.eventflow`` for events of any class.

    It starts 100 of them in a second, and 100 at once. The test starts it, by
    ``async with``, and errs if it leaves it running.
    """
    del sim  # it makes the test simulated
    from simclock.systems.eventflow import Event, Executor, Processor

    class AnyProcessor(Processor):
        event_type = Event

    class AnyExecutor(Executor):
        processor_type = AnyProcessor

    executor = AnyExecutor({"queue_capacity": 100, "capacity_refresh_time": 1.0})
    yield executor
    # Not whether it runs: its event loop may have ended, and it with that.
    running = executor.processor is not None and not executor.processor.is_stopped()
    _see_that_it_was_stopped(executor, "sim_event_executor", running=running)


def _see_that_it_was_stopped(executor: object, name: str, *, running: bool) -> None:
    if running:
        pytest.fail(
            f"the test has left its executor running: {executor!r}\n"
            f"use it in `async with {name}:`, or await {name}.stop()",
            pytrace=False,
        )


class _Kept(NamedTuple):
    """The threads that a fixture has started and keeps, and whether it keeps an event loop."""

    in_suite: bool
    first: str
    threads: tuple[Any, ...]
    loop: bool

    @property
    def names(self) -> list[str]:
        """The names of those that live."""
        return [thread.name for thread in self.threads if _lives(thread)]


def _lives(thread: Any) -> bool:
    return thread.is_alive() if isinstance(thread, threading.Thread) else not thread.finished


class WideFixtures:
    """The fixtures that are set up for more than one test.

    Args:
        worlds: Where the thread is.
    """

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self._kept: dict[Any, _Kept] = {}

    def set_up(self, definition: Any, item: pytest.Item) -> Generator[None, object, object]:
        """Wrap the set-up of a fixture: it and its teardown take place in its world."""
        in_suite = kind_of(item) is Kind.SUITE
        world = self._worlds.suite if in_suite else None
        before = self._living(world)
        # Finalizers are run last first: these two go around those that the set-up adds.
        definition.addfinalizer(lambda: self._left(definition, back))
        back: list[World] = []
        with self._worlds.inside(world), _named(world, f"fixture {definition.argname!r}"):
            try:
                return (yield)
            finally:
                definition.addfinalizer(lambda: back.append(self._worlds.enter(world)))
                started = tuple(t for t in self._living(world) if t not in before)
                loop = keeps_loop(definition)
                if started or loop:
                    self._kept[definition] = _Kept(in_suite, item.nodeid, started, loop)

    def _left(self, definition: Any, back: list[World]) -> None:
        self._kept.pop(definition, None)
        if back:
            self._worlds.enter(back.pop())

    def _living(self, world: World) -> tuple[Any, ...]:
        return tuple(threading.enumerate()) if world is None else world.simulation.threads

    def check(self, item: pytest.Item) -> None:
        """Fail *item* if it uses what lives in a world that it cannot reach: threads, loops."""
        if not self._kept:
            return
        in_suite = kind_of(item) is Kind.SUITE
        for definition in [*requested_fixtures(item), *kept_loops(item).values()]:
            kept = self._kept.get(definition)
            if kept is not None and kept.in_suite is not in_suite and (kept.names or kept.loop):
                pytest.fail(_cannot_be_shared(definition, kept, item), pytrace=False)


def _cannot_be_shared(definition: Any, kept: _Kept, item: pytest.Item) -> str:
    where = Kind.SUITE.value if kept.in_suite else Kind.REAL.value
    what = "an event loop" if kept.loop else "threads"
    names = "" if kept.loop else f": {', '.join(kept.names)}"
    return (
        f"the fixture {definition.argname!r} of {definition.scope} scope runs {what} {where}, for"
        f" {kept.first}{names}\n"
        f"this test runs {kind_of(item).value} and would wait for"
        f" {'it' if kept.loop else 'them'} in vain\n"
        "run both tests in the same way, or give the fixture function scope"
    )


class _named:  # noqa: N801 - read as a statement
    """In reports, let threads that are started in a block be started in *name*."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name

    def __enter__(self) -> None:
        if self._world is not None:
            self._before, self._world.name = self._world.name, self._name

    def __exit__(self, *_: object) -> None:
        if self._world is not None:
            self._world.name = self._before
