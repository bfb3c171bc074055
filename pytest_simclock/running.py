"""Running what is simulated: the plugin that is registered when there is something to run."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import reporting
from pytest_simclock.collecting import Kind, kind_of
from pytest_simclock.fixtures import WideFixtures
from pytest_simclock.options import LEAKS, choice, given, suite_options
from pytest_simclock.testrun import TestRun
from pytest_simclock.timing import RealTiming
from pytest_simclock.worlds import Worlds

if TYPE_CHECKING:
    from collections.abc import Generator

    from simclock import Simulation

# Virtual seconds; simclock's own default.
DRAIN = 60.0

_run = pytest.StashKey["TestRun"]()


def seed_of(run_seed: int, nodeid: str) -> int:
    """Return the seed of a test: from its name, so that it is the same whatever else is run."""
    return int.from_bytes(hashlib.sha256(f"{run_seed}:{nodeid}".encode()).digest()[:4], "big")


class Running:
    """The hooks around tests, and what the tests of a session share.

    Args:
        config: The session's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._given = given(config)
        self._leaks = self._given.pop("leaks", None)
        self._run_seed = self._given.pop("seed", 0)
        self.drain: float = self._given.get("drain", DRAIN)
        suite = suite_options(config)
        suite.pop("leaks", None)
        self.worlds = Worlds(suite)
        self._wide = WideFixtures(self.worlds)
        self._timing = RealTiming()

    # ---------------------------------------------------------------- the session

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """End the suite's simulation when the last fixture is torn down."""
        try:
            return (yield)
        finally:
            self._timing.undo()
            try:
                self.worlds.close_suite()
            except Exception as error:  # noqa: BLE001 - told, without failing the session
                reporting.warn(self._config, error)

    # -------------------------------------------------------------------- one test

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """See to it that the parts of *item* are run in its simulation."""
        if kind_of(item) is Kind.REAL:
            return (yield)
        run = item.stash[_run] = TestRun(item, self)
        try:
            with run.attached():
                return (yield)
        finally:
            del item.stash[_run]
            run.abort()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Refuse a test that would wait in vain for threads of a shared fixture."""
        self._wide.check(item)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tear *item* down in its simulation; say what that found and nobody has seen."""
        run = item.stash.get(_run, None)
        if run is None:
            return (yield)
        run.prepare_teardown()
        try:
            result = yield
        except BaseException as error:
            run.note(error)
            run.finish()
            raise
        run.finish()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: Any, request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Set up what several tests share in the world where it will live."""
        item = getattr(request, "_pyfuncitem", None)
        if fixturedef.scope == "function" or item is None:
            return (yield)
        return (yield from self._wide.set_up(fixturedef, item))

    # -------------------------------------------------------------------- reporting

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add to a report what is needed to run the test again, and its virtual time."""
        run = item.stash.get(_run, None)
        if run is not None and call.excinfo is not None:
            reporting.hide_ours(item.config, call.excinfo.value)
        report = yield
        if run is not None and run.seed is not None:
            reporting.complete(item, report, run.seed, run.elapsed)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, object, object]:
        """Report in real time also what is reported while a test runs: its subtests."""
        with self.worlds.inside(None):
            return (yield)

    # ------------------------------------------------------------ what a test asks for

    def start(self, item: pytest.Item) -> tuple[Simulation, bool]:
        """Return the simulation that *item* is to run in, ready, and whether a leak fails it."""
        if kind_of(item) is Kind.SUITE:
            suite = self.worlds.suite
            suite._begin_stretch(item.nodeid, seed_of(self._run_seed, item.nodeid))
            return suite, self._leaks == "fail"
        simulation, strict = self.new_simulation(item)
        self.worlds.open_own(simulation)
        return simulation, strict

    def new_simulation(self, item: pytest.Item) -> tuple[Simulation, bool]:
        """Return a simulation for *item* alone, not open yet, and whether a leak fails it."""
        from simclock import Simulation

        marker = item.get_closest_marker("simclock")
        options = {
            "seed": seed_of(self._run_seed, item.nodeid),
            "leaks": self._leaks or "fail",
            **self._given,
            **({} if marker is None else marker.kwargs),
        }
        options.pop("enabled", None)
        leaks = options.pop("leaks")
        try:
            return Simulation(**options), choice(*LEAKS)(leaks) == "fail"
        except (TypeError, ValueError) as error:
            pytest.fail(f"the simclock marker of {item.nodeid}: {error}", pytrace=False)
