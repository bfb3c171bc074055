"""The runs of a search: made here, or in parts by the workers of an executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.recording import Follow
from simclock._explore.playing import Played, Settings, play
from simclock._explore.report import Failure, ScheduleFailure
from simclock._explore.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from simclock._core.schedule import Schedule
    from simclock._explore.tally import Tally

# Runs of a part, each with a strategy of its own, which learns from them. Part of the result: who
# makes how many of them is not.
PART = 100


def run_all(search: Search, scenario: Callable[[], Any], show: Callable[[], None]) -> None:
    """Make the runs of *search*, and call *show* after each."""
    settings = search.settings

    def repeat(answers: Follow) -> Played:
        return play(scenario, answers, settings)

    while search.wants_more():
        played = play(scenario, search.begin(), settings)
        search.note(played)
        if search.is_sampled:
            search.sample(played, repeat)
        if search.failed is None:
            show()


class _Job(NamedTuple):
    """A part of a search, for a worker."""

    scenario: Callable[[], Any]
    strategy: str
    settings: Settings
    runs: int
    seed: int | str
    budget: float | None


class _Part(NamedTuple):
    """The result of a part of a search.

    Attributes:
        tally: What its runs add up to.
        schedule: Of the run that failed, its last one, or None.
        failure: The same, but for its error, which might not come through: that is in words.
        finished: Whether its strategy has no other run to make.
    """

    tally: Tally
    schedule: Schedule | None
    failure: Failure | None
    finished: bool


def _run_part(job: _Job) -> _Part:
    """Make a part of a search, in a worker."""
    search = Search(job.strategy, job.settings, runs=job.runs, budget=job.budget, seed=job.seed)
    run_all(search, job.scenario, _say_nothing)
    failed = search.failed
    if failed is None:
        return _Part(search.tally, None, None, search.strategy.finished)
    # Here: where the executor is, its own threads are foreign.
    failure = search.reproduce(lambda answers: play(job.scenario, answers, job.settings))
    said = f"{failed.signature}: {failed.error}"
    failure = failure._replace(error=ScheduleFailure(said))
    return _Part(search.tally, failed.schedule, failure, search.strategy.finished)


def _say_nothing() -> None:
    """Do nothing: who asked for the part says how far the search is."""


def spread(
    search: Search, scenario: Callable[[], Any], executor: Executor, show: Callable[[], None]
) -> None:
    """Have the runs of *search* made by *executor*, as far as the first part that fails."""
    if search.strategy_name is None:
        raise TypeError(
            f"an executor's workers cannot share a strategy: {search.strategy!r}\n"
            "give its name, as a text"
        )
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"this is no executor: {executor!r}\n"
            "give a concurrent.futures.ProcessPoolExecutor or its like"
        )
    job = _Job(scenario, search.strategy_name, search.settings, PART, search.seed, search.budget)
    parts: list[Future[_Part]] = []
    for first in range(0, search.runs, PART):
        # The first part makes the runs that a search without an executor begins with.
        seed = f"{job.seed}:{first}" if first else job.seed
        runs = min(PART, search.runs - first)
        parts.append(executor.submit(_run_part, job._replace(runs=runs, seed=seed)))
    try:
        for each in parts:
            part = each.result()
            search.tally.merge(part.tally)
            if part.failure is None:
                show()
            if part.schedule is not None and part.failure is not None:
                error = _raised_here(scenario, part.schedule, search.settings)
                search.failure = part.failure._replace(
                    error=error or part.failure.error, run=search.count
                )
            if part.failure is not None or part.finished:
                break
    finally:
        for each in parts:
            each.cancel()


def _raised_here(
    scenario: Callable[[], Any], schedule: Schedule, settings: Settings
) -> BaseException | None:
    """Return what a run raises here that has failed in a worker."""
    return play(scenario, Follow(schedule, strict=False), settings).error
