"""One run of a program on some loop: what it did, and when."""

from __future__ import annotations

import asyncio
import asyncio.runners
import contextlib
import functools
import gc
import itertools
import logging
import re
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import simclock
from tools.asyncprograms import loops
from tools.asyncprograms.actors import Actor
from tools.asyncprograms.world import Line, World, describe, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.asyncprograms.program import Program

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

# Virtual seconds after which everything is cancelled, and for which what swallows that may go on.
LIMIT = 30.0
ROUNDS = 20
MOST_COLLECTIONS = 5
# Real seconds without progress that simclock's own watchdog waits.
WATCHDOG = 20.0


class Outcome(NamedTuple):
    """What a run did, in this order; what in none; when and how it ended, and the trace's digest.

    *error* is the whole text of what ended it, which is not compared.
    """

    log: list[Line]
    whenever: list[str]
    elapsed: float
    end: str = "well"
    error: str = ""
    digest: str = ""


def simulate(program: Program, new_loop: NewLoop) -> Outcome:
    """Run *program* in a simulation of its own."""
    sim = simclock.Simulation(seed=program.seed, watchdog=WATCHDOG)

    def run_inside(world: World) -> None:
        with sim:
            _run(program, world)

    return _outcome(new_loop, run_inside)._replace(elapsed=sim.elapsed, digest=sim.trace.digest)


def run(program: Program, new_loop: NewLoop) -> Outcome:
    """Run *program* in the time that its loop has by itself."""
    return _outcome(new_loop, functools.partial(_run, program))


def _outcome(new_loop: NewLoop, run: Callable[[World], None]) -> Outcome:
    world = World(new_loop)
    end, text = "well", ""
    with _listening(world):
        try:
            run(world)
        except Exception as error:  # noqa: BLE001 - deadlocks, and whatever else it should not be
            end, text = type(error).__name__, traceback.format_exc()
        if text:
            _collect()  # what its traceback kept
    # What an error leaves behind is told when it is collected, or never.
    whenever = [] if text else sorted(world.whenever)
    return Outcome(world.log, whenever, world.elapsed, end, text)


def _run(program: Program, world: World) -> None:
    try:
        _run_on_a_loop(program, world)
    finally:
        world.close()
        # What the program has left is let go of now, or it is somebody else who is told.
        world.let_go()
        _collect()


def _collect() -> None:
    """Collect garbage, that which only other garbage kept too."""
    for _ in range(MOST_COLLECTIONS):
        if not gc.collect():
            return


def _run_on_a_loop(program: Program, world: World) -> None:
    try:
        with _runner(program, world.new_loop) as (loop, run_until_complete):
            _configure(loop, program, world)
            world.attach(loop)
            run_until_complete(_main(world, program))
    finally:
        world.elapsed = world.loop.time() - world.start


@contextlib.contextmanager
def _runner(program: Program, new_loop: NewLoop) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
    """Do what `asyncio.run` does, which takes no loop up to 3.11."""
    if "runner" in program.options:
        runners: Any = asyncio
        with runners.Runner(loop_factory=new_loop) as runner:
            yield runner.get_loop(), runner.run
        return
    loop = new_loop()
    try:
        yield loop, loop.run_until_complete
    finally:
        try:
            asyncio.runners._cancel_all_tasks(loop)  # type: ignore[attr-defined]
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


def _configure(loop: asyncio.AbstractEventLoop, program: Program, world: World) -> None:
    loop.set_debug("debug" in program.options)
    if "factory" in program.options:
        loops.OwnTask._numbers = itertools.count(1)
        loop.set_task_factory(loops.own_task)
    elif "eager" in program.options:
        loop.set_task_factory(_eager(loop))

    def handle(_loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        message = context["message"].partition(" in ")[0] + f" {describe(error)}"
        if re.search("never|was destroyed", message):
            world.whenever.append(message)
        else:
            world.say("exception handler", message)

    loop.set_exception_handler(handle)


def _eager(loop: asyncio.AbstractEventLoop) -> Any:
    """Return the eager factory as a program sets it; for the stock loop, of its tasks."""
    new: Any = asyncio
    if isinstance(loop, loops.StockLoop):
        return new.create_eager_task_factory(loops.Task)
    return new.eager_task_factory


# ---------------------------------------------------------------------- the main task


async def _main(world: World, program: Program) -> None:
    me = Actor(world, "t")
    for each in program.bodies:
        me.start(each)
    await _settle(world, LIMIT)
    for _ in range(ROUNDS):
        for each in list(world.tasks):
            each.cancel()
        if await _settle(world, 1.0):
            break
    for server in world.opened:
        server.close()
    for number, task in enumerate(world.tasks):
        world.say(f"task {number}", f"at last: {outcome(task)}")
    world.ended = True


async def _settle(world: World, seconds: float) -> bool:
    """Wait until all tasks and threads have ended; return whether they have."""
    until = world.loop.time() + seconds
    while (now := world.loop.time()) < until:
        if pending := [task for task in world.tasks if not task.done()]:
            await asyncio.wait(pending, timeout=until - now)
        elif any(thread.is_alive() for thread in world.threads):
            await asyncio.sleep(0.5)
        else:
            return True
    return False


# ---------------------------------------------------------------------- what is said elsewhere


class _Handler(logging.Handler):
    """Notes what asyncio logs: in debug mode, what was slow, and for how long."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Note the record without what differs from run to run."""
        text = record.getMessage()
        took = re.search(r"took ([\d.]+) seconds", text)
        what = f"took {took[1]}" if took else text.partition("<")[0].partition(":")[0]
        self._world.say("asyncio", f"{record.levelname} {what}")


@contextlib.contextmanager
def _listening(world: World) -> Iterator[None]:
    """Note what is said by other ways than exceptions."""

    def show(message: Any, category: type, *_: object) -> None:
        world.whenever.append(f"{category.__name__}: {str(message).partition(' <')[0]}")

    def unraisable(told: Any) -> None:
        world.whenever.append(f"unraisable: {describe(told.exc_value)}")

    logger, handler = logging.getLogger("asyncio"), _Handler(world)
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
        sys.unraisablehook = hook
