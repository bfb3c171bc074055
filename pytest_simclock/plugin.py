"""Run tests in simulated time: the marker, the option, the ``sim`` fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_simclock.running import TestRun
    from simclock import Simulation

_run = pytest.StashKey["TestRun"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("simclock", "simulated time")
    group.addoption("--simclock", action="store_true", help="run every test in simulated time")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "simclock(enabled=True, **options): run the test in simulated time; "
        "the options are those of simclock.Simulation",
    )


def _is_simulated(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("simclock")
    if marker is not None and marker.args:
        return bool(marker.args[0])
    wanted = marker is not None or "sim" in getattr(item, "fixturenames", ())
    return wanted or bool(item.config.getoption("simclock"))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Open the test's simulation; its set-up is the first stretch of it."""
    if not _is_simulated(item):
        yield
        return
    from pytest_simclock.running import TestRun

    run = item.stash[_run] = TestRun(item)
    with run.stretch():
        yield


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run the test itself in its simulation."""
    run = item.stash.get(_run, None)
    if run is None:
        yield
        return
    with run.stretch():
        yield
    run.check()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Run the test's teardown in its simulation, and close that."""
    run = item.stash.get(_run, None)
    if run is None:
        yield
        return
    del item.stash[_run]
    with run.closing(), run.stretch():
        yield


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Simulation:
    """The simulation that the test runs in."""
    run: TestRun = request.node.stash[_run]
    return run.simulation
