"""Each operation of a scheduler's store fails, or is its last: each run is executed once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import datetime, timedelta, timezone

import pytest

from simclock.systems._shared.stores.interfaces import StoreError
from simclock.systems._shared.stores.memory import MemoryRecords
from simclock.systems.taskqueue import Flowrra
from simclock.systems.taskqueue.access import Near
from simclock.systems.taskqueue.schedule_backends import StoreSchedulerBackend
from simclock.systems.taskqueue.scheduling import Schedules

# Longer than a claim lasts, so that what is claimed is not missed.
INTERVAL = 100.0
RUNS = 3
OPERATIONS = ("create", "get", "swap", "with_status")


class Faulty:
    """Records of which one operation fails: before it is done, or after; or all from there on."""

    def __init__(self, records, number, how):
        self._records = records
        self._number = number
        self._how = how
        self.count = 0

    def __getattr__(self, name):
        operation = getattr(self._records, name)
        if name not in OPERATIONS:
            return operation

        def call(*args, **kwargs):
            self.count += 1
            is_it = self.count == self._number
            if (self._how == "before" and is_it) or (
                self._how == "dead" and self.count >= self._number
            ):
                raise StoreError("it is gone")
            result = operation(*args, **kwargs)
            if self._how == "after" and is_it:
                raise StoreError("its answer is lost")
            return result

        return call


async def scenario(records, faulty):
    """Run a scheduler on records that fail, and another one that takes over, with one executor."""
    app = Flowrra()
    executed = []

    @app.task()
    async def work():
        executed.append(datetime.now(timezone.utc))

    good = StoreSchedulerBackend(Near(records))
    await Schedules(good, app.registry, "UTC", str).schedule_interval("work", INTERVAL)
    app.create_scheduler(StoreSchedulerBackend(Near(faulty)))
    async with app:
        await asyncio.sleep(INTERVAL / 2)
        async with Flowrra() as other:
            other.registry.task("work")(work)
            other.create_scheduler(good).set_submission(app._submit_run)
            await asyncio.sleep(INTERVAL * RUNS)
    return executed


def run(number, how):
    """Return when the runs were executed, and how many operations the first scheduler has done."""
    began = datetime.now(timezone.utc)
    records = MemoryRecords()
    faulty = Faulty(records, number, how)
    executed = asyncio.run(scenario(records, faulty))
    return [(each - began) / timedelta(seconds=1) for each in executed], faulty.count


@pytest.mark.simclock
@pytest.mark.parametrize("how", ["before", "after", "dead"])
def test_whichever_operation_fails_each_run_is_executed_once(sim, how, caplog):
    in_time, count = run(0, "never")
    assert in_time == [INTERVAL * number for number in range(1, RUNS + 1)]

    for number in range(1, count + 1):
        executed, _ = run(number, how)
        # In time, or when the claim of who was lost has expired.
        late = [at - tick for at, tick in zip(executed, in_time, strict=True)]
        assert all(0 <= each <= 31 for each in late), (number, executed)
    assert count >= 10


@pytest.mark.simclock
def test_what_is_scheduled_again_as_the_answer_was_lost_is_one_schedule(sim):
    async def main(number):
        app = Flowrra()

        @app.task()
        async def work(): ...

        faulty = Faulty(MemoryRecords(), number, "after")
        schedules = Schedules(StoreSchedulerBackend(Near(faulty)), app.registry, "UTC", str)
        with contextlib.suppress(StoreError):
            await schedules.schedule_interval("work", 1)
        await schedules.schedule_interval("work", 1)
        assert len(await schedules.list_scheduled_tasks()) == 1

    # It asks for one of the same definition by its id, in both lists, and writes it.
    for number in range(1, 5):
        asyncio.run(main(number))


@pytest.mark.simclock(runs=30, latency=0)
def test_whatever_the_schedule_two_schedulers_submit_each_run_once(sim, tmp_path):
    url = f"sqlite:///{tmp_path}/schedules.db"
    seen = []

    def node():
        async def submit(func, *, task_id):
            seen.append(task_id)

        async def main():
            app = Flowrra()

            @app.task()
            async def work(): ...

            scheduler = app.create_scheduler(url)
            scheduler.set_submit_callback(submit)
            async with scheduler:
                await scheduler.schedule_interval("work", 1)
                await asyncio.sleep(3.5)

        asyncio.run(main())

    nodes = [threading.Thread(target=node) for _ in range(2)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.join()

    assert len(seen) == len(set(seen)) == 3
