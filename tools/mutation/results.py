"""What came out, as it is kept beside the tool, and why mutants survive."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.mutation.campaign import Trial
    from tools.mutation.mutants import Mutant

RESULTS = Path(__file__).with_name("results.json")
EXPLAINED = Path(__file__).with_name("explained.json")


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test has noticed. Its line's number is no part of it: edits move it."""

    path: str
    function: str
    operator: str
    before: str
    after: str

    @property
    def key(self) -> str:
        """Return what `EXPLAINED` calls it."""
        return f"{self.path} {self.function}: {self.before} -> {self.after}"


@dataclass
class Module:
    """What came of the mutants of the module at *path*.

    Attributes:
        found: How many there are; those that were tried may be a sample.
        survivors: In the order of their lines.
        uncovered: How many of each function no test runs.
    """

    path: str
    found: int
    killed: int = 0
    hung: int = 0
    survivors: list[Survivor] = field(default_factory=list)
    uncovered: dict[str, int] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        """Return how many were tried."""
        return self.killed + self.hung + len(self.survivors) + sum(self.uncovered.values())

    def add(self, trials: Iterable[Trial]) -> None:
        """Count *trials*."""
        for trial in sorted(trials, key=lambda trial: trial.mutant.lines):
            if trial.outcome == "survived":
                self.survivors.append(survivor(trial.mutant, trial.source))
            elif trial.outcome == "uncovered":
                function = trial.mutant.function
                self.uncovered[function] = self.uncovered.get(function, 0) + 1
            elif trial.outcome == "invalid":
                self.found -= 1
            else:
                setattr(self, trial.outcome, getattr(self, trial.outcome) + 1)


@dataclass
class Results:
    """All that came out: by target, its modules; and with what."""

    versions: str = ""
    modules: dict[str, list[Module]] = field(default_factory=dict)

    def put(self, target: str, module: Module) -> None:
        """Keep *module*, in place of what came of it before."""
        others = [other for other in self.modules.get(target, ()) if other.path != module.path]
        self.modules[target] = sorted([*others, module], key=lambda module: module.path)

    def survivors(self) -> list[Survivor]:
        """Return those of all modules."""
        return [
            one
            for modules in self.modules.values()
            for module in modules
            for one in module.survivors
        ]

    def write(self) -> None:
        """Keep it all."""
        RESULTS.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def survivor(mutant: Mutant, source: str) -> Survivor:
    """Return *mutant* as it is kept."""
    change = mutant.describe(source)
    return Survivor(mutant.path, mutant.function, mutant.operator, *change)


def read_results() -> Results:
    """Return what was kept."""
    if not RESULTS.exists():
        return Results()
    read = json.loads(RESULTS.read_text(encoding="utf-8"))
    results = Results(read["versions"])
    for target, modules in read["modules"].items():
        for module in modules:
            module["survivors"] = [Survivor(**one) for one in module["survivors"]]
        results.modules[target] = [Module(**module) for module in modules]
    return results


def read_explained() -> dict[str, str]:
    """Return why mutants survive, by their keys."""
    explained: dict[str, str] = {}
    for why, keys in json.loads(EXPLAINED.read_text(encoding="utf-8")).items():
        explained |= dict.fromkeys(keys, why)
    return explained
