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


def _start(item: pytest.Item) -> TestRun | None:
    """Return the open simulation of *item*, or None if it is to run in real time."""
    marker = item.get_closest_marker("simclock")
    # Under --simclock alone a foreign suite must gain no failures: leaks only warn there.
    asked = marker is not None or "sim" in getattr(item, "fixturenames", ())
    options = {} if marker is None else dict(marker.kwargs)
    enabled = options.pop("enabled", asked or bool(item.config.getoption("simclock")))
    if marker is not None and marker.args:
        (enabled,) = marker.args
    if not enabled:
        return None
    from pytest_simclock.running import TestRun

    return TestRun(item, options, strict=asked)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Close the simulation also if pytest gives up between set-up and teardown."""
    try:
        return (yield)
    finally:
        run = item.stash.get(_run, None)
        if run is not None:
            del item.stash[_run]
            run.abort()


# Innermost of all wrappers: what pytest and its plugins do around a phase is in real time.


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Open the test's simulation; its set-up is the first stretch of it."""
    run = _start(item)
    if run is None:
        return (yield)
    item.stash[_run] = run
    with run.phase():
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test itself in its simulation."""
    run = item.stash.get(_run, None)
    if run is None:
        return (yield)
    with run.phase():
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test's teardown in its simulation, and close that."""
    run = item.stash.get(_run, None)
    if run is None:
        return (yield)
    del item.stash[_run]
    with run.last_phase():
        return (yield)


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Simulation:
    """Return the simulation that the test runs in."""
    run = request.node.stash.get(_run, None)
    if run is None:
        raise pytest.UsageError(
            "the sim fixture is for simulated tests: this one is not simulated\n"
            "mark it with @pytest.mark.simclock, or take sim as an argument of the test"
        )
    simulation: Simulation = run.simulation
    return simulation
