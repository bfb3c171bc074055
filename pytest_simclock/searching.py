"""Tests that are run more than once, or under a given schedule: a search, a check, a replay."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import reporting
from pytest_simclock.collecting import Kind, complaints, kind_of
from pytest_simclock.examples import has_examples
from pytest_simclock.folders import corpus_of
from pytest_simclock.neighbours import is_timeout
from pytest_simclock.options import (
    STRICT,
    replayed,
    search_of,
    search_options,
    strategy_seed,
    test_id,
)
from pytest_simclock.series import Series
from pytest_simclock.testrun import test_run

if TYPE_CHECKING:
    from simclock import Evidence, Schedule
    from simclock.searching import Given, Played, Progress, Settings


# How often a run is repeated by --simclock-check.
CHECKS = 2


class Searching:
    """The protocol of tests that are run more than once, or under a given schedule.

    Args:
        config: The session's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._schedule = replayed(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        """Run *item* as often as it takes, if it is one of those."""
        series = self._series(item)
        if series is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in series.reported(nextitem):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _series(self, item: pytest.Item) -> Series | None:
        run = item.stash.get(test_run, None)
        is_searched = run is not None and run.is_chosen
        if is_searched and self._schedule is not None:
            strict = self._config.getoption("simclock_replay_mode") == STRICT
            return Replay(item, self._schedule, strict=strict)
        if is_searched and self._config.getoption("simclock_check"):
            return Check(item)
        try:
            # Also where it is run once: what its marker says of a search has to have a meaning.
            options = search_options(item) if is_searchable(item) else {}
            search = self._search(item, options) if options else None
        except (TypeError, ValueError, RuntimeError) as error:
            item.stash[complaints] = f"simclock: {error}"
            return None
        return search if is_searched else None

    def _search(self, item: pytest.Item, options: dict[str, Any]) -> Searched:
        campaigns = self._config.pluginmanager.get_plugin("simclock-campaigns")
        if campaigns is None or options.get("runs", 1) == 1:
            return Searched(item, options)
        from pytest_simclock.campaigns import InParts

        return InParts(item, options, campaigns)


def is_series(item: pytest.Item) -> bool:
    """Return whether *item* is run several times, or under a schedule that is given."""
    if not is_searchable(item):
        return False
    config = item.config
    if config.getoption("simclock_replay") or config.getoption("simclock_check"):
        return True
    try:
        return bool(search_options(item).get("runs", 1) != 1)
    except ValueError:
        return False  # its set-up says what is wrong


def is_searchable(item: pytest.Item) -> bool:
    """Return whether *item* can be run again: a function in a simulation of its own.

    A doctest cannot, and what Hypothesis runs is run again and again already.
    """
    if kind_of(item) is not Kind.OWN or not isinstance(item, pytest.Function):
        return False
    is_run = not item.config.getoption("setuponly", default=False)
    return is_run and not has_examples(item)


class Searched(Series):
    """A search: until one run fails, or enough have passed.

    Args:
        item: The test.
        options: As the command line and the marker say.

    Raises:
        TypeError, ValueError, PluginError: An option has no meaning.
    """

    is_long = True
    begun: int
    _progress: Progress

    def __init__(self, item: pytest.Item, options: dict[str, Any]) -> None:
        super().__init__(item)
        self._search = search_of(options, strategy_seed(item))

    def run(self) -> list[pytest.TestReport]:
        """Run the test under one schedule after another."""
        from simclock.searching import Progress, statements_of

        search = self._search
        item: Any = self.item
        # Each set of parameters is a search of its own, and may come to other places.
        if not hasattr(item, "callspec"):
            search.tally.predicates.update(statements_of(item.obj))
        progress = self._progress = Progress(search, _Terminal(self.item.config))
        is_over = self._fails_at_first()
        reports = self.reports
        while not is_over:
            played = self.one(search.begin(), search.settings)
            reports = self.reports
            if self.broken is not None or played is None or self.is_skipped:
                return self._without_verdict(reports, played)
            search.note(played)
            if self.is_failure:
                search.failed = played
            elif search.is_sampled:
                reports = self._compare(played) or reports
            is_over = not search.wants_more()
            if not is_over:
                progress.show()
        if search.failed is not None and search.failure is None and _is_repeatable(search.failed):
            reports = self._reproduced(search.failed, reports, search.settings)
        self._tell(reports)
        return reports

    def _reproduced(
        self, found: Played, reports: list[pytest.TestReport], settings: Settings
    ) -> list[pytest.TestReport]:
        """Shrink and repeat a failure with these *reports*; return those of what it has become."""
        from simclock.searching import Follow

        failure = self._search.reproduce(self._repeat(settings), self._progress.show)
        if failure.reproduced < failure.repetitions or failure.token == found.schedule.token:
            return reports
        assert self._search.failed is not None
        self.repeat(Follow(self._search.failed.schedule, strict=True), settings)
        return self.reports

    def _repeat(self, settings: Settings) -> Any:
        return functools.partial(self.repeat, settings=settings)

    def _fails_at_first(self) -> bool:
        """Run the schedules that have failed in earlier searches; return whether one fails now."""
        search = self._search
        corpus = corpus_of(self.item)
        if corpus is None:
            return False
        settings = corpus.run_first(test_id(self.item), search, self._run_kept)
        if settings is None:
            return False
        assert search.failed is not None
        if _is_repeatable(search.failed):
            self.reports: list[pytest.TestReport] = self._reproduced(
                search.failed, self.reports, settings
            )
        return True

    def _run_kept(self, answers: Given, settings: Settings) -> tuple[Played, bool] | None:
        """Run a schedule that has failed before; return the run, and whether it fails now."""
        played = self.one(answers, settings)
        self.begun -= 1
        if self.broken is not None or played is None or self.is_skipped:
            return None  # as the first run will
        return played, self.is_failure

    def _compare(self, played: Played) -> list[pytest.TestReport] | None:
        """Repeat a run that has passed; return the reports of the repetition if that fails."""
        from simclock import Divergence

        again = self._search.sample(played, self._repeat(self._search.settings))
        # Where it went another way, that is said with the evidence.
        if again.error is None or isinstance(again.error, Divergence):
            return None
        self._search.failed = again
        return self.reports

    def _without_verdict(
        self, reports: list[pytest.TestReport], played: Played | None
    ) -> list[pytest.TestReport]:
        """Return *reports*, those of a run that was skipped, or not chosen by its strategy."""
        if self.broken is not None:
            if not self.is_failure:
                self.fail(reports, f"{type(self.broken).__name__}: {self.broken}")
        elif played is not None and any(hasattr(report, "wasxfail") for report in reports):
            token = played.schedule.token
            again = self.again(f"--simclock-replay={token}")
            self.tell(reports, [f"{self._number()} failed, as expected", again])
        return reports

    def _number(self) -> str:
        if self._search.is_kept:
            return "a schedule that an earlier search has found"
        return f"run {self.begun} of at most {self._search.runs}"

    def _tell(self, reports: list[pytest.TestReport]) -> None:
        from simclock.searching import evidence_lines

        search = self._search
        whole = search.report()
        report = whole._replace(evidence=own(whole.evidence, str(self.item.path)))
        lines = []
        if search.failed is not None:
            lines = self._failure_lines(search.failed, report.failure)
        lines.append(f"{report.verdict if search.failed is None else 'failed'}:")
        self.tell(reports, [*lines, *evidence_lines(report.evidence)])
        for each in reports:
            reporting.set_search(each, report, is_failure=search.failed is not None)
            reporting.set_predicates(each, whole)

    def _failure_lines(self, failed: Played, failure: Any) -> list[str]:
        from simclock.searching import reproduction

        token = failed.schedule.token
        if failure is None:
            lines = [f"{self._number()} was ended by a limit, and is not repeated"]
        else:
            how = " again" if self._search.is_kept else f", by strategy {failure.strategy}"
            lines = [
                f"{self._number()} failed{how}; {reproduction(failure)}",
                *failure.difference.splitlines(),
                *failure.story.splitlines(),
                *failure.faults.splitlines(),
            ]
        lines.append(self.again(f"--simclock-replay={token}"))
        path = _keep(self.item, token)
        if path is not None:
            lines.append(f"the same schedule is in {path}: --simclock-replay={path}")
        return lines


def own(evidence: Evidence, file: str) -> Evidence:
    """Return *evidence* with the statements of *file*, the test's module, only.

    Those of the program may be there for another test; they are judged over the session.
    """
    found = [each for each in evidence.predicates if each.file == file]
    return evidence._replace(predicates=tuple(found))


def _is_repeatable(played: Played) -> bool:
    """Return whether to repeat a failure: not what has taken as long as it was allowed."""
    return played.verdict == "failed" and not is_timeout(played.error)


def _keep(item: pytest.Item, token: str) -> str | None:
    """Keep a schedule for the next search; return the file."""
    corpus = corpus_of(item)
    path = None if corpus is None else corpus.keep(test_id(item), token)
    if path is None:
        return None
    with contextlib.suppress(ValueError):
        path = path.relative_to(item.config.invocation_params.dir)
    return str(path)


class Check(Series):
    """A test that is run under one schedule, several times, to see whether it repeats."""

    def run(self) -> list[pytest.TestReport]:
        """Run the test, and the same again."""
        from simclock.searching import chosen, differing, settings_of

        settings = settings_of(latency=0)
        repeat = functools.partial(self.repeat, settings=settings)
        first = self.one(chosen("canonical", 0), settings)
        reports = self.reports
        if first is None or self.is_skipped:
            return reports
        is_failure = self.is_failure
        found = ""
        if not is_failure or _is_repeatable(first):
            found = differing(first, repeat, CHECKS)
        again = self.again("--simclock-check")
        if is_failure:
            self.tell(reports, [*found.splitlines(), again])
        elif found:
            self.fail(reports, f"{found}\n{again}")
        return reports


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
        played = self.one(follow, settings)
        reports = self.reports
        if played is None:
            return reports
        said = follow.diverged
        if self._strict and said and not self.is_failure:
            # Also if the test has swallowed the error.
            found = played.error if isinstance(played.error, Divergence) else said
            self.fail(reports, f"Divergence: {found}")
        if said:
            said = f"the run first differs from its schedule at {said}"
        elif played.schedule != schedule:
            points = f"{played.schedule.points} of {schedule.points} choice points"
            said = f"the run followed its schedule for {points}"
        else:
            said = "the run followed its schedule to the end"
        self.tell(reports, [f"replayed: {said}"])
        for each in reports:
            reporting.set_replay(each, said)
        return reports


class _Terminal:
    """Writes to the terminal while output is captured."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")

    def write(self, text: str) -> None:
        """Write *text*, which ends a line."""
        if self._reporter is None:
            return
        capture = self._capture
        shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
        with shown:
            self._reporter.ensure_newline()
            self._reporter.write_line(text.rstrip("\n"))

    def flush(self) -> None:
        """Do nothing: a line is shown when it is written."""
