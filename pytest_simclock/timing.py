"""Pytest's stopwatches that it reads inside a test: those of fixtures and subtests."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCKS = ("time", "perf_counter")
# They use the module `time` itself: up to pytest 8 that of the plugin, from 9 on pytest's own.
SUBTESTS = ("_pytest.subtests", "pytest_subtests", "pytest_subtests.plugin")


class RealTiming:
    """Lets pytest measure real time, wherever it asks for it, until `undo`."""

    def __init__(self) -> None:
        clocks = {name: _in_real_time(getattr(time, name)) for name in CLOCKS}
        self._before: list[tuple[Any, str, Any]] = []
        # Pytest keeps its clocks in one module, so that they can be told from those of the tests.
        for name, clock in clocks.items():
            self._replace("_pytest.timing", name, clock)
        for module in SUBTESTS:
            self._replace(module, "time", SimpleNamespace(**clocks))

    def _replace(self, module_name: str, name: str, value: Any) -> None:
        module = sys.modules.get(module_name)
        if hasattr(module, name):
            self._before.append((module, name, getattr(module, name)))
            setattr(module, name, value)

    def undo(self) -> None:
        """Put back what was there."""
        while self._before:
            setattr(*self._before.pop())


def _in_real_time(clock: Callable[[], float]) -> Callable[[], float]:
    from simclock import active

    def read() -> float:
        simulation = active()
        if simulation is None:
            return clock()
        with simulation.real_time():
            return clock()

    return read
