"""What a search has found, and the evidence for it."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from simclock.errors import SimclockError

# Lines of one kind that a text shows.
SHOWN = 5


class Failure(NamedTuple):
    """A run that failed.

    Attributes:
        error: What it raised.
        token: Repeats it: see `simclock.replay`.
        run: Its number in the search, from 1.
        strategy: What had chosen its schedule.
        reproduced: How many of the repetitions failed in the same way, with the same trace.
        repetitions: How often it was repeated.
        difference: Where a repetition differed first, and what that may come from; or nothing.
        options: What else `simclock.replay` is to be given, as it is written.
    """

    error: BaseException
    token: str
    run: int
    strategy: str
    reproduced: int
    repetitions: int
    difference: str
    options: str = ""


class Evidence(NamedTuple):
    """What a verdict rests on.

    Attributes:
        runs: How many there were.
        distinct: How many of them had different traces.
        points: The fewest, the mean and the most choice points of a run.
        branching: The mean number of ways to go on at a choice point.
        steps: How many records the traces had together.
        threads: The most that a run had.
        pairs: How many interleavings were seen: pairs of places between which the turn went.
        unseen: The estimated probability that one more run shows another one.
        exhausted: Whether there is no other schedule.
        covered: What was run in full, in words, where that is not everything; or nothing.
        seconds: Of real time.
        uncontrolled: What took part that no schedule governs.
        limits: What ended runs before they were over.
        differences: Where a repetition of a run differed from it.
        unfair: In how many runs the strategy was not asked to the end.
        strategy: What has chosen.
        fidelity: Which choices there were.
    """

    runs: int
    distinct: int
    points: tuple[int, float, int]
    branching: float
    steps: int
    threads: int
    pairs: int
    unseen: float
    exhausted: bool
    covered: str
    seconds: float
    uncontrolled: tuple[str, ...]
    limits: tuple[str, ...]
    differences: tuple[str, ...]
    unfair: int
    strategy: str
    fidelity: str


class Report(NamedTuple):
    """The result of a search.

    Attributes:
        failure: The first run that failed, or None.
        evidence: What was done.
    """

    failure: Failure | None
    evidence: Evidence

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"`` or ``"inconclusive"``.

        Inconclusive: no run has failed, but not all that was done counts. A limit ended a run, a
        repetition differed from it, or something took part that is not controlled.
        """
        if self.failure is not None:
            return "failed"
        evidence = self.evidence
        doubts = evidence.limits or evidence.differences or evidence.uncontrolled
        return "inconclusive" if doubts or not evidence.runs else "passed"

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return self.evidence.runs

    @property
    def distinct(self) -> int:
        """How many of them had different traces."""
        return self.evidence.distinct

    @property
    def exhausted(self) -> bool:
        """Whether every schedule that there is was run."""
        return self.evidence.exhausted

    def check(self) -> Report:
        """Return this report if the verdict is not ``"failed"``; warn if it is inconclusive.

        Raises:
            ScheduleFailure: A run failed. Its cause is what that raised.
        """
        if self.failure is not None:
            raise ScheduleFailure(str(self)) from self.failure.error
        if self.verdict == "inconclusive":
            warnings.warn(str(self), stacklevel=2)
        return self

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self._what()}"]
        if self.failure is not None:
            lines += _failure_lines(self.failure)
        return "\n".join([*lines, *evidence_lines(self.evidence)])

    def _what(self) -> str:
        failure = self.failure
        if failure is None:
            return f"no failure in {_runs(self.evidence.runs)}"
        text = str(failure.error).splitlines()
        said = f": {text[0]}" if text else ""
        return f"run {failure.run}, {type(failure.error).__name__}{said}"


class ScheduleFailure(SimclockError, AssertionError):
    """A search has found a schedule under which the scenario fails."""


def _failure_lines(failure: Failure) -> list[str]:
    lines = [f"  reproduced {failure.reproduced}/{failure.repetitions}"]
    if failure.difference:
        lines += [f"  {line}" for line in failure.difference.splitlines()]
    cause = failure.error.__cause__
    if cause is not None:
        lines.append(f"  caused by {type(cause).__name__}: {cause}")
    return [*lines, f"  again: simclock.replay(scenario, {failure.token!r}{failure.options})"]


def evidence_lines(evidence: Evidence) -> list[str]:
    """Return the evidence in words, one thing a line."""
    least, mean, most = evidence.points
    search = "; ".join(filter(None, [evidence.covered, _unseen(evidence)]))
    if evidence.exhausted:
        search = "every schedule that there is was run"
    lines = [
        (
            f"  {_runs(evidence.runs)} by strategy {evidence.strategy}, {evidence.distinct} of"
            f" them different, {evidence.steps} steps, in {evidence.seconds:.2f} s"
        ),
        (
            f"  {least} to {most} choice points a run (mean {mean:.1f}) with"
            f" {evidence.branching:.1f} ways each, {_threads(evidence.threads)}"
        ),
        f"  {evidence.pairs} interleavings seen; {search}",
    ]
    if evidence.fidelity == "chaos":
        lines.append("  chaos: tasks of event loops in orders that asyncio does not have")
    if evidence.unfair:
        lines.append(f"  {_runs(evidence.unfair)} long, ended by fair choices")
    for title, found in (
        ("not controlled", evidence.uncontrolled),
        ("cut short", evidence.limits),
        ("not deterministic", evidence.differences),
    ):
        lines += [f"  {title}: {_indented(each)}" for each in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"  {title}: and {len(found) - SHOWN} more")
    return lines


def _unseen(evidence: Evidence) -> str:
    if not evidence.pairs:
        return "the turn never went from one thread to another"
    return f"another run would show a new one with probability {evidence.unseen:.2g}"


def _threads(number: int) -> str:
    return "one thread" if number == 1 else f"up to {number} threads"


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
