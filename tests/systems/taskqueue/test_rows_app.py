"""One test for each oddity of the original application and scheduler: each fails on those."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from simclock.systems.taskqueue import (
    Config,
    CronExpression,
    ExecutorConfig,
    Flowrra,
    Scheduler,
    TaskNotFoundError,
    TaskRegistry,
    TaskStatus,
)

# What the originals do, and what is done instead. Executors have theirs in `test_rows.py`.
ROWS = {
    "f8": "a task registered after the start is unusable: it is used at once",
    "f8b": "a function of two applications is submitted to the last: to the one that is asked",
    "f10": "an empty range and a leap day burn seconds of CPU, both days must match: they do not",
    "f11": "a URL with an absolute path means a relative one: four slashes are absolute",
    "f12": "an interval of 0.2 s runs once per second: exactly five times",
    "f13": "the order of kwargs makes another schedule: it does not",
    "f14": "priority and retries are not forwarded, and higher is first: they are, lower is first",
}
START = datetime(2000, 1, 1, tzinfo=timezone.utc)

pytestmark = pytest.mark.simclock


def test_every_row_has_a_test():
    names = re.findall(r"def test_(f\d+b?)_", Path(__file__).read_text(), re.MULTILINE)

    assert list(dict.fromkeys(names)) == list(ROWS)


@pytest.mark.simclock(processes="simulated")
@pytest.mark.parametrize("kind", ["first of its kind", "second of its kind"])
async def test_f8_a_task_that_is_registered_while_it_runs_is_used_at_once(note, kind):
    app = Flowrra()
    if kind == "second of its kind":

        @app.task()
        async def before(): ...

    async with app:

        @app.task()
        async def after():
            note("after")

        record = await app.wait_for_result(await app.submit(after), timeout=10)

    assert record.status is TaskStatus.SUCCESS
    assert note.log == [(0.0, "after")]


async def test_f8_workers_of_a_broker_start_without_any_submission(note, tmp_path):
    url = f"sqlite:///{tmp_path}/queue.db"
    producer, worker = Flowrra.from_urls(url, url), Flowrra.from_urls(url, url)

    async def work(number):
        note(number)
        if number > 1:
            await asyncio.sleep(1000)

    producer.task("work")(work)
    async with producer:
        # Its own places are taken, so it is the other one who has to.
        for number in (2, 3, 4, 5):
            await producer.submit(work, number)
        await asyncio.sleep(1)
        async with worker:
            worker.task("work")(work)
            task_id = await producer.submit(work, 1)
            assert (await producer.wait_for_result(task_id, timeout=10)).is_success
            await asyncio.gather(producer.stop(wait=False), worker.stop(wait=False))

    assert note.log[-1][1:] == (1,)


async def test_f8b_a_function_of_two_applications_is_submitted_to_the_one_that_is_asked():
    one, other, third = Flowrra(), Flowrra(), Flowrra()

    async def work(): ...

    one.task("in one")(work)
    other.task("in other")(work)
    async with one, other, third:
        names = [
            (await app.wait_for_result(await app.submit(work))).task_name for app in (one, other)
        ]
        with pytest.raises(TaskNotFoundError):
            await third.submit(work)

    assert names == ["in one", "in other"]


def test_f10_lines_that_are_never_due_are_refused_at_once_and_leap_days_found():
    began = time.process_time()

    with pytest.raises(ValueError, match="this is no minute of a cron line: '50-10'"):
        CronExpression("50-10 * * * *")
    with pytest.raises(ValueError, match="this cron line is never due: '0 0 30 2"):
        CronExpression("0 0 30 2 *")
    leap_day = CronExpression("0 0 29 2 *").next_run(datetime(2024, 3, 1, tzinfo=timezone.utc))
    assert leap_day == datetime(2028, 2, 29, tzinfo=timezone.utc)
    # The 13th, and each Friday.
    either = CronExpression("0 0 13 * FRI")
    assert either.next_run(datetime(2024, 3, 1, tzinfo=timezone.utc)).day == 8
    assert either.next_run(datetime(2024, 3, 8, tzinfo=timezone.utc)).day == 13
    assert time.process_time() - began < 1


def test_f11_a_url_with_four_slashes_is_an_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    registry = TaskRegistry()

    async def ask(url):
        await Scheduler(url, registry).list_scheduled_tasks()

    asyncio.run(ask(f"sqlite:///{tmp_path}/absolute.db"))
    asyncio.run(ask("sqlite:///relative.db"))

    assert f"sqlite:///{tmp_path}".startswith("sqlite:////")
    assert (tmp_path / "absolute.db").is_file()
    assert (tmp_path / "elsewhere" / "relative.db").is_file()


def test_f12_an_interval_of_a_fifth_of_a_second_is_exact(note):
    registry = TaskRegistry()

    @registry.task()
    async def tick(): ...

    async def submit(func):
        note(func.__name__)

    async def main():
        scheduler = Scheduler(None, registry)
        scheduler.set_submit_callback(submit)
        async with scheduler:
            await scheduler.schedule_interval("tick", 0.2)
            await asyncio.sleep(4.2001)

    asyncio.run(main())

    assert note.log == [(round(0.2 * number, 6), "tick") for number in range(1, 22)]


async def test_f13_the_order_of_keyword_arguments_makes_no_other_schedule():
    registry = TaskRegistry()

    @registry.task()
    async def tick(): ...

    scheduler = Scheduler(None, registry)
    kwargs = [{"a": 1, "b": {"x": 1, "y": 2}}, {"b": {"y": 2, "x": 1}, "a": 1}]
    ids = [await scheduler.schedule_interval("tick", 60, kwargs=each) for each in kwargs]
    ids += [await scheduler.schedule_interval("tick", 60.0, kwargs=kwargs[0], priority=1)]
    others = [
        await scheduler.schedule_interval("tick", 61, kwargs=kwargs[0]),
        await scheduler.schedule_interval("tick", 60, [1], kwargs[0]),
        await scheduler.schedule_cron("tick", "* * * * *", kwargs=kwargs[0]),
    ]

    assert len(set(ids)) == 1
    assert len({*ids, *others}) == len(await scheduler.list_scheduled_tasks()) == 4


async def test_f14_priority_and_retries_are_those_of_the_schedule(note):
    app = Flowrra(Config(executor=ExecutorConfig(io_workers=1)))
    scheduler = app.create_scheduler()

    @app.task()
    async def fail(name):
        note(name)
        raise LookupError

    at = START + timedelta(seconds=1)
    for name, priority in [("last", 2), ("first", -1), ("middle", 0)]:
        await scheduler.schedule_once("fail", at, [name], max_retries=0, priority=priority)
    await scheduler.schedule_once(
        "fail", at, ["again"], max_retries=2, retry_delay=10.0, priority=3
    )
    async with app:
        await asyncio.sleep(30)

    assert note.log == [
        (1.0, "first"),
        (1.0, "middle"),
        (1.0, "last"),
        (1.0, "again"),
        (11.0, "again"),
        (21.0, "again"),
    ]


async def test_f14_a_callback_is_told_what_it_has_names_for():
    registry, told = TaskRegistry(), []

    @registry.task()
    async def tick(*args, **kwargs): ...

    async def plain(func, *args, **kwargs):
        told.append((func, args, kwargs))

    async def named(func, *args, priority, max_retries, retry_delay=None, **kwargs):
        told.append((func, args, kwargs, priority, max_retries, retry_delay))

    for callback in (plain, named):
        scheduler = Scheduler(None, registry)
        scheduler.set_submit_callback(callback)
        await scheduler.schedule_once("tick", START, [1], {"a": 2}, max_retries=5, priority=-3)
        async with scheduler:
            await asyncio.sleep(1)

    assert told == [
        (tick, (1,), {"a": 2}),
        (tick, (1,), {"a": 2}, -3, 5, None),
    ]


async def test_f14_executors_are_told_too(note):
    app = Flowrra()

    @app.task()
    async def fail():
        note("fails")
        raise LookupError

    async with app:
        scheduler = Scheduler(None, app.registry, io_executor=app.io_executor)
        async with scheduler:
            await scheduler.schedule_once("fail", START, max_retries=1, retry_delay=2.5)
            await asyncio.sleep(10)

    assert note.log == [(0.0, "fails"), (2.5, "fails")]
