"""Sleeping, starting, cancelling and breaking tasks; generators; contexts."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
import contextvars
import time
import types
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from tools.asyncprograms.actors import operation
from tools.asyncprograms.world import VARIABLE, Fault, describe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tools.asyncprograms.actors import Actor
    from tools.asyncprograms.program import Body


@operation(lambda d: (d.duration(),), weight=10, among="local")
async def sleep(_me: Actor, seconds: float) -> object:
    return await asyncio.sleep(seconds, "slept")


@operation(lambda d: (d.index(5) + 1,), weight=4, among="local")
async def sleep_0(_me: Actor, times: int) -> object:
    for _ in range(times):
        await asyncio.sleep(0)
    return times


@types.coroutine
def _bare() -> Generator[None, None, None]:
    yield


@operation(among="local")
async def yield_bare(_me: Actor) -> object:
    return await _bare()


@operation(lambda d: (d.duration(),), traits=("blocks",))
async def block(_me: Actor, seconds: float) -> object:
    return time.sleep(seconds)  # noqa: ASYNC251 - the loop is to be blocked


@operation(lambda d: (d.index(100),), weight=1, among="local")
async def fail(_me: Actor, number: int) -> object:
    raise Fault(number)


# ---------------------------------------------------------------------- starting others


@operation(lambda d: (d.body(),), weight=4, nested=True)
async def spawn(me: Actor, body: Body) -> object:
    return me.start(body).get_name()


@operation(lambda d: (d.body(),), weight=1, nested=True)
async def spawn_and_forget(me: Actor, body: Body) -> object:
    asyncio.create_task(me.child().do(body))  # noqa: RUF006 - nobody is to keep it
    return "spawned"


@operation(lambda d: (d.duration(), d.body()), weight=3, nested=True)
async def spawn_and_follow(me: Actor, seconds: float, body: Body) -> object:
    task = me.start(body)
    await asyncio.sleep(seconds)
    return await task


@operation(lambda d: (d.anyone(), d.timeout()), weight=2)
async def join(me: Actor, number: int, seconds: float | None) -> object:
    done, _ = await asyncio.wait([me.world.task(number)], timeout=seconds)
    return [describe(each) for each in done]


@operation(lambda d: (d.body(),), nested=True, among="local")
async def spawn_here(me: Actor, body: Body) -> object:
    """Start a task on whatever loop runs here and wait for it."""
    return await asyncio.get_running_loop().create_task(me.child().do(body))


# ---------------------------------------------------------------------- cancelling


@operation(lambda d: (d.anyone(), d.chance(0.3)), weight=5)
async def cancel(me: Actor, number: int, with_text: bool) -> object:
    return me.world.task(number).cancel(*["text"] * with_text)


@operation(lambda d: (d.duration(), d.anyone()), weight=4)
async def cancel_later(me: Actor, seconds: float, number: int) -> object:
    handle = me.world.loop.call_later(seconds, me.world.task(number).cancel)
    me.world.handles.append(handle)
    return "armed"


@operation(weight=2, among="local")
async def cancel_self(_me: Actor) -> object:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel()


@operation(since=(3, 11), among="local")
async def uncancel(_me: Actor) -> object:
    task: Any = asyncio.current_task()
    return task.cancelling(), task.uncancel()


@operation(lambda d: (d.chance(0.3), d.body(), d.body()), weight=3, nested=True, among="local")
async def swallow(me: Actor, uncancels: bool, body: Body, then: Body) -> object:
    try:
        await me.do(body)
    except asyncio.CancelledError as error:
        task: Any = asyncio.current_task()
        if uncancels and hasattr(task, "uncancel"):
            task.uncancel()
        await me.do(then)
        return f"swallowed {describe(error)}"
    return "nothing"


@operation(lambda d: (d.body(), d.body()), weight=3, nested=True, among="local")
async def clean_up(me: Actor, body: Body, last: Body) -> object:
    try:
        await me.do(body)
    finally:
        await me.do(last)
    return "done"


@operation(lambda d: (d.body(),), weight=3, nested=True, among="local")
async def expect(me: Actor, body: Body) -> object:
    try:
        await me.do(body)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return f"caught {describe(error)}"
    return "nothing"


# ---------------------------------------------------------------------- generators


async def _numbers(me: Actor, seconds: float, body: Body) -> AsyncGenerator[int, None]:
    try:
        for number in range(3):
            await asyncio.sleep(seconds)
            yield number
    finally:
        me.say("generator: ends")
        await me.do(body)


@operation(lambda d: (d.duration(), d.index(4), d.body()), nested=True, among="local")
async def iterate(me: Actor, seconds: float, most: int, body: Body) -> object:
    """Close the generator, done or not."""
    seen = []
    async with aclosing(_numbers(me.child(), seconds, body)) as numbers:
        async for number in numbers:
            if number == most:
                break
            seen.append(number)
    return seen


@operation(lambda d: (d.duration(), d.index(4), d.body()), weight=1, nested=True)
async def iterate_and_drop(me: Actor, seconds: float, most: int, body: Body) -> object:
    """Leave it to the loop to close the generator."""
    async for number in _numbers(me.child(), seconds, body):
        if number == most:
            break
    return "dropped"


# ---------------------------------------------------------------------- contexts


@operation(lambda d: (d.index(9),), among="local")
async def set_variable(me: Actor, number: int) -> object:
    VARIABLE.set(f"{me.name}={number}")
    return VARIABLE.get()


@operation(weight=1, among="local")
async def get_variable(_me: Actor) -> object:
    return VARIABLE.get()


@operation(weight=1)
async def call_in_a_context(me: Actor) -> object:
    context = contextvars.Context()
    me.world.loop.call_soon(me.world.callback(me.name, "context"), context=context)
    return "armed"


@operation(lambda d: (d.body(),), weight=1, nested=True, since=(3, 11))
async def spawn_in_a_context(me: Actor, body: Body) -> object:
    context: Any = {"context": contextvars.Context()}
    child = me.child()
    me.world.register(asyncio.create_task(child.alone(body), name=child.name, **context))
    return "spawned"
