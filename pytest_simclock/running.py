"""One test's simulation, entered for each phase and left in between.

Pytest times, reports and logs between the phases; that has to see real time,
so the simulation stands still there.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest


class TestRun:
    """The simulation of one test, from its set-up to its teardown.

    Args:
        item: The test.
        options: Those of the simulation.
        strict: Whether a leak fails the test; else it is a warning.
    """

    __test__ = False

    def __init__(self, item: pytest.Item, options: dict[str, Any], *, strict: bool) -> None:
        from simclock import Simulation

        self._strict = strict
        self._nodeid = item.nodeid
        self.simulation = Simulation(**options)
        self.simulation.__enter__()
        self.simulation._suspend()
        # The first exception that left a phase.
        self._error: BaseException | None = None
        # Whether pytest knows already what the kernel found.
        self._told = False

    @contextlib.contextmanager
    def phase(self) -> Generator[None, None, None]:
        """Be in the simulation for a block; raise what the kernel found, even if swallowed."""
        self.simulation._resume()
        try:
            yield
        except BaseException as error:
            self._error = self._error or error
            self._told = self._told or self._tells(error)
            raise
        finally:
            self.simulation._suspend()
        failure = self.simulation.failure
        if failure is not None and not self._told:
            self._error = self._error or failure
            self._told = True
            raise failure

    def _tells(self, error: BaseException | None) -> bool:
        """Return whether the report of *error* shows what the kernel found."""
        while error is not None and error is not self.simulation.failure:
            error = error.__cause__ or error.__context__
        return error is not None

    @contextlib.contextmanager
    def last_phase(self) -> Generator[None, None, None]:
        """Be in the simulation for a block, and close it whatever happens in that."""
        try:
            with self.phase():
                yield
        finally:
            self.close()

    def abort(self) -> None:
        """Close the simulation of a test whose teardown pytest left out: the session ends."""
        self._told = True
        self.close()

    def close(self) -> None:
        """End the simulation; raise what has not been told."""
        from simclock import Leak

        error = self._error
        self.simulation._resume()
        try:
            self.simulation.__exit__(None if error is None else type(error), error, None)
        except Leak as leak:
            if self._strict:
                raise
            warnings.warn(Leak(f"{self._nodeid}: {leak}"), stacklevel=2)
        except BaseException as found:
            if found is not self.simulation.failure or not self._told:
                raise
