"""What is said of simulated time: above the tests, below them, and with a failure."""

from __future__ import annotations

import json
import os
import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock.collecting import Kind, is_of_suite, kind_of
from pytest_simclock.options import given, mode, replayed, said, searched, suite_options, test_id
from pytest_simclock.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from pytest_simclock.testrun import TestRun
    from simclock import Report

    Complain = Callable[[str], None]

SEED = "simclock_seed"
SECONDS = "simclock_seconds"
ESCAPES = "simclock_escapes"
# Of a search.
RUNS = "simclock_runs"
DISTINCT = "simclock_distinct"
DOUBTS = "simclock_doubts"
PREDICATES = "simclock_predicates"
# On the reports of a part of a campaign.
IN_PARTS = "simclock_is_part"
# Of a replay.
REPLAYED = "simclock_replayed"
# What a worker of pytest-xdist sends at its end: whether what was asked for is about no test.
ABOUT_NONE = "simclock_about_none"
NONE = (
    "simclock: none of these tests is simulated, they run in real time\n"
    "  add --simclock, or mark those that shall be with @pytest.mark.simclock"
)
# Lines of these that the summary shows.
SHOWN = 5


class Reporting:
    """The lines above and below the tests.

    Args:
        config: The session's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        # By name and worker: what is run again is one test.
        self._tests: set[tuple[str, str]] = set()
        self._virtual = 0.0
        self._real = 0.0
        # For what tests have waited in real time, by test.
        self._escapes: dict[str, list[str]] = {}
        self._searches = _Searches()
        # By the workers, if there are any: they collect, and nothing is shown there.
        self._is_about_none: list[bool] = []

    def pytest_report_header(self) -> str | None:
        """Say what is on, if anything is that was asked for here."""
        chosen, options = mode(self._config), given(self._config)
        if chosen is False:
            return "simclock: off, everything runs in real time"
        search = list(self._search_words())
        if not chosen and not options and not search:
            return None
        words = ["the whole suite" if chosen else "marked tests"]
        if chosen:
            options = {"epoch": suite_options(self._config)["epoch"], **options}
        words.append(f"seed {options.pop('seed', 0)}")
        words += [f"{name.replace('_', '-')} {said(name, options[name])}" for name in options]
        return f"simclock: simulated time for {', '.join([*words, *search])}"

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> str | None:
        """Say before anybody waits that what was asked for is about none of the tests."""
        return NONE if self._asks_about_none(items) else None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let a worker tell the same."""
        sent: Any = getattr(self._config, "workeroutput", None)
        if sent is not None:
            sent[ABOUT_NONE] = self._asks_about_none(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear what a worker has sent; one that has crashed has not."""
        self._is_about_none.append(getattr(node, "workeroutput", {}).get(ABOUT_NONE, False))

    def _asks_about_none(self, items: Sequence[pytest.Item]) -> bool:
        asked = given(self._config) or list(self._search_words())
        if not asked or not items or mode(self._config) is not None:
            return False
        return all(kind_of(item) is Kind.REAL for item in items)

    def _search_words(self) -> Iterable[str]:
        """Yield what is to be done with schedules."""
        config = self._config
        if replayed(config) is not None:
            yield f"a schedule replayed, {config.getoption('simclock_replay_mode')}"
        elif config.getoption("simclock_check"):
            yield "each test checked"
        else:
            for name, value in searched(config).items():
                yield f"{name} {said(name, value)}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the time of one part of a test; the last one knows the virtual time of all."""
        virtual = dict(report.user_properties).get(SECONDS) if report.user_properties else None
        # A subtest is reported while its test runs, and its time is part of that.
        if virtual is None or hasattr(report, "context"):
            return
        self._real += report.duration
        if report.when == "teardown":
            self._searches.add(report)
            escapes: Any = dict(report.user_properties).get(ESCAPES)
            if escapes:
                self._escapes[report.nodeid] = escapes.splitlines()
            self._tests.add((report.nodeid, getattr(report, "worker_id", "")))
            self._virtual += float(str(virtual))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how much time passed."""
        if any(self._is_about_none):
            terminalreporter.write_line(NONE)
        if self._tests and terminalreporter.verbosity >= 0:
            tests = _tests(len(self._tests))
            terminalreporter.write_line(
                f"simclock: {tests} in simulated time, {_readable(self._virtual)} of it"
                f" in {self._real:.2f} s of real time"
            )
            campaigns: Any = self._config.pluginmanager.get_plugin("simclock-campaigns")
            for test, found in campaigns.statements() if campaigns else ():
                self._searches.add_statements(test, found)
            for line in self._searches.lines():
                terminalreporter.write_line(line)
            self._tell_escapes(terminalreporter)

    def _tell_escapes(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say for what the clock was held: it depends on the machine how long that took."""
        if not self._escapes:
            return
        tests = _tests(len(self._escapes))
        terminalreporter.write_line(f"simclock: in {tests} the clock was held for what is outside")
        lines = [f"  {nodeid}: {line}" for nodeid, lines in self._escapes.items() for line in lines]
        for line in lines[:SHOWN]:
            terminalreporter.write_line(line)
        if len(lines) > SHOWN:
            terminalreporter.write_line(f"  and {len(lines) - SHOWN} more; sim.escapes tells all")


class _Searches:
    """What the searches and the replays of a session have done together."""

    def __init__(self) -> None:
        self._tests = self._runs = self._distinct = 0
        # Of searches that are inconclusive.
        self._doubts: list[str] = []
        self._statements = Statements()
        self._replayed: list[str] = []

    def add(self, report: pytest.TestReport) -> None:
        """Add that of one test, if it was one."""
        found: dict[str, Any] = dict(report.user_properties)
        if REPLAYED in found:
            self._replayed.append(found[REPLAYED])
        # The parts of a campaign are told together.
        if RUNS not in found or hasattr(report, IN_PARTS):
            return
        self._tests += 1
        self._runs += found[RUNS]
        self._distinct += found[DISTINCT]
        if found.get(DOUBTS):
            self._doubts.append(f"{report.nodeid}: {found[DOUBTS]}")
        self.add_statements(report.location[0], found.get(PREDICATES, "[]"))

    def add_statements(self, test: str, found: str) -> None:
        """Add what the search of *test*, a file, has seen of the program's statements."""
        self._statements.add(test, found)

    def lines(self) -> Iterable[str]:
        """Return what there is to say."""
        if self._tests:
            tests = _tests(self._tests)
            yield f"simclock: {tests} searched, {_runs(self._runs)}, {self._distinct} different"
        for doubt in self._doubts[:SHOWN]:
            yield f"  inconclusive: {doubt}"
        if len(self._doubts) > SHOWN:
            yield f"  and {len(self._doubts) - SHOWN} more are inconclusive"
        yield from self._statements.lines()
        for replay in self._replayed:
            yield f"simclock: {replay}"


def _tests(number: int) -> str:
    return f"{number} test{'' if number == 1 else 's'}"


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _readable(seconds: float) -> str:
    """Return a duration as a person says it: ``2 d 3 h``, ``1 h 5 min``, ``0.25 s``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest:.0f} s" if minutes else f"{rest:.2f} s"


def complete(item: pytest.Item, report: pytest.TestReport, run: TestRun, more: list[str]) -> None:
    """Add the seed and the virtual time to *report*, and what to do to see a failure again.

    *more* are further lines.
    """
    names = (SEED, SECONDS, ESCAPES, RUNS, DISTINCT, DOUBTS, PREDICATES, REPLAYED)
    own = [(name, value) for name, value in item.user_properties if name not in names]
    elapsed, escapes = run.elapsed, run.escapes
    item.user_properties[:] = [*own, (SEED, run.seed), (SECONDS, round(elapsed, 9))]
    if escapes:
        item.user_properties.append((ESCAPES, "\n".join(escapes)))
    report.user_properties = list(item.user_properties)
    if report.failed:
        from simclock.lowlevel import shown_seconds

        lines = [
            f"failed at virtual +{shown_seconds(run.failed_at)} s, with its own seed {run.seed}"
        ]
        lines += [f"held for what is outside: {line}" for line in escapes]
        if not run.is_chosen:
            replay = [] if run.token is None else [f"--simclock-replay={run.token}"]
            lines.append(f"again: {command(item, *replay)}")
            if replay:
                lines.append("with the data of the failing example in @example")
        add_section(report, "\n".join([*lines, *more]))
    elif more:
        # Of tests that pass, -rP shows what is so called of the teardown.
        report.sections.append(("simclock teardown", "\n".join(more)))


def set_seconds(report: pytest.TestReport, seconds: float) -> None:
    """Say how much virtual time all the runs of a test have taken."""
    own = [(name, value) for name, value in report.user_properties if name != SECONDS]
    if len(own) < len(report.user_properties):
        report.user_properties = [*own, (SECONDS, round(seconds, 9))]


def set_search(report: pytest.TestReport, search: Report, *, is_failure: bool) -> None:
    """Say what the search has done that *report* is of."""
    evidence = search.evidence
    report.user_properties += [(RUNS, evidence.runs), (DISTINCT, evidence.distinct)]
    if search.verdict == "inconclusive" and not is_failure:
        report.user_properties.append((DOUBTS, evidence.doubts[0].replace("\n", "; ")))


def set_predicates(report: pytest.TestReport, search: Report) -> None:
    """Say what the search has seen of the program's statements, if that tells of all its runs."""
    evidence = search.evidence
    if evidence.predicates and not evidence.is_cut:
        report.user_properties.append((PREDICATES, json.dumps(evidence.predicates)))


def set_replay(report: pytest.TestReport, text: str) -> None:
    """Say how the run went whose schedule was given."""
    report.user_properties.append((REPLAYED, text))


def command(item: pytest.Item, *more: str) -> str:
    """Return what to type to run *item* again in the same way, with *more* options."""
    options = {"seed": 0, **given(item.config)}
    if any(option.startswith("--simclock-replay=") for option in more):
        del options["seed"]  # the schedule has that of the test
    words = ["pytest", shlex.quote(_as_typed(item))]
    if kind_of(item) is Kind.SUITE or (mode(item.config) and is_of_suite(item)):
        words.append("--simclock")
        options = {**options, "epoch": suite_options(item.config)["epoch"]}
    words += [
        f"--simclock-{name.replace('_', '-')}={said(name, options[name])}" for name in options
    ]
    return " ".join([*words, *more])


def _as_typed(item: pytest.Item) -> str:
    """Return the test's node id as it is to be typed where the session was started."""
    config = item.config
    folder = os.path.relpath(config.rootpath, config.invocation_params.dir)
    return test_id(item) if folder == "." else f"{Path(folder).as_posix()}/{test_id(item)}"


def hide_ours(config: pytest.Config, error: BaseException) -> None:
    """Let tracebacks end in the user's code, or in the library it called, not in simclock."""
    if config.getoption("fulltrace"):
        return
    ours = our_folders()
    for shown in shown_with(error):
        _hide(ours, shown.__traceback__)


def our_folders() -> tuple[str, str]:
    """Return where simclock and its plugin are."""
    import simclock

    return str(Path(simclock.__file__).parent), str(Path(__file__).parent)


def shown_with(error: BaseException) -> Iterable[BaseException]:
    """Return the exceptions that a report of *error* shows: it, its parts and its causes."""
    shown: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        # Causes can go round in a circle.
        if found is not None and id(found) not in shown:
            shown[id(found)] = found
            waiting += [*getattr(found, "exceptions", ()), found.__cause__ or found.__context__]
    return shown.values()


def wrapped_in(error: BaseException) -> Iterable[BaseException]:
    """Return what loops have made *error* of: its parts, what was cancelled or not foreseen for it.

    An exception that other code raises because of another one stands for itself.
    """
    parts = getattr(error, "exceptions", ())
    if type(error).__name__ in ("Cancelled", "CancelledError", "TrioInternalError"):
        parts = filter(None, [error.__cause__ or error.__context__])
    for part in parts:
        yield part
        yield from wrapped_in(part)


def _hide(ours: tuple[str, ...], entry: TracebackType | None) -> None:
    """Take entries out whole: pytest makes views of its own on what is linked here."""
    kept: list[TracebackType] = []
    between = False
    while entry is not None:
        if kept and _is_in(ours, entry):
            between = True
        else:
            # Pluggy throws an error into each wrapper: the line that threw it into ours goes too.
            if between and len(kept) > 1 and kept[-1].tb_frame is entry.tb_frame:
                kept.pop()
            kept.append(entry)
            between = False
        entry = entry.tb_next
    for index, entry in enumerate(kept):
        entry.tb_next = kept[index + 1] if index + 1 < len(kept) else None


def _is_in(folders: tuple[str, ...], entry: TracebackType) -> bool:
    return entry.tb_frame.f_code.co_filename.startswith(folders)


def add_section(report: pytest.TestReport, text: str) -> None:
    """Add *text* to what is shown of *report*."""
    addsection: Any = getattr(report.longrepr, "addsection", None)
    if addsection is not None:
        addsection("simclock", text)
    else:
        report.sections.append(("simclock", text))


def warn(config: pytest.Config, error: Exception, nodeid: str = "the whole suite") -> None:
    """Show *error* among the warnings. Not by `warnings.warn`: a filter might make it fatal."""
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": warnings.WarningMessage(error, type(error), "simclock", 0),  # type: ignore[arg-type]
            "nodeid": nodeid,
            "when": "runtest",
            "location": None,
        }
    )
