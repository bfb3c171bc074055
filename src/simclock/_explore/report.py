"""What a search has found, and the evidence for it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from simclock._core.places import raised_in, short
from simclock.errors import SimclockError
from simclock.predicates import MOST

if TYPE_CHECKING:
    from simclock.predicates import Predicate

# Lines of one kind that a text shows.
SHOWN = 5
CHAOS = "orders of tasks that asyncio does not have, and conditions that wake one more"
TOO_MANY = f"more than {MOST} messages: let each be a literal, and put values into the details"


class Injected(NamedTuple):
    """Faults of one kind.

    Attributes:
        kind: Such as ``kill``.
        times: How many there were.
        runs: How many runs had one.
    """

    kind: str
    times: int
    runs: int

    def __str__(self) -> str:
        return f"{self.kind} {_times(self.times)} in {_runs(self.runs)}"


class Site(NamedTuple):
    """A place of the program that may fail by choice.

    Attributes:
        name: Of the site.
        reached: In how many runs somebody has come there.
        enabled: In how many of them it could fail.
        fired: How often it has.
        runs: In how many runs.
    """

    name: str
    reached: int
    enabled: int
    fired: int
    runs: int

    def __str__(self) -> str:
        if not self.fired:
            return f"{self.name}, reached in {_runs(self.reached)}, enabled in {self.enabled}"
        return f"{self.name} {_times(self.fired)} in {self.runs} of {_runs(self.reached)}"


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
        found: The token of the run as it was found, before it was shrunk.
        shrinking: How it was shrunk, in words; or nothing.
        story: What went wrong, in text: which choices matter, which lines race, who did what when.
        faults: Which faults the run could have, and had, in text, if any; the latter as a plan.
    """

    error: BaseException
    token: str
    run: int
    strategy: str
    reproduced: int
    repetitions: int
    difference: str
    options: str = ""
    found: str = ""
    shrinking: str = ""
    story: str = ""
    faults: str = ""


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
        seconds: Of real time, until the failure, if there is one.
        uncontrolled: What took part that no schedule governs.
        limits: What ended runs before they were over.
        differences: Where a repetition of a run differed from it.
        unfair: In how many runs the strategy was not asked to the end.
        strategy: What has chosen.
        fidelity: Which choices there were.
        predicates: What was seen of the statements of `simclock.predicates`, in all the runs.
        is_overfull: Whether there were more statements than are kept.
        is_cut: Whether a failure has ended the search, so that what was not seen says nothing.
        kept: How many schedules that have failed in earlier searches pass now.
        ended: What has ended the search before its last run, in words, if its budget has.
        faults: Of each kind of fault, how many there were.
        sites: What was seen of the places that may fail by choice.
        repeating: Real seconds for shrinking and repeating the failure.
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
    predicates: tuple[Predicate, ...] = ()
    is_overfull: bool = False
    is_cut: bool = False
    kept: int = 0
    ended: str = ""
    faults: tuple[Injected, ...] = ()
    sites: tuple[Site, ...] = ()
    repeating: float = 0.0

    @property
    def unmet(self) -> tuple[str, ...]:
        """What was to happen in some run and did not, in words."""
        if self.is_cut:
            return ()
        if self.is_overfull:
            return (TOO_MANY,)
        return tuple(filter(None, map(unmet, self.predicates)))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against counting all that was done."""
        return (*self.differences, *self.limits, *self.uncontrolled, *self.unmet)


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
        repetition differed from it, something took part that is not controlled, or what is stated
        to happen in some run did not.
        """
        if self.failure is not None:
            return "failed"
        evidence = self.evidence
        return "inconclusive" if evidence.doubts or not evidence.runs else "passed"

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
        text = worded(failure.error).splitlines()
        # An assertion without a text.
        said = f": {text[0]}" if text else _at(failure.error)
        return f"run {failure.run}, {type(failure.error).__name__}{said}"


class ScheduleFailure(SimclockError, AssertionError):
    """A search has found a schedule under which the scenario fails."""


def worded(error: BaseException) -> str:
    """Return the text of *error*, also if the program's own code for that fails."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - the report must not depend on it
        return f"(its text cannot be had: {type(failure).__name__})"


def _at(error: BaseException) -> str:
    """Return the innermost line of the user's that has raised *error*."""
    entry = raised_in(error)
    return f" at {short(entry.tb_frame.f_code.co_filename)}:{entry.tb_lineno}" if entry else ""


def _failure_lines(failure: Failure) -> list[str]:
    lines = [f"  {reproduction(failure)}"]
    if failure.difference:
        lines += [f"  {line}" for line in failure.difference.splitlines()]
    cause = failure.error.__cause__
    if cause is not None:
        lines.append(f"  caused by {type(cause).__name__}: {worded(cause)}")
    lines += [f"  {line}".rstrip() for line in failure.story.splitlines()]
    lines += [f"  {line}" for line in failure.faults.splitlines()]
    return [*lines, f"  again: simclock.replay(scenario, {failure.token!r}{failure.options})"]


def reproduction(failure: Failure) -> str:
    """Return how a failure was shrunk and repeated, in words."""
    repeated = f"reproduced {failure.reproduced}/{failure.repetitions}"
    return "; ".join(filter(None, [failure.shrinking, repeated]))


def evidence_lines(evidence: Evidence) -> list[str]:
    """Return the evidence in words, one thing a line."""
    least, mean, most = evidence.points
    search = "; ".join(filter(None, [evidence.covered, _unseen(evidence)]))
    if evidence.exhausted:
        search = "every schedule that there is was run"
    after = f"; {evidence.repeating:.2f} s to shrink and repeat" if evidence.repeating else ""
    lines = [
        (
            f"  {_runs(evidence.runs)} by strategy {evidence.strategy}, {evidence.distinct} of"
            f" them different, {evidence.steps} steps, in {evidence.seconds:.2f} s{after}"
        ),
        (
            f"  {least} to {most} choice points a run (mean {mean:.1f}) with"
            f" {evidence.branching:.1f} ways each, {_threads(evidence.threads)}"
        ),
        f"  {evidence.pairs} interleavings (places between which the turn went) seen; {search}",
    ]
    if evidence.kept:
        are = "schedule that has" if evidence.kept == 1 else "schedules that have"
        lines.append(f"  {evidence.kept} {are} failed in earlier searches, and not now")
    if evidence.ended:
        lines.append(f"  ended {evidence.ended}")
    if evidence.fidelity == "chaos":
        lines.append(f"  chaos: {CHAOS}")
    if evidence.unfair:
        lines.append(f"  {_runs(evidence.unfair)} long, ended by fair choices")
    if evidence.predicates:
        asked = sum(each.asked for each in evidence.predicates)
        lines.append(f"  {_statements(len(evidence.predicates))}, come to {_times(asked)}")
    if evidence.faults:
        lines.append(f"  faults: {', '.join(map(str, evidence.faults))}")
    fired = [each for each in evidence.sites if each.fired]
    silent = [each for each in evidence.sites if not each.fired]
    for title, found in (
        ("failed by choice", tuple(map(str, fired))),
        # What a failure has cut short says nothing of what was left.
        ("never failed by choice", () if evidence.is_cut else tuple(map(str, silent))),
        ("not controlled", evidence.uncontrolled),
        ("cut short", evidence.limits),
        ("not deterministic", evidence.differences),
        ("not seen", evidence.unmet),
    ):
        lines += [f"  {title}: {_indented(each)}" for each in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"  {title}: and {len(found) - SHOWN} more")
    return lines


def unmet(predicate: Predicate) -> str:
    """Return what there is to say of a statement, if it was to come true and has not."""
    if not predicate.asked:
        return f"never reached: {predicate}, {predicate.site}"
    if predicate.kind == "sometimes" and not predicate.held:
        return f"never true: {predicate}, asked {_times(predicate.asked)}, {predicate.site}"
    return ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _statements(number: int) -> str:
    return f"{number} statement{'' if number == 1 else 's'}"


def _unseen(evidence: Evidence) -> str:
    if not evidence.pairs:
        return "the turn never went from one thread to another"
    # Nothing that was seen once only: the estimate is less than that of one such run.
    unseen = f"{evidence.unseen:.2g}" if evidence.unseen else f"less than {1 / evidence.runs:.2g}"
    return f"another run by this strategy shows a new one with an estimated probability of {unseen}"


def _threads(number: int) -> str:
    return "one thread" if number == 1 else f"up to {number} threads"


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
