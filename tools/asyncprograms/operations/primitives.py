"""Locks, semaphores, events, conditions, queues and barriers."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tools.asyncprograms.actors import operation

if TYPE_CHECKING:
    from tools.asyncprograms.actors import Actor
    from tools.asyncprograms.program import Body


@operation(lambda d: (d.index(), d.body()), weight=4, nested=True)
async def own_lock(me: Actor, index: int, body: Body) -> object:
    async with me.world.locks[index]:
        me.say("own_lock: owned")
        await me.do(body)
    return "released"


@operation(lambda d: (d.index(),), weight=1)
async def release_lock(me: Actor, index: int) -> object:
    return me.world.locks[index].release()


@operation(lambda d: (d.index(), d.body()), weight=4, nested=True)
async def own_semaphore(me: Actor, index: int, body: Body) -> object:
    async with me.world.semaphores[index]:
        me.say("own_semaphore: owned")
        await me.do(body)
    return "released"


@operation(lambda d: (d.index(),), weight=1)
async def release_semaphore(me: Actor, index: int) -> object:
    return me.world.semaphores[index].release()


# ---------------------------------------------------------------------- events


@operation(lambda d: (d.index(),), weight=4)
async def set_event(me: Actor, index: int) -> object:
    return me.world.events[index].set()


@operation(lambda d: (d.index(),))
async def clear_event(me: Actor, index: int) -> object:
    return me.world.events[index].clear()


@operation(lambda d: (d.index(),), weight=3)
async def wait_event(me: Actor, index: int) -> object:
    return await me.world.events[index].wait()


@operation(lambda d: (d.index(), d.duration()), weight=3)
async def set_event_later(me: Actor, index: int, seconds: float) -> object:
    handle = me.world.loop.call_later(seconds, me.world.events[index].set)
    me.world.handles.append(handle)
    return "armed"


# ---------------------------------------------------------------------- conditions


@operation(lambda d: (d.index(), d.timeout()), weight=3)
async def wait_notified(me: Actor, index: int, seconds: float | None) -> object:
    condition = me.world.conditions[index]
    async with condition:
        return await asyncio.wait_for(condition.wait(), seconds)


@operation(lambda d: (d.index(), d.anyone()))
async def wait_until(me: Actor, index: int, more: int) -> object:
    condition = me.world.conditions[index]
    least = me.world.number + more
    async with condition:
        return await condition.wait_for(lambda: me.world.number >= least)


@operation(lambda d: (d.index(), d.index(3) + 1), weight=4)
async def notify(me: Actor, index: int, most: int) -> object:
    condition = me.world.conditions[index]
    async with condition:
        me.world.count()
        return condition.notify(most)


@operation(lambda d: (d.index(), d.body()), nested=True)
async def own_condition(me: Actor, index: int, body: Body) -> object:
    async with me.world.conditions[index]:
        await me.do(body)
        return me.world.conditions[index].notify_all()


# ---------------------------------------------------------------------- queues


@operation(lambda d: (d.index(3), d.timeout()), weight=4)
async def put(me: Actor, index: int, seconds: float | None) -> object:
    number = -me.world.count() if index == 1 else me.world.count()
    return await asyncio.wait_for(me.world.queues[index].put(number), seconds)


@operation(lambda d: (d.index(3), d.timeout()), weight=4)
async def get(me: Actor, index: int, seconds: float | None) -> object:
    return await asyncio.wait_for(me.world.queues[index].get(), seconds)


@operation(lambda d: (d.index(3),), weight=2)
async def get_for_ever(me: Actor, index: int) -> object:
    return await me.world.queues[index].get()


@operation(lambda d: (d.index(3),))
async def put_nowait(me: Actor, index: int) -> object:
    return me.world.queues[index].put_nowait(me.world.count())


@operation(lambda d: (d.index(3),))
async def get_nowait(me: Actor, index: int) -> object:
    return me.world.queues[index].get_nowait()


@operation(lambda d: (d.index(3),))
async def task_done(me: Actor, index: int) -> object:
    return me.world.queues[index].task_done()


@operation(lambda d: (d.index(3),), weight=1)
async def join_queue(me: Actor, index: int) -> object:
    return await me.world.queues[index].join()


@operation(lambda d: (d.index(3), d.chance()), weight=1, since=(3, 13))
async def shut_down_queue(me: Actor, index: int, immediate: bool) -> object:
    return me.world.queues[index].shutdown(immediate)  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- barriers


@operation(lambda d: (d.index(),), weight=3, since=(3, 11))
async def wait_barrier(me: Actor, index: int) -> object:
    return await me.world.barriers[index].wait()


@operation(lambda d: (d.index(),), weight=1, since=(3, 11))
async def abort_barrier(me: Actor, index: int) -> object:
    return await me.world.barriers[index].abort()


@operation(lambda d: (d.index(),), weight=1, since=(3, 11))
async def reset_barrier(me: Actor, index: int) -> object:
    return await me.world.barriers[index].reset()
