"""Tests that are run again and again: a search of schedules, a check, a replay.

Each run has its own set-up and teardown, with function-scoped fixtures that
are made anew; what is wider stays. Pytest hears of one test: of the run that
failed, or else of the last.
"""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from pytest_simclock import reporting
from pytest_simclock.collecting import Kind, complaints, kind_of
from pytest_simclock.options import STRICT, search_options
from pytest_simclock.testrun import test_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock import Schedule
    from simclock.searching import Follow, Played, Recorder, Search, Settings

    # What makes the choices of a run.
    Answers = Any

# What the simulation of the next run of a test is given besides its own options.
_chosen = pytest.StashKey["dict[str, Any]"]()
# How often a run is repeated by --simclock-check.
CHECKS = 2


def chosen_for(item: pytest.Item) -> dict[str, Any]:
    """Return what the next run's simulation is to be given: its choices, perhaps its seed."""
    return item.stash.get(_chosen, {})


def schedule_of(text: str) -> Schedule:
    """Return the schedule that *text*, a token or the path of a file, stands for.

    Raises:
        pytest.UsageError: It is neither.
    """
    from simclock import Schedule

    path = Path(text)
    try:
        if not path.suffix or not path.exists():
            return Schedule.from_token(text)
        return Schedule.from_token(str(json.loads(path.read_text(encoding="utf-8"))["token"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise pytest.UsageError(f"--simclock-replay: {error}") from None


class Searching:
    """The protocol of tests that are run more than once, or under a given schedule.

    Args:
        config: The session's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        replayed = config.getoption("simclock_replay")
        self._schedule = schedule_of(replayed) if replayed else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        """Run *item* as often as it takes, if it is one of those."""
        series = self._series(item)
        if series is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in series.reports(nextitem):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _series(self, item: pytest.Item) -> Series | None:
        if not is_series(item):
            return None
        if self._schedule is not None:
            strict = self._config.getoption("simclock_replay_mode") == STRICT
            return Replay(item, self._schedule, strict=strict)
        if self._config.getoption("simclock_check"):
            return Check(item)
        try:
            return Searched(item, search_options(item))
        except (TypeError, ValueError, RuntimeError) as error:
            item.stash[complaints] = f"simclock: {error}"
            return None


def is_series(item: pytest.Item) -> bool:
    """Return whether *item* is run several times, or under a schedule that is given."""
    if kind_of(item) is not Kind.OWN or has_examples(item):
        return False
    config = item.config
    if config.getoption("simclock_replay") or config.getoption("simclock_check"):
        return True
    try:
        return bool(search_options(item).get("runs", 1) != 1)
    except ValueError:
        return False  # its set-up says what is wrong


def has_examples(item: pytest.Item) -> bool:
    """Return whether *item* is run again and again by Hypothesis already."""
    handle = getattr(getattr(item, "obj", None), "hypothesis", None)
    return getattr(handle, "inner_test", None) is not None


class Series:
    """The runs of one test.

    Args:
        item: The test.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._reports: list[pytest.TestReport] = []
        self._seconds: dict[str, float] = {}
        self._virtual = 0.0

    def reports(self, nextitem: pytest.Item | None) -> Iterator[pytest.TestReport]:
        """Run the test; yield what is to be reported of it."""
        chosen = self.run()
        chosen[-1] = self._tear_down(nextitem) or chosen[-1]
        for report in chosen:
            report.duration = self._seconds[str(report.when)]
            reporting.set_seconds(report, self._virtual)
        yield from chosen

    def _tear_down(self, nextitem: pytest.Item | None) -> pytest.TestReport | None:
        """Tear down what the next test does not share; return a report if that fails.

        Until here, that was only what belongs to the test alone.
        """
        item = self._item
        capture: Any = item.config.pluginmanager.get_plugin("capturemanager")
        state: Any = item.session._setupstate

        def tear_down() -> None:
            __tracebackhide__ = True
            with capture.item_capture("teardown", item) if capture else contextlib.nullcontext():
                state.teardown_exact(nextitem)

        ends = (KeyboardInterrupt, pytest.exit.Exception)
        call = pytest.CallInfo.from_call(tear_down, "teardown", reraise=ends)
        if call.excinfo is None:
            return None
        report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
        return report

    def run(self) -> list[pytest.TestReport]:
        """Run the test as often as it takes; return the reports of the run that counts."""
        raise NotImplementedError

    def repeat(self, answers: Follow, settings: Settings) -> Played:
        """Run again a test that has had a simulation; see `one`."""
        played = self.one(answers, settings)
        assert played is not None
        return played

    def one(self, answers: Answers, settings: Settings) -> Played | None:
        """Run the test once; return what the run was like, or None if it had no simulation."""
        from simclock.searching import Follow, Recorder

        recorder = Recorder(answers, settings.fidelity, settings.latency_ns)
        item = self._item
        item.stash[_chosen] = {"choices": recorder, **settings.options}
        try:
            # What of the teardown belongs to others is left: the next test is this one again.
            parent: Any = item.parent
            self._reports = runtestprotocol(item, log=False, nextitem=parent)
        finally:
            del item.stash[_chosen]
        for report in self._reports:
            when = str(report.when)
            self._seconds[when] = self._seconds.get(when, 0.0) + report.duration
        run = item.stash[test_run]
        self._virtual += run.elapsed
        if run.last is None:
            return None
        played = _played(run.last, run.raised, recorder)
        if isinstance(answers, Follow) and run.raised is None:
            answers.end(recorder.points)
        return played

    @property
    def is_failure(self) -> bool:
        """Whether the last run is one."""
        return any(report.failed for report in self._reports)

    @property
    def is_skipped(self) -> bool:
        """Whether the last run was skipped, or failed as expected."""
        return any(report.skipped for report in self._reports)

    def tell(self, reports: list[pytest.TestReport], lines: list[str]) -> None:
        """Add *lines* to the report that failed, or else to that of the call."""
        failed = [report for report in reports if report.failed]
        reporting.add_section((failed or reports[1:2] or reports)[0], "\n".join(lines))

    def fail(self, reports: list[pytest.TestReport], text: str) -> None:
        """Make a failure of a test that has passed."""
        report = (reports[1:2] or reports)[0]
        report.outcome = "failed"
        report.longrepr = text

    def again(self, option: str) -> str:
        """Return what to type to run the test again in this way."""
        return f"again: {reporting.command(self._item, option)}"


def _played(simulation: Any, raised: BaseException | None, recorder: Recorder) -> Played:
    from simclock.searching import Played

    return Played(
        raised,
        recorder.schedule(simulation.seed),
        simulation.trace.digest,
        simulation.trace,
        recorder.ways,
        simulation.started_threads,
        simulation.escapes,
        recorder.is_fair,
    )


class Searched(Series):
    """A search: until one run fails, or enough have passed.

    Args:
        item: The test.
        options: As the command line and the marker say.
    """

    def __init__(self, item: pytest.Item, options: dict[str, Any]) -> None:
        from simclock.searching import Search, settings_of

        super().__init__(item)
        options = dict(options)
        names = {key: options.pop(key) for key in ("fidelity", "latency") if key in options}
        strategy = options.pop("strategy", "portfolio")
        self._search = Search(strategy, settings_of(**names), **options)

    def run(self) -> list[pytest.TestReport]:
        """Run the test under one schedule after another."""
        from simclock.searching import Progress, repeated

        search = self._search
        repeat = functools.partial(self.repeat, settings=search.settings)
        progress = Progress(search, _Terminal(self._item.config))
        while True:
            played = self.one(search.begin(), search.settings)
            reports = self._reports
            if played is None or self.is_skipped:
                return reports
            search.note(played)
            if self.is_failure:
                search.failed = played
            if search.is_sampled:
                search.compare(played, repeated(played.schedule, repeat))
            if not search.wants_more():
                break
            progress.show()
        if search.failed is not None:
            search.reproduce(repeat)
        self._tell(search, reports)
        return reports

    def _tell(self, search: Search, reports: list[pytest.TestReport]) -> None:
        from simclock.searching import evidence_lines

        report = search.report()
        failure = report.failure
        lines = []
        if failure is not None:
            lines.append(
                f"run {failure.run} of at most {search.runs} failed, by strategy"
                f" {failure.strategy}; reproduced {failure.reproduced}/{failure.repetitions}"
            )
            lines += failure.difference.splitlines()
            lines.append(self.again(f"--simclock-replay={failure.token}"))
            path = _keep(self._item, failure.token)
            if path is not None:
                lines.append(f"the same schedule is in {path}: --simclock-replay={path}")
        lines.append(f"{report.verdict}:")
        self.tell(reports, [*lines, *evidence_lines(report.evidence)])
        for each in reports:
            reporting.set_search(each, report)


def _keep(item: pytest.Item, token: str) -> str | None:
    """Keep a schedule in pytest's cache, with where it comes from; return the file."""
    import platform

    import simclock

    cache = getattr(item.config, "cache", None)
    if cache is None:
        return None
    name = "".join(letter if letter.isalnum() else "-" for letter in item.nodeid)[-100:]
    path = Path(cache.mkdir("simclock")) / f"{name}.json"
    provenance = {
        "token": token,
        "test": item.nodeid,
        "python": platform.python_version(),
        "simclock": getattr(simclock, "__version__", ""),
    }
    try:
        path.write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    except OSError:
        return None
    with contextlib.suppress(ValueError):
        path = path.relative_to(item.config.invocation_params.dir)
    return str(path)


class Check(Series):
    """A test that is run under one schedule, several times, to see whether it repeats."""

    def run(self) -> list[pytest.TestReport]:
        """Run the test, and the same again."""
        from simclock.searching import chosen, compared, repeated, settings_of

        settings = settings_of(latency=0)
        repeat = functools.partial(self.repeat, settings=settings)
        first = self.one(chosen("canonical", 0), settings)
        reports = self._reports
        if first is None or self.is_skipped:
            return reports
        for _ in range(CHECKS):
            again = repeated(first.schedule, repeat)
            found = compared(first, again)
            if found:
                option = "--simclock-check"
                if self.is_failure_of(reports):
                    self.tell(reports, [*found.splitlines(), self.again(option)])
                else:
                    self.fail(reports, f"{found}\n{self.again(option)}")
                break
        return reports

    @staticmethod
    def is_failure_of(reports: list[pytest.TestReport]) -> bool:
        """Return whether a run with these *reports* has failed."""
        return any(report.failed for report in reports)


class Replay(Series):
    """One run under a given schedule.

    Args:
        item: The test.
        schedule: What to follow.
        strict: Whether to end the run where it does not follow.
    """

    def __init__(self, item: pytest.Item, schedule: Schedule, *, strict: bool) -> None:
        super().__init__(item)
        self._schedule = schedule
        self._strict = strict

    def run(self) -> list[pytest.TestReport]:
        """Run the test under the schedule."""
        from simclock import Divergence
        from simclock.searching import Follow, Settings

        schedule = self._schedule
        settings = Settings(schedule.fidelity, schedule.latency_ns, {"seed": schedule.seed})
        follow = Follow(schedule, strict=self._strict)
        try:
            self.one(follow, settings)
        except Divergence as divergence:
            self.fail(self._reports, f"Divergence: {divergence}")
            return self._reports
        said = follow.diverged or "to its end"
        self.tell(self._reports, [f"replayed: the schedule was followed {said}"])
        return self._reports


class _Terminal:
    """Writes to the terminal while output is captured."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")

    def write(self, text: str) -> None:
        """Write *text*, which ends a line."""
        if self._reporter is None:
            return
        shown = contextlib.nullcontext() if self._capture is None else None
        with shown or self._capture.global_and_fixture_disabled():
            self._reporter.ensure_newline()
            self._reporter.write_line(text.rstrip("\n"))

    def flush(self) -> None:
        """Do nothing: a line is shown when it is written."""
