"""A search: run after run, until one fails, none is left, or the budget is spent."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from simclock._core.recording import Follow
from simclock._explore.checking import OF_LENGTH, OF_ORDER, difference
from simclock._explore.choosing import chosen
from simclock._explore.explaining import explain
from simclock._explore.report import Failure, Report, worded
from simclock._explore.shrinking import RUNS as SHRINK
from simclock._explore.shrinking import shrink
from simclock._explore.tally import Tally
from simclock._faults.plans import HEADING
from simclock.errors import Divergence
from simclock.simulation import real_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.recording import Given
    from simclock._core.schedule import Schedule
    from simclock._explore.playing import Played, Settings
    from simclock._strategies.base import Strategy

RUNS = 1000
# What runs leave behind in cycles is out of reach of automatic collections: they are off in each.
COLLECT_EVERY = 200
# How often a failure is repeated.
REPETITIONS = 10
# What has chosen a schedule that is run because it has failed in an earlier search.
KEPT = "an earlier search"


class Search:
    """What is done with run after run of one program, whoever runs it.

    For each: `begin`, a run with what that returns, `note`.

    Args:
        strategy: A name or an instance.
        settings: What is the same in each run.
        runs: How many there are at most.
        budget: Real seconds, or None.
        seed: Of the strategy.
        shrink: How many runs may be spent on shrinking a failure; 0: it is left as it was found.
    """

    def __init__(
        self,
        strategy: str | Strategy,
        settings: Settings,
        *,
        runs: int = RUNS,
        budget: float | None = None,
        seed: int | str = 0,
        shrink: int = SHRINK,
    ) -> None:
        _check_number("runs", runs, int, "a whole number")
        if type(shrink) is not int or shrink:
            _check_number("shrink", shrink, int, "a whole number, or 0")
        if budget is not None:
            _check_number("budget", budget, (int, float), "real seconds")
        self.strategy: Strategy = chosen(strategy, seed)
        self.strategy_name: str | None = strategy if isinstance(strategy, str) else None
        self.seed = seed
        self.settings = settings
        self.runs = runs
        self.budget = budget
        self.shrink = shrink
        self._has_passed_canonically = False
        self._began = real_seconds()
        # When it began to shrink and repeat what had failed; how many runs that has taken.
        self._reproducing: float | None = None
        self.repeats: int = 0
        self.tally: Tally = Tally()
        # The run that failed, and what is known of it since it was repeated.
        self.failed: Played | None = None
        self.failure: Failure | None = None
        # Whether that has failed in an earlier search; how many have, and do not now.
        self.is_kept: bool = False
        self.kept: int = 0

    @property
    def identity(self) -> dict[str, object]:
        """What tells its runs from those of another search of the same program."""
        return {
            "strategy": self.strategy_name,
            "seed": self.seed,
            "fidelity": self.settings.fidelity,
            "latency": self.settings.latency_ns,
            "options": sorted(self.settings.options.items()),
            "shrink": self.shrink,
        }

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

    @property
    def repeating(self) -> float:
        """Real seconds since it began to shrink and repeat what had failed; 0.0: it has not."""
        return 0.0 if self._reproducing is None else real_seconds() - self._reproducing

    @property
    def searching(self) -> float:
        """Real seconds that the search itself has taken, or takes."""
        return self.seconds if self._reproducing is None else self._reproducing - self._began

    def wants_more(self) -> bool:
        """Return whether there is to be another run."""
        return (
            self.failed is None
            and self.failure is None
            and self.count < self.runs
            and not self.strategy.finished
            and (self.budget is None or self.seconds < self.budget)
        )

    def warm_up(self, played: Played, *, fails: bool) -> None:
        """Note a run before the first, which has filled caches: it only counts if it has failed.

        So the runs of a part are the same in a process that is new and in one that has made others.
        """
        if fails:
            self.tally.add(played)
            self.failed = played

    def note_kept(self, played: Played, *, fails: bool) -> None:
        """Note a run, before the first, of a schedule that has failed once: as `warm_up` does."""
        self.warm_up(played, fails=fails)
        self.is_kept = fails
        self.kept += not fails

    def begin(self) -> Strategy:
        """Begin a run; return what makes its choices."""
        self.strategy.begin()
        return self.strategy

    def note(self, played: Played) -> None:
        """Note a run that is over."""
        self.strategy.end(complete=played.is_complete)
        self.tally.exhausted = self.strategy.exhausted
        self.tally.covered = self.strategy.covered
        self.tally.add(played)
        if played.verdict == "failed":
            self.failed = played
        elif not played.schedule.deviations:
            self._has_passed_canonically = True
        if self.count % COLLECT_EVERY == 0:
            gc.collect()

    @property
    def is_sampled(self) -> bool:
        """Whether the last run is one of those that are repeated to see whether they repeat."""
        # The 1st, the 10th, the 100th...
        return self.failed is None and str(self.count).rstrip("0") == "1"

    def sample(self, played: Played, repeat: Callable[[Given], Played]) -> Played:
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

    def reproduce(
        self, make: Callable[[Given], Played], show: Callable[[], None] | None = None
    ) -> Failure:
        """Shrink the run that failed, and repeat it; return what is known of it then.

        Args:
            make: Makes a run.
            show: Is called after each.
        """
        found = self.failed
        assert found is not None
        self._reproducing = real_seconds()

        def repeat(given: Given) -> Played:
            played = make(given)
            self.repeats += 1
            if show is not None:
                show()
            return played

        shrinking = None
        if self.shrink and not compared(found, repeated(found.schedule, repeat)):
            shrinking = shrink(found, repeat, runs=self.shrink)
            self.failed = shrinking.played
        failed = self.failed
        assert failed is not None
        same, difference = self._repetitions(failed, repeat)
        if not failed.schedule.deviations and self._has_passed_canonically:
            difference = f"the same schedule has passed before\nlikely source: {OF_LENGTH}"
        story = ""
        if same == REPETITIONS:
            story = _told(failed, shrinking and shrinking.passing, repeat)
        self.failure = self.unrepeated(failed)._replace(
            reproduced=same,
            repetitions=REPETITIONS,
            difference=difference,
            found=found.schedule.token,
            shrinking="" if shrinking is None else _shrunk(found, failed, shrinking.runs),
            story=story,
            faults=_faults(found, failed),
        )
        return self.failure

    def _repetitions(self, failed: Played, repeat: Callable[[Given], Played]) -> tuple[int, str]:
        """Return how many repetitions are the same, and how the first differs that is not."""
        same, found = 0, ""
        for _ in range(REPETITIONS):
            different = compared(failed, repeated(failed.schedule, repeat))
            same += not different
            found = found or different
        return same, found

    def unrepeated(self, failed: Played) -> Failure:
        """Return what is known of a run that failed before it is repeated."""
        assert failed.error is not None
        name = getattr(getattr(self.strategy, "member", None), "name", "")
        strategy = f"{self.strategy.name}, {name}" if name else self.strategy.name
        if self.is_kept:
            strategy = KEPT
        token, said = failed.schedule.token, self.settings.said
        return Failure(failed.error, token, self.count, strategy, 0, 0, "", said)

    def report(self) -> Report:
        """Return the result so far."""
        if self.failure is not None:
            self.tally.exhausted = False  # it was not looked for what else there is
        evidence = self.tally.evidence(
            seconds=self.searching,
            strategy=self.strategy.name,
            fidelity=self.settings.fidelity,
        )
        is_cut = self.failed is not None or self.failure is not None
        evidence = evidence._replace(
            is_cut=is_cut,
            kept=self.kept,
            ended=self._ended(is_cut),
            repeating=self.repeating,
        )
        return Report(self.failure, evidence)

    def _ended(self, is_cut: bool) -> str:
        """Return what has ended the search before its last run, in words, if a budget has."""
        if is_cut or self.strategy.finished or self.count >= self.runs or self.budget is None:
            return ""
        return f"by its budget of {self.budget:g} s, after {self.count} of {self.runs} runs"


def _shrunk(found: Played, failed: Played, runs: int) -> str:
    before, after = (len(each.schedule.deviations) for each in (found, failed))
    if not before:
        return ""
    choices = "1 choice" if before == 1 else f"{before} choices"
    return f"{choices} shrunk to {after} in {runs} runs"


def _faults(found: Played, failed: Played) -> str:
    """Return the faults of a run that failed, as a plan, and how it came to have them."""
    if not failed.faults.plan:
        return "no fault is needed" if found.faults.plan else ""
    lines = []
    if found.faults.swarm:
        lines.append(f"faults of the run as it was found: {found.faults.swarm}")
    if found.faults.sites:
        sites = (f"{name} {each.state}" for name, each in found.faults.sites.items())
        lines.append(f"sites of the run as it was found: {', '.join(sites)}")
    lines += [HEADING, *(f"  {each}" for each in failed.faults.plan)]
    return "\n".join(lines)


def _told(failed: Played, passing: Played | None, repeat: Callable[[Given], Played]) -> str:
    try:
        return str(explain(failed, passing, repeat))
    # What the program has made strange must not cost the failure and its token.
    except Exception as error:  # noqa: BLE001 - it is said
        return f"not told line by line: {type(error).__name__}: {worded(error)}"


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


def differing(first: Played, repeat: Callable[[Given], Played], times: int) -> str:
    """Repeat a run; return how the repetitions differed from each other, or nothing.

    There are *times* of them, at least 2. The *first* run of all imports modules and fills caches,
    so that only its end counts.
    """
    second = repeat(Follow(first.schedule, strict=False))
    found = "" if first.end[1:] == second.end[1:] else compared(first, second)
    for _ in range(times - 1):
        found = found or compared(second, repeated(second.schedule, repeat))
    return found


def repeated(schedule: Schedule, repeat: Callable[[Given], Played]) -> Played:
    """Run *schedule* again, strictly; return the run. Its error may be a `Divergence`."""
    return repeat(Follow(schedule, strict=True))


def _check_number(name: str, value: Any, kinds: Any, expected: str) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}: {value!r}\ngive a number above 0")
    if not value > 0:
        raise ValueError(f"{name} must be above 0: {value!r}\ngive {expected}")
