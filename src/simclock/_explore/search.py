"""A search: run after run, until one fails, none is left, or the budget is spent."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from simclock._core.recording import Follow
from simclock._explore.checking import OF_LENGTH, OF_ORDER, difference
from simclock._explore.choosing import chosen
from simclock._explore.report import Failure, Report
from simclock._explore.tally import Tally
from simclock.errors import Divergence
from simclock.simulation import real_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.schedule import Schedule
    from simclock._explore.playing import Played, Settings
    from simclock._strategies.base import Strategy

RUNS = 1000
# What runs leave behind in cycles is out of reach of automatic collections: they are off in each.
COLLECT_EVERY = 200
# How often a failure is repeated.
REPETITIONS = 10


class Search:
    """What is done with run after run of one program, whoever runs it.

    For each: `begin`, a run with what that returns, `note`.

    Args:
        strategy: A name or an instance.
        settings: What is the same in each run.
        runs: How many there are at most.
        budget: Real seconds, or None.
        seed: Of the strategy.
    """

    def __init__(
        self,
        strategy: str | Strategy,
        settings: Settings,
        *,
        runs: int = RUNS,
        budget: float | None = None,
        seed: int | str = 0,
    ) -> None:
        _check_number("runs", runs, int, "a whole number")
        if budget is not None:
            _check_number("budget", budget, (int, float), "real seconds")
        self.strategy = chosen(strategy, seed)
        self.strategy_name = strategy if isinstance(strategy, str) else None
        self.seed = seed
        self.settings = settings
        self.runs = runs
        self.budget = budget
        self._began = real_seconds()
        self.tally = Tally()
        # The run that failed, and what is known of it since it was repeated.
        self.failed: Played | None = None
        self.failure: Failure | None = None

    @property
    def count(self) -> int:
        """How many runs there were."""
        return self.tally.runs

    @property
    def distinct(self) -> int:
        """How many of them had different traces."""
        return self.tally.distinct

    @property
    def seconds(self) -> float:
        """Real seconds since the search began."""
        return real_seconds() - self._began

    def wants_more(self) -> bool:
        """Return whether there is to be another run."""
        return (
            self.failed is None
            and self.failure is None
            and self.count < self.runs
            and not self.strategy.finished
            and (self.budget is None or self.seconds < self.budget)
        )

    def begin(self) -> Strategy:
        """Begin a run; return what makes its choices."""
        self.strategy.begin()
        return self.strategy

    def note(self, played: Played) -> None:
        """Note a run that is over."""
        complete = played.verdict != "inconclusive" and not played.is_fair
        self.strategy.end(complete=complete)
        self.tally.exhausted = self.strategy.exhausted
        self.tally.covered = self.strategy.covered
        self.tally.add(played)
        if played.verdict == "failed":
            self.failed = played
        if self.count % COLLECT_EVERY == 0:
            gc.collect()

    @property
    def is_sampled(self) -> bool:
        """Whether the last run is one of those that are repeated to see whether they repeat."""
        # The 1st, the 10th, the 100th...
        return self.failed is None and str(self.count).rstrip("0") == "1"

    def sample(self, played: Played, repeat: Callable[[Follow], Played]) -> Played:
        """Repeat a run, and note whether it was the same; return the repetition."""
        again = repeated(played.schedule, repeat)
        found = compared(played, again)
        # The first run of all imports modules and fills caches; but it ends like the others.
        has_passed = isinstance(again.error, (Divergence, type(None)))
        if found and self.count == 1 and has_passed:
            other = repeated(played.schedule, repeat)
            if other.end == again.end:
                found = ""
        self.tally.add_differences([found] if found else [])
        return again

    def reproduce(self, repeat: Callable[[Follow], Played]) -> Failure:
        """Repeat the run that failed, again and again; return what is known of it then."""
        failed = self.failed
        assert failed is not None
        assert failed.error is not None
        same, found = 0, ""
        for _ in range(REPETITIONS):
            again = repeated(failed.schedule, repeat)
            different = compared(failed, again)
            same += not different
            found = found or different
        name = getattr(getattr(self.strategy, "member", None), "name", "")
        self.failure = Failure(
            failed.error,
            failed.schedule.token,
            self.count,
            f"{self.strategy.name}, {name}" if name else self.strategy.name,
            same,
            REPETITIONS,
            found,
            self.settings.said,
        )
        return self.failure

    def report(self) -> Report:
        """Return the result so far."""
        if self.failure is not None:
            self.tally.exhausted = False  # it was not looked for what else there is
        evidence = self.tally.evidence(
            seconds=self.seconds,
            strategy=self.strategy.name,
            fidelity=self.settings.fidelity,
        )
        return Report(self.failure, evidence)


def compared(played: Played, again: Played) -> str:
    """Return how a repetition of a run differed from it, or nothing."""
    found = difference(played.trace, again.trace, [*played.uncontrolled, *again.uncontrolled])
    if isinstance(again.error, Divergence):
        return f"{found}\n{again.error}" if found else str(again.error)
    if not found and played.signature != again.signature:
        ends = f"{played.signature or 'passed'}, {again.signature or 'passed'}"
        return f"two runs of one schedule ended differently: {ends}\nlikely source: {OF_LENGTH}"
    if not found and played.result != again.result:
        results = f"{played.result}, {again.result}"
        return f"two runs of one schedule returned different: {results}\nlikely source: {OF_ORDER}"
    return found


def repeated(schedule: Schedule, repeat: Callable[[Follow], Played]) -> Played:
    """Run *schedule* again, strictly; return the run. Its error may be a `Divergence`."""
    return repeat(Follow(schedule, strict=True))


def _check_number(name: str, value: Any, kinds: Any, expected: str) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}: {value!r}\ngive a number above 0")
    if not value > 0:
        raise ValueError(f"{name} must be above 0: {value!r}\ngive {expected}")
