"""One test in its simulation: its set-up, its call and its teardown.

The test's own parts, that is ``item.setup()``, ``item.runtest()`` and what the
item has been told to tear down. What pytest and its plugins do around these is
outside, where the time is real.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import examples, reporting
from pytest_simclock.collecting import Kind, kind_of
from pytest_simclock.fixtures import simulation_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_simclock.running import Running
    from pytest_simclock.worlds import Worlds
    from simclock import Leak, Simulation


class TestRun:
    """One test in its simulation.

    Args:
        item: The test.
        running: What knows the other tests and what they share.
    """

    __test__ = False

    def __init__(self, item: pytest.Item, running: Running) -> None:
        self._item = item
        self._running = running
        self._worlds = running.worlds
        self._originals: dict[str, Any] = {}
        # Its simulation, while it has one, and whether a leak there fails the test.
        self._simulation: Simulation | None = None
        self._strict = False
        self._began = False
        self._own_is_closed = False
        # What it raised when it was closed.
        self._found: BaseException | None = None
        # None if it could not be started.
        self.seed: int | None = None
        self._elapsed = 0.0
        # The first exception that left a part of the test.
        self._error: BaseException | None = None
        # Whether pytest knows already what the kernel found.
        self._told = False

    # ------------------------------------------------------------------ the parts

    @contextlib.contextmanager
    def attached(self) -> Generator[None, None, None]:
        """Replace the parts of the test by the same in its simulation, for a block."""
        item: Any = self._item
        parts = {"setup": self._set_up, "runtest": self._call, "teardown": self._tear_down}
        self._originals = {name: getattr(item, name) for name in parts}
        for name, part in parts.items():
            setattr(item, name, part)
        try:
            yield
        finally:
            for name in parts:
                delattr(item, name)

    def _set_up(self) -> None:
        __tracebackhide__ = True
        # Here, and not when it is made: a test may be run again.
        self._error, self._told, self._elapsed = None, False, 0.0
        self._began = self._own_is_closed = False
        self._simulation, self._strict = self._started()
        self._item.stash[simulation_of] = self._simulation
        self.seed = self._simulation.seed
        with self._part():
            self._began = True
            self._originals["setup"]()

    def _started(self) -> tuple[Simulation, bool]:
        from simclock import SimclockError

        __tracebackhide__ = True
        try:
            return self._running.start(self._item)
        except (SimclockError, ValueError) as error:
            # Where in our code it was raised helps nobody.
            pytest.fail(f"{type(error).__name__}: {error}", pytrace=False)

    def _call(self) -> None:
        __tracebackhide__ = True
        with self._part(), examples.apart(self._item, self):
            self._originals["runtest"]()

    def prepare_teardown(self) -> None:
        """See to it that what the test alone tears down is torn down in its simulation."""
        if self._simulation is not None:
            # The last finalizer that is added is the first to be called.
            simulation = self._simulation
            self._item.addfinalizer(lambda: self._worlds.enter(simulation))

    def _tear_down(self) -> None:
        """Do the last that is done for the test alone; what follows is shared with others."""
        __tracebackhide__ = True
        if not self._began:
            return
        try:
            self._originals["teardown"]()
        finally:
            self._close_inner()
            self._worlds.enter(None)
            if kind_of(self._item) is Kind.OWN:
                # Now: fixtures of the suite's simulation may be torn down next.
                self._close_own()

    @contextlib.contextmanager
    def _part(self) -> Generator[None, None, None]:
        """Be in the simulation for a block; raise what the kernel found, even if swallowed."""
        simulation = self.simulation
        with self._worlds.inside(simulation):
            try:
                yield
            except BaseException as error:
                self.note(error)
                raise
            finally:
                self._close_inner()
        self._tell()

    def _close_inner(self) -> None:
        """Close what the test has opened inside and left open: it is in the way of all else."""
        from simclock import active

        inner = active()
        if inner is None or inner is self._simulation:
            return
        while inner is not None and inner is not self._simulation:
            inner.__exit__(None, None, None)
            inner = active()
        raise RuntimeError(
            "the test has opened a simulation and left it open\nuse it in a with statement"
        )

    # ---------------------------------------------------------------- what was found

    def note(self, error: BaseException) -> None:
        """Note an exception that pytest will report."""
        self._error = self._error or error
        self._told = self._told or self._tells(error)

    def _tells(self, error: BaseException) -> bool:
        """Return whether the report of *error* shows what the kernel found."""
        failure = None if self._simulation is None else self._simulation.failure
        return failure is not None and any(
            shown is failure for shown in reporting.shown_with(error)
        )

    def _tell(self) -> None:
        failure = self.simulation.failure
        if failure is not None and not self._told:
            self.note(failure)
            raise failure

    # -------------------------------------------------------------------- the end

    def finish(self) -> None:
        """End the test's part in the simulation; raise what it has found and nobody saw."""
        if self._simulation is None:
            return
        self._report_escapes()
        try:
            if kind_of(self._item) is Kind.SUITE:
                self._elapsed += self._simulation.elapsed
                self._tell()
                if self._strict:
                    self._check_threads()
            else:
                self._close_own()
                self._judge_own()
        finally:
            del self._item.stash[simulation_of]
            self._simulation = None

    def _report_escapes(self) -> None:
        """Say for what the test has waited in real time, where that was let pass."""
        from simclock import Escape

        if self.simulation.escapes:
            lines = "\n".join(f"  {line}" for line in self.simulation.escapes)
            reporting.warn(
                self._item.config,
                Escape(f"the clock was held for real threads\n{lines}"),
                self._item.nodeid,
            )

    def _close_own(self) -> None:
        """Close the test's own simulation, if that is not done, and keep what it found."""
        if self._own_is_closed:
            return
        self._own_is_closed = True
        self._elapsed += self.simulation.elapsed
        try:
            self._worlds.close_own(self._error)
        except BaseException as found:  # noqa: BLE001 - judged when the teardown is over
            self._found = found

    def _judge_own(self) -> None:
        from simclock import Leak

        found, self._found = self._found, None
        if isinstance(found, Leak):
            if self._error is None:
                self._leaked(found)
        elif found is not None and not (found is self.simulation.failure and self._told):
            raise found

    def _leaked(self, leak: Leak) -> None:
        if self._strict:
            raise leak
        reporting.warn(self._item.config, leak, self._item.nodeid)

    def _check_threads(self) -> None:
        """Raise if threads that the test has started do not end by themselves."""
        from simclock import Leak

        # Workers of a pool that stays end with the process, by its own protocol.
        pools = sys.modules.get("concurrent.futures.thread")
        workers = getattr(pools, "_threads_queues", ())
        mine = [
            thread.python_thread
            for thread in self.simulation.threads
            if thread.stretch == self._item.nodeid
            and not thread.daemon
            and thread.python_thread is not None
            and thread.python_thread not in workers
        ]
        with self._worlds.inside(self.simulation):
            end = time.monotonic() + self._running.drain
            for thread in mine:
                thread.join(max(0.0, end - time.monotonic()))
        left = [thread.name for thread in mine if thread.is_alive()]
        if left:
            raise Leak(
                f"the test left threads behind: {', '.join(left)}\n"
                "end or join them, or choose --simclock-leaks=warn"
            )

    def abort(self) -> None:
        """Close the simulation of a test whose teardown pytest left out: the session ends."""
        if self._simulation is not None:
            self._told = True
            self.finish()

    # ------------------------------------------------------------- what others ask for

    @property
    def simulation(self) -> Simulation:
        """The simulation that the test is run in."""
        assert self._simulation is not None
        return self._simulation

    @property
    def worlds(self) -> Worlds:
        """Where the thread is."""
        return self._worlds

    @property
    def elapsed(self) -> float:
        """Virtual seconds that the test has taken so far."""
        if self._simulation is None or self._own_is_closed:
            return self._elapsed
        return self._elapsed + self._simulation.elapsed

    @contextlib.contextmanager
    def example(self) -> Generator[Simulation, None, None]:
        """Be in the simulation of one example: the suite's, or one that is opened for it."""
        simulation = self.simulation
        with self._worlds.inside(simulation):
            if kind_of(self._item) is Kind.SUITE:
                self._begin_again()
                try:
                    yield simulation
                    self._tell()
                finally:
                    self._begin_again()
            else:
                with self._own_example() as own:
                    yield own

    @contextlib.contextmanager
    def _own_example(self) -> Generator[Simulation, None, None]:
        from simclock import Leak

        own, _ = self._running.new_simulation(self._item)
        try:
            with own:
                try:
                    yield own
                finally:
                    self._elapsed += own.elapsed
        except Leak as leak:
            self._leaked(leak)

    def _begin_again(self) -> None:
        self._elapsed += self.simulation.elapsed
        self.simulation._begin_stretch(self._item.nodeid, self.simulation.seed)
