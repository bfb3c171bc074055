"""Takes the samples: each in a process of its own, in turns, with a time limit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.rivals.cases import Case, Size
    from benchmarks.rivals.subjects import Subject

ROOT = Path(__file__).resolve().parents[2]
# Real seconds. A sample that takes longer than the first is not repeated: the others would wait
# for minutes, and it is so far behind that one sample tells.
SLOW = 10.0
LIMIT = 180.0


@dataclass
class Outcome:
    """What a subject gave for a case.

    Attributes:
        subject: Which.
        figures: By turn, what was sampled: real seconds, or bytes.
        ended: All that programs returned: when they ended, in virtual seconds.
        failure: Why there is no figure; empty if there is one.
    """

    subject: Subject
    figures: list[float] = field(default_factory=list)
    ended: set[float] = field(default_factory=set)
    failure: str = ""


def sample(subject: Subject, case: Case, size: Size, limit: float = LIMIT) -> dict[str, object]:
    """Run one sample and return what it printed; ``error`` says why there is nothing."""
    module = "benchmarks.rivals.sample"
    command = [sys.executable, "-m", module, subject.name, subject.module, subject.programs]
    try:
        done = subprocess.run(
            [*command, case.name, *map(str, size)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no end within {limit:.0f} s"}
    try:
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"error": f"the process ended with status {done.returncode} and said nothing"}
    return found


def sample_in_turns(
    case: Case,
    size: Size,
    subjects: Iterable[Subject],
    rounds: int,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Sample the case on each subject once in every round."""
    outcomes = [
        Outcome(one, failure=one.missing() or dict(one.without).get(case.name, ""))
        for one in subjects
    ]
    running = [one for one in outcomes if not one.failure]
    for turn in range(rounds):
        say(f"{case.name}: round {turn + 1} of {rounds}")
        running = [one for one in running if _extend(one, case, size)]
    return outcomes


def _extend(outcome: Outcome, case: Case, size: Size) -> bool:
    """Add one sample; return whether it is worth another."""
    found = sample(outcome.subject, case, size)
    if error := found.get("error"):
        outcome.failure = str(error)
        return False
    outcome.figures.append(float(found["figure"]))  # type: ignore[arg-type]
    outcome.ended.update(found.get("ended", ()))  # type: ignore[call-overload]
    return float(found.get("real", 0.0)) <= SLOW  # type: ignore[arg-type]
