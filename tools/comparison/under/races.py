# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool looks for a schedule under which a program is wrong, with all its strategies.

Answers are what it found, or None: ``token``, from which `replays` runs it again; ``shrunk``, the
number of choices before and after; ``said``, its report.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from tools.comparison.under.threads import Refused, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.comparison.probes import Program

    Found = dict[str, Any] | None

RUNS = 500
PROBES = "tools.comparison.probes.races"


def is_async(program: Program) -> bool:
    """Return whether the bodies are coroutines."""
    return inspect.iscoroutinefunction(program.bodies[0])


def tasks(program: Program) -> Callable[[], Any]:
    """Return a coroutine function that runs the bodies in tasks, and is right or fails."""

    async def main() -> None:
        state = program.setup()
        await asyncio.gather(*(body(state) for body in program.bodies))
        assert program.answer(state)

    return main


def threads(program: Program) -> Callable[[], None]:
    """Return a function that runs the bodies in threads, and is right or fails."""

    def scenario() -> None:
        assert in_threads(program)

    return scenario


def simclock(program: Program) -> Found:
    """Explore it; lines of this program may be preempted, too."""
    import simclock

    scenario = threads(program)
    if is_async(program):
        main = tasks(program)
        scenario = lambda: asyncio.run(main())  # noqa: E731
    report = simclock.explore(scenario, runs=RUNS, lines=(PROBES,))
    if not (failure := report.failure):
        return None
    said = f"{failure.found}\n{failure.difference}\n{failure.story}"
    words = failure.shrinking.replace(" shrunk", "").partition(" in ")[0]
    return {"token": failure.token, "shrunk": words, "said": said}


def frontrun(program: Program) -> Found:
    """Explore it by its two strategies."""
    import frontrun

    for strategy in ("dpor", "random"):
        options: dict[str, Any] = {"max_attempts": RUNS, "seed": 0}
        if strategy == "dpor":
            options = {"max_executions": RUNS, "total_timeout": 10}
        found = frontrun.explore(
            setup=program.setup,
            workers=list(program.bodies),
            invariant=program.answer,
            strategy=strategy,
            **options,
        )
        if is_async(program):
            found = asyncio.run(found)
        if found.property_holds is False and found.counterexample is not None:
            token = [strategy, list(getattr(found.counterexample, "steps", found.counterexample))]
            return {"token": token, "shrunk": "", "said": found.explanation}
    if found.property_holds is None:
        raise Refused(f"inconclusive: {found.inconclusive_reason}")
    return None


def interleave_test(program: Program) -> Found:
    """Explore it by its three strategies."""
    import interleave_test

    for strategy in ("random", "pct", "dfs"):
        result = interleave_test.explore(
            threads(program),
            iterations=RUNS,
            seed=0,
            strategy=strategy,
            raise_on_failure=False,
            timeout=5,
        )
        if failure := result.failure:
            if failure.kind == "hang":
                raise Refused("inconclusive: a schedule hangs")
            return {"token": failure.schedule.to_json(), "shrunk": "", "said": failure.format()}
    return None


def hypothesis(program: Program) -> Found:
    """Run it for real, in many examples."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    scenario = threads(program)

    @settings(max_examples=RUNS, deadline=None, database=None)
    @given(st.integers())
    def prop(_: int) -> None:
        scenario()

    try:
        prop()
    except AssertionError as error:
        return {"token": "", "shrunk": "", "said": str(error)}
    return None


def seedloop(program: Program) -> Found:
    """Check it with many seeds."""
    import seedloop

    main = tasks(program)

    async def scenario(_: seedloop.World) -> None:
        await main()

    checked = seedloop.check(scenario, seeds=RUNS, on_failure="return")
    if checked.failing_seed is None:
        return None
    if isinstance(checked.error, seedloop.BoundaryError):
        raise checked.error
    return {"token": checked.failing_seed, "shrunk": "", "said": repr(checked.error)}


def simloop(program: Program) -> Found:
    """Explore it with many seeds, and shrink what fails."""
    import simloop

    report = simloop.explore(tasks(program), range(RUNS), shrink=True)
    if report is None:
        return None
    shrunk = report.shrunk
    words = f"{shrunk.original_len} choices to {len(shrunk.kept)}" if shrunk else ""
    return {"token": report.seed, "shrunk": words, "said": report.render()}


def simloom(program: Program) -> Found:
    """Explore it with many seeds, and shrink what fails."""
    import simloom

    main = tasks(program)
    explored = simloom.explore(main, runs=RUNS, virtual_time=True, seed_randomness=True)
    if not explored.first_failure:
        return None
    options: dict[str, Any] = {"virtual_time": True, "seed_randomness": True}
    shrunk = simloom.shrink(main, explored.first_failure, **options)
    words = f"{shrunk.initial_deviations} choices to {shrunk.deviations}"
    return {"token": explored.failures[0].seed, "shrunk": words, "said": shrunk.describe()}
