"""Schedulers in real time, in real processes, one of which is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.real

SCHEDULES = 5
# Each run is one line: the schedule, and the id of the task that the run would be.
NODE = f"""
import asyncio, sys
from simclock.systems.taskqueue import Scheduler, TaskRegistry

url, path = sys.argv[1:]
registry = TaskRegistry()

@registry.task()
async def tick(number): ...

async def submit(func, number, *, task_id):
    with open(path, "a") as file:
        file.write(f"{{number}} {{task_id}}\\n")

async def main():
    scheduler = Scheduler(url, registry)
    scheduler.set_submit_callback(submit)
    async with scheduler:
        for number in range({SCHEDULES}):
            await scheduler.schedule_interval("tick", 1.0, [number])
            # So that few of them are under way when their scheduler is killed.
            await asyncio.sleep(0.2)
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def lines(path):
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_processes_submit_each_run_once_and_one_goes_on_alone(tmp_path):
    arguments = [f"sqlite:///{tmp_path}/schedules.db", str(tmp_path / "runs")]
    command = [sys.executable, "-c", NODE, *arguments]
    nodes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [node.stdout.readline() for node in nodes] == ["ready\n"] * 2
        wait_for(lambda: len(lines(tmp_path / "runs")) >= 2 * SCHEDULES)
        nodes[0].send_signal(signal.SIGKILL)
        nodes[0].wait()
        before = len(lines(tmp_path / "runs"))

        # What it was about to submit is its for half a minute; the others go on.
        def going_on():
            return {number for number, _ in lines(tmp_path / "runs")[before:]}

        wait_for(lambda: len(going_on()) >= SCHEDULES - 2)
    finally:
        for node in nodes:
            node.kill()
            node.wait()
            node.stdout.close()

    runs = lines(tmp_path / "runs")
    assert len(runs) == len(set(runs))
    # The runs of each schedule are numbered, and none is left out.
    for number in range(SCHEDULES):
        ids = [task_id for of, task_id in runs if int(of) == number]
        assert [int(task_id.rpartition("-")[2]) for task_id in ids] == list(range(len(ids)))
