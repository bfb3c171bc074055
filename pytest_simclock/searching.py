"""Tests that are run more than once, or under a given schedule: a search, a check, a replay."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import reporting
from pytest_simclock.collecting import Kind, complaints, kind_of
from pytest_simclock.neighbours import is_timeout
from pytest_simclock.options import STRICT, marked_options, replayed, search_options, seed_of
from pytest_simclock.series import Series

if TYPE_CHECKING:
    from simclock import Schedule
    from simclock.searching import Played


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
        is_searched = is_series(item)
        if is_searched and self._schedule is not None:
            strict = self._config.getoption("simclock_replay_mode") == STRICT
            return Replay(item, self._schedule, strict=strict)
        if is_searched and self._config.getoption("simclock_check"):
            return Check(item)
        try:
            # Also where it is run once: what its marker says of a search has to have a meaning.
            options = search_options(item) if is_searchable(item) else {}
            search = Searched(item, options) if options else None
        except (TypeError, ValueError, RuntimeError) as error:
            item.stash[complaints] = f"simclock: {error}"
            return None
        return search if is_searched else None


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
    handle = getattr(item.obj, "hypothesis", None)
    is_run = not item.config.getoption("setuponly", default=False)
    return is_run and getattr(handle, "inner_test", None) is None


class Searched(Series):
    """A search: until one run fails, or enough have passed.

    Args:
        item: The test.
        options: As the command line and the marker say.

    Raises:
        TypeError, ValueError, PluginError: An option has no meaning.
    """

    def __init__(self, item: pytest.Item, options: dict[str, Any]) -> None:
        from simclock.searching import Search, settings_of

        super().__init__(item)
        options = dict(options)
        names = {key: options.pop(key) for key in ("fidelity", "latency") if key in options}
        strategy = options.pop("strategy", "portfolio")
        seed = marked_options(item).get("seed", seed_of(item))
        self._search = Search(strategy, settings_of(**names), seed=seed, **options)

    def run(self) -> list[pytest.TestReport]:
        """Run the test under one schedule after another."""
        from simclock.searching import Progress

        search = self._search
        progress = Progress(search, _Terminal(self.item.config))
        while True:
            played = self.one(search.begin(), search.settings)
            reports = self.reports
            if self.broken is not None or played is None or self.is_skipped:
                return self._without_verdict(reports, played)
            search.note(played)
            if self.is_failure:
                search.failed = played
            elif search.is_sampled:
                reports = self._compare(played) or reports
            if not search.wants_more():
                break
            progress.show()
        if search.failed is not None and _is_repeatable(search.failed):
            search.reproduce(self._repeat)
        self._tell(reports)
        return reports

    @property
    def _repeat(self) -> Any:
        return functools.partial(self.repeat, settings=self._search.settings)

    def _compare(self, played: Played) -> list[pytest.TestReport] | None:
        """Repeat a run that has passed; return the reports of the repetition if that fails."""
        from simclock import Divergence

        again = self._search.sample(played, self._repeat)
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
        return f"run {self.begun} of at most {self._search.runs}"

    def _tell(self, reports: list[pytest.TestReport]) -> None:
        from simclock.searching import evidence_lines

        search = self._search
        report = search.report()
        lines = []
        if search.failed is not None:
            lines = self._failure_lines(search.failed, report.failure)
        lines.append(f"{report.verdict if search.failed is None else 'failed'}:")
        self.tell(reports, [*lines, *evidence_lines(report.evidence)])
        for each in reports:
            reporting.set_search(each, report, is_failure=search.failed is not None)

    def _failure_lines(self, failed: Played, failure: Any) -> list[str]:
        token = failed.schedule.token
        if failure is None:
            lines = [f"{self._number()} was ended by a limit, and is not repeated"]
        else:
            reproduced = f"reproduced {failure.reproduced}/{failure.repetitions}"
            lines = [
                f"{self._number()} failed, by strategy {failure.strategy}; {reproduced}",
                *failure.difference.splitlines(),
            ]
        lines.append(self.again(f"--simclock-replay={token}"))
        path = _keep(self.item, token)
        if path is not None:
            lines.append(f"the same schedule is in {path}: --simclock-replay={path}")
        return lines


def _is_repeatable(played: Played) -> bool:
    """Return whether to repeat a failure: not what has taken as long as it was allowed."""
    return played.verdict == "failed" and not is_timeout(played.error)


def _keep(item: pytest.Item, token: str) -> str | None:
    """Keep a schedule in pytest's cache, with where it comes from; return the file."""
    import platform
    from importlib.metadata import version

    cache = getattr(item.config, "cache", None)
    if cache is None:
        return None
    name = "".join(letter if letter.isalnum() else "-" for letter in item.nodeid)[-100:]
    # Of parametrised tests that only differ in their signs, each has its own.
    digest = hashlib.sha256(item.nodeid.encode()).hexdigest()[:8]
    provenance = {
        "token": token,
        "test": item.nodeid,
        "python": platform.python_version(),
        "simclock": version("simclock"),
    }
    try:
        path = Path(cache.mkdir("simclock")) / f"{name}-{digest}.json"
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
        from simclock.searching import Follow, chosen, compared, repeated, settings_of

        settings = settings_of(latency=0)
        repeat = functools.partial(self.repeat, settings=settings)
        first = self.one(chosen("canonical", 0), settings)
        reports = self.reports
        if first is None or self.is_skipped:
            return reports
        is_failure = self.is_failure
        found = ""
        if not is_failure or _is_repeatable(first):
            # The first run of all imports modules and fills caches: the others are compared.
            second = repeat(Follow(first.schedule, strict=False))
            found = compared(second, repeated(second.schedule, repeat))
            if not found and second.signature != first.signature:
                found = f"two runs of one schedule ended differently: {first.signature or 'passed'}"
                found += f", {second.signature or 'passed'}"
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
        found = ""
        played = None
        try:
            played = self.one(follow, settings)
        except Divergence as divergence:
            found = str(divergence)
        reports = self.reports
        if played is None and not found:
            return reports
        said = follow.diverged
        if self._strict and said and not self.is_failure:
            # Also if the test has swallowed the error.
            self.fail(reports, f"Divergence: {found or said}")
        if said:
            said = f"the run first differs from its schedule at {said}"
        elif played is not None and played.schedule != schedule:
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
