"""A cluster of runners for tests: each on a simulated machine of its own, all on one store."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from simclock import Simulation
    from simclock.hosts import Host, Process
    from simclock.systems.runners import BaseRunner, Config, Pynenc
    from simclock.systems.runners.storage import Storage
    from simclock.systems.runners.stored import StoredInvocation


# An idle cluster polls, and each poll takes real time. With these a virtual day of three idle
# runners takes some ten real seconds.
PATIENT: Mapping[str, Any] = {
    "runner_loop_sleep_time_sec": 60.0,
    "invocation_wait_results_sleep_time_sec": 30.0,
    "heartbeat_interval": 60.0,
    "runner_considered_dead_after": 180.0,
    "max_pending_seconds": 120.0,
    "claim": 120.0,
    "unclaimed_after": 240.0,
    "reroute_delay": 30.0,
    "check_interval": 90.0,
    "lease_duration": 270.0,
}
STORE, PORT = "store", 7000
# What may happen to runners, and what happens between them and the store.
_TO_RUNNERS = ("kill", "pause", "skew", "drift")
_BETWEEN = ("partition", "reset", "slow")


class Machine:
    """A machine with a runner, and what can go wrong with it. For simulated threads.

    Attributes:
        name: What it is called, also in plans of faults.
        host: The simulated machine.
        process: The simulated process that runs the runner.
    """

    def __init__(self, simulation: Simulation, host: Host, process: Process) -> None:
        self.name: str = host.name
        self.host = host
        self.process = process
        self._simulation = simulation

    def kill(self) -> None:
        """Cut its power."""
        self.host.kill()

    def stop(self, timeout: float | None = None) -> bool:
        """Stop the runner in an orderly way; return whether it has ended, in so many seconds."""
        self.process.terminate()
        return self.process.join(timeout)

    def restart(self) -> None:
        """Start it again, with nothing that it knew; kill it first if it runs."""
        self.host.restart()
        if not self.process.is_alive():
            self.process.restart()

    def pause(self) -> None:
        """Let it stand still."""
        self.host.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.host.resume()

    def skew(self, seconds: float) -> None:
        """Move its wall clock by so many seconds, also backwards."""
        self.host.move_wall(seconds)

    def drift(self, rate: float) -> None:
        """Let its wall clock gain *rate* seconds in each second from now on."""
        self.host.drift(rate)

    def set_right(self) -> None:
        """Let its wall clock show what it should."""
        self.host.set_right()

    def cut(self) -> None:
        """Cut it off from all other machines."""
        self._simulation.network.partition(self.host)

    def heal(self) -> None:
        """Undo `cut`."""
        for other in self._simulation.hosts:
            if other is not self.host:
                self._simulation.network.heal(self.host, other)

    def __repr__(self) -> str:
        return f"<Machine {self.name!r} {self.process.state}>"


class Cluster:
    """Several runners of one application, on simulated machines: see `sim_cluster`.

    To be used in a ``with`` block, in simulated threads. When that is left, the
    machines have no power any more.

    Args:
        simulation: Where.
        app: The application; its tasks, its settings. None: one without tasks.
        runners: How many.
        runner: The class of runners, or its name.
        store: ``"served"``: a server on a machine of its own, to which they connect. It has
            everything in memory. ``"sqlite"``: a file that all machines share.
        settings: Of the application, by name, in all sections that have such a one.

    Attributes:
        app: The application for the test: on the same store, and with nobody who runs it.
        runners: The machines that run the runners.
        store: The machine of the store; None if it is a file.

    Raises:
        TypeError: There is no such setting.
        ValueError: An argument has no meaning.
        RuntimeError: The simulation has a cluster.
    """

    def __init__(
        self,
        simulation: Simulation,
        app: Pynenc | None = None,
        *,
        runners: int = 3,
        runner: type[BaseRunner] | str = "ThreadRunner",
        store: str = "served",
        **settings: Any,
    ) -> None:
        from simclock.systems.runners import Pynenc
        from simclock.systems.runners.finding import runner_class

        if type(runners) is not int or runners < 1:
            raise ValueError(f"this is no number of runners: {runners!r}\ngive 1 or more")
        if store not in ("served", "sqlite"):
            raise ValueError(f"there is no such store: {store!r}\ngive 'served' or 'sqlite'")
        self._simulation = simulation
        self._given = app or Pynenc({"app_id": "cluster"})
        self._conf = _with(self._given.conf, {**PATIENT, **settings})
        self._runner = runner_class(runner) if isinstance(runner, str) else runner
        self._number = runners
        self._kind = store
        self._stack = contextlib.ExitStack()
        self._url = ""
        self.store: Host | None = None
        self.runners: list[Machine] = []
        self.app: Pynenc = self._given

    def __enter__(self) -> Cluster:
        names = [f"runner-{number}" for number in range(self._number)]
        if {STORE, *names} & {each.name for each in self._simulation.hosts}:
            raise RuntimeError("the simulation has a cluster, or hosts of its names\nuse one")
        with contextlib.ExitStack() as stack:
            self._url = self._open_store(stack)
            self.app = self._given.copy(storage=self._storage(), conf=self._conf)
            stack.callback(self.app.close)
            for name in names:
                self.runners.append(self._started(name))
                stack.callback(self.runners[-1].kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _open_store(self, stack: contextlib.ExitStack) -> str:
        """Begin to serve; return the URL of the store."""
        from simclock.systems.runners.storage import make_server

        if self._kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="simclock-"))
            return f"sqlite:///{folder}/cluster.db"
        self.store = self._simulation.host(STORE)
        stack.callback(self.store.kill)
        self.store.start(
            lambda: make_server(self._given.app_id, "", PORT).run(), name="StoreServer"
        )
        self._simulation.settle()  # from now on it listens
        return f"served://{STORE}:{PORT}"

    def _storage(self) -> Storage:
        from simclock.systems.runners.storage import open_storage

        return open_storage(self._url, self._given.app_id, durable=False)

    def _started(self, name: str) -> Machine:
        def run() -> None:
            # Of each start anew: a process knows nothing of those before.
            mine = self._given.copy(storage=self._storage(), conf=self._conf)
            self._runner(mine).run()

        host = self._simulation.host(name)
        return Machine(self._simulation, host, host.start(run, name=self._runner.__name__))

    # ------------------------------------------------------------------- invocations

    def submit(self, task: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a task on the cluster, whatever application it was declared with.

        Args:
            task: What ``app.task`` has returned.
            args: Its positional arguments.
            kwargs: Its keyword arguments.
        """
        return self.app.get_task(task.task_id)(*args, **kwargs)

    def invocations(self) -> list[StoredInvocation]:
        """Return all invocations, the oldest first."""
        orchestrator = self.app.orchestrator
        found = orchestrator.get_invocation_ids_paginated(orchestrator.count_invocations())
        return [orchestrator.get(each) for each in reversed(found)]

    def wait_final(
        self, invocations: Iterable[Any] | None = None, *, timeout: float = 86400.0
    ) -> list[StoredInvocation]:
        """Wait until invocations are final; return them as they are then.

        Args:
            invocations: What `submit` has returned, or ids; None: all there are.
            timeout: Virtual seconds.

        Raises:
            TimeoutError: Some are not; it says where they are.
        """
        end = time.monotonic() + timeout
        ids = None if invocations is None else [_id_of(each) for each in invocations]
        while True:
            found = self.invocations() if ids is None else self._get(ids)
            left = [each for each in found if not each.status.is_final]
            if not left:
                return found
            if time.monotonic() >= end:
                raise TimeoutError(_not_final(left, timeout))
            time.sleep(min(10.0, end - time.monotonic()))

    def _get(self, ids: Sequence[Any]) -> list[StoredInvocation]:
        return [self.app.orchestrator.get(each) for each in ids]

    # ------------------------------------------------------------------------ faults

    def targets(self, *kinds: str) -> dict[str, list[Host]]:
        """Return whom these kinds of faults may happen to, for ``sim.faults.phase``; without: all.

        The store loses nothing, so it is never killed; connections to it may be cut.

        Raises:
            ValueError: There is no such kind of faults here.
        """
        runners = [each.host for each in self.runners]
        found = {kind: list(runners) for kind in _TO_RUNNERS}
        if self.store is not None:
            found.update({kind: [self.store, *runners] for kind in _BETWEEN})
        unknown = set(kinds) - set(found)
        if unknown:
            raise ValueError(f"no such faults: {sorted(unknown)}\ngive some of {', '.join(found)}")
        return {kind: found[kind] for kind in kinds or found}

    def __repr__(self) -> str:
        return f"<Cluster of {self.app.app_id!r} with {len(self.runners)} runners at {self._url}>"


def _with(conf: Config, values: Mapping[str, Any]) -> Config:
    """Return the settings with these values, each in all sections that have one of its name."""
    parts = {each.name: getattr(conf, each.name) for each in dataclasses.fields(conf)}
    sections = {name: part for name, part in parts.items() if dataclasses.is_dataclass(part)}
    known = {each.name for part in sections.values() for each in dataclasses.fields(part)}
    unknown = set(values) - known - (set(parts) - set(sections))
    if unknown:
        raise TypeError(f"there are no such settings: {', '.join(sorted(unknown))}\nsee Config")
    changed: dict[str, Any] = {name: _replaced(part, values) for name, part in sections.items()}
    found: Config = _replaced(dataclasses.replace(conf, **changed), values)
    return found


def _replaced(part: Any, values: Mapping[str, Any]) -> Any:
    names = {each.name for each in dataclasses.fields(part)}
    return dataclasses.replace(part, **{name: values[name] for name in names & set(values)})


def _id_of(invocation: Any) -> Any:
    return getattr(invocation, "invocation_id", invocation)


def _not_final(left: Sequence[StoredInvocation], timeout: float) -> str:
    lines = [
        f"  {each.task} {each.id}: " + ", ".join(entry.status.value for entry in each.history[-5:])
        for each in left[:10]
    ]
    return (
        f"of the invocations {len(left)} are not final after {timeout:g} s\n"
        + "\n".join(lines)
        + "\nsee what the runners log, or wait for longer"
    )


@pytest.fixture
def sim_app(sim: Simulation) -> Iterator[Pynenc]:
    """Return a ``simclock.systems.runners.Pynenc`` on a new storage in memory.

    Run what is called with a `ThreadRunner` of it, or an `AsyncRunner`.
    """
    del sim  # it makes the test simulated
    from simclock.systems.runners import Pynenc
    from simclock.systems.runners.storage import open_storage

    app = Pynenc({"app_id": "sim_app"}, storage=open_storage("memory://"))
    yield app
    app.close()


@pytest.fixture
def sim_cluster(sim: Simulation) -> Iterator[Callable[..., Cluster]]:
    """Return a function that starts a `Cluster`: runners on simulated machines, with one store.

    ``sim_cluster(app, runners=3, runner=ThreadRunner, store="served")``, and
    settings by name. The machines have no power any more after the test.
    """
    with contextlib.ExitStack() as stack:

        def start(app: Pynenc | None = None, **options: Any) -> Cluster:
            return stack.enter_context(Cluster(sim, app, **options))

        yield start
