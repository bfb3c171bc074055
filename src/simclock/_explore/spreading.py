"""The runs of a search: made here one after another, or in parts, perhaps by an executor."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.recording import Follow
from simclock._core.schedule import Schedule
from simclock._explore.alone import call_alone
from simclock._explore.campaign import Made, parts_of, program_of
from simclock._explore.choosing import chosen
from simclock._explore.playing import Played, Settings, play
from simclock._explore.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from simclock._core.recording import Given
    from simclock._explore.campaign import Campaign, Part


def run_all(search: Search, scenario: Callable[[], Any], show: Callable[[], None]) -> None:
    """Make the runs of *search*, and call *show* after each."""
    settings = search.settings

    def repeat(answers: Given) -> Played:
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
    shrink: int


class _Done(NamedTuple):
    """What a worker returns: what its part has found, and with which program."""

    made: Made
    program: dict[str, str]


def _run_part(job: _Job) -> _Done:
    """Make a part of a search, in a worker."""
    program_of()  # of what changes from now on nobody knows what was loaded
    search = Search(
        job.strategy,
        job.settings,
        runs=job.runs,
        budget=job.budget,
        seed=job.seed,
        shrink=job.shrink,
    )
    first = play(job.scenario, chosen("canonical", job.seed), job.settings)
    search.warm_up(first, fails=first.verdict == "failed")
    run_all(search, job.scenario, _say_nothing)
    if search.failed is not None:
        # Here: where the executor is, its own threads are foreign.
        search.reproduce(lambda answers: play(job.scenario, answers, job.settings))
    return _Done(Made.of(search), program_of())


def _say_nothing() -> None:
    """Do nothing: who asked for the part says how far the search is."""


def spread(
    search: Search,
    scenario: Callable[[], Any],
    executor: Executor | None,
    campaign: Campaign | None,
    show: Callable[[], None],
) -> None:
    """Have the runs of *search* made in parts, as far as the first part that ends it.

    Args:
        search: What takes up all that the parts find.
        scenario: What is run.
        executor: Who makes the parts; None for this process.
        campaign: Where parts are found and kept, if they are.
        show: Is called after each part.
    """
    _check_shareable(search, executor)
    for made in _all_made(search, scenario, executor, campaign):
        search.tally.merge(made.tally)
        failure = made.failure
        if failure is None:
            show()
        else:
            schedule = Schedule.from_token(failure.token)
            error = _raised_here(scenario, schedule, search.settings) or failure.error
            search.failure = failure._replace(error=error, run=search.count)
        if made.ends:
            break


def _check_shareable(search: Search, executor: object) -> None:
    if search.strategy_name is None:
        raise TypeError(
            f"parts of a search cannot share a strategy: {search.strategy!r}\n"
            "give its name, as a text"
        )
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"this is no executor: {executor!r}\n"
            "give a concurrent.futures.ProcessPoolExecutor or its like"
        )


def _all_made(
    search: Search,
    scenario: Callable[[], Any],
    executor: Executor | None,
    campaign: Campaign | None,
) -> Iterator[Made]:
    """Yield what each part has found, in their order."""
    keeping = None if campaign is None else _Keeping(campaign)
    kept, waiting = _kept(search, campaign)
    pending: dict[Part, Future[_Done]] = {}
    try:
        if executor is not None:
            for part in waiting:
                future = pending[part] = executor.submit(
                    call_alone, _run_part, _job(search, scenario, part)
                )
                # As soon as it is there: a process that is killed then loses none.
                if keeping is not None:
                    future.add_done_callback(functools.partial(keeping.keep_future, part))
        for part in parts_of(search):
            if part in kept:
                yield kept[part]
                continue
            if part in pending:
                done = pending[part].result()
            else:
                done = _run_part(_job(search, scenario, part))
            # Who waits for a future may go on before its callbacks are called.
            if keeping is not None:
                keeping.keep(part, done)
            yield done.made
    finally:
        for each in pending.values():
            each.cancel()


class _Keeping:
    """Keeps each part once: when its worker is done, or when it is asked for.

    Args:
        campaign: Where.
    """

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._program = program_of()
        self._lock = threading.Lock()
        self._kept: set[Part] = set()

    def keep(self, part: Part, done: _Done) -> None:
        """Keep what was made of *part*; it is there when this returns."""
        with self._lock:
            if part not in self._kept:
                self._kept.add(part)
                self._campaign.keep(part, done.made, program_of(self._program, done.program))

    def keep_future(self, part: Part, future: Future[_Done]) -> None:
        """Keep what a worker has made of *part*, if it has."""
        if not future.cancelled() and future.exception() is None:
            self.keep(part, future.result())


def _kept(search: Search, campaign: Campaign | None) -> tuple[dict[Part, Made], list[Part]]:
    """Return the parts that are kept, and those that are to be made.

    One that has failed is made again: it is to be seen.
    """
    kept: dict[Part, Made] = {}
    waiting = []
    for part in parts_of(search):
        made = None if campaign is None else campaign.get(part)
        if made is None or made.failure is not None:
            waiting.append(part)
            continue
        kept[part] = made
        if made.finished:
            break
    return kept, waiting


def _job(search: Search, scenario: Callable[[], Any], part: Part) -> _Job:
    name = search.strategy_name
    assert name is not None
    seed = part.seed(search.seed)
    return _Job(scenario, name, search.settings, part.runs, seed, search.budget, search.shrink)


def _raised_here(
    scenario: Callable[[], Any], schedule: Schedule, settings: Settings
) -> BaseException | None:
    """Return what a run raises here that has failed in a worker."""
    return play(scenario, Follow(schedule, strict=False), settings).error
