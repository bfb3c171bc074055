"""Tasks for runners, which import them from here; in the tests' log a line is an event."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import multiprocessing
import os
import subprocess
import sys
import threading
import time

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import current_invocation
from simclock.systems.runners.failures import InvocationInterrupted, RetryError
from simclock.systems.runners.identifiers import CallId, TaskId

# Processes have this one for its tasks: each finds them by their module.
app = Pynenc({"app_id": "runner-tests"})


def noted(path, *what):
    """Append a line to a file: one write, as several processes do so."""
    with open(path, "a") as file:
        file.write(" ".join(map(str, what)) + "\n")


@app.task
def add(left, right):
    return left + right


@app.task
def nap(seconds, path=None):
    """Sleep; note the begin and the end."""
    if path is not None:
        noted(path, "begins", os.getpid())
    time.sleep(seconds)
    if path is not None:
        noted(path, "ends", os.getpid())
    return seconds


@app.task
async def nap_async(seconds):
    await asyncio.sleep(seconds)
    return seconds


@app.task
def obedient(seconds):
    """Look now and then whether to stop."""
    for _ in range(int(seconds * 10)):
        time.sleep(0.1)
        current_invocation().checkpoint()
    return "to the end"


@app.task
def fail(text):
    raise LookupError(text)


@app.task(max_retries=2)
def fail_at_first(path):
    noted(path, "tried")
    with open(path) as file:
        if len(file.readlines()) < 3:
            raise RetryError("not yet")
    return "at last"


@app.task
def crash(path):
    """End the process, but for the second time."""
    if os.path.exists(path):
        return "survived"
    noted(path, "crashes")
    os._exit(3)


@app.task
def always_crash():
    os._exit(3)


@app.task
def leave():
    raise SystemExit(3)


@app.task
def parent(numbers, seconds=0.0):
    """Wait for children."""
    time.sleep(seconds)
    group = child.parallelize([(number, seconds) for number in numbers])
    return sum(group.results)


@app.task
def child(number, seconds=0.0):
    time.sleep(seconds)
    return number * number


@app.task
async def parent_async(numbers):
    children = [child_async(number) for number in numbers]
    return sum(await asyncio.gather(*(each.async_result() for each in children)))


@app.task
async def child_async(number):
    await asyncio.sleep(1)
    return number * number


@app.task
def whoami():
    return current_invocation().runner.runner_cls, os.getpid()


@app.task
def start_a_process(with_multiprocessing):
    if with_multiprocessing:
        multiprocessing.get_context("spawn").Process(target=print).start()
    else:
        subprocess.run([sys.executable, "-c", ""], check=True)


@app.task
def wait_for_nobody():
    """Wait for what nobody runs."""
    task = TaskId("runner_tasks", "add")
    routed = app_here().orchestrator.route_call(task, CallId.of(task, {}), {}, delay=1e6)
    invocation = current_invocation()
    while True:
        invocation.waits.waiting_for_results(invocation.id, [routed.id])


def app_here():
    """Return the application that runs this."""
    return current_invocation().app


@app.task
def parent_of_naps(path):
    """Wait for two naps, one after the other, and note in between when it goes on and stands."""
    for _ in range(2):
        noted(path, "goes on")
        time.sleep(1)
        invocation = nap_noted(path)
        noted(path, "stands")
        invocation.get_result()
    noted(path, "goes on")
    time.sleep(0.5)
    noted(path, "stands")


@app.task
def nap_noted(path):
    noted(path, "goes on")
    time.sleep(1)
    noted(path, "stands")


@app.task
async def parent_by_the_pool():
    """Wait for a child in a thread of the loop's pool."""
    return await asyncio.to_thread(lambda: child_async(2).result)


@app.task
async def leave_a_wait_behind():
    """Return while a task of the loop waits."""
    waiting = asyncio.ensure_future(wait_until_interrupted(nap_async(30.0)))
    await asyncio.sleep(1)
    return "left" if not waiting.done() else "waited"


async def wait_until_interrupted(invocation):
    with contextlib.suppress(InvocationInterrupted):
        await invocation.async_result()


@app.task
def leave_a_thread_behind():
    """Return while a thread waits."""

    def wait():
        with contextlib.suppress(InvocationInterrupted):
            assert nap_async(30.0).result

    context = contextvars.copy_context()
    threading.Thread(target=lambda: context.run(wait), name="left behind").start()
    time.sleep(1)
    return "left"


@app.task
async def block_the_loop():
    return child(1).result


@app.task
async def refuse_to_end():
    for _ in range(3):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            continue
