"""``python -m tools.mutation [NAME ...]``: change modules, and list what no test notices.

A name is that of a target (``kernel``, ``shared``) or the path of a module below ``src/simclock``.
What came out is kept in ``results.json``, module by module, and ``docs/reference/mutation.md`` is
written from it. The exit status is 1 if a surviving mutant is not explained.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tools.mutation import page
from tools.mutation.campaign import Campaign, Trial
from tools.mutation.hot import Hot
from tools.mutation.mutants import Mutant, find_mutants
from tools.mutation.recording import record
from tools.mutation.results import Module, Results, read_results, survivor
from tools.mutation.running import OPTIONS, Slot
from tools.mutation.targets import ROOT, SOURCES, TARGETS, Target

if TYPE_CHECKING:
    from argparse import Namespace

WORK = ROOT / "build" / "mutation"


def say(text: str) -> None:
    """Print at once: a reader waits for minutes after some of these lines."""
    print(text, flush=True)


def choose(path: str, source: str, results: Results, wanted: Namespace) -> list[Mutant]:
    """Return the mutants of a module that are to be tried."""
    mutants = find_mutants(path, source)
    if wanted.survivors:
        known = {one for one in results.survivors() if one.path == path}
        places = {(one.function, one.operator) for one in known}
        return [
            mutant
            for mutant in mutants
            if (mutant.function, mutant.operator) in places and survivor(mutant, source) in known
        ]
    if wanted.sample and wanted.sample < len(mutants):
        mutants = random.Random(f"{wanted.seed} {path}").sample(mutants, wanted.sample)
    return mutants


def run(
    target: Target, paths: list[str], results: Results, wanted: Namespace, folder: Path
) -> None:
    """Try the mutants of the modules at *paths*, and keep what came of each module."""
    say(f"{target.name}: which test runs which line ...")
    slots = [Slot.make(folder / str(number)) for number in range(wanted.workers)]
    recorded = record(target, slots[0], WORK / f"record-{target.name}.json")
    sources = {path: (ROOT / SOURCES / path).read_text(encoding="utf-8") for path in paths}
    mutants = {path: choose(path, source, results, wanted) for path, source in sources.items()}
    queue = [(mutant, sources[path]) for path, some in mutants.items() for mutant in some]
    left = {path: len(some) for path, some in mutants.items()}
    trials: dict[str, list[Trial]] = {path: [] for path in paths}
    say(f"{target.name}: {len(queue)} mutants of {len(paths)} modules")
    began = time.monotonic()

    def use(hot: Hot) -> None:
        for trial in Campaign(hot, recorded, slots, wanted.first).run(queue):
            path = trial.mutant.path
            trials[path].append(trial)
            left[path] -= 1
            if not sum(left.values()) % 50:
                say(f"{sum(left.values())} left after {time.monotonic() - began:.0f} s")
            if trial.outcome in {"survived", "uncovered"}:
                what = survivor(trial.mutant, trial.source).key
                say(f"{trial.outcome} {trial.mutant.lines[0]}: {what}")
            if not left[path]:
                keep(target, path, trials[path], wanted)
                say(f"{path}: done after {time.monotonic() - began:.0f} s")

    Slot.make(folder / "hot").enter()
    # Where the guards of the tests print stacks: those of mutants that crash are nobody's concern.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    pytest.main([*OPTIONS, *target.tests], plugins=[Hot(use)])


def keep(target: Target, path: str, trials: list[Trial], wanted: Namespace) -> None:
    """Keep what came of a module's mutants, beside what another command has kept meanwhile."""
    results = read_results()
    results.versions = (
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"cosmic-ray {version('cosmic-ray')}"
    )
    module = Module(path, len(find_mutants(path, trials[0].source)))
    if wanted.survivors:
        old = next(old for old in results.modules[target.name] if old.path == path)
        tried = {survivor(trial.mutant, trial.source) for trial in trials}
        module.found = old.found - len(set(old.survivors) - tried)
        module.killed, module.hung, module.uncovered = old.killed, old.hung, old.uncovered
    module.add(trials)
    results.put(target.name, module)
    results.write()


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="./dev mutation", description=__doc__)
    parser.add_argument("name", nargs="*", help="targets or modules; all, if none is named")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="tests at a time")
    parser.add_argument("--sample", type=int, help="so many mutants of a module at most")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--survivors", action="store_true", help="only those that have survived")
    parser.add_argument("--first", default="", help="the folder or file of tests to begin with")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    wanted = parser.parse_args()
    results = read_results()
    if not wanted.page:
        names = set(wanted.name)
        WORK.mkdir(parents=True, exist_ok=True)
        for target in TARGETS:
            paths = [p for p in target.paths() if not names or names & {p, target.name}]
            # In a process of its own: pytest and simclock are imported once in each.
            child = os.fork() if paths else -1
            if not child:
                with TemporaryDirectory(dir=WORK) as folder:
                    run(target, paths, results, wanted, Path(folder))
                os._exit(0)
            if child > 0:
                _, status = os.waitpid(child, 0)
                if status:
                    raise SystemExit(f"{target.name}: its process ended with status {status}")
    unexplained = page.write(read_results())
    for key in unexplained:
        say(f"not explained: {key}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main())
