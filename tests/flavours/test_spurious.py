"""Conditions that wake one more than they were told to: in chaos only."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import simclock
from simclock import Simulation


@pytest.fixture
def waking(choosing):
    """Make sources that have every condition wake one more than it was told to."""

    def make(*, chaos):
        source = choosing(lambda point: int(point.label == "spurious"))
        source.chaos = chaos
        return source

    return make


def two_threads():
    woken = []
    condition = threading.Condition()

    def wait(name):
        with condition:
            condition.wait()
            woken.append(name)

    for name in "ab":
        threading.Thread(target=wait, args=name, daemon=True).start()
    time.sleep(1)
    with condition:
        condition.notify()
    time.sleep(1)
    return "".join(woken)


def two_tasks():
    woken = []

    async def main():
        condition = asyncio.Condition()

        async def wait(name):
            async with condition:
                await condition.wait()
                woken.append(name)

        tasks = [asyncio.create_task(wait(name)) for name in "ab"]
        await asyncio.sleep(1)
        async with condition:
            condition.notify()
        await asyncio.wait(tasks, timeout=1)
        for task in tasks:
            task.cancel()

    asyncio.run(main())
    return "".join(woken)


@pytest.mark.parametrize("program", [two_threads, two_tasks])
@pytest.mark.parametrize(("chaos", "woken"), [(True, "ab"), (False, "a")])
def test_one_more_is_woken_only_in_chaos(waking, program, chaos, woken):
    with Simulation(choices=waking(chaos=chaos)):
        assert program() == woken


def test_where_nobody_else_waits_there_is_nothing_to_choose(choosing):
    asked = []
    source = choosing(lambda point: asked.append(point.label) or 0)
    source.chaos = True

    with Simulation(choices=source):
        condition = threading.Condition()
        with condition:
            condition.notify(3)
            condition.notify_all()

    assert "spurious" not in asked


def test_outside_of_simulations_conditions_are_as_they_were():
    before = threading.Condition.notify, asyncio.Condition.notify

    report = simclock.explore(two_threads, runs=3, fidelity="chaos")

    assert report.verdict == "passed"
    assert (threading.Condition.notify, asyncio.Condition.notify) == before
