"""Learn which test runs which line, and how long each takes."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coverage
import pytest

from tools.mutation.running import OPTIONS, Slot
from tools.mutation.targets import ROOT, SOURCES, Target

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

LONGEST_S = 3600.0
ASSIGNED = re.compile(r"\s*(\w+)\s*(?::[^=]*)?=[^=]")


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

        Where that is the import alone, those of its folder, and those that run a line with the name
        that is given a value there, or else anything of the module.
        """
        if not self.is_import(path, lines):
            tests = self._running(path, range(lines[0], lines[1] + 1))
        else:
            tests = self._using(path, lines[0])
            tests = tests or self._running(path, map(int, self.lines[path]))
            tests |= {test for test in self.seconds if distance(test, path) < 2}
        return tests

    def _running(self, path: str, lines: Iterable[int]) -> set[str]:
        found = self.lines.get(path, {})
        tests = {test for line in lines for test in found.get(str(line), ())}
        return tests & self.seconds.keys()

    def _using(self, path: str, line: int) -> set[str]:
        """Return the tests that run a line with the name that gets a value in *line*."""
        given = ASSIGNED.match(_source(path)[line - 1])
        if given is None:
            return set()
        name = re.compile(rf"\b{given[1]}\b")
        tests = set()
        for other in self.lines:
            numbers = [n for n, text in enumerate(_source(other), 1) if name.search(text)]
            tests |= self._running(other, numbers)
        return tests

    def is_import(self, path: str, lines: tuple[int, int]) -> bool:
        """Return whether any of *lines* is run by an import, before the tests."""
        found = self.lines.get(path, {})
        return any("" in found.get(str(line), ()) for line in range(lines[0], lines[1] + 1))


@cache
def _source(path: str) -> list[str]:
    return (ROOT / SOURCES / path).read_text(encoding="utf-8").splitlines()


def distance(test: str, path: str) -> int:
    """Return how near *test* is to the module at *path*: in its file, its folder, or elsewhere."""
    if f"/test_{Path(path).name}::" in test:
        return 0
    folder = "/".join(part.lstrip("_") for part in Path(path).parts[:-1][:2])
    return 1 if test.startswith(f"tests/{folder}/") else 2


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
