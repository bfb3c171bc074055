"""What the tasks of asyncio wait for, and errors for the task that waits."""

from __future__ import annotations

import asyncio
import re
import sys
import threading

import pytest

import simclock
from simclock import Deadlock, Simulation
from simclock.flavours.aio import waiting

pytestmark = pytest.mark.usefixtures("each_loop")
FILE = "test_asyncio.py"


async def stuck():
    await asyncio.Event().wait()


LINE = stuck.__code__.co_firstlineno + 1


def left_alone(main):
    """Run *main*, and cancel nothing: CPython recurses for ever in tasks that are a circle."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        loop.close()


def tree_of(main, run=asyncio.run):
    """Return what the report of a deadlock in *main* says of tasks, without the lines' numbers."""
    with pytest.raises(Deadlock) as caught:
        simclock.run(lambda: run(main()))
    lines = [line for line in str(caught.value).splitlines() if line.lstrip().startswith("task ")]
    # Names that are not given count otherwise up to 3.10.
    lines = [re.sub(r"Task-\d+", "Task", line) for line in lines]
    return [line[4:].replace(f"{FILE}:{LINE} ", "").split(f" {FILE}")[0] for line in lines]


def test_tasks_are_below_those_that_wait_for_them():
    async def gathers():
        await asyncio.gather(stuck(), stuck())

    async def waits():
        await asyncio.wait([asyncio.create_task(stuck())])

    async def waits_for():
        await asyncio.wait_for(stuck(), None)

    async def main():
        tasks = [asyncio.create_task(each(), name=each.__name__) for each in (gathers, waits)]
        await asyncio.wait([*tasks, asyncio.create_task(waits_for(), name="waits_for")])

    assert tree_of(main) == [
        "task Task waits at",
        "  task gathers waits at",
        "    task Task waits at wait",
        "    task Task waits at wait",
        "  task waits waits at",
        "    task Task waits at wait",
        "  task waits_for waits at",
    ]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups are new in 3.11")
def test_children_of_a_task_group_are_below_it():
    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(stuck(), name="first")
            group.create_task(stuck(), name="second")

    assert tree_of(main) == [
        "task Task waits at",
        "  task first waits at wait",
        "  task second waits at wait",
    ]


def test_tasks_that_wait_for_each_other_are_there_once():
    async def main():
        async def wait_for(name):
            await asyncio.sleep(1)
            await tasks[name]

        tasks = {
            "a": asyncio.create_task(wait_for("b"), name="a"),
            "b": asyncio.create_task(wait_for("a"), name="b"),
        }
        await asyncio.Event().wait()

    assert tree_of(main, left_alone) == [
        "task Task waits at",
        "task a waits at",
        "  task b waits at",
    ]


def test_a_loop_in_another_thread_has_its_own():
    def program():
        thread = threading.Thread(target=asyncio.run, args=(stuck(),))
        thread.start()
        thread.join()

    with pytest.raises(Deadlock) as caught:
        simclock.run(program)

    report = str(caught.value)
    assert report.index("root (0)") < report.index(f"task Task-1 waits at {FILE}:{LINE} wait")
    assert report.count("task Task-1") == 1


# ------------------------------------------------------------------- who gets an error


def run_for(loop, worker):
    """Wait for what a task of *loop* is to bring, as runners of tests do."""
    result = loop.create_future()

    async def work():
        try:
            result.set_result(await worker())
        except Exception as error:
            result.set_exception(error)

    task = loop.create_task(work())
    try:
        return loop.run_until_complete(result)
    finally:
        assert task.done() or loop.run_until_complete(task) is None


def test_who_waits_for_a_plain_future_has_its_task_told(log):
    async def worker():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            log("cleaned up")

    def program():
        loop = asyncio.new_event_loop()
        try:
            with pytest.raises(Deadlock):
                run_for(loop, worker)
            assert run_for(loop, lambda: asyncio.sleep(1, "works on")) == "works on"
        finally:
            loop.close()

    with pytest.raises(Deadlock), Simulation():
        program()

    assert log == [(1.0, "cleaned up")]


def test_a_task_that_blocks_the_thread_is_who_is_told():
    told = []

    async def other():
        try:
            await asyncio.Event().wait()
        except Deadlock:
            told.append("another")

    async def worker():
        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        try:
            threading.Event().wait()
        except Deadlock:
            told.append("who blocks")
        task.cancel()

    def program():
        loop = asyncio.new_event_loop()
        try:
            run_for(loop, worker)
        finally:
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    with pytest.raises(Deadlock), Simulation():
        program()

    assert told == ["who blocks"]


def test_names_of_the_program_s_own_are_not_taken_for_asyncio_s():
    class Group:
        @property
        def _tasks(self):
            raise AssertionError("it is the program's")

        async def __aenter__(self):
            pass

        async def __aexit__(self, *_):
            await stuck()

    async def main():
        async with Group():
            pass

    assert tree_of(main) == ["task Task waits at wait"]


def test_it_is_the_innermost_that_is_told():
    """A task that waits for a task cannot be told by itself."""

    async def inner():
        try:
            await asyncio.Event().wait()
        except Deadlock:
            return "told"

    async def worker():
        return await asyncio.create_task(inner())

    def program():
        loop = asyncio.new_event_loop()
        try:
            return run_for(loop, worker)
        finally:
            loop.close()

    found = []
    with pytest.raises(Deadlock), Simulation():
        found.append(program())

    assert found == ["told"]


def test_where_nobody_can_be_told_the_loop_raises():
    """Without tasks, or with tasks that wait for each other in a circle."""

    def alone(loop):
        loop.run_until_complete(loop.create_future())

    def circle(loop):
        async def wait_for(name):
            await asyncio.sleep(0)
            await tasks[name]

        tasks = {"a": loop.create_task(wait_for("b")), "b": loop.create_task(wait_for("a"))}
        try:
            loop.run_until_complete(loop.create_future())
        finally:
            # Else they would complain that they are destroyed: nobody can end them.
            for task in tasks.values():
                task._log_destroy_pending = False

    for program in (alone, circle):
        loop = None

        def run(program=program):
            nonlocal loop
            loop = asyncio.new_event_loop()
            program(loop)

        try:
            with pytest.raises(Deadlock):
                simclock.run(run)
        finally:
            loop.close()


def test_a_task_that_runs_is_not_told():
    """Who spins is told at its next wait, by its loop; the stock loop's turns are cheap steps."""

    def program():
        loop = simclock.SimEventLoop()

        async def spin():
            while True:
                await asyncio.sleep(0)

        task = loop.create_task(spin())
        try:
            loop.run_until_complete(loop.create_future())
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                loop.run_until_complete(task)
            loop.close()

    with pytest.raises(simclock.Livelock), Simulation(max_steps_per_instant=100):
        program()


# ----------------------------------------------------- what a report may meet, and must survive


def test_a_coroutine_that_was_closed_waits_for_nobody():
    class Closed:
        def get_coro(self):
            coroutine = stuck()
            coroutine.close()
            return coroutine

    assert waiting.awaited_by(Closed()) == []


def test_tasks_that_are_made_all_the_time_are_left_out():
    class Changing:
        def __iter__(self):
            raise RuntimeError("Set changed size during iteration")

    assert waiting._listed(Changing()) == []
