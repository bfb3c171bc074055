"""Where the thread that runs the tests is: in real time, or in which simulation.

One simulation may span the suite; a test may have one of its own, which then
is opened inside that of the suite. The thread moves between them and real
time; what it is not in stands still.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from simclock import Simulation


class Worlds:
    """The simulations that are open, and the one that the thread is in, if any."""

    def __init__(self, suite_options: dict[str, Any]) -> None:
        self._suite_options = suite_options
        self._suite: Simulation | None = None
        self._own: Simulation | None = None
        self._current: Simulation | None = None

    @property
    def suite(self) -> Simulation:
        """The suite's simulation, opened when it is first asked for."""
        if self._suite is None:
            from simclock import Simulation

            suite = Simulation(**self._suite_options)
            suite.__enter__()
            self._suite = self._current = suite
            self._move(None)
        return self._suite

    def open_own(self, simulation: Simulation) -> None:
        """Open a test's own simulation; the thread stays in real time."""
        self._move(self._suite)
        try:
            simulation.__enter__()
            self._own = self._current = simulation
        finally:
            self._move(None)

    def close_own(self, error: BaseException | None) -> None:
        """Close it; *error* is what the test ended with. Raises what the simulation found."""
        simulation = self._own
        assert simulation is not None
        self._move(simulation)
        try:
            simulation.__exit__(None if error is None else type(error), error, None)
        finally:
            self._own = None
            self._current = self._suite
            self._move(None)

    def close_suite(self) -> None:
        """Close the suite's simulation, if there is one. Raises what that found."""
        suite = self._suite
        if suite is None:
            return
        # What the last test has found was told with that.
        suite._begin_stretch("", suite.seed)
        self._move(suite)
        self._suite = self._current = None
        suite.__exit__(None, None, None)

    def enter(self, world: Simulation | None) -> Simulation | None:
        """Move the thread to *world*, None being real time; return where it was."""
        before = self._current
        self._move(world)
        return before

    @contextlib.contextmanager
    def inside(self, world: Simulation | None) -> Generator[None, None, None]:
        """Be in *world* for a block."""
        before = self.enter(world)
        try:
            yield
        finally:
            self._move(before)

    def _move(self, world: Simulation | None) -> None:
        if world is self._current:
            return
        if self._own is not None and world is self._suite and world is not None:
            raise RuntimeError(
                "the suite's simulation stands still while a test has one of its own\n"
                "do not share a parametrised fixture between tests of both kinds"
            )
        if self._current is not None:
            current, self._current = self._current, None
            current._suspend(collect=current is self._suite)
        if world is not None:
            world._resume()
            self._current = world
