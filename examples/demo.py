"""Run the example service's tests in real and in simulated time, and compare the two.

The service is in ``examples/courier``: it delivers webhooks with threads, pools, timers, timeouts,
caches and retries, and knows nothing of simclock. Four runs of pytest:

- the tests marked ``smoke``, for real: the others would take minutes;
- the same tests in simulated time, which must end the same;
- all of its tests in simulated time;
- a few tests that use simclock on it: exact times, a month's wait, and a deadlock that is found.

    python examples/demo.py          # about a quarter of a minute
    python examples/demo.py --all    # all of its tests for real too: several minutes

The exit status is 0 if every test run both ways had the same outcome and no test failed, 1 if not,
2 if the comparison could not be made.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SERVICE = Path(__file__).resolve().parent / "courier"
FOR_REAL = ("-p", "no:simclock")
SIMULATED = ("--simclock",)
# The property of a test in pytest's report that says how long it was by the test's own clock.
OWN_CLOCK = "own_clock"
# Many times what the longest run takes: it ends a run that hangs and does not judge a slow machine.
LONGEST_RUN_S = 1200


# ------------------------------------------------- what pytest runs of this module, with -p demo


@pytest.fixture(autouse=True)
def _own_clock(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    """Read the clock as the test itself would: the real one, or the simulated."""
    began = time.monotonic()
    yield
    # Not by `record_property`: that warns, and warnings are errors to the service's tests.
    request.node.user_properties.append((OWN_CLOCK, time.monotonic() - began))


# ---------------------------------------------------------------------------------- the command


@dataclass(frozen=True)
class Run:
    """One run of tests: their outcomes, and how long they were by either clock."""

    outcomes: dict[str, str]
    #: What passed for the tests themselves: in simulated time, mostly waits that took no real time.
    own_s: float
    #: Real time, as pytest says it: without the start of Python.
    real_s: float
    output: str = field(repr=False)

    @property
    def failures(self) -> list[str]:
        """The tests that ended in a failure or an error."""
        return [test for test, outcome in self.outcomes.items() if outcome in {"failed", "error"}]


class CannotCompareError(Exception):
    """The comparison cannot be made; the message says why and what to do."""


def check_environment() -> None:
    """Refuse an interpreter that lacks the plugin."""
    if "simclock" not in {p.name for p in importlib.metadata.entry_points(group="pytest11")}:
        raise CannotCompareError(
            f"simclock's pytest plugin is not installed in: {sys.executable}\n"
            "install it with: python -m pip install --editable '.[pytest]'"
        )


def run_tests(*arguments: str, service: Path = SERVICE) -> Run:
    """Run pytest in the service's folder, with nothing of this shell's pytest settings."""
    settings = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"}
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    paths = [str(Path(__file__).parent), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-p", "demo", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, f"--junitxml={report}", *arguments],
                cwd=service,
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
        if done.returncode not in {0, 1}:  # 1: tests failed, and the report says which
            raise CannotCompareError(
                f"pytest ended with exit status {done.returncode}:\n{tail(done.stdout, 30)}\n"
                f"it was started with: {' '.join(arguments)}"
            )
        return read_report(report.read_text(encoding="utf-8"), done.stdout)


def read_report(report: str, output: str) -> Run:
    """Return what pytest's JUnit report says."""
    suite = next(ET.fromstring(report).iter("testsuite"))
    outcomes: dict[str, str] = {}
    own_s = 0.0
    for case in suite.iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        # A failing teardown is a second entry of the same test; the first bad news counts.
        if outcomes.get(test, "passed") == "passed":
            outcomes[test] = outcome_of(case)
        for said in case.iter("property"):
            if said.get("name") == OWN_CLOCK:
                own_s += float(said.get("value", "nan"))
    return Run(outcomes, own_s, float(suite.get("time", "nan")), output)


def outcome_of(case: ET.Element) -> str:
    """Return what happened to one test."""
    for tag, outcome in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        if case.find(tag) is not None:
            return outcome
    return "passed"


def differences(real: Run, simulated: Run) -> list[str]:
    """Return a line for each test whose outcomes differ."""
    tests = dict.fromkeys([*real.outcomes, *simulated.outcomes])
    pairs = [(real.outcomes.get(t, "absent"), simulated.outcomes.get(t, "absent")) for t in tests]
    return [f"{t}: {a} -> {b}" for t, (a, b) in zip(tests, pairs, strict=True) if a != b]


def table(runs: dict[str, Run]) -> str:
    """Return the figures of the runs, a line for each."""
    lines = [("", "tests", "by their own clock", "really took", "ratio")]
    lines += [
        (
            name,
            f"{len(run.outcomes)}",
            f"{run.own_s:,.2f} s",
            f"{run.real_s:.2f} s",
            f"{run.own_s / run.real_s:,.0f}x" if run.real_s else "-",
        )
        for name, run in runs.items()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([first.ljust(width), *map(str.rjust, rest, others)])
        for first, *rest in lines
        for width, *others in [widths]
    )


def problems(runs: dict[str, Run], differing: list[str]) -> list[str]:
    """Return what is not as it should be, with the evidence."""
    found = []
    if differing:
        lines = indent("\n".join(differing))
        found.append(f"the outcomes differ (real -> simulated):\n{lines}")
    for name, run in runs.items():
        if not run.outcomes:
            found.append(f"no test was run: {name}\n{tail(run.output, 30)}")
        if run.failures:
            found.append(f"{len(run.failures)} failed: {name}\n{tail(run.output, 60)}")
    return found


def compare(*, everything: bool) -> bool:
    """Run the tests, print what came out, and return whether all is well."""
    check_environment()
    part = () if everything else ("-m", "smoke")
    which = "all tests" if everything else "the smoke tests"
    waiting = "several minutes" if everything else "some seconds"
    runs: dict[str, Run] = {}

    say(f"running {which} of examples/courier for real: {waiting} of waiting ...")
    real = runs[f"{which}, for real"] = run_tests(*FOR_REAL, *part)
    say("running them again, in simulated time ...")
    simulated = runs[f"{which}, simulated"] = run_tests(*SIMULATED, *part)
    if not everything:
        say("running all its tests in simulated time ...")
        runs["all tests, simulated"] = run_tests(*SIMULATED)
    say("running the tests that use simclock on it ...")
    runs["exact times, a month, a deadlock"] = run_tests("tests_simulated")

    differing = differences(real, simulated)
    say(f"\n{table(runs)}\n")
    found = problems(runs, differing)
    for problem in found:
        complain(problem)
    if not found:
        say(f"{len(real.outcomes)} tests run both ways: the same outcomes; no test failed")
    return not found


def tail(text: str, lines: int) -> str:
    """Return the last *lines* lines of *text*, indented."""
    return indent("\n".join(text.strip().splitlines()[-lines:]))


def indent(text: str) -> str:
    """Return *text* with each line moved right, as evidence is shown."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def say(text: str) -> None:
    """Print at once: a reader waits after some of these lines."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print an error, after everything said so far."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="run all tests for real, not only some")
    try:
        return 0 if compare(everything=parser.parse_args().all) else 1
    except CannotCompareError as error:
        complain(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
