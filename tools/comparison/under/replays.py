# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool runs a program again from what `races` found, in another process.

Answers say whether it failed again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tools.comparison.under.races import PROBES, is_async, tasks, threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.comparison.probes import Program


def fails(
    function: Callable[..., object],
    *args: Any,
    errors: type[Exception] = Exception,
    **options: Any,
) -> bool:
    """Return whether a call raises one of *errors*, as a program does that fails."""
    try:
        function(*args, **options)
    except errors:
        return True
    return False


def simclock(program: Program, token: Any) -> bool:
    """Replay the token."""
    import simclock

    scenario = threads(program)
    if is_async(program):
        main = tasks(program)
        scenario = lambda: asyncio.run(main())  # noqa: E731
    # No `Divergence`, which would be a replay that has failed.
    return fails(simclock.replay, scenario, token, lines=(PROBES,), errors=AssertionError)


def frontrun(program: Program, token: Any) -> bool:
    """Run the schedule."""
    from frontrun import async_shuffler, bytecode

    _, schedule = token
    bodies = list(program.bodies)
    if is_async(program):
        state = asyncio.run(async_shuffler.run_with_schedule(schedule, program.setup, bodies))
    else:
        state = bytecode.run_with_schedule(schedule, program.setup, bodies)
    return not program.answer(state)


def interleave_test(program: Program, token: Any) -> bool:
    """Replay the schedule."""
    import interleave_test

    schedule = interleave_test.Schedule.from_json(token)
    return fails(interleave_test.replay, threads(program), schedule)


def simloop(program: Program, token: Any) -> bool:
    """Explore it with the one seed."""
    import simloop

    return simloop.explore(tasks(program), [token]) is not None


def simloom(program: Program, token: Any) -> bool:
    """Run it with the seed."""
    import simloom

    options: dict[str, Any] = {"virtual_time": True, "seed_randomness": True}
    return fails(simloom.run, tasks(program), seed=token, **options)
