"""Whatever is done to a scheduler, it submits what a model of a page says."""

from __future__ import annotations

import asyncio
import dataclasses
import math

from hypothesis import given, settings
from hypothesis import strategies as st

import simclock
from simclock.systems.taskqueue import Scheduler, SQLiteSchedulerBackend, TaskRegistry

NUMBERS = st.integers(0, 2)
OPERATIONS = st.one_of(
    st.tuples(st.just("schedule"), NUMBERS, st.integers(1, 7), st.integers(-1, 1)),
    st.tuples(st.sampled_from(["unschedule", "disable", "enable"]), NUMBERS),
    st.sampled_from([("stop",), ("start",), ("start",)]),
)
STEPS = st.lists(st.tuples(st.integers(0, 20), OPERATIONS), max_size=12)
# Each operation has its own thousandth of a second, and so have the schedules that it makes: no
# instant is that of two things whose order would matter.
OWN = 0.001
# Seconds after the last operation.
REST = 30.0005


@dataclasses.dataclass
class Modelled:
    """A schedule of the model."""

    created: float
    interval: int
    priority: int
    due: float
    is_enabled: bool = True

    def after(self, instant):
        return round(
            self.created
            + self.interval * (math.floor((instant - self.created) / self.interval + 1e-9) + 1),
            6,
        )


class Model:
    """What a scheduler is to do, without a wait, a store or a claim."""

    def __init__(self):
        self.schedules = {}
        self.is_running = False
        self.log = []

    def advance(self, until):
        while self.is_running and (due := self.due_until(until)):
            number, schedule = min(due, key=lambda item: item[1].due)
            self.log.append((schedule.due, number))
            schedule.due = schedule.after(schedule.due)

    def due_until(self, until):
        return [
            (number, each)
            for number, each in self.schedules.items()
            if each.is_enabled and each.due <= until
        ]

    def apply(self, now, name, number=None, interval=None, priority=None):
        schedule = self.schedules.get(number)
        if name == "schedule" and schedule is None:
            new = Modelled(now, interval, priority, 0)
            new.due = new.after(now)
            self.schedules[number] = new
        elif name == "unschedule":
            self.schedules.pop(number, None)
        elif name == "disable" and schedule is not None:
            schedule.is_enabled = False
        elif name == "enable" and schedule is not None and not schedule.is_enabled:
            schedule.is_enabled, schedule.due = True, schedule.after(now)
        elif name == "stop":
            self.is_running = False
        elif name == "start" and not self.is_running:
            self.is_running = True
            # What was missed is one run each, now.
            for one, each in sorted(
                self.due_until(now), key=lambda item: (item[1].priority, item[1].due)
            ):
                self.log.append((now, one))
                each.due = each.after(now)


async def apply(scheduler, name, number=None, interval=None, priority=None):
    task_id = str(number)
    is_there = await scheduler.get_scheduled_task(task_id) is not None
    if name == "schedule" and not is_there:
        await scheduler.schedule_interval(
            "tick", interval, [number], priority=priority, task_id=task_id
        )
    elif name == "unschedule":
        assert await scheduler.unschedule(task_id) is is_there
    elif name == "disable" and is_there:
        await scheduler.disable_task(task_id)
    elif name == "enable" and is_there:
        await scheduler.enable_task(task_id)
    elif name in {"stop", "start"}:
        await getattr(scheduler, name)()


async def execute(sim, scheduler, steps, log):
    async def submit(func, number):
        log.append((round(sim.elapsed, 6), number))

    scheduler.set_submit_callback(submit)
    for at, operation in steps:
        await asyncio.sleep(at - sim.elapsed)
        await apply(scheduler, *operation)
    await asyncio.sleep(steps[-1][0] + REST - sim.elapsed if steps else 0)
    await scheduler.stop()


def check(steps, backend):
    at, timed = 0, []
    for number, (gap, operation) in enumerate(steps, 1):
        at += gap
        timed.append((round(at + number * OWN, 6), operation))
    model = Model()
    for at, operation in timed:
        model.advance(at)
        model.apply(at, *operation)
    if timed:
        model.advance(timed[-1][0] + REST)

    registry, log = TaskRegistry(), []

    @registry.task()
    async def tick(): ...

    with simclock.Simulation() as sim:
        asyncio.run(execute(sim, Scheduler(backend, registry), timed, log))
    assert log == model.log


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_scheduler_in_memory_does_what_the_model_does(steps):
    check(steps, None)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_a_scheduler_on_a_file_does_what_the_model_does(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("schedules")
    check(steps, SQLiteSchedulerBackend(f"sqlite:///{folder}/schedules.db"))
