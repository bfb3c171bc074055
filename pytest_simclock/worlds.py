"""Where the thread that runs the tests is: in real time, or in which simulation.

One simulation may span the suite; a test may have one of its own, opened while
the suite's stands still. The thread moves between them and real time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

from pytest_simclock.neighbours import Globals

if TYPE_CHECKING:
    from collections.abc import Generator

    from simclock.harness import Harness

    # Real time is None.
    World = Harness | None


class Worlds:
    """The simulations that are open, and the one that the thread is in, if any.

    Only the thread that made it moves. Another one (a test may report from
    any) is left where it is, or gets real time for a block.

    Args:
        suite_options: Of the simulation that spans the suite.
    """

    def __init__(self, suite_options: dict[str, Any]) -> None:
        self._suite_options = suite_options
        self._thread = threading.get_ident()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._suite: World = None
        self._own: World = None
        self._current: World = None
        self._globals = Globals()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            self._forget()  # a forked child: its simulations are gone

    @property
    def suite(self) -> Harness:
        """The suite's simulation, opened when it is first asked for."""
        suite = self.open_suite
        if suite is None:
            from simclock import Simulation
            from simclock.harness import Harness

            # Known before it is open: an interrupt must not leave one that nobody closes.
            suite = self._suite = Harness(Simulation(**self._suite_options))
            try:
                suite.open()
            finally:
                if not suite.is_open:
                    self._suite = None
        return suite

    @property
    def open_suite(self) -> World:
        """The suite's simulation, if it is open."""
        self._check_process()
        return self._suite

    @property
    def shared(self) -> World:
        """Where what belongs to no single test is run now."""
        return None if self._own is not None else self.open_suite

    def open_own(self, own: Harness) -> None:
        """Open a test's own simulation and enter it, from real time or from the suite's."""
        self.enter(None)
        self._own = own
        try:
            own.open()
        finally:
            if not own.is_open:
                self._own = None
        self.enter(own)

    def close_own(self, error: BaseException | None) -> None:
        """Close it, and be in real time; *error* is what the test ended with.

        Raises:
            BaseException: What the simulation has found.
        """
        own = self._own
        if own is None or not self._is_here():
            return
        self.enter(own)
        self._own = self._current = None
        try:
            own.close(error)
        finally:
            self._forget_globals(own)

    def close_suite(self) -> None:
        """Close the suite's simulation, if it is open. Raises what that has found."""
        suite = self.open_suite
        if suite is not None:
            # What the last test has found was told with that.
            suite.forget_failure()
            self.enter(suite)
            self._suite = self._current = None
            try:
                suite.close(None)
            finally:
                self._forget_globals(suite)

    def _forget_globals(self, world: World) -> None:
        self._globals.move(world, None)
        self._globals.forget(world)

    def mend(self, world: World) -> None:
        """Take away what a test that was cut off has left of other plugins in *world*."""
        with self.inside(world):
            self._globals.mend()

    def enter(self, world: World) -> World:
        """Move the thread to *world*; return where it was."""
        if not self._is_here():
            return world
        before = self._current
        if world is not before:
            self._move(before, world)
        return before

    def _is_here(self) -> bool:
        self._check_process()
        return threading.get_ident() == self._thread

    def _move(self, before: World, world: World) -> None:
        if self._own is not None and world is not None and world is self._suite:
            raise RuntimeError(
                "the suite's simulation stands still while a test has one of its own\n"
                "do not ask for a parametrised fixture of wide scope inside of such a test"
            )
        if before is not None:
            self._current = None
            before.leave(collect=before is self._suite)
        self._globals.move(before, world)
        if world is not None:
            try:
                world.come_back()
            except BaseException:
                self._globals.move(world, None)
                raise
            self._current = world

    @contextlib.contextmanager
    def inside(self, world: World) -> Generator[None, None, None]:
        """Be in *world* for a block."""
        if not self._is_here():
            with _real_time_unless(world):
                yield
            return
        before = self.enter(world)
        try:
            yield
        finally:
            # A test's own simulation may have been opened meanwhile: then the suite's waits.
            self.enter(None if before is self._suite and self._own is not None else before)


@contextlib.contextmanager
def _real_time_unless(world: World) -> Generator[None, None, None]:
    from simclock import active

    simulation = active() if world is None else None
    if simulation is None:
        yield
    else:
        with simulation.real_time():
            yield
