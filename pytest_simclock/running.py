"""Running what is simulated: the plugin that is registered when there is something to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import reporting, timelines
from pytest_simclock.collecting import (
    Kind,
    complaints,
    is_of_suite,
    kind_of,
    wanted_options,
)
from pytest_simclock.coroutines import Coroutines
from pytest_simclock.fixtures import WideFixtures
from pytest_simclock.options import given, marked_options, mode, seed_of, suite_options
from pytest_simclock.searching import Searching, is_series
from pytest_simclock.series import chosen_for
from pytest_simclock.testrun import TestRun, test_run
from pytest_simclock.timing import measure_real_time
from pytest_simclock.worlds import Worlds

if TYPE_CHECKING:
    from collections.abc import Generator

    from simclock import Simulation
    from simclock.harness import Harness


class Running:
    """The hooks around tests, and what the tests of a session share.

    Args:
        session: The session.
    """

    def __init__(self, session: pytest.Session) -> None:
        self._config = session.config
        self._given = given(self._config)
        self._leaks = self._given.pop("leaks", None)
        self._given.pop("seed", None)
        suite = suite_options(self._config)
        suite.pop("leaks", None)
        self.worlds: Worlds = Worlds({**suite, "timeline": timelines.is_on(self._config)})
        self._wide = WideFixtures(self.worlds)
        measure_real_time(self._config)
        self.coroutines: Coroutines = Coroutines()
        self._config.pluginmanager.register(self.coroutines, "simclock-coroutines")
        self._config.pluginmanager.register(Searching(self._config), "simclock-searching")
        self.is_suite: bool = mode(self._config) is True
        if self.is_suite:
            self._simulate_collectors(session)

    def _simulate_collectors(self, session: pytest.Session) -> None:
        """Let what belongs to no single test be set up and torn down in the suite's simulation."""
        state: Any = session._setupstate
        set_up, tear_down = state.setup, state.teardown_exact

        def setup(item: pytest.Item) -> None:
            __tracebackhide__ = True
            with self.worlds.inside(self.worlds.shared):
                set_up(item)

        def teardown_exact(nextitem: pytest.Item | None) -> None:
            __tracebackhide__ = True
            with self.worlds.inside(self.worlds.shared):
                tear_down(nextitem)

        state.setup, state.teardown_exact = setup, teardown_exact

    # ---------------------------------------------------------------- the session

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """End the suite's simulation when the last fixture is torn down."""
        try:
            return (yield)
        finally:
            try:
                self.worlds.close_suite()
            except Exception as error:  # noqa: BLE001 - told, without failing the session
                reporting.warn(self._config, error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Let the place of the interrupt be the user's line."""
        reporting.hide_ours(self._config, excinfo.value)

    # -------------------------------------------------------------------- one test

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """See to it that the parts of *item* are run in its world."""
        if kind_of(item) is Kind.REAL and not self.is_suite:
            return (yield)
        run = item.stash[test_run] = TestRun(item, self)
        run.is_chosen = is_series(item)
        try:
            with run.attached():
                return (yield)
        finally:
            del item.stash[test_run]
            run.give_up()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Refuse a test that cannot be run as it asks for."""
        complaint = item.stash.get(complaints, None)
        if complaint is not None:
            pytest.fail(complaint, pytrace=False)
        self._wide.check(item)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tear *item* down in its world; say what that found and nobody has seen."""
        run = item.stash.get(test_run, None)
        if run is None:
            return (yield)
        run.prepare_teardown()
        result = None
        try:
            result = yield
        except BaseException as error:
            if not run.repeats(error):
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
        if item is None:
            return (yield)
        run = item.stash.get(test_run, None)
        if fixturedef.scope != "function":
            result = yield from self._wide.set_up(fixturedef, item)
            return result
        if run is not None:
            run.begin()
        return (yield)

    # -------------------------------------------------------------------- reporting

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add to a report what is needed to run the test again, and its virtual time."""
        run = item.stash.get(test_run, None)
        if run is not None and call.excinfo is not None:
            reporting.hide_ours(item.config, call.excinfo.value)
        report = yield
        if run is not None and run.seed is not None:
            if report.failed and call.excinfo is not None:
                run.raised = run.raised or call.excinfo.value
            reporting.complete(item, report, run, timelines.lines(item, report, run))
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, object, object]:
        """Report in real time also what is reported while a test runs: its subtests."""
        with self.worlds.inside(None):
            return (yield)

    # ------------------------------------------------------------ what a test asks for

    def start(self, item: pytest.Item) -> tuple[Harness, bool]:
        """Enter the simulation that *item* is to run in; return it, and whether a leak fails it."""
        if kind_of(item) is Kind.SUITE:
            suite = self.worlds.suite
            suite.begin(item.nodeid, seed_of(item))
            self.worlds.enter(suite)
            return suite, self._leaks == "fail"
        from simclock.harness import Harness

        simulation, strict = self.new_simulation(item)
        own = Harness(simulation)
        self.worlds.open_own(own)
        return own, strict

    def new_simulation(self, item: pytest.Item) -> tuple[Simulation, bool]:
        """Return a simulation for *item* alone, not open yet, and whether a leak there fails it."""
        from simclock import Simulation

        options, strict = self.options_of(item)
        return Simulation(**options), strict

    def options_of(self, item: pytest.Item) -> tuple[dict[str, Any], bool]:
        """Return the options of a simulation for *item* alone, and whether a leak fails it."""
        of_suite = suite_options(self._config) if is_of_suite(item) else {}
        options = {
            **of_suite,
            "seed": seed_of(item),
            "leaks": self._leaks or ("warn" if of_suite else "fail"),
            **wanted_options(item),
            **self._given,
            **marked_options(item),
            "timeline": timelines.is_on(self._config),
            **chosen_for(item),
        }
        leaks = options.pop("leaks")
        return options, leaks == "fail"
