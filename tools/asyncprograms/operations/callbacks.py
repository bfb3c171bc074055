"""Calls that the loop is asked for, handles, and bare futures."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tools.asyncprograms.actors import operation
from tools.asyncprograms.world import Fault

if TYPE_CHECKING:
    from tools.asyncprograms.actors import Actor


@operation(weight=4)
async def call_soon(me: Actor) -> object:
    me.world.handles.append(me.world.loop.call_soon(me.world.callback(me.name, "soon")))
    return "armed"


@operation(lambda d: (d.duration(),), weight=5)
async def call_later(me: Actor, seconds: float) -> object:
    handle = me.world.loop.call_later(seconds, me.world.callback(me.name, "later"))
    me.world.handles.append(handle)
    return "armed"


@operation(lambda d: (d.duration() - 0.25,), weight=3)
async def call_at(me: Actor, seconds: float) -> object:
    """At a time that may be over."""
    handle = me.world.loop.call_at(me.world.loop.time() + seconds, me.world.callback(me.name, "at"))
    me.world.handles.append(handle)
    return handle.when() - me.world.start


@operation(lambda d: (d.index(4) + 1, d.duration()))
async def call_in_turn(me: Actor, times: int, seconds: float) -> object:
    """Let each call ask for the next, in turn soon and later."""
    call = me.world.callback(me.name, "turn")

    def turn(left: int) -> None:
        call(left)
        if left % 2:
            me.world.loop.call_soon(turn, left - 1)
        elif left:
            me.world.loop.call_later(seconds, turn, left - 1)

    me.world.loop.call_soon(turn, times)
    return "armed"


@operation(lambda d: (d.duration(), d.index(4)))
async def call_much_later_and_cancel(me: Actor, seconds: float, kept: int) -> object:
    """Arm so many timers that the heap is cleaned up."""
    handles = [
        me.world.loop.call_later(seconds + n % 3, me.world.callback(me.name, "much"))
        for n in range(110)
    ]
    for number, handle in enumerate(handles):
        if number % 37 != kept:
            handle.cancel()
    return "armed"


@operation(lambda d: (d.duration(),), weight=1)
async def call_and_break(me: Actor, seconds: float) -> object:
    call = me.world.callback(me.name, "broken")

    def broken() -> None:
        call()
        raise Fault("in a callback")

    me.world.handles.append(me.world.loop.call_later(seconds, broken))
    return "armed"


@operation(lambda d: (d.anyone(),), weight=4)
async def cancel_handle(me: Actor, number: int) -> object:
    if not me.world.handles:
        return "none"
    handle = me.world.handles[number % len(me.world.handles)]
    before = handle.cancelled()
    return before, handle.cancel()


# ---------------------------------------------------------------------- futures


@operation(lambda d: (d.index(), d.timeout()), weight=3)
async def wait_future(me: Actor, index: int, seconds: float | None) -> object:
    return await asyncio.wait_for(asyncio.shield(me.world.futures[index]), seconds)


@operation(lambda d: (d.index(),))
async def await_future(me: Actor, index: int) -> object:
    return await me.world.futures[index]


@operation(lambda d: (d.index(),), weight=3)
async def resolve(me: Actor, index: int) -> object:
    return me.world.futures[index].set_result(me.name)


@operation(lambda d: (d.index(),), weight=1)
async def break_future(me: Actor, index: int) -> object:
    return me.world.futures[index].set_exception(Fault(me.name))


@operation(lambda d: (d.index(),), weight=1)
async def cancel_future(me: Actor, index: int) -> object:
    return me.world.futures[index].cancel()


@operation(lambda d: (d.index(),), weight=2)
async def renew_future(me: Actor, index: int) -> object:
    me.world.futures[index] = me.world.loop.create_future()
    return "new"


@operation(lambda d: (d.index(), d.chance(0.3)), weight=3)
async def watch_future(me: Actor, index: int, removed: bool) -> object:
    call = me.world.callback(me.name, "watch")
    me.world.futures[index].add_done_callback(call)
    await asyncio.sleep(0)
    return me.world.futures[index].remove_done_callback(call) if removed else "watching"


@operation(lambda d: (d.anyone(), d.chance(0.2)), weight=3)
async def watch_task(me: Actor, number: int, breaks: bool) -> object:
    call = me.world.callback(me.name, "watch")

    def broken(task: object) -> None:
        call(task)
        raise Fault("in a done callback")

    me.world.task(number).add_done_callback(broken if breaks else call)
    return "watching"
