"""Take one project through both runs, and say what differs."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.compat.fetching import fetch, install_requirements, prepare_cache
from tools.compat.project import CannotCompareError
from tools.compat.running import FOR_REAL, SIMULATED, Run, run_suite, tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.compat.project import Project


@dataclass(frozen=True)
class Comparison:
    """What came out of a project's two runs."""

    project: Project
    real: Run
    simulated: Run

    @property
    def tests(self) -> list[str]:
        """The tests of either run, in the order of the real one."""
        return list(dict.fromkeys([*self.real.outcomes, *self.simulated.outcomes]))

    @property
    def differing(self) -> list[str]:
        """A line for each test whose outcomes differ."""
        pairs = {
            test: (
                self.real.outcomes.get(test, "absent"),
                self.simulated.outcomes.get(test, "absent"),
            )
            for test in self.tests
        }
        return [
            f"{test}: {real} -> {simulated}"
            for test, (real, simulated) in pairs.items()
            if real != simulated
        ]

    @property
    def problems(self) -> list[str]:
        """What is not as it must be: nothing if every outcome is the same and no test failed."""
        found = []
        if self.differing:
            listed = "\n".join(f"  {line}" for line in self.differing)
            found.append(f"the outcomes differ (real -> simulated):\n{listed}")
        for name, run in (("real", self.real), ("simulated", self.simulated)):
            failed = run.ended("failed", "error")
            if not run.outcomes:
                found.append(f"the {name} run ran no test:\n{tail(run.output, 30)}")
            if failed:
                found.append(f"{len(failed)} failed in the {name} run:\n{tail(run.output, 60)}")
        return found


def check_environment() -> None:
    """Refuse an interpreter that lacks what both runs need."""
    plugins = {point.name for point in importlib.metadata.entry_points(group="pytest11")}
    if "simclock" not in plugins:
        raise CannotCompareError(
            f"simclock's pytest plugin is not installed in: {sys.executable}\n"
            "install it with: python -m pip install --editable '.[pytest]'"
        )


def compare(project: Project, cache: Path, say: Callable[[str], None]) -> Comparison:
    """Run the project's tests twice, telling by *say* what goes on."""
    check_environment()
    prepare_cache(cache)
    say(f"{project.label} ({project.license}): fetching what is not there yet ...")
    archive = fetch(project, cache)
    site = install_requirements(project, cache)
    say("  running its tests for real ...")
    real = run_suite(archive, site, [*FOR_REAL, *project.selection()])
    say(f"  {real.seconds:.1f} s; running them again in simulated time ...")
    simulated = run_suite(archive, site, [*SIMULATED, *project.selection()])
    say(f"  {simulated.seconds:.1f} s")
    return Comparison(project, real, simulated)
