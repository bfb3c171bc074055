"""Searches, replays and checks of a function."""

from __future__ import annotations

import contextlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._core.recording import Follow
from simclock._core.schedule import Schedule
from simclock._explore.catalogue import statements_of
from simclock._explore.choosing import LATENCY, chosen, settings_of
from simclock._explore.corpus import Corpus
from simclock._explore.playing import Settings, play
from simclock._explore.progress import Progress
from simclock._explore.resuming import campaign_of, complain, name_of
from simclock._explore.search import RUNS, Search, differing
from simclock._explore.shrinking import RUNS as SHRINK
from simclock._explore.spreading import run_all, spread
from simclock.errors import Divergence
from simclock.simulation import active

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from concurrent.futures import Executor

    from simclock._core.recording import Given
    from simclock._explore.playing import Played
    from simclock._explore.report import Report
    from simclock._strategies.base import Strategy


def explore(
    scenario: Callable[[], Any],
    *,
    runs: int = RUNS,
    strategy: str | Strategy = "portfolio",
    fidelity: str = "legal",
    seed: int = 0,
    latency: float = LATENCY,
    budget: float | None = None,
    shrink: int = SHRINK,
    executor: Executor | None = None,
    resume: str | os.PathLike[str] | None = None,
    corpus: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Report:
    """Run *scenario* under one schedule after another, until it fails under one.

    A run fails if anything is raised: by the scenario, by one of its threads, or by the simulation
    (`Deadlock`, `Livelock`, `Leak`). What fails is shrunk to the choices that it takes, repeated
    ten times, and told line by line. What the scenario leaves in globals is there in the next run.

    Args:
        scenario: A function without arguments, or a coroutine function, which `asyncio.run` runs.
            Each time in a simulation of its own.
        runs: How many there are at most.
        strategy: What chooses the schedules: a name, with options after a colon
            (``"pct:depth=5"``), or a `Strategy`. ``"portfolio"`` lets the others take turns.
        fidelity: ``"legal"``: schedules that real threads, timers and executors may have;
            ``"chaos"``: also other orders of the tasks of an event loop, which asyncio does not
            have, and conditions that wake one more than they are told to.
        seed: Of the strategy, and of the random numbers inside, which are the same in each run.
        latency: Virtual seconds for which threads that could run may be kept from it, as on a
            busy machine, so that a timer comes first; and that readings of the clock may take.
            With 0 the clock only moves when all threads wait.
        budget: Real seconds after which no other run is begun; with an executor, for each part.
        shrink: How many runs may be spent on shrinking a failure; 0 leaves it as it was found.
        executor: Where to make the runs, in parts of a hundred: a ``concurrent.futures.Executor``
            with workers here or on other hosts. The scenario must be importable there. The result
            does not depend on how many there are. Each part has a strategy of its own; a search
            by ``"dfs"`` is one part.
        resume: A folder where finished parts are kept. Called again, with the same program, the
            search makes those that are missing: after a crash, or with more runs. The result is
            that of a search that was not interrupted.
        corpus: A folder of schedules that have failed. Those of this scenario that the search
            might choose, by fidelity and latency, are run first, as far as they fit, and only
            count if one fails again or is ended by a limit; what fails is kept there.
        options: Of `Simulation`.

    Returns:
        The report; ``.check()`` raises if a run failed.

    Raises:
        TypeError, ValueError: An argument has no meaning.
        PluginError: The strategy has failed.
    """
    check_scenario(scenario)
    settings = settings_of(fidelity, latency, {"seed": seed, **options})
    with in_real_time():
        search = Search(strategy, settings, runs=runs, budget=budget, seed=seed, shrink=shrink)
        search.tally.predicates.update(statements_of(scenario))
        progress = Progress(search, sys.stderr)
        campaign = None if resume is None else campaign_of(search, scenario, resume)
        kept = None if corpus is None else Corpus(Path(corpus), complain)
        failed_before = kept is not None and _run_kept(search, scenario, kept, progress)
        if failed_before:
            pass  # it is told, and looked for no further
        elif executor is None and campaign is None:
            run_all(search, scenario, progress.show)
        else:
            spread(search, scenario, executor, campaign, progress.show)
        if search.failed is not None and search.failure is None:
            search.reproduce(lambda answers: play(scenario, answers, settings), progress.show)
        if kept is not None and search.failure is not None:
            kept.keep(name_of(scenario), search.failure.token)
        return search.report()


def _run_kept(
    search: Search, scenario: Callable[[], Any], corpus: Corpus, progress: Progress
) -> bool:
    """Run the schedules that have failed before; return whether one fails again."""

    def run(answers: Given, settings: Settings) -> tuple[Played, bool]:
        played = play(scenario, answers, settings)
        return played, played.verdict == "failed"

    settings = corpus.run_first(name_of(scenario), search, run)
    if settings is None:
        return False
    search.reproduce(lambda answers: play(scenario, answers, settings), progress.show)
    return True


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
    check_scenario(scenario)
    schedule = Schedule.from_token(token)
    settings = Settings(schedule.fidelity, schedule.latency_ns, {**options, "seed": schedule.seed})
    with in_real_time():
        played = play(scenario, Follow(schedule, strict=strict), settings)
    if played.error is not None:
        raise played.error


def check(scenario: Callable[[], Any], *, runs: int = 3, seed: int = 0, **options: Any) -> None:
    """Run *scenario* several times under the canonical schedule, to see whether it repeats.

    Args:
        scenario: As for `explore`.
        runs: How often, at least 3; the first only fills caches.
        seed: Of the random numbers inside.
        options: Of `Simulation`.

    Raises:
        Divergence: Two runs differ. It names the first difference and its likely source: an
            unseeded random generator, the order of a set, an id, a clock that is not simulated.
    """
    settings = settings_of(latency=0, options={"seed": seed, **options})
    check_scenario(scenario)
    with in_real_time():
        first = play(scenario, chosen("canonical", seed), settings)
        found = differing(first, lambda answers: play(scenario, answers, settings), runs - 1)
    if found:
        raise Divergence(found)


def check_scenario(scenario: object) -> None:
    """Raise an error if *scenario* cannot be run."""
    if not callable(scenario) or inspect.isgeneratorfunction(scenario):
        raise TypeError(
            f"this is no scenario: {scenario!r}\n"
            "give a function without arguments, or a coroutine function; not its result"
        )
    try:
        inspect.signature(scenario).bind()
    except TypeError as error:
        raise TypeError(
            f"this scenario cannot be called without arguments: {scenario!r}, {error}\n"
            "give a function that needs none, such as a functools.partial with them"
        ) from None
    except ValueError:
        pass  # a function in C that does not say what it takes


def in_real_time() -> contextlib.AbstractContextManager[Any]:
    """Return a block in which the simulation that the caller is in, if any, stands still."""
    outer = active()
    return contextlib.nullcontext() if outer is None else outer.real_time()
