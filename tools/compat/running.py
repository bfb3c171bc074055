"""One run of a project's tests: a child process of pytest in a fresh copy of the source tree."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from tools.compat.fetching import unpack
from tools.compat.project import CannotCompareError

FOR_REAL = ("-p", "no:simclock")
SIMULATED = ("--simclock",)
# Several times what the longest run takes: for a run that hangs, not for a slow machine.
LONGEST_RUN_S = 1800


@dataclass(frozen=True)
class Run:
    """One run of the tests.

    Attributes:
        seconds: The real time from start to exit.
        cpu_seconds: The processor time that it and its child processes took.
        outcomes: ``passed``, ``failed``, ``error``, ``skipped`` or ``xfailed`` for each test.
        output: What pytest printed.
    """

    seconds: float
    cpu_seconds: float
    outcomes: dict[str, str]
    output: str = field(repr=False)

    def ended(self, *outcomes: str) -> list[str]:
        """Return the tests that ended in one of *outcomes*."""
        return [test for test, outcome in self.outcomes.items() if outcome in outcomes]

    @property
    def deselected(self) -> int:
        """How many tests of the chosen files were not run, by pytest's own count."""
        counted = re.findall(r"(\d+) deselected", self.output)
        return int(counted[-1]) if counted else 0


def run_suite(archive: Path, site: Path, arguments: list[str]) -> Run:
    """Run pytest with *arguments* in a fresh copy of the source tree."""
    # Not in the cache: a project without settings of its own would get this checkout's.
    with tempfile.TemporaryDirectory() as scratch:
        tree = unpack(archive, Path(scratch))
        report = tree.with_name("report.xml")
        started, cpu_before = time.perf_counter(), children_cpu()
        temporary = tree.with_name("tmp")
        temporary.mkdir()
        done = run_pytest(tree, site, temporary, [*arguments, f"--junitxml={report}"])
        seconds, cpu_seconds = time.perf_counter() - started, children_cpu() - cpu_before
        if done.returncode not in {0, 1}:  # 1: tests failed, and the report says which
            raise CannotCompareError(
                f"pytest ended with exit status {done.returncode}:\n{tail(done.stdout, 30)}\n"
                f"it was started with: {' '.join(arguments)}"
            )
        return Run(seconds, cpu_seconds, read_outcomes(report), done.stdout)


def children_cpu() -> float:
    """Return the processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_pytest(
    tree: Path, site: Path, temporary: Path, arguments: list[str]
) -> subprocess.CompletedProcess[str]:
    """Start pytest in *tree*, with nothing of this shell's pytest settings, and wait for it.

    What it makes below *temporary* no other run finds. Random numbers are seeded in simulated time,
    so a suite that makes names of them would make the same names again.
    """
    settings = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    environment |= {"PYTHONPATH": str(site), "TMPDIR": str(temporary)}
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST_RUN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        raise CannotCompareError(
            f"pytest did not end within {LONGEST_RUN_S} s: {' '.join(arguments)}\n"
            "run it by hand with pytest's -v to see in which test it hangs"
        ) from hung


def read_outcomes(report: Path) -> dict[str, str]:
    """Return the outcome of each test in a JUnit report of pytest."""
    outcomes: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        # A failing teardown is a second entry of the same test; the first bad news counts.
        if outcomes.get(test, "passed") == "passed":
            outcomes[test] = outcome_of(case)
    return outcomes


def outcome_of(case: ET.Element) -> str:
    """Return what happened to one test of a JUnit report."""
    for tag, outcome in (("error", "error"), ("failure", "failed")):
        if case.find(tag) is not None:
            return outcome
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"


def tail(text: str, lines: int) -> str:
    """Return the last *lines* lines of *text*, indented."""
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-lines:])
