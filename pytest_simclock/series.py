"""A test that is run again and again, each time with a set-up and a teardown of its own.

Function-scoped fixtures are made anew for each run; what is wider stays until
the last one is over. Pytest hears of one test: of the run that counts.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from _pytest.logging import catching_logs
from _pytest.runner import (
    _update_current_test_var,
    check_interactive_exception,
    runtestprotocol,
)

from pytest_simclock import reporting, timelines
from pytest_simclock.testrun import test_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock import Simulation
    from simclock.searching import Given, Played, Settings

    # What makes the choices of a run.
    Answers = Any

# What the simulation of the next run of a test is given besides its own options.
_chosen = pytest.StashKey["dict[str, Any]"]()
# What pytest says of a test that passes and was to fail.
XPASS = "[XPASS(strict)]"


def chosen_for(item: pytest.Item) -> dict[str, Any]:
    """Return what the next run's simulation is to be given: its choices, perhaps its seed."""
    return item.stash.get(_chosen, {})


class _Run(NamedTuple):
    """A run of which a timeline can be made."""

    simulation: Simulation
    token: str
    error: BaseException | None
    is_failure: bool


class Series:
    """The runs of one test.

    Args:
        item: The test.
    """

    # Whether there may be thousands of runs, of which the failing one is repeated.
    is_long = False

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self._as_collected = _AsCollected(item)
        # Of the last run, in order, with those of its subtests.
        self.reports: list[pytest.TestReport] = []
        # How many runs were begun that are no repetitions.
        self.begun: int = 0
        # What a strategy has raised in the last run.
        self.broken: BaseException | None = None
        # The last run that had a simulation, with its schedule and error; of those that failed,
        # if there are any.
        self._shown: _Run | None = None
        self._seconds: dict[str, float] = {}
        self._virtual = 0.0

    def run(self) -> list[pytest.TestReport]:
        """Run the test as often as it takes; return the reports of the run that counts."""
        raise NotImplementedError

    def reported(self, nextitem: pytest.Item | None) -> Iterator[pytest.TestReport]:
        """Run the test, and tear down what *nextitem* does not share; yield what to report.

        Each report is to be logged before the next is asked for: if the
        session ends with it, all that is set up is torn down.
        """
        try:
            reports = self.run()
            self._tell_timeline(reports)
        # A user's strategy has failed, or pytest-timeout ends the test between two runs.
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - it is reported
            reports = self._cut_off(error)
        is_torn_down = reports[-1].when == "teardown"
        own = reports.pop() if is_torn_down else None
        for report in reports:
            yield self._complete(report)
        session = self.item.session
        ends = session.shouldfail or session.shouldstop
        yield self._complete(self._tear_down(None if ends else nextitem, own))

    def _complete(self, report: pytest.TestReport) -> pytest.TestReport:
        """Let *report*, if it is of a part of the test, tell the time of that in all the runs."""
        if not is_of_subtest(report):
            report.duration = self._seconds.get(str(report.when), report.duration)
            reporting.set_seconds(report, self._virtual)
        return report

    def _cut_off(self, error: BaseException) -> list[pytest.TestReport]:
        """Return the report of a test that *error* has ended outside of its runs, or between."""
        # Its teardown may have been left out.
        self.item.stash[test_run].give_up()

        def end() -> None:
            __tracebackhide__ = True
            raise error

        report = self._made(pytest.CallInfo.from_call(end, "call"))
        reporting.add_section(report, f"ended in run {self.begun}")
        return [report]

    def _made(self, call: pytest.CallInfo[None]) -> pytest.TestReport:
        item = self.item
        report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
        if check_interactive_exception(call, report):
            item.ihook.pytest_exception_interact(node=item, call=call, report=report)
        return report

    # ---------------------------------------------------------------- what is wider

    def _tear_down(
        self, nextitem: pytest.Item | None, own: pytest.TestReport | None
    ) -> pytest.TestReport:
        """Tear down what the next test does not share; return the report of the teardown.

        *own* is that of the run that counts: what belongs to the test alone.
        """
        item = self.item
        state: Any = item.session._setupstate
        self._as_collected.restore()

        def tear_down() -> None:
            __tracebackhide__ = True
            with _captured(item):
                state.teardown_exact(nextitem)

        ends = _ends_of_session(item.config)
        report = self._made(pytest.CallInfo.from_call(tear_down, "teardown", reraise=ends))
        if own is None:
            return report
        if report.failed and own.passed:
            report.sections[:0] = own.sections
            report.user_properties = own.user_properties
            return report
        if report.failed:
            reporting.add_section(own, f"what others share was torn down\n{report.longreprtext}")
        own.sections += report.sections
        return own

    # ----------------------------------------------------------------------- a run

    def repeat(self, answers: Given, settings: Settings) -> Played:
        """Run again a test that has had a simulation; see `one`. Nobody hears of it."""
        counted = _failed_subtests(self.item.config)
        before = dict(counted)
        try:
            played = self.one(answers, settings, is_repetition=True)
        finally:
            counted.clear()
            counted.update(before)
        assert played is not None
        return played

    def one(
        self, answers: Answers, settings: Settings, *, is_repetition: bool = False
    ) -> Played | None:
        """Run the test once; return what the run was like, or None if it had no simulation."""
        # Pytest imports it when a thread first raises: that run would be like no other one.
        import tracemalloc  # noqa: F401

        from simclock.errors import PluginError
        from simclock.searching import Played, Recorder, noting_unhandled

        self.begun += not is_repetition
        recorder = Recorder(answers, settings.fidelity, settings.latency_ns)
        run = self.item.stash[test_run]
        run.forget()
        self._as_collected.restore()
        watched = timelines.is_on(self.item.config, is_seen=is_repetition or not self.is_long)
        self.item.stash[_chosen] = {"choices": recorder, "timeline": watched, **settings.options}
        unhandled: list[BaseException] = []
        threads: list[str] = []
        try:
            with noting_unhandled(unhandled, quietly=False, threads=threads):
                self.reports = self._protocol(is_repetition=is_repetition)
        finally:
            del self.item.stash[_chosen]
        if unhandled and not self._may_raise_in_threads():
            self._fail_for_thread(unhandled[0], threads[0], run)
        for report in self.reports:
            if not is_of_subtest(report):
                when = str(report.when)
                self._seconds[when] = self._seconds.get(when, 0.0) + report.duration
        self._virtual += run.elapsed
        self.broken = recorder.error if isinstance(recorder.error, PluginError) else None
        if run.last is None:
            return None
        played = Played.of(run.last, recorder, self._error(run.raised))
        if self.is_failure or self._shown is None or not self._shown.is_failure:
            self._shown = _Run(run.last, played.schedule.token, played.error, self.is_failure)
        return played

    def _tell_timeline(self, reports: list[pytest.TestReport]) -> None:
        """Write the timeline of the run that counts, if it is wanted, and say where it is."""
        shown = self._shown
        is_failure = any(report.failed for report in reports)
        if shown is None or shown.is_failure != is_failure:
            return
        again = reporting.command(self.item, f"--simclock-replay={shown.token}")
        said = timelines.write(
            self.item, shown.simulation, shown.error, again=again, is_failure=is_failure
        )
        if said is not None:
            self.tell(reports, [said])

    def _may_raise_in_threads(self) -> bool:
        """Return whether the test says that an exception of a thread is nothing to warn of."""
        return self.is_failure or any(
            str(mark.args[0]).startswith("ignore") and "UnhandledThreadException" in mark.args[0]
            for mark in self.item.iter_markers("filterwarnings")
            if mark.args
        )

    def _fail_for_thread(self, error: BaseException, thread: str, run: Any) -> None:
        """Let a run fail of which only a thread has raised: nobody else would see that."""
        run.raised = run.raised or error
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        # The first line is all that the short summary shows.
        said = f"{type(error).__name__} in thread {thread}"
        self.fail(self.reports, f"{said}\n{''.join(lines)}")

    def _protocol(self, *, is_repetition: bool) -> list[pytest.TestReport]:
        """Let pytest run the test, but for what is torn down for others; return its reports."""
        session: Any = self.item.session
        hooks_for = session.gethookproxy
        of_subtests: list[pytest.TestReport] = []
        session.gethookproxy = lambda path: _Hooks(hooks_for(path), of_subtests, is_repetition)
        try:
            # To be followed by a test of the same parent: this one again.
            parent: Any = self.item.parent
            reports = runtestprotocol(self.item, log=False, nextitem=parent)
        finally:
            del session.gethookproxy
        return [*reports[:1], *of_subtests, *reports[1:]]

    def _error(self, raised: BaseException | None) -> BaseException | None:
        """Return what the last run ended with, also if a plugin has made it a failure."""
        if raised is None and self.is_failure:
            failed = next(report for report in self.reports if report.failed)
            return pytest.fail.Exception(failed.longreprtext)
        return raised

    # ------------------------------------------------------------------ the last run

    @property
    def is_failure(self) -> bool:
        """Whether the last run is one. A test that was to fail and has passed is none yet."""
        return any(
            report.failed and not report.longreprtext.startswith(XPASS) for report in self.reports
        )

    @property
    def is_skipped(self) -> bool:
        """Whether the last run was skipped, or failed as expected."""
        return any(report.skipped and not is_of_subtest(report) for report in self.reports)

    # -------------------------------------------------------------- what is reported

    def tell(self, reports: list[pytest.TestReport], lines: list[str]) -> None:
        """Add *lines* to the report that failed, or else to that of the call."""
        failed = [report for report in reports if report.failed]
        reporting.add_section((failed or [_of_call(reports)])[0], "\n".join(lines))

    def fail(self, reports: list[pytest.TestReport], text: str) -> None:
        """Make a failure of a test that has passed."""
        report = _of_call(reports)
        report.outcome = "failed"
        report.longrepr = text

    def again(self, *options: str) -> str:
        """Return what to type to run the test again in this way."""
        return f"again: {reporting.command(self.item, *options)}"


def _ends_of_session(config: pytest.Config) -> tuple[type[BaseException], ...]:
    """Return what no report is made of, as pytest has it."""
    interrupts = () if config.getoption("usepdb", False) else (KeyboardInterrupt,)
    return (pytest.exit.Exception, *interrupts)


class _AsCollected:
    """A test as it is before it is run, to be restored: no run sees what another one has added."""

    def __init__(self, item: pytest.Item) -> None:
        self._item: Any = item
        kept: Any = (item.own_markers, item.user_properties, item._report_sections)
        self._before = [(values, list(values)) for values in kept]

    def restore(self) -> None:
        """Forget what was added: output, properties, markers, unittest's errors, the instance."""
        item = self._item
        for values, before in self._before:
            values[:] = before
        vars(item).pop("_excinfo", None)
        instance = getattr(item, "_instance", None)
        # Pytest makes one of the test's class for each test, not for each run.
        if instance is not None and getattr(item._obj, "__self__", None) is instance:
            del item._instance
            item._obj = None


class _Hooks:
    """The hooks as a run calls them: what subtests report at once waits until the run counts.

    Args:
        hooks: Those of the session.
        kept: Where the reports go.
        is_repetition: Whether debuggers and the like have seen the failure already.
    """

    def __init__(self, hooks: Any, kept: list[pytest.TestReport], is_repetition: bool) -> None:
        self._hooks = hooks
        self._kept = kept
        self._is_repetition = is_repetition

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hooks, name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._kept.append(report)

    def pytest_exception_interact(self, **arguments: Any) -> None:
        if not self._is_repetition:
            self._hooks.pytest_exception_interact(**arguments)


@contextlib.contextmanager
def _captured(item: pytest.Item) -> Iterator[None]:
    """Capture output and logs for a block as pytest does for the teardown of *item*."""
    capture: Any = item.config.pluginmanager.get_plugin("capturemanager")
    logs: Any = item.config.pluginmanager.get_plugin("logging-plugin")
    _update_current_test_var(item, "teardown")
    try:
        with contextlib.ExitStack() as stack:
            if capture is not None:
                stack.enter_context(capture.item_capture("teardown", item))
            if logs is not None:
                logs.report_handler.reset()
                stack.enter_context(catching_logs(logs.report_handler, level=logs.log_level))
            yield
    finally:
        if logs is not None:
            said = logs.report_handler.stream.getvalue().strip()
            item.add_report_section("teardown", "log", said)
        _update_current_test_var(item, None)


def _failed_subtests(config: pytest.Config) -> dict[Any, int]:
    """Return how many subtests of each test have failed, as pytest counts them from 9 on."""
    key = getattr(sys.modules.get("_pytest.subtests"), "failed_subtests_key", None)
    return {} if key is None else config.stash[key]


def is_of_subtest(report: pytest.TestReport) -> bool:
    """Return whether *report* is of a subtest."""
    return hasattr(report, "context")


def _of_call(reports: list[pytest.TestReport]) -> pytest.TestReport:
    """Return the report of the call, or of the set-up that has prevented it."""
    calls = [each for each in reports if each.when == "call" and not is_of_subtest(each)]
    return (calls or reports)[0]
