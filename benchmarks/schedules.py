"""Schedules per second of an exploration, beside other explorers of threads.

The others are installed where ``./dev schedules`` runs; one that is not is shown so.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.measure import Table, median, rounded
from benchmarks.rivals.explorers import EXPLORERS
from benchmarks.rivals.on_threads import ITEMS, PROGRAMS
from benchmarks.rivals.sampling import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from benchmarks.rivals.explorers import Explorer

ROUNDS = 3
# Real seconds: of exploring in one sample, and until one is given up.
SECONDS = 0.3
LIMIT = 20.0
TARGET = 10.0
OURS = "simclock"
COUNTER = (
    "2 threads add 1 to a counter without a lock; simclock's have a checkpoint in between, since "
    "without an operation it has nothing to choose at, but for lines"
)
# By program: the title of its table, and what the program does.
METHOD = {
    "lost_update": ("lost update", COUNTER),
    "bounded_buffer": (
        "bounded buffer",
        f"3 threads, a Condition, a buffer of one place, {ITEMS} items",
    ),
    "transfer": ("two-lock transfer", "2 threads take two locks in the right order"),
}
HOW = "no schedule fails or ends the search; schedules per second; ratio to the fastest rival"
# Whose fastest line each of ours is compared with: by the beginnings of their names.
FAMILIES = {
    "frontrun": ("frontrun-",),
    "interleave-test's opcodes": ("interleave-opcode",),
    "interleave-test's lines": ("interleave-line",),
}


@dataclass
class Outcome:
    """What an explorer gave for a program, by round.

    Attributes:
        name: Which.
        explorer: The same.
        failure: Why there is nothing; empty if there is something.
        rates: Schedules per second.
        wholes: After how many schedules it ended by itself, or 0.
        found: The numbers of the schedules that showed the bug; 0 where none did.
    """

    name: str
    explorer: Explorer
    failure: str = ""
    rates: list[float] = field(default_factory=list)
    wholes: list[int] = field(default_factory=list)
    found: list[int] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        """Whether it is simclock."""
        return self.explorer.distribution == OURS

    @property
    def is_judged(self) -> bool:
        """Whether the target is for it: lines are for programs that ask for them."""
        return self.is_ours and self.name != "simclock-lines"


def _is_here(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _sample(outcome: Outcome, program: str, seed: int) -> None:
    """Add one sample to *outcome*, taken in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.rivals.explorers"]
    # What its command line sets, without the interception of I/O: that costs, and here is none.
    environment = {**os.environ, "FRONTRUN_ACTIVE": "1"}
    try:
        done = subprocess.run(
            [*command, outcome.name, program, str(SECONDS), str(seed)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = {"failure": f"no end within {LIMIT:.0f} s"}
    except (IndexError, ValueError):
        found = {"failure": f"the process ended with status {done.returncode} and said nothing"}
    outcome.failure = found.get("failure", "")
    if not outcome.failure:
        outcome.rates.append(found["rate"])
        outcome.wholes.append(found["whole"])
        outcome.found.append(found["found"])


def sample_in_turns(program: str) -> list[Outcome]:
    """Sample the program with each explorer once in every round, unless it failed before."""
    outcomes = [
        Outcome(name, each) for name, each in EXPLORERS.items() if _is_here(each.distribution)
    ]
    for turn in range(ROUNDS):
        for outcome in outcomes:
            if not outcome.failure:
                _sample(outcome, program, seed=turn)
    return outcomes


def _ratio(outcome: Outcome, base: Outcome) -> float:
    return median([a / b for a, b in zip(outcome.rates, base.rates, strict=True)])


def _against(outcome: Outcome, outcomes: list[Outcome]) -> str:
    """Return how many times as fast it is as the fastest line of each rival."""
    said = []
    for family, prefixes in FAMILIES.items():
        fastest = _fastest(each for each in outcomes if each.name.startswith(prefixes))
        if fastest is not None:
            said.append(f"{_ratio(outcome, fastest):.1f}x {family}")
    return ", ".join(said)


def _note(outcome: Outcome, outcomes: list[Outcome], program: str) -> str:
    notes = []
    if outcome.is_ours:
        notes.append(_against(outcome, outcomes))
    if any(outcome.wholes):
        notes.append(f"ends after {max(outcome.wholes)} schedules")
    if not PROGRAMS[program].is_right:
        late = [str(number) if number else "none" for number in outcome.found]
        notes.append(f"found by schedule {', '.join(late)}")
    return "; ".join(filter(None, notes))


def _fastest(outcomes: Iterable[Outcome]) -> Outcome | None:
    rivals = [each for each in outcomes if not each.failure and not each.is_ours]
    return max(rivals, key=lambda each: median(each.rates), default=None)


def run() -> Generator[Table, None, None]:
    """Compare on each program."""
    distributions = dict.fromkeys(each.distribution for each in EXPLORERS.values())
    for program, (title, method) in METHOD.items():
        outcomes = sample_in_turns(program)
        fastest = _fastest(outcomes)
        table = Table(f"schedules, {title}", f"{method}; {HOW}")
        for outcome in outcomes:
            if outcome.failure:
                table.add(outcome.explorer.label, "-", note=outcome.failure)
                continue
            ratio = None if fastest is None else _ratio(outcome, fastest)
            table.add(
                outcome.explorer.label,
                f"{rounded(median(outcome.rates))}/s",
                ratio,
                f"at least {TARGET:.0f}x the fastest rival" if outcome.is_judged else "",
                met=ratio >= TARGET if outcome.is_judged and ratio is not None else None,
                note=_note(outcome, outcomes, program),
            )
        for name in distributions:
            if not _is_here(name):
                table.add(name, "-", note="not installed here, but by `./dev schedules`")
        yield table
