"""Who does the steps: a task or a thread, under a name; and the table of what they can do."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.asyncprograms.world import VARIABLE, Fault, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.asyncprograms.drawing import Drawing
    from tools.asyncprograms.program import Body, Step
    from tools.asyncprograms.world import World

# What a program is told, and goes on after. Up to 3.10 asyncio's TimeoutError is one of its own.
REFUSALS = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncio.QueueEmpty,
    asyncio.QueueFull,
    asyncio.InvalidStateError,
    asyncio.IncompleteReadError,
    RuntimeError,  # BrokenBarrierError is one
    ValueError,
)
if sys.version_info >= (3, 13):
    REFUSALS = (*REFUSALS, asyncio.QueueShutDown)


class Operation(NamedTuple):
    """One thing that can be done.

    *among*: who can do it: ``tasks``, ``local`` tasks (on any loop, they
    share nothing), ``threads``. *traits*: what else it needs.
    """

    name: str
    run: Callable[..., Any]
    draw: Callable[[Drawing], tuple[Any, ...]]
    weight: int
    among: str
    nested: bool
    traits: frozenset[str]


OPERATIONS: dict[str, Operation] = {}


def nothing(_drawing: Drawing) -> tuple[Any, ...]:
    """Draw no arguments."""
    return ()


def operation(
    draw: Callable[[Drawing], tuple[Any, ...]] = nothing,
    *,
    weight: int = 2,
    among: str = "tasks",
    nested: bool = False,
    traits: tuple[str, ...] = (),
    since: tuple[int, int] = (3, 10),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function into the table, with what draws its arguments, if this Python has it."""

    def put(run: Callable[..., Any]) -> Callable[..., Any]:
        name = run.__name__
        if sys.version_info >= since:
            OPERATIONS[name] = Operation(name, run, draw, weight, among, nested, frozenset(traits))
        return run

    return put


class Actor:
    """A line of steps within a task."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self._children = 0

    def say(self, what: str) -> None:
        """Note *what* under this name."""
        self.world.say(self.name, what)

    def child(self) -> Actor:
        """Return who does an inner body."""
        self._children += 1
        return type(self)(self.world, f"{self.name}.{self._children}")

    async def do(self, body: Body) -> str:
        """Do the steps of *body* here."""
        for step in body:
            await self._step(step)
        return self.name

    async def _step(self, step: Step) -> None:
        try:
            happened = await OPERATIONS[step.name].run(self, *step.args)
        except asyncio.CancelledError as error:
            self.say(f"{step.name}: {describe(error)}")
            raise
        except REFUSALS as error:
            self.say(f"{step.name}: {describe(error)}")
        except Exception as error:
            self.say(f"{step.name}: raises {describe(error)}")
            raise
        else:
            self.say(f"{step.name}: {happened}")

    def start(self, body: Body, create: Callable[..., Any] | None = None) -> asyncio.Task[str]:
        """Start a task that does *body*."""
        child = self.child()
        task: asyncio.Task[str] = (create or self.world.loop.create_task)(
            child.alone(body), name=child.name
        )
        self.world.register(task)
        return task

    async def alone(self, body: Body) -> str:
        """Do *body* as a whole task, which can be found from its first step on."""
        task = asyncio.current_task()
        assert task is not None
        self.world.register(task)
        VARIABLE.set(self.name)
        return await self.do(body)


class ThreadActor(Actor):
    """A line of steps within a thread of its own."""

    def do_all(self, body: Body) -> None:
        """Do the steps of *body*."""
        for step in body:
            try:
                happened = OPERATIONS[step.name].run(self, *step.args)
            except (*REFUSALS, Fault, asyncio.CancelledError) as error:
                happened = describe(error)
            self.say(f"{step.name}: {happened}")

    def task_actor(self) -> Actor:
        """Return who does something in a task for this thread."""
        self._children += 1
        return Actor(self.world, f"{self.name}.{self._children}")
