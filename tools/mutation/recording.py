"""Learn which test runs which line, and how long each takes."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coverage
import pytest

from tools.mutation.running import OPTIONS, Slot
from tools.mutation.targets import ROOT, SOURCES, Target

if TYPE_CHECKING:
    from collections.abc import Generator

LONGEST_S = 3600.0


@dataclass
class Record:
    """What the tests run.

    Attributes:
        seconds: How long each test takes that passed, with a tracer.
        lines: For each module the tests of each line. JSON has no numbers for keys.
    """

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]

    def tests_of(self, path: str, lines: tuple[int, int]) -> set[str]:
        """Return the tests that run any of *lines*.

        What is run by the import alone is for all tests that run anything of the module, or are
        in a file of its name; if there are none, for all.
        """
        found = self.lines.get(path, {})
        wanted = [str(line) for line in range(lines[0], lines[1] + 1)]
        tests = {test for line in wanted for test in found.get(line, ())}
        if self.is_import(path, lines):
            tests = {test for some in found.values() for test in some if test}
            tests |= {test for test in self.seconds if is_about(test, path)}
            tests = tests or set(self.seconds)
        return tests & self.seconds.keys()

    def is_import(self, path: str, lines: tuple[int, int]) -> bool:
        """Return whether any of *lines* is run, and all by the import alone."""
        found = self.lines.get(path, {})
        wanted = range(lines[0], lines[1] + 1)
        return {test for line in wanted for test in found.get(str(line), ())} == {""}


def is_about(test: str, path: str) -> bool:
    """Return whether *test* is in the file that has the name of the module at *path*."""
    return f"/test_{Path(path).name}::" in test


class Contexts:
    """A plugin of pytest that tells coverage which test runs."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Time the test, and switch."""
        self.measured.switch_context(item.nodeid)
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.perf_counter() - began
            self.measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep those that are of no use."""
        if not report.passed:
            self.failed.add(report.nodeid)


def record(target: Target, slot: Slot, kept: Path) -> Record:
    """Run the tests of *target* once, as they are, unless that was done since they were changed."""
    if kept.exists() and kept.stat().st_mtime > _changed(target):
        return Record(**json.loads(kept.read_text()))
    slot.start(target, lambda: _measure(target, slot, kept), LONGEST_S)
    while (status := slot.ended()) is None:
        time.sleep(0.1)
    if status not in (0, 1):
        raise SystemExit(f"the tests of {target.name} ended with {status}:\n{slot.output()}")
    return Record(**json.loads(kept.read_text()))


def _changed(target: Target) -> float:
    """Return when the sources or the tests were changed last."""
    folders = [ROOT / path for path in (SOURCES, *target.tests)]
    files = [file for folder in folders for file in [folder, *folder.rglob("*.py")]]
    return max(file.stat().st_mtime for file in files if file.suffix == ".py")


def _measure(target: Target, slot: Slot, kept: Path) -> int:
    slot.enter()
    os.environ["COVERAGE_CORE"] = "ctrace"  # the one that knows contexts
    measured = coverage.Coverage(
        data_file=None,
        config_file=False,
        include=[f"{slot.folder / SOURCES}/*"],
        concurrency="thread",
    )
    measured.start()
    contexts = Contexts(measured)
    status = int(pytest.main([*OPTIONS, *target.tests], plugins=[contexts]))
    measured.stop()
    data = measured.get_data()
    lines = {}
    for path in target.paths():
        file = str(slot.folder / SOURCES / path)
        lines[path] = {str(line): sorted(s) for line, s in data.contexts_by_lineno(file).items()}
    seconds = {t: s for t, s in contexts.seconds.items() if t not in contexts.failed}
    kept.write_text(json.dumps(asdict(Record(seconds, lines))))
    return status
