"""What each place for schedules promises, in memory, in a SQLite file, on a Redis server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import datetime, timedelta, timezone

import pytest

from simclock.systems.taskqueue import BackendError, TaskArgumentError
from simclock.systems.taskqueue.schedule_backends import (
    InMemorySchedulerBackend,
    RedisSchedulerBackend,
    SQLiteSchedulerBackend,
    get_scheduler_backend,
)
from simclock.systems.taskqueue.schedules import Claim, ScheduledTask, ScheduleType

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def task(name, at=0, **changes):
    return ScheduledTask(
        name,
        "tick",
        ScheduleType.INTERVAL,
        "1.0",
        **{
            "args": (name, at),
            "next_run_at": START + timedelta(seconds=at),
            "created_at": START,
            **changes,
        },
    )


@pytest.fixture(params=["memory", "sqlite", "redis"])
def backend(request, tmp_path):
    if request.param == "memory":
        return InMemorySchedulerBackend()
    if request.param == "sqlite":
        return SQLiteSchedulerBackend(f"sqlite:///{tmp_path}/schedules.db")
    return RedisSchedulerBackend(
        request.getfixturevalue("redis_url"), request.getfixturevalue("redis_prefix")
    )


@pytest.fixture
def run(backend):
    """Return a function that runs a coroutine function with the backend, and closes that."""

    def run(main):
        async def whole():
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(backend.close)
                return await main(backend)

        return asyncio.run(whole())

    return run


def test_what_was_created_is_there_until_it_is_deleted(run):
    one = task(
        "one", kwargs={"when": START, 1: {2, 3}}, claim=Claim("me", START), timezone="Asia/Tokyo"
    )

    async def main(backend):
        await backend.create(one)
        with pytest.raises(ValueError, match="there is a schedule of this id: 'one'"):
            await backend.create(task("one", 5))
        found = await backend.get("one")
        assert found.updated_at is not None
        assert dataclasses.replace(found, updated_at=None) == one
        await backend.close()
        assert await backend.get("one") == found
        assert await backend.get("two") is None
        assert [await backend.delete("one") for _ in range(2)] == [True, False]
        assert await backend.list_all() == []

    run(main)


def test_lists_are_in_the_order_that_they_promise(run):
    async def main(backend):
        for number, (name, at, priority, enabled) in enumerate(
            [
                ("late", 30, 0, True),
                ("off", 0, 0, False),
                ("low", 10, 5, True),
                ("early", 20, 0, True),
            ]
        ):
            created = START + timedelta(seconds=number)
            await backend.create(
                task(name, at, priority=priority, enabled=enabled, created_at=created)
            )
        found = (
            await backend.list_all(),
            await backend.list_enabled(),
            await backend.list_due(START + timedelta(seconds=20)),
            await backend.list_due(START + timedelta(seconds=100)),
        )
        assert await backend.clear() == 4
        return [[each.id for each in tasks] for tasks in found]

    assert run(main) == [
        ["late", "off", "low", "early"],
        ["low", "early", "late"],
        ["early", "low"],
        ["early", "late", "low"],
    ]


def test_updates_are_of_what_is_there(run):
    async def main(backend):
        await backend.create(task("one"))
        await backend.update(task("one", 7, enabled=False))
        assert (await backend.get("one")).args == ("one", 7)
        assert await backend.list_enabled() == []
        later = START + timedelta(days=1)
        await backend.update_run_times("one", START, later)
        found = await backend.get("one")
        assert (found.last_run_at, found.next_run_at) == (START, later)
        for change in (backend.update(task("two")), backend.update_run_times("two", None, None)):
            with pytest.raises(ValueError, match="there is no schedule of this id: 'two'"):
                await change

    run(main)


def test_changes_at_the_same_time_are_all_made(run):
    async def main(backend):
        await backend.create(task("one"))
        await asyncio.gather(
            *(
                backend.change("one", lambda it: dataclasses.replace(it, runs=it.runs + 1))
                for _ in range(20)
            )
        )
        assert (await backend.get("one")).runs == 20
        assert await backend.change("one", lambda _: None) is None
        assert await backend.change("two", lambda it: it) is None

    run(main)


def test_the_same_definition_is_found_whatever_its_id(run):
    async def main(backend):
        await backend.create(task("one", args=(), kwargs={"a": 1, "b": 2}))
        same = task("other", 99, args=(), kwargs={"b": 2, "a": 1}, description="another")
        assert (await backend.find_by_definition(same)).id == "one"
        for changes in ({"schedule": "2.0"}, {"args": (0,)}, {"task_name": "tock"}):
            assert await backend.find_by_definition(dataclasses.replace(same, **changes)) is None

    run(main)


def test_arguments_that_cannot_be_kept_are_refused_by_files(tmp_path):
    backend = SQLiteSchedulerBackend(f"sqlite:///{tmp_path}/schedules.db")

    async def main():
        try:
            with pytest.raises(TaskArgumentError, match="task 'tick' cannot be scheduled: "):
                await backend.create(task("one", args=(object(),)))
        finally:
            await backend.close()

    asyncio.run(main())


def test_a_place_that_is_none_is_an_error_with_a_name(tmp_path):
    async def ask(url):
        backend = get_scheduler_backend(url)
        try:
            with pytest.raises(BackendError, match=r"^schedules .*: the .* cannot be used: "):
                await backend.list_all()
        finally:
            await backend.close()

    (tmp_path / "text").write_text("this is no database, as anybody can see who reads it" * 100)
    for url in (
        f"sqlite:///{tmp_path}",
        f"sqlite:///{tmp_path}/text",
        f"sqlite:///{tmp_path}/no/db",
    ):
        asyncio.run(ask(url))


@pytest.mark.parametrize(
    "url", ["", "schedules.db", "postgresql://localhost", "sqlite://", "sqlite:///"]
)
def test_urls_without_a_meaning_are_refused(url):
    with pytest.raises(ValueError, match=r"^url "):
        get_scheduler_backend(url)


def test_what_is_meant_by_an_argument():
    backend = InMemorySchedulerBackend()

    assert get_scheduler_backend(backend) is backend
    assert isinstance(get_scheduler_backend(None), InMemorySchedulerBackend)
    assert isinstance(get_scheduler_backend("memory://"), InMemorySchedulerBackend)
    assert isinstance(get_scheduler_backend("sqlite:///x.db"), SQLiteSchedulerBackend)
    assert isinstance(get_scheduler_backend("redis://localhost"), RedisSchedulerBackend)
