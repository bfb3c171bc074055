"""Pytest's stopwatches that it reads inside a simulation: those of fixtures and subtests.

And those of whole tests, where a fixture of the program's own has opened a simulation around them.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

CLOCKS = ("time", "perf_counter")
# They use the module `time` itself: up to pytest 8 that of the plugin, from 9 on pytest's own.
SUBTESTS = ("_pytest.subtests", "pytest_subtests", "pytest_subtests.plugin")


_timing = pytest.StashKey["RealTiming"]()


def measure_real_time(config: pytest.Config) -> None:
    """Let pytest measure real time until the end of the session. Idempotent."""
    if _timing not in config.stash:
        config.stash[_timing] = timing = RealTiming()
        config.add_cleanup(timing.undo)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Measure real time from the first fixture on that may have opened a simulation."""
    try:
        return (yield)
    finally:
        if "simclock.simulation" in sys.modules:
            measure_real_time(item.config)


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
