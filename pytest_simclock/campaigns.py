"""Searches in parts: one item each, so that pytest-xdist spreads them; kept, so that none is lost.

The verdict is that of all the parts together, in their order, whoever made them and when.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import reporting
from pytest_simclock.collecting import forget
from pytest_simclock.folders import complainer
from pytest_simclock.options import (
    given,
    marked_options,
    search_of,
    search_options,
    strategy_seed,
    test_id,
    whole_test,
)
from pytest_simclock.searching import Searched, is_searchable, own

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from simclock import Report
    from simclock.searching import Made, Part

# The part of a search that an item is.
_part = pytest.StashKey["Part"]()
# On a report: what parts have found, as data, which workers of pytest-xdist pass on.
FOUND = "simclock_parts"


class Campaigns:
    """What a session in parts does besides: it makes the items, and merges what they find.

    Args:
        folder: Where parts are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Parts that do not end their search, by the test: nobody has to look again.
        self.known: set[tuple[str, Part]] = set()
        # What was found, by the test.
        self._found: dict[str, dict[str, Any]] = {}

    # ---------------------------------------------------------------- the items

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Put its parts in the place of each test that is searched."""
        report = yield
        if report.passed:
            report.result = [part for each in report.result for part in _split(each)]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Look at the program before it is run: nobody knows which version was, of what changes."""
        from simclock.searching import program_of

        program_of(paths=_files(session.config, *session.items))

    # -------------------------------------------------------------- the verdict

    def pytest_report_header(self) -> str:
        """Say where parts are kept."""
        return f"simclock: searches in parts, kept in {self.folder}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what parts have found."""
        told = getattr(report, FOUND, None)
        if told is not None:
            found = self._found.setdefault(told["test"], {**told, "parts": {}})
            # A part that is run twice (by each worker, or again) is one.
            found["parts"].update({each["first"]: each for each in told["parts"]})

    def statements(self) -> Iterable[tuple[str, str]]:
        """Yield what each search has seen of the program's statements, if that tells of all of it.

        It is the end of the path of its test's file, and data for `Statements`.
        """
        for _, found in sorted(self._found.items()):
            evidence = _merged(found)[0].evidence
            if evidence.predicates and not evidence.is_cut:
                yield found["location"], json.dumps(evidence.predicates)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what the parts of each test have found together."""
        if terminalreporter.verbosity < -1:
            return
        for test, found in sorted(self._found.items()):
            for line in _verdict(test, found):
                terminalreporter.write_line(line)


def _split(node: pytest.Item | pytest.Collector) -> list[pytest.Item | pytest.Collector]:
    """Return the parts of a test as items; what has none, or cannot be made anew, as it is."""
    # A test of unittest is found by its name, so there is one of each.
    if not isinstance(node, pytest.Function) or _part in node.stash or _is_unittest(node):
        return [node]
    parts = _parts(node)
    return [node] if len(parts) < 2 else [_item(node, part) for part in parts]


def _is_unittest(item: pytest.Function) -> bool:
    from _pytest.unittest import TestCaseFunction

    return isinstance(item, TestCaseFunction)


def _parts(item: pytest.Item) -> list[Part]:
    try:
        options = search_options(item) if is_searchable(item) else {}
        if options.get("runs", 1) == 1:
            return []
        from simclock.searching import parts_of

        return parts_of(search_of(options, 0))
    except (TypeError, ValueError, RuntimeError):
        return []  # its set-up says what is wrong
    finally:
        # It may be marked yet.
        forget(item)


def _item(item: pytest.Function, part: Part) -> pytest.Item:
    """Return an item like *item* that is a part of it."""
    base, bracket, parameters = item.name.partition("[")
    runs = part.name.replace(" ", "-")
    name = f"{base}[{parameters[:-1]}-{runs}]" if bracket else f"{base}[{runs}]"
    parent = item.parent
    assert parent is not None
    made: pytest.Function = type(item).from_parent(
        parent,
        name=name,
        callspec=getattr(item, "callspec", None),
        fixtureinfo=item._fixtureinfo,
        keywords={runs: True},
        originalname=item.originalname,
    )
    # From pytest 9.2 on it is not made of the name.
    identity: Any = getattr(made, "_id", None)
    if identity is not None:
        made._id = type(identity).parse(f"{parent.nodeid}::{name}")
    made.own_markers[:] = item.own_markers
    made.stash[whole_test] = item.nodeid
    made.stash[_part] = part
    return made


class InParts(Searched):
    """The search of an item that is a part of one, or all the parts of one.

    Args:
        item: The item.
        options: As the command line and the marker say.
        campaigns: The session's.

    Raises:
        TypeError, ValueError, PluginError: An option has no meaning.
    """

    def __init__(self, item: pytest.Item, options: dict[str, Any], campaigns: Campaigns) -> None:
        from simclock.searching import Campaign, parts_of

        super().__init__(item, options)
        self._options = options
        self._whole = self._search
        self._all = parts_of(self._whole)
        own = item.stash.get(_part, None)
        self._parts = self._all if own is None else [own]
        self._known = campaigns.known
        identity = {**self._whole.identity, "options": [given(item.config), marked_options(item)]}
        self._test = test_id(item)
        self._campaign = Campaign(campaigns.folder, self._test, identity, complainer(item))
        # The part that is made now, how many runs were begun before it, and what all have found.
        self._now = self._parts[0]
        self._begun_before = 0
        self._found: list[dict[str, Any]] = []
        self._ends = False

    def run(self) -> list[pytest.TestReport]:
        """Make the part, or the parts, unless they are kept or not needed."""
        ended = self._ended_by(self._parts[0])
        if ended is not None:
            return self._not_needed(ended)
        reports = None
        for part in self._parts:
            made = self._campaign.get(part)
            # What has failed is made again: it is to be seen.
            if made is not None and made.failure is None:
                self._note(part, made, is_kept=True)
            else:
                reports = self._make(part)
            if self._ends or not all(report.passed for report in reports or ()):
                break
        if reports is None:
            reports = self._stand_in()
        if self._found:
            setattr(reports[0], FOUND, self._told())
        return reports

    def _make(self, part: Part) -> list[pytest.TestReport]:
        """Make a part."""
        seed = strategy_seed(self.item)
        self._search = search_of({**self._options, "runs": part.runs}, part.seed(seed))
        self._now, self._begun_before = part, self.begun
        return super().run()

    def _fails_at_first(self) -> bool:
        """Fill caches by a run before the first, so that a part is the same in each process."""
        from simclock.searching import chosen

        search = self._search
        played = self.one(chosen("canonical", 0), search.settings)
        self._begun_before = self.begun
        if self.broken is not None or played is None or self.is_skipped:
            return False  # as the first run will
        search.warm_up(played, fails=self.is_failure)
        return self.is_failure

    def _number(self) -> str:
        number = self._now.first + max(1, self.begun - self._begun_before)
        return f"run {number} of at most {self._whole.runs}"

    def _tell(self, reports: list[pytest.TestReport]) -> None:
        from simclock.searching import Made, program_of

        super()._tell(reports)
        for report in reports:
            setattr(report, reporting.IN_PARTS, True)
        made = Made.of(self._search)
        is_plain = all(report.passed and not hasattr(report, "wasxfail") for report in reports)
        if is_plain or made.failure is not None:
            paths = _files(self.item.config, self.item)
            self._campaign.keep(self._now, made, program_of(paths=paths))
        self._note(self._now, made, is_kept=False)

    def _note(self, part: Part, made: Made, *, is_kept: bool) -> None:
        again = made.failure and self.again(f"--simclock-replay={made.failure.token}")
        data = {"first": part.first, "kept": is_kept, "again": again, "made": made.data()}
        self._found.append(data)
        self._ends = made.ends

    def _told(self) -> dict[str, Any]:
        search = self._whole
        return {
            "test": self._test,
            "file": str(self.item.path),
            "location": self.item.location[0],
            "runs": search.runs,
            "all": [list(part) for part in self._all],
            "strategy": search.strategy.name,
            "fidelity": search.settings.fidelity,
            "parts": self._found,
        }

    # ------------------------------------------------------------- what is not run

    def _ended_by(self, part: Part) -> Part | None:
        """Return the part before *part* that has ended the search, if one is known to have."""
        for earlier in self._all[: self._all.index(part)]:
            if (self._test, earlier) in self._known:
                continue
            made = self._campaign.get(earlier)
            if made is not None and made.ends:
                return earlier
            if made is not None:
                self._known.add((self._test, earlier))
        return None

    def _not_needed(self, ended: Part) -> list[pytest.TestReport]:
        """Return the report of a part that does not count."""

        def skip() -> None:
            __tracebackhide__ = True
            reason = f"not needed: {ended.name} have ended the search"
            raise pytest.skip.Exception(reason, _use_item_location=True)

        return [self._made(pytest.CallInfo.from_call(skip, "setup"))]

    def _stand_in(self) -> list[pytest.TestReport]:
        """Return the reports of a part that has passed in an earlier session."""
        reports = [
            self._made(pytest.CallInfo.from_call(lambda: None, when)) for when in ("setup", "call")
        ]
        names = ", ".join(part.name for part in self._parts)
        reporting.add_section(reports[1], f"{names} have passed in an earlier session")
        return reports


def _files(config: pytest.Config, *items: pytest.Item) -> list[str | Path]:
    """Return the files of *items* that need not be those of modules that are known."""
    return [*dict.fromkeys(item.path for item in items), *_conftests(config), *_ini(config)]


def _conftests(config: pytest.Config) -> Iterable[str]:
    """Return the files of conftests: by how they are imported, no module may tell."""
    plugins = config.pluginmanager.get_plugins()
    files = [getattr(each, "__file__", None) or "" for each in plugins]
    return [file for file in files if file.endswith("conftest.py")]


def _ini(config: pytest.Config) -> list[str | Path]:
    return [] if config.inipath is None else [config.inipath]


def _merged(found: dict[str, Any]) -> tuple[Report, int, Part | None]:
    """Return what the parts of one test have found together, of how many parts; and which fails."""
    from simclock.searching import Made, Part, merged

    parts = [Part(*each) for each in found["all"]]
    told = found["parts"]
    made = {part: Made.of_data(told[part.first]["made"]) for part in parts if part.first in told}
    report, counted = merged(made, parts, strategy=found["strategy"], fidelity=found["fidelity"])
    return report, counted, next((part for part in made if made[part].failure), None)


def _verdict(test: str, found: dict[str, Any]) -> Iterable[str]:
    """Yield what the parts of one test have found together."""
    from simclock.searching import evidence_lines

    whole, counted, failed = _merged(found)
    report = whole._replace(evidence=own(whole.evidence, found["file"]))
    told = found["parts"]
    yield f"simclock: campaign of {test}"
    failure = report.failure
    runs = f"{report.runs} of {found['runs']} runs"
    if failure is None or failed is None:
        kept = sum(each["kept"] for each in told.values())
        earlier = f", {kept} of them made earlier" if kept else ""
        number = f"{counted} part{'' if counted == 1 else 's'}"
        yield f"  {report.verdict}: no failure in {runs}, in {number}{earlier}"
    else:
        yield (
            f"  failed: run {failure.run} of at most {found['runs']}, by strategy"
            f" {failure.strategy}; reproduced {failure.reproduced}/{failure.repetitions}"
        )
        yield f"  {str(failure.error).splitlines()[0]}"
        yield f"  {told[failed.first]['again']}"
    yield from evidence_lines(report.evidence)
