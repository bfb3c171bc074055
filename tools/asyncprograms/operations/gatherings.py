"""Waiting for several at once."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tools.asyncprograms.actors import operation
from tools.asyncprograms.world import describe

if TYPE_CHECKING:
    from tools.asyncprograms.actors import Actor
    from tools.asyncprograms.program import Body

WHEN = (asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION)

# Not in 3.10.
new: Any = asyncio


@operation(lambda d: (d.body(), *d.bodies()), weight=5, nested=True, since=(3, 11))
async def group(me: Actor, own: Body, *bodies: Body) -> object:
    async with new.TaskGroup() as tasks:
        for each in bodies:
            me.start(each, tasks.create_task)
        await me.do(own)
    return "done"


@operation(lambda d: (d.chance(), *d.bodies()), weight=4, nested=True)
async def gather(me: Actor, returns: bool, *bodies: Body) -> object:
    started = [me.start(each) for each in bodies]
    return list(map(describe, await asyncio.gather(*started, return_exceptions=returns)))


@operation(lambda d: (d.chance(), *d.bodies()), nested=True, among="local")
async def gather_here(me: Actor, returns: bool, *bodies: Body) -> object:
    children = [me.child().do(each) for each in bodies]
    return list(map(describe, await asyncio.gather(*children, return_exceptions=returns)))


@operation(lambda d: (d.index(3), d.timeout(), *d.bodies()), weight=4, nested=True)
async def wait(me: Actor, when: int, seconds: float | None, *bodies: Body) -> object:
    started = [me.start(each) for each in bodies]
    done, pending = await asyncio.wait(started, timeout=seconds, return_when=WHEN[when])
    return "".join("d" if t in done else "p" if t in pending else "?" for t in started)


@operation(lambda d: (d.timeout(), *d.bodies()), weight=3, nested=True)
async def as_completed(me: Actor, seconds: float | None, *bodies: Body) -> object:
    results = []
    for each in asyncio.as_completed([me.start(each) for each in bodies], timeout=seconds):
        results.append(await each)
        me.say(f"as_completed: {results[-1]}")
    return results


@operation(lambda d: (d.timeout(), *d.bodies()), nested=True, since=(3, 13))
async def as_completed_tasks(me: Actor, seconds: float | None, *bodies: Body) -> object:
    started = [me.start(each) for each in bodies]
    completed: Any = asyncio.as_completed(started, timeout=seconds)
    return [f"{each.get_name()} {describe(each)}" async for each in completed]


@operation(lambda d: (d.timeout(), d.body()), weight=3, nested=True)
async def shield(me: Actor, seconds: float | None, body: Body) -> object:
    return await asyncio.wait_for(asyncio.shield(me.start(body)), seconds)


@operation(lambda d: (d.body(),), nested=True)
async def shield_for_ever(me: Actor, body: Body) -> object:
    return await asyncio.shield(me.start(body))
