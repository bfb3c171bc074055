"""Whatever gives up after a time."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tools.asyncprograms.actors import operation

if TYPE_CHECKING:
    from tools.asyncprograms.actors import Actor
    from tools.asyncprograms.program import Body

# Not in 3.10.
new: Any = asyncio


@operation(lambda d: (d.timeout(), d.body()), weight=4, nested=True, among="local")
async def wait_for(me: Actor, seconds: float | None, body: Body) -> object:
    return await asyncio.wait_for(me.child().do(body), seconds)


@operation(lambda d: (d.timeout(), d.body()), nested=True)
async def wait_for_task(me: Actor, seconds: float | None, body: Body) -> object:
    return await asyncio.wait_for(me.start(body), seconds)


@operation(lambda d: (d.timeout(), d.body()), weight=4, nested=True, among="local", since=(3, 11))
async def timeout(me: Actor, seconds: float | None, body: Body) -> object:
    async with new.timeout(seconds) as within:
        await me.do(body)
    return f"expired {within.expired()}"


@operation(lambda d: (d.duration() - 0.125, d.body()), nested=True, among="local", since=(3, 11))
async def timeout_at(me: Actor, seconds: float, body: Body) -> object:
    when = asyncio.get_running_loop().time() + seconds
    async with new.timeout_at(when) as within:
        await me.do(body)
    return f"expired {within.expired()}"


@operation(
    lambda d: (d.timeout(), d.timeout(), d.body(), d.body()),
    nested=True,
    among="local",
    since=(3, 11),
)
async def reschedule(
    me: Actor, first: float | None, second: float | None, body: Body, then: Body
) -> object:
    async with new.timeout(first) as within:
        await me.do(body)
        now = asyncio.get_running_loop().time()
        within.reschedule(None if second is None else now + second)
        await me.do(then)
    return f"expired {within.expired()}"
