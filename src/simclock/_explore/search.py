"""A search: run after run, until one fails, none is left, or the budget is spent."""

from __future__ import annotations

import contextlib
import math
import sys
from typing import TYPE_CHECKING, Any

from simclock import registry
from simclock._core.instants import to_ns
from simclock._core.recording import FIDELITIES, Follow
from simclock._core.schedule import Schedule
from simclock._explore.checking import difference
from simclock._explore.coverage import Interleavings
from simclock._explore.playing import Played, Settings, play
from simclock._explore.progress import Progress
from simclock._explore.report import Evidence, Failure, Report
from simclock._strategies.base import Strategy
from simclock._strategies.naming import BUILT_IN, find
from simclock.errors import Divergence, PluginError
from simclock.simulation import active, real_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUNS = 1000
# Virtual seconds for which a busy machine may keep threads from running.
LATENCY = 0.1
# How often a failure is repeated.
REPETITIONS = 10
# The virtual seconds above which a latency is a mistake.
LONGEST_LATENCY = 3600.0


def strategies() -> Mapping[str, type[Strategy]]:
    """Return the strategies that may be chosen by name, those of plugins among them."""
    known = dict(BUILT_IN)
    registry.load()
    for plugin, made in registry.answers("simclock_strategies"):
        if not (isinstance(made, type) and issubclass(made, Strategy) and "name" in vars(made)):
            raise PluginError(
                f"plugin {plugin!r} returned {made!r} from simclock_strategies\n"
                "return a list of subclasses of simclock.Strategy, each with a name"
            )
        if made.name in known:
            raise PluginError(
                f"plugin {plugin!r} has a strategy with a name that is taken: {made.name!r}\n"
                "give it another one"
            )
        known[made.name] = made
    return known


def chosen(strategy: str | Strategy, seed: int) -> Strategy:
    """Return the strategy that *strategy* is or names.

    Raises:
        TypeError, ValueError: It is none.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if not isinstance(strategy, str):
        raise TypeError(
            f"this is no strategy: {strategy!r}\n"
            "give the name of one, such as 'pct', or an instance"
        )
    return find(strategy, seed, strategies())


def settings_of(
    fidelity: str = "legal", latency: float = LATENCY, options: dict[str, Any] | None = None
) -> Settings:
    """Return what is the same in each run.

    Raises:
        TypeError, ValueError: An argument has no meaning.
    """
    if fidelity not in FIDELITIES:
        raise ValueError(f"unknown fidelity: {fidelity!r}\nchoose one of {', '.join(FIDELITIES)}")
    if not isinstance(latency, (int, float)):
        raise TypeError(f"latency must be a number: {latency!r}\ngive virtual seconds, or 0")
    if not 0 <= latency <= LONGEST_LATENCY:
        raise ValueError(
            f"latency is out of range: {latency!r}\ngive 0 to {LONGEST_LATENCY:g} virtual seconds"
        )
    return Settings(fidelity, to_ns(latency) if latency else 0, options or {})


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
        seed: int = 0,
    ) -> None:
        _check_number("runs", runs, int, "a whole number")
        if budget is not None:
            _check_number("budget", budget, (int, float), "real seconds")
        self.strategy = chosen(strategy, seed)
        self.settings = settings
        self.runs = runs
        self._budget = budget
        self._began = real_seconds()
        self._interleavings = Interleavings()
        self._points: list[int] = []
        self._ways = self._steps = self._threads = self._unfair = 0
        # In the order in which they were found.
        self._uncontrolled: dict[str, None] = {}
        self._limits: dict[str, None] = {}
        self._differences: dict[str, None] = {}
        self.failed: Played | None = None
        self._failure: Failure | None = None

    @property
    def count(self) -> int:
        """How many runs there were."""
        return len(self._points)

    @property
    def seconds(self) -> float:
        """Real seconds since the search began."""
        return real_seconds() - self._began

    @property
    def distinct(self) -> int:
        """How many runs had different traces."""
        return self._interleavings.distinct

    def wants_more(self) -> bool:
        """Return whether there is to be another run."""
        return (
            self.failed is None
            and self.count < self.runs
            and not self.strategy.finished
            and (self._budget is None or self.seconds < self._budget)
        )

    def begin(self) -> Strategy:
        """Begin a run; return what makes its choices."""
        self.strategy.begin()
        return self.strategy

    def note(self, played: Played) -> None:
        """Note a run that is over."""
        complete = played.verdict != "inconclusive" and not played.is_fair
        self.strategy.end(complete=complete)
        self._interleavings.add(played.trace)
        self._points.append(played.schedule.points)
        self._ways += played.ways
        self._steps += len(played.trace)
        self._threads = max(self._threads, played.threads)
        self._unfair += played.is_fair
        self._uncontrolled.update(dict.fromkeys(played.uncontrolled))
        if played.verdict == "inconclusive":
            self._limits[str(played.error).splitlines()[0]] = None
        elif played.verdict == "failed":
            self.failed = played

    @property
    def is_sampled(self) -> bool:
        """Whether the last run is one of those that are repeated to see whether they repeat."""
        # The 1st, the 10th, the 100th...
        return self.failed is None and math.log10(max(1, self.count)) % 1 == 0

    def compare(self, played: Played, again: Played | Divergence) -> bool:
        """Note how a repetition of the run went; return whether it was the same."""
        found = compared(played, again)
        if found:
            self._differences[found] = None
        return not found

    def reproduce(self, repeat: Callable[[Follow], Played]) -> None:
        """Repeat the run that failed, again and again."""
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
        self._failure = Failure(
            failed.error,
            failed.schedule.token,
            self.count,
            f"{self.strategy.name}, {name}" if name else self.strategy.name,
            same,
            REPETITIONS,
            found,
        )

    def report(self) -> Report:
        """Return the result so far."""
        points = self._points or [0]
        mean = sum(points) / len(points)
        evidence = Evidence(
            runs=self.count,
            distinct=self._interleavings.distinct,
            points=(min(points), mean, max(points)),
            branching=self._ways / max(1, sum(points)),
            steps=self._steps,
            threads=self._threads,
            pairs=self._interleavings.pairs,
            unseen=self._interleavings.unseen,
            exhausted=self.strategy.exhausted and not self._differences,
            seconds=self.seconds,
            uncontrolled=tuple(self._uncontrolled),
            limits=tuple(self._limits),
            differences=tuple(self._differences),
            unfair=self._unfair,
            strategy=self.strategy.name,
            fidelity=self.settings.fidelity,
        )
        return Report(self._failure, evidence)


def compared(played: Played, again: Played | Divergence) -> str:
    """Return how a repetition of a run differed from it, or nothing."""
    if isinstance(again, Divergence):
        return str(again)
    found = difference(played.trace, again.trace, [*played.uncontrolled, *again.uncontrolled])
    if not found and played.signature != again.signature:
        return (
            f"two runs of one schedule ended differently: {played.signature or 'passed'}, "
            f"{again.signature or 'passed'}\nlikely source: state that an earlier run has left"
        )
    return found


def repeated(schedule: Schedule, repeat: Callable[[Follow], Played]) -> Played | Divergence:
    """Run *schedule* again, strictly; return the run, or where it took another way."""
    try:
        again = repeat(Follow(schedule, strict=True))
    except Divergence as divergence:
        return divergence
    return again.error if isinstance(again.error, Divergence) else again


def _check_number(name: str, value: Any, kinds: Any, expected: str) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}: {value!r}\ngive a number above 0")
    if not value > 0:
        raise ValueError(f"{name} must be above 0: {value!r}\ngive {expected}")


def _in_real_time() -> contextlib.AbstractContextManager[Any]:
    """Return a block in which the simulation that the caller is in, if any, stands still."""
    outer = active()
    return contextlib.nullcontext() if outer is None else outer.real_time()


def explore(
    scenario: Callable[[], Any],
    *,
    runs: int = RUNS,
    strategy: str | Strategy = "portfolio",
    fidelity: str = "legal",
    seed: int = 0,
    latency: float = LATENCY,
    budget: float | None = None,
    **options: Any,
) -> Report:
    """Run *scenario* under one schedule after another, until it fails under one.

    A run fails if anything is raised: by the scenario, by one of its threads, or by the simulation
    (`Deadlock`, `Livelock`, `Leak`). What fails is repeated ten times. What the scenario leaves in
    globals is there in the next run.

    Args:
        scenario: A function without arguments, or a coroutine function, which `asyncio.run` runs.
            Each time in a simulation of its own.
        runs: How many there are at most.
        strategy: What chooses the schedules: a name, with options after a colon
            (``"pct:depth=5"``), or a `Strategy`. ``"portfolio"`` lets the others take turns.
        fidelity: ``"legal"``: schedules that real threads, timers and executors may have;
            ``"chaos"``: also other orders of the tasks of an event loop, which asyncio does not
            have.
        seed: Of the strategy, and of the random numbers inside, which are the same in each run.
        latency: Virtual seconds for which threads that could run may be kept from it, as on a
            busy machine, so that a timer comes first; and that readings of the clock may take.
            With 0 the clock only moves when all threads wait.
        budget: Real seconds after which no other run is begun.
        options: Of `Simulation`.

    Returns:
        The report; ``.check()`` raises if a run failed.

    Raises:
        TypeError, ValueError: An argument has no meaning.
        PluginError: The strategy has failed.
    """
    settings = settings_of(fidelity, latency, {"seed": seed, **options})
    search = Search(strategy, settings, runs=runs, budget=budget, seed=seed)

    def repeat(answers: Follow) -> Played:
        return play(scenario, answers, settings)

    progress = Progress(search, sys.stderr)
    with _in_real_time():
        while search.wants_more():
            played = play(scenario, search.begin(), settings)
            search.note(played)
            if search.is_sampled:
                search.compare(played, repeated(played.schedule, repeat))
            progress.show()
        if search.failed is not None:
            search.reproduce(repeat)
    return search.report()


def replay(scenario: Callable[[], Any], token: str, *, strict: bool = True, **options: Any) -> None:
    """Run *scenario* once under the schedule of *token*, and raise what it raises.

    Args:
        scenario: As `explore` was given.
        token: As a failure has printed it.
        strict: Whether a run that comes to other choice points is ended by `Divergence`, which
            names the first; else what does not fit is left out.
        options: Of `Simulation`, as `explore` was given.

    Raises:
        ValueError: It is no token.
        Divergence: The run does not follow the schedule.
        Exception: What the scenario raises.
    """
    schedule = Schedule.from_token(token)
    settings = Settings(schedule.fidelity, schedule.latency_ns, {**options, "seed": schedule.seed})
    with _in_real_time():
        played = play(scenario, Follow(schedule, strict=strict), settings)
    if played.error is not None:
        raise played.error


def check(scenario: Callable[[], Any], *, seed: int = 0, **options: Any) -> str:
    """Run *scenario* twice under one schedule; return the first difference, or nothing.

    With the likely source of it: an unseeded random generator, the order of a set, a real clock.
    """
    settings = settings_of(options={"seed": seed, **options})
    with _in_real_time():
        first = play(scenario, chosen("random", seed), settings)
        again = repeated(first.schedule, lambda answers: play(scenario, answers, settings))
    return compared(first, again)
