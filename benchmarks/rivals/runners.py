# ruff: noqa: PLC0415 - each imports what it needs by itself: importing is measured too
"""How each subject runs a program: one function each, called as the subject is.

Each takes a program and how often to run it, and returns what each run
returned. Everything is used as its own documentation has it, with its default
options; where it has a call of its own for many runs, by that.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as `typing` has it, without importing that
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    import seedloop as seedloop_

# ------------------------------------------------------------------------ ours


def on_loop(new_loop: Callable[[], asyncio.AbstractEventLoop], program: Any) -> float:
    """Run *program* on a loop of its own as ``asyncio.run`` does, on each Python."""
    import asyncio

    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(program())
    loop = new_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(program())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


def simclock(program: Any, times: int) -> list[float]:
    """Run it by ``asyncio.run``, which takes `SimEventLoop` there."""
    import asyncio

    import simclock

    return [simclock.run(asyncio.run, program()) for _ in range(times)]


def alone(program: Any, times: int) -> list[float]:
    """Run it on `SimEventLoop` without any simulation."""
    import simclock

    return [on_loop(simclock.SimEventLoop, program) for _ in range(times)]


def boundary(program: Any, times: int) -> list[float]:
    """Run it on the stock loop in a simulation: its poller is redirected."""
    import asyncio

    import simclock

    return [simclock.run(on_loop, asyncio.SelectorEventLoop, program) for _ in range(times)]


# ---------------------------------------------------------------------- rivals


def looptime(program: Any, times: int) -> list[float]:
    """Run it on a loop that looptime has changed."""
    import looptime

    return [on_loop(looptime.new_event_loop, program) for _ in range(times)]


def async_solipsism(program: Any, times: int) -> list[float]:
    """Run it on async-solipsism's loop."""
    import async_solipsism

    return [on_loop(async_solipsism.EventLoop, program) for _ in range(times)]


def aiotools(program: Any, times: int) -> list[float]:
    """Run it with aiotools' clock on the stock loop."""
    import asyncio

    import aiotools

    async def main() -> float:
        with aiotools.VirtualClock().patch_loop():
            return await program()

    return [asyncio.run(main()) for _ in range(times)]


def trio(program: Any, times: int) -> list[float]:
    """Run it with trio's clock for tests."""
    import trio
    import trio.testing

    return [
        trio.run(program, clock=trio.testing.MockClock(autojump_threshold=0)) for _ in range(times)
    ]


def seedloop(program: Any, times: int) -> list[float]:
    """Have seedloop check it with some seeds."""
    import seedloop

    ends: list[float] = []

    async def scenario(_: seedloop_.World) -> None:
        ends.append(await program())

    seedloop.check(scenario, seeds=times)
    return ends


def simloop(program: Any, times: int) -> list[float]:
    """Have simloop explore it with some seeds."""
    import simloop

    ends: list[float] = []

    async def workload() -> None:
        ends.append(await program())

    if report := simloop.explore(workload, range(times)):
        raise report.exception
    return ends


def simloom(program: Any, times: int) -> list[float]:
    """Have simloom explore it with some seeds."""
    import simloom

    ends: list[float] = []

    async def main() -> None:
        ends.append(await program())

    found = simloom.explore(main, runs=times)
    if found.failures:
        raise found.first_failure.error
    return ends


# ------------------------------------------------------------------ yardsticks


def simpy(program: Any, times: int) -> list[float]:
    """Run it in an environment of SimPy."""
    import simpy

    ends = []
    for _ in range(times):
        env = simpy.Environment()
        env.run(program(env))
        ends.append(env.now)
    return ends


def stock(program: Any, times: int) -> list[float]:
    """Run it for real."""
    import asyncio

    return [asyncio.run(program()) for _ in range(times)]
