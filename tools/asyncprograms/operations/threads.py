"""Executor jobs; threads of their own, and what those do to the loop."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
import time
from typing import TYPE_CHECKING

from tools.asyncprograms.actors import ThreadActor, operation
from tools.asyncprograms.world import VARIABLE, Fault

if TYPE_CHECKING:
    from tools.asyncprograms.actors import Actor
    from tools.asyncprograms.program import Body


@operation(lambda d: (d.duration(),), weight=3, traits=("jobs",))
async def sleep_in_a_thread(_me: Actor, seconds: float) -> object:
    return await asyncio.to_thread(time.sleep, seconds)


@operation(weight=1, traits=("jobs",))
async def ask_in_a_thread(_me: Actor) -> object:
    return await asyncio.to_thread(VARIABLE.get)


@operation(lambda d: (d.duration(), d.timeout()), weight=2, traits=("jobs",))
async def run_job(me: Actor, seconds: float, patience: float | None) -> object:
    """Give it up after a time; the job goes on."""

    def job() -> str:
        me.say("job: begins")
        time.sleep(seconds)
        me.say("job: ends")
        return "job done"

    return await asyncio.wait_for(me.world.loop.run_in_executor(None, job), patience)


@operation(lambda d: (d.duration(),), weight=1, traits=("jobs",))
async def break_job(me: Actor, seconds: float) -> object:
    def job() -> str:
        time.sleep(seconds)
        raise Fault("in a job")

    return await me.world.loop.run_in_executor(None, job)


@operation(lambda d: (d.duration(), d.duration()), weight=1, traits=("jobs",))
async def run_jobs_in_turn(me: Actor, first: float, second: float) -> object:
    """In an executor of one thread, which is waited for while the loop is blocked."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        jobs = [me.world.loop.run_in_executor(pool, time.sleep, s) for s in (first, second)]
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    return [job.done() for job in jobs]


@operation(lambda d: (d.duration(), d.duration()), weight=2, traits=("jobs",))
async def feed_job(me: Actor, pause: float, patience: float) -> object:
    """Feed a job from the loop."""
    given: queue.Queue[str] = queue.Queue()

    def job() -> str:
        try:
            return given.get(timeout=patience)
        except queue.Empty:
            return "nothing"

    running = me.world.loop.run_in_executor(None, job)
    await asyncio.sleep(pause)
    given.put("something")
    return await running


@operation(lambda d: (d.duration(), d.duration()), weight=2, traits=("jobs",))
async def wake_job(me: Actor, pause: float, patience: float) -> object:
    """Set a thread's event from the loop."""
    event = threading.Event()
    running = asyncio.create_task(asyncio.to_thread(event.wait, patience))
    await asyncio.sleep(pause)
    me.world.loop.call_soon(event.set)
    return await running


@operation(lambda d: (d.duration(),), weight=1, traits=("jobs",))
async def call_back_from_job(me: Actor, seconds: float) -> object:
    """Wait in the job for a coroutine on the loop that waits for the job."""
    loop = me.world.loop

    def job() -> object:
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(seconds, "answer"), loop).result(9)

    return await loop.run_in_executor(None, job)


# ---------------------------------------------------------------------- threads of their own


@operation(lambda d: (d.body("threads"),), weight=4, traits=("threads",))
async def start_thread(me: Actor, body: Body) -> object:
    me.world.number += 1
    actor = ThreadActor(me.world, f"thread{me.world.number}")
    thread = threading.Thread(target=actor.do_all, args=(body,), daemon=True)
    me.world.threads.append(thread)
    thread.start()
    return actor.name


@operation(weight=2, traits=("threads",))
async def put_for_thread(me: Actor) -> object:
    try:
        return me.world.thread_queue.put_nowait(me.world.count())
    except queue.Full:
        return "full"


@operation(lambda d: (d.duration(),), weight=6, among="threads")
def thread_sleep(_me: ThreadActor, seconds: float) -> object:
    return time.sleep(seconds)


@operation(weight=3, among="threads")
def thread_call_soon(me: ThreadActor) -> object:
    call = me.world.callback(me.name, "soon")
    me.world.handles.append(me.world.loop.call_soon_threadsafe(call))
    return "armed"


@operation(lambda d: (d.index(),), weight=2, among="threads")
def thread_set_event(me: ThreadActor, index: int) -> object:
    me.world.loop.call_soon_threadsafe(me.world.events[index].set)
    return "set"


@operation(lambda d: (d.index(3),), weight=2, among="threads")
def thread_feed(me: ThreadActor, index: int) -> object:
    me.world.loop.call_soon_threadsafe(me.world.queues[index].put_nowait, me.world.count())
    return "fed"


@operation(lambda d: (d.anyone(),), weight=2, among="threads")
def thread_cancel(me: ThreadActor, number: int) -> object:
    me.world.loop.call_soon_threadsafe(me.world.task(number).cancel)
    return "cancelled"


@operation(lambda d: (d.duration(),), weight=2, among="threads")
def thread_get(me: ThreadActor, seconds: float) -> object:
    try:
        return me.world.thread_queue.get(timeout=seconds)
    except queue.Empty:
        return "empty"


@operation(
    lambda d: (d.duration(), d.chance(), d.body("tasks")), weight=4, among="threads", nested=True
)
def thread_run(me: ThreadActor, seconds: float, cancels: bool, body: Body) -> object:
    """Let the loop run a coroutine, and wait for it here."""
    coroutine = me.task_actor().alone(body)
    future = asyncio.run_coroutine_threadsafe(coroutine, me.world.loop)
    try:
        return future.result(seconds)
    except concurrent.futures.TimeoutError:
        return f"timed out {cancels and future.cancel()}"
    except concurrent.futures.CancelledError:
        return "cancelled"


@operation(lambda d: (d.body("local"),), weight=3, among="threads", nested=True)
def thread_own_loop(me: ThreadActor, body: Body) -> object:
    """Run a loop of its own."""
    loop = me.world.new_loop()
    try:
        task = loop.create_task(me.task_actor().do(body))
        return loop.run_until_complete(task)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
