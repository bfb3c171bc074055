# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool runs a program of asyncio, and what the program answers then."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Main = Callable[[], Coroutine[Any, Any, object]]


def simclock(main: Main) -> object:
    """Run it in a simulation."""
    import simclock

    return simclock.run(asyncio.run, main())


def looptime(main: Main) -> object:
    """Run it on its loop, with the option that ends idle ones."""
    import looptime

    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(idle_timeout=2)) as runner:
        return runner.run(main())


def async_solipsism(main: Main) -> object:
    """Run it on its loop."""
    import async_solipsism

    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        return runner.run(main())


def aiotools(main: Main) -> object:
    """Run it with its clock on the stock loop."""
    import aiotools

    async def patched() -> object:
        with aiotools.VirtualClock().patch_loop():
            return await main()

    return asyncio.run(patched())


def seedloop(main: Main) -> object:
    """Check it with a seed."""
    import seedloop

    answers: list[object] = []

    async def scenario(_: seedloop.World) -> None:
        answers.append(await main())

    seedloop.check(scenario, seeds=1)
    return answers[-1]


def simloop(main: Main) -> object:
    """Explore it with a seed; its network knows hosts by their names, and this one's is driver."""
    import simloop

    from tools.comparison.probes import coroutines

    coroutines.HOST = "driver"
    answers: list[object] = []

    async def workload() -> None:
        answers.append(await main())

    if report := simloop.explore(workload, range(1)):
        raise report.exception
    return answers[-1]


def simloom(main: Main) -> object:
    """Run it with a seed, and with what its decorator for tests switches on."""
    import simloom

    answers: list[object] = []

    async def program() -> None:
        answers.append(await main())

    simloom.run(program, seed=0, virtual_time=True, seed_randomness=True)
    return answers[-1]


def frontrun(main: Main) -> object:
    """Explore it as its only task, on its virtual clock.

    Its documentation says that the loop's own time stays real, so the programs read another clock.
    """
    import frontrun

    from tools.comparison.probes import coroutines
    from tools.comparison.under.threads import Refused

    coroutines.now = lambda: time.monotonic()  # noqa: PLW0108 - looked up when it is read

    async def worker(answers: list[object]) -> None:
        answers.append(await main())

    last: list[object] = []

    def remember(answers: list[object]) -> bool:
        last[:] = answers
        return True

    async def explore() -> Any:
        return await frontrun.explore(
            setup=list, workers=[worker], invariant=remember, clock="virtual", max_executions=5
        )

    found = asyncio.run(explore())
    if not found.property_holds:
        raise Refused(str(found.explanation or f"inconclusive: {found.inconclusive_reason}"))
    return last[-1]
