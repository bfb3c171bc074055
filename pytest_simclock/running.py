"""One test's simulation, entered for each phase and left in between.

Pytest times, reports and logs between the phases; that has to see real time,
so the simulation stands still there.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

from simclock import Leak, Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest


class TestRun:
    """The simulation of one test, from its set-up to its teardown."""

    __test__ = False

    def __init__(self, item: pytest.Item) -> None:
        marker = item.get_closest_marker("simclock")
        options: dict[str, Any] = dict(marker.kwargs) if marker is not None else {}
        # Under --simclock alone a foreign suite must gain no failures: leaks only warn there.
        self._strict = marker is not None or "sim" in getattr(item, "fixturenames", ())
        self.simulation = Simulation(**options)
        self.simulation.__enter__()
        self.simulation._suspend()
        self._told = False

    @contextlib.contextmanager
    def stretch(self) -> Generator[None, None, None]:
        """Be in the simulation for a block."""
        self.simulation._resume()
        try:
            yield
        finally:
            self.simulation._suspend()

    def check(self) -> None:
        """Raise what the kernel found, even if the test swallowed it."""
        failure = self.simulation.failure
        if failure is not None and not self._told:
            self._told = True
            raise failure

    @contextlib.contextmanager
    def closing(self) -> Generator[None, None, None]:
        """Close the simulation after a block, whatever happens in it."""
        try:
            yield
        finally:
            self.simulation._resume()
            self._close()

    def _close(self) -> None:
        try:
            self.simulation.__exit__(*sys.exc_info())
        except Leak as leak:
            if self._strict:
                raise
            warnings.warn(leak, stacklevel=2)
        except BaseException as error:
            if error is not self.simulation.failure or not self._told:
                raise
