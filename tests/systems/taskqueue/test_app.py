"""What an application promises beyond its executors and its scheduler."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta, timezone

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    EventBus,
    ExecutorConfig,
    ExecutorNotRunningError,
    Flowrra,
    SchedulerConfig,
    SQLiteSchedulerBackend,
    TaskNotFoundError,
    TaskStatus,
    TaskTimeoutError,
    UnknownTaskIdError,
)

START = datetime(2000, 1, 1, tzinfo=timezone.utc)
MEMORY = Config(backend=BackendConfig("memory://"))
pytestmark = pytest.mark.simclock(processes="simulated")


async def test_each_function_is_run_where_it_belongs(functions, note):
    app = Flowrra(MEMORY)
    app.task("square", cpu_bound=True)(functions.square)

    @app.task()
    async def double(number):
        await asyncio.sleep(1)
        return 2 * number

    async with app:
        ids = [await app.submit(double, 3), await app.submit(functions.square, 3)]
        records = [await app.wait_for_result(task_id) for task_id in ids]

    assert [record.result for record in records] == [6, 9]
    assert [(await app.get_result(task_id)).status for task_id in ids] == [TaskStatus.SUCCESS] * 2
    assert await app.get_result("nobody") is None


async def test_a_plain_function_needs_a_backend(functions):
    with pytest.raises(ValueError, match="a CPUExecutor has no backend"):
        Flowrra().task(cpu_bound=True)(functions.square)


async def test_what_is_asked_of_an_application_that_does_not_run(note):
    app = Flowrra()

    @app.task()
    async def work(): ...

    async def other(): ...

    with pytest.raises(ExecutorNotRunningError, match="the application is not running"):
        await app.submit(work)
    async with app:
        with pytest.raises(TaskNotFoundError):
            await app.submit(other)
        with pytest.raises(UnknownTaskIdError):
            await app.wait_for_result("nobody")
        with pytest.raises(ValueError, match="nobody"):
            await app.wait_for_result("nobody", 1)
        assert not await app.cancel("nobody")
    assert await app.get_result("nobody") is None


async def test_priorities_waits_and_cancellation(note):
    app = Flowrra(Config(executor=ExecutorConfig(io_workers=1)))

    @app.task()
    async def work(name):
        note(name)
        await asyncio.sleep(1)

    async with app:
        first = await app.submit(work, "first")
        await asyncio.sleep(0.5)
        ids = [
            await app.submit(work, f"priority {number}", priority=number) for number in (2, 1, 0)
        ]
        with pytest.raises(TaskTimeoutError):
            await app.wait_for_result(ids[0], timeout=0.25)
        assert await app.cancel(ids[1])
        assert await app.cancel(first)
        assert not await app.cancel(first)

    assert note.log == [(0.0, "first"), (0.75, "priority 0"), (1.75, "priority 2")]
    assert (await app.get_result(first)).status is TaskStatus.CANCELLED


async def test_map_and_as_completed(note):
    app = Flowrra()

    @app.task()
    async def nap(seconds):
        await asyncio.sleep(seconds)
        return seconds

    async with app:
        async for seconds in app.map(nap, [3, 1, 2]):
            note("map", seconds)
        ids = [await app.submit(nap, seconds) for seconds in (3, 1, 2)]
        async for record in app.as_completed(ids):
            note("completed", record.result)

    assert note.log == [
        (3.0, "map", 3),
        (3.0, "map", 1),
        (3.0, "map", 2),
        (4.0, "completed", 1),
        (5.0, "completed", 2),
        (6.0, "completed", 3),
    ]


async def test_a_map_that_is_left_cancels_what_it_is_ahead_by(note):
    app = Flowrra(Config(executor=ExecutorConfig(io_workers=1)))

    @app.task()
    async def nap(number):
        note(number)
        await asyncio.sleep(1)
        return number

    async with app:
        results = app.map(nap, range(5))
        assert await anext(results) == 0
        await results.aclose()

    assert note.log[0] == (0.0, 0)
    assert len(note.log) <= 2


async def test_events_are_told_to_its_own_bus():
    bus, told = EventBus(), []
    bus.subscribe(lambda event: told.append(event["task"]["status"]))
    app = Flowrra(events=bus)

    @app.task()
    async def work(): ...

    async with app:
        await app.wait_for_result(await app.submit(work))

    assert told == ["pending", "running", "success"]


# ------------------------------------------------------------------------------ its life


async def test_it_runs_until_what_was_submitted_is_done(note):
    app = Flowrra()

    @app.task()
    async def work(number):
        await asyncio.sleep(number)
        note("done", number)

    async with app:
        assert app.is_running
        await app.start()
        for number in (1, 2):
            await app.submit(work, number)
    await app.stop()

    assert not app.is_running
    assert repr(app) == "<Flowrra of 1 functions, not running>"
    assert note.log == [(1.0, "done", 1), (2.0, "done", 2)]


async def test_a_stop_takes_no_longer_than_it_may(note):
    app = Flowrra(MEMORY)

    @app.task()
    async def work():
        await asyncio.sleep(1000)

    async with app:
        task_id = await app.submit(work)
        await asyncio.sleep(1)
        await app.stop(timeout=5.0)
        note("stopped")

    assert note.log == [(6.0, "stopped")]
    assert (await app.get_result(task_id)).status is TaskStatus.CANCELLED


def test_it_may_be_started_again_in_another_loop(note):
    app = Flowrra()
    app.create_scheduler()

    @app.task()
    async def work():
        note("work")

    async def main():
        async with app:
            await app.scheduler.schedule_interval("work", 1)
            await asyncio.sleep(2.4)

    asyncio.run(main())
    asyncio.run(asyncio.sleep(1))
    asyncio.run(main())

    # What was due at 3 is made up for.
    assert note.log == [(at, "work") for at in (1.0, 2.0, 3.4, 4.0, 5.0)]


async def test_if_a_part_does_not_start_none_does(monkeypatch):
    app = Flowrra()
    scheduler = app.create_scheduler()

    @app.task()
    async def work(): ...

    async def fail():
        raise OSError("no")

    monkeypatch.setattr(scheduler, "start", fail)
    with pytest.raises(OSError, match="no"):
        await app.start()
    assert not app.is_running
    assert not app.io_executor.is_running


async def test_the_scheduler_stops_first_and_its_last_runs_are_done(note):
    app = Flowrra()
    scheduler = app.create_scheduler()

    @app.task()
    async def work():
        await asyncio.sleep(3)
        note("done")

    async with app:
        await scheduler.schedule_interval("work", 1)
        await asyncio.sleep(1.5)
    note("stopped")

    assert note.log == [(4.0, "done"), (4.0, "stopped")]


def test_a_function_may_be_registered_by_another_thread_while_it_runs(note):
    app = Flowrra()

    def register():
        @app.task("late")
        async def late():
            note("late")

    async def main():
        async with app:
            thread = threading.Thread(target=register)
            thread.start()
            await asyncio.sleep(1)
            thread.join()
            assert app.io_executor.is_running
            await app.submit(app.registry.get("late"))

    asyncio.run(main())

    assert note.log == [(1.0, "late")]


# --------------------------------------------------------------------------- the scheduler


async def test_scheduled_tasks_are_run_and_their_results_kept(note, tmp_path, functions):
    app = Flowrra(
        Config(
            backend=BackendConfig(f"sqlite:///{tmp_path}/results.db"),
            scheduler=SchedulerConfig(
                f"sqlite:///{tmp_path}/schedules.db", enabled=True, timezone="Asia/Tokyo"
            ),
        )
    )
    app.task("square", cpu_bound=True)(functions.square)

    @app.task()
    async def work(number):
        note(number)

    async with app:
        scheduler = app.scheduler
        assert app.create_scheduler() is scheduler
        assert scheduler.timezone == "Asia/Tokyo"
        await scheduler.schedule_cron("work", "30 9 * * *", ["half past nine"])
        task_id = await scheduler.schedule_once(functions.square, START + timedelta(seconds=2), [5])
        run_id = (await scheduler.get_scheduled_task(task_id)).run_id
        await asyncio.sleep(3600)
        assert (await app.get_result(run_id)).result == 25

    assert note.log == [(1800.0, "half past nine")]


async def test_there_is_one_scheduler(tmp_path):
    app = Flowrra()
    scheduler = app.create_scheduler("memory://", 30.0)

    assert app.create_scheduler() is app.scheduler is scheduler
    assert scheduler.check_interval == 30.0
    with pytest.raises(ValueError, match="the application has a scheduler already"):
        app.create_scheduler(SQLiteSchedulerBackend(f"sqlite:///{tmp_path}/schedules.db"))
    with pytest.raises(ValueError, match="the application has a scheduler already"):
        app.create_scheduler(check_interval=60.0)


async def test_a_scheduler_that_is_made_while_it_runs_runs(note):
    app = Flowrra()

    @app.task()
    async def work():
        note("work")

    async with app:
        scheduler = app.create_scheduler()
        await scheduler.schedule_once("work", START + timedelta(seconds=1))
        await asyncio.sleep(2)

    assert note.log == [(1.0, "work")]


async def test_a_run_that_is_submitted_twice_is_run_once(note):
    app = Flowrra()
    scheduler = app.create_scheduler()

    @app.task()
    async def work():
        note("work")

    change, failing = scheduler.backend.change, [True]

    async def fails(task_id, update):
        # The claim is written, what became of the run is not.
        if (await scheduler.backend.get(task_id)).claim is not None and failing:
            failing.clear()
            raise OSError("gone")
        return await change(task_id, update)

    scheduler.backend.change = fails
    async with app:
        await scheduler.schedule_once("work", START)
        await asyncio.sleep(5)

    assert note.log == [(0.0, "work")]
    assert not failing
    assert (await scheduler.list_scheduled_tasks())[0].runs == 1


async def test_a_full_queue_of_one_kind_keeps_up_no_other(note, functions):
    config = Config(
        backend=BackendConfig("memory://"), executor=ExecutorConfig(io_workers=1, max_queue_size=1)
    )
    app = Flowrra(config)
    app.task("square", cpu_bound=True)(functions.square)

    @app.task()
    async def slow():
        await asyncio.sleep(10)

    async with app:
        scheduler = app.create_scheduler()
        for number in range(4):
            await scheduler.schedule_once("slow", START, task_id=f"slow {number}", priority=number)
            await scheduler.schedule_once("slow", START, [], {}, task_id=f"again {number}")
        task_id = await scheduler.schedule_once("square", START, [2], priority=9)
        await asyncio.sleep(1)
        assert (await scheduler.get_scheduled_task(task_id)).runs == 1
        await app.stop(wait=False)


@pytest.mark.parametrize("broker", [None, "memory://"])
def test_urls(broker, tmp_path):
    app = Flowrra.from_urls(broker, f"sqlite:///{tmp_path}/results.db")

    assert app.config.broker == (None if broker is None else BrokerConfig(broker))
    assert app.config.backend == BackendConfig(f"sqlite:///{tmp_path}/results.db")
    assert app.scheduler is app.io_executor is app.cpu_executor is None
    with pytest.raises(ValueError, match="url is of no known kind"):
        Flowrra.from_urls("amqp://localhost")


async def test_it_is_for_the_loop_that_has_started_it(note):
    app = Flowrra(Config(scheduler=SchedulerConfig(enabled=True)))

    @app.task()
    async def work():
        note("works")

    async def elsewhere():
        for what in (app, app.scheduler):
            for use in (what.start(), what.stop()):
                with pytest.raises(RuntimeError, match=f"another event loop: {what!r}\nuse it"):
                    await use

    async with app:
        await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
        assert app.scheduler.is_running
        await app.wait_for_result(await app.submit(work))
    assert not app.is_running
    assert not app.io_executor.is_running
    assert not app.scheduler.is_running
    assert note.log == [(0, "works")]


async def test_a_timeout_that_has_no_meaning_stops_nothing():
    app = Flowrra()

    async with app:
        with pytest.raises(ValueError, match="timeout has no meaning: '5'"):
            await app.stop(timeout="5")
        assert app.is_running
