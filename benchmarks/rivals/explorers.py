"""How each explorer of thread schedules runs a program; ``python -m`` takes one sample, in JSON.

``python -m benchmarks.rivals.explorers EXPLORER PROGRAM SECONDS SEED``, in a
process of its own: explorers patch the standard library. Each is used as its
own documentation has it, with default options where none is named.
"""

# ruff: noqa: PLC0415 - each imports what it needs by itself: the others may not be installed
from __future__ import annotations

import functools
import json
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.rivals.on_threads import PROGRAMS, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rivals.on_threads import Program

# How many schedules are run to see how fast it goes, and at most to find what is wrong.
FIRST = 5
TRIED = 500
# Real seconds for one call of a rival that has such a limit; what is not over by then is told.
LIMIT = 4.0


class Explored(NamedTuple):
    """What one call came to.

    Attributes:
        schedules: How many were run.
        failed: Whether the last of them was wrong.
        failure: Why the call says nothing; empty if it does.
    """

    schedules: int
    failed: bool
    failure: str = ""


def _scenario(
    program: Program, workers: tuple[Callable[[Any], None], ...], *, judged: bool
) -> Callable[[], None]:
    def scenario() -> None:
        state = in_threads(program, workers)
        assert not judged or program.holds(state)

    return scenario


def simclock(
    program: Program, runs: int, seed: int, *, judged: bool, strategy: str, **options: Any
) -> Explored:
    """Explore with simclock: points of choice are operations, and what *options* add."""
    import simclock

    workers = program.workers if options else (program.marked or program.workers)
    scenario = _scenario(program, workers, judged=judged)
    report = simclock.explore(scenario, strategy=strategy, runs=runs, seed=seed, **options)
    if report.verdict == "inconclusive":
        return Explored(report.runs, failed=False, failure="inconclusive")
    return Explored(report.runs, failed=report.failure is not None)


def frontrun(
    program: Program, runs: int, seed: int, *, judged: bool, strategy: str, clock: str = "real"
) -> Explored:
    """Explore with frontrun: points of choice are bytecode instructions."""
    import frontrun

    options: dict[str, Any] = (
        {"max_executions": runs, "stop_on_first": judged, "total_timeout": LIMIT}
        if strategy == "dpor"
        else {"max_attempts": runs, "seed": seed}
    )
    result = frontrun.explore(
        program.state,
        list(program.workers),
        program.holds if judged else lambda _: True,
        strategy=strategy,
        clock=clock,
        **options,
    )
    if result.property_holds is None:
        reason = str(result.inconclusive_reason).partition(". ")[0]
        return Explored(result.num_explored, failed=False, failure=f"inconclusive: {reason}")
    return Explored(result.num_explored, failed=not result.property_holds)


def interleave(
    program: Program, runs: int, seed: int, *, judged: bool, strategy: str, granularity: str
) -> Explored:
    """Explore with interleave-test: points of choice are instructions or lines."""
    import interleave_test

    result = interleave_test.explore(
        _scenario(program, program.workers, judged=judged),
        iterations=runs,
        seed=seed,
        strategy=strategy,
        granularity=granularity,
        raise_on_failure=False,
        timeout=LIMIT,
    )
    if result.failure is not None and result.failure.kind == "hang":
        return Explored(result.schedules_run, failed=False, failure="a schedule hangs")
    return Explored(result.schedules_run, failed=result.failure is not None)


class Explorer(NamedTuple):
    """An explorer with a strategy.

    Attributes:
        label: What the table calls it.
        distribution: What to install.
        explore: Runs a program.
    """

    label: str
    distribution: str
    explore: Callable[..., Explored]


EXPLORERS = {
    **{
        f"simclock-{strategy}": Explorer(
            f"simclock {strategy}, operations",
            "simclock",
            functools.partial(simclock, strategy=strategy),
        )
        for strategy in ("portfolio", "random", "pct", "dfs")
    },
    "simclock-lines": Explorer(
        "simclock portfolio, lines too",
        "simclock",
        functools.partial(simclock, strategy="portfolio", lines=("benchmarks.rivals.on_threads",)),
    ),
    "frontrun-dpor": Explorer(
        "frontrun DPOR, opcodes", "frontrun", functools.partial(frontrun, strategy="dpor")
    ),
    "frontrun-virtual": Explorer(
        "frontrun DPOR, virtual clock",
        "frontrun",
        functools.partial(frontrun, strategy="dpor", clock="virtual"),
    ),
    "frontrun-random": Explorer(
        "frontrun random, opcodes", "frontrun", functools.partial(frontrun, strategy="random")
    ),
    **{
        f"interleave-{granularity}-{strategy}": Explorer(
            f"interleave-test {strategy}, {granularity}s",
            "interleave-test",
            functools.partial(interleave, strategy=strategy, granularity=granularity),
        )
        for granularity in ("opcode", "line")
        for strategy in ("random", "pct", "dfs")
    },
}


def take(explorer: Explorer, program: Program, seconds: float, seed: int) -> dict[str, object]:
    """Explore for real *seconds*, again and again where there is nothing left to explore.

    Returns:
        ``rate``: schedules a second. ``whole``: after how many schedules it ended by itself, or 0.
        ``found``: the number of the schedule that showed what is wrong with the program, 0 if none
        did. Or ``failure``: why there is nothing to say.
    """
    explore = functools.partial(explorer.explore, program, judged=program.is_right)
    began = time.perf_counter()
    first = explore(runs=FIRST, seed=seed)
    if first.failure or first.failed:
        return {"failure": first.failure or "finds a right program wrong"}
    whole = done = 0
    rate = first.schedules / (time.perf_counter() - began)
    began = time.perf_counter()
    while (left := seconds - (time.perf_counter() - began)) > 0:
        runs = max(FIRST, round(rate * left))
        explored = explore(runs=runs, seed=seed)
        if explored.failure or explored.failed:
            return {"failure": explored.failure or "finds a right program wrong"}
        whole = explored.schedules if explored.schedules < runs else whole
        done += explored.schedules
        rate = done / (time.perf_counter() - began)
    return {"rate": rate, "whole": whole, "found": _found(explorer, program, seed)}


def _found(explorer: Explorer, program: Program, seed: int) -> int:
    if program.is_right:
        return 0
    explored = explorer.explore(program, runs=TRIED, seed=seed, judged=True)
    return explored.schedules if explored.failed else 0


def main() -> None:
    """Print what the sample gave, or why there is none."""
    explorer, program, seconds, seed = sys.argv[1:]
    try:
        found = take(EXPLORERS[explorer], PROGRAMS[program], float(seconds), int(seed))
    except Exception as error:  # noqa: BLE001 - the result is what the explorer cannot do
        found = {"failure": f"{type(error).__name__}: {error}".partition("\n")[0]}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
