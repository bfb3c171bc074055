"""What one does wrong at first: each with an error that says so, and nothing else disturbed."""

from __future__ import annotations

import asyncio
import logging

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    CPUExecutor,
    ExecutorConfig,
    Flowrra,
    InMemoryBackend,
    InMemoryBroker,
    IOExecutor,
    TaskArgumentError,
    TaskStatus,
)

pytestmark = pytest.mark.simclock


@pytest.fixture
def working():
    executor = IOExecutor(Config(executor=ExecutorConfig(io_workers=2)))

    @executor.task(max_retries=0)
    async def work(number):
        await asyncio.sleep(1)
        return number

    return executor, work


async def test_calls_in_place_of_functions_and_ids(working):
    executor, work = working

    async with executor:
        with pytest.raises(
            TypeError, match=r"^'work' was called, .*\nwrite submit\(work, \.\.\.\)"
        ):
            await executor.submit(work(1))
        for use in (executor.wait_for_result, executor.get_result, executor.cancel):
            with pytest.raises(TypeError, match=r"^a coroutine is no id .* await submit"):
                await use(executor.submit(work, 1))
            with pytest.raises(TypeError, match=r"^this is no id of a task: None\ngive the text"):
                await use(None)
        for wrong in (None, "", 3):
            with pytest.raises(TypeError, match="this is no id of a task"):
                await executor.submit_once(wrong, work, [1])
        with pytest.raises(ValueError, match="timeout has no meaning: 'soon'"):
            await executor.wait_for_result("nobody", timeout="soon")
        record = await executor.wait_for_result(await executor.submit(work, 7))

    assert record.result == 7


async def test_arguments_that_the_function_does_not_take(working):
    executor, work = working

    async with executor:
        for args, kwargs in (((), {}), ((1, 2), {}), ((1,), {"other": 2})):
            with pytest.raises(
                TaskArgumentError, match=r"^'work' cannot be called so: .*\nit is work\(number\)"
            ):
                await executor.submit(work, *args, **kwargs)


async def test_what_cannot_be_submitted_once(working):
    executor, work = working
    wrong = (
        (ValueError, "max_retries has no meaning: '3'", {"max_retries": "3"}),
        (ValueError, "retry_delay has no meaning: -1.0", {"retry_delay": -1.0}),
        (TaskArgumentError, r"args are no arguments of a call: '1'\ngive a list", {"args": "1"}),
        (TaskArgumentError, "kwargs are no arguments by keyword: {1: 2}", {"kwargs": {1: 2}}),
        (TaskArgumentError, r"kwargs are no arguments by keyword: \[\]", {"kwargs": []}),
    )

    async with executor:
        for error, message, options in wrong:
            with pytest.raises(error, match=f"^{message}"):
                await executor.submit_once("once", work, **{"args": [1], **options})
        assert await executor.get_result("once") is None
        await executor.submit_once("once", work, kwargs={"number": 1})


async def test_arguments_that_the_store_does_not_take(tmp_path):
    url = f"sqlite:///{tmp_path}/tasks"
    executor = IOExecutor(Config(BrokerConfig(url), BackendConfig(url)))

    @executor.task()
    async def work(what):
        return what

    async with executor:
        with pytest.raises(TaskArgumentError, match=r"^a call of 'work' cannot be kept: "):
            await executor.submit(work, object())
        record = await executor.wait_for_result(await executor.submit(work, 1))

    assert record.result == 1


@pytest.mark.parametrize("kind", [IOExecutor, CPUExecutor])
@pytest.mark.parametrize(
    ("name", "value"),
    [("config", "redis://x"), ("registry", {}), ("broker", "redis://x"), ("backend", 3)],
)
def test_parts_of_the_wrong_type(kind, name, value):
    given = {"config": Config(backend=BackendConfig("memory://")), name: value}

    with pytest.raises(TypeError, match=rf"^{name} is no \w+: {value!r}\ngive "):
        kind(**given)


async def test_functions_without_attributes_of_their_own():
    executor = IOExecutor()

    class Shop:
        async def sell(self, number):
            return number + 1

    sell = Shop().sell
    executor.task()(sell)
    async with executor:
        record = await executor.wait_for_result(await executor.submit(sell, 1))

    assert record.result == 2


async def test_a_task_that_stops_what_runs_it(working):
    executor, work = working

    @executor.task(max_retries=0)
    async def stops():
        await executor.stop()

    async with executor:
        record = await executor.wait_for_result(await executor.submit(stops))
        other = await executor.wait_for_result(await executor.submit(work, 1))

    assert record.status is TaskStatus.FAILED
    assert record.error.startswith("a task stops what runs it: <IOExecutor")
    assert other.result == 1


async def test_whoever_is_cancelled_does_not_wait_for_tasks(working, sim):
    executor, work = working

    async def main():
        async with executor:
            for number in range(100):
                await executor.submit(work, number)
            await asyncio.sleep(0.5)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await main()
    assert sim.elapsed == 0.5


async def test_who_does_not_know_a_function_leaves_it_to_others(sim, caplog):
    broker = InMemoryBroker()
    broker.lease = 3.0
    knows, does_not = (IOExecutor(broker=broker) for _ in range(2))
    does_not._backend = knows._backend
    does_not._ledger = knows._ledger

    @knows.task()
    async def work():
        return "done"

    async with does_not:
        async with knows:
            tasks = [await knows.submit(work) for _ in range(5)]
            await asyncio.sleep(1)
        records = [await knows.get_result(each) for each in tasks]

    assert [(each.status, each.retries) for each in records] == [(TaskStatus.SUCCESS, 0)] * 5


async def test_a_function_that_nobody_knows_fails_in_the_end(sim, caplog):
    broker = InMemoryBroker()
    broker.lease = 30.0
    caplog.set_level(logging.WARNING)
    executor = IOExecutor(broker=broker)

    @executor.task(max_retries=0)
    async def work():
        return "done"

    async with executor:
        task_id = await executor.submit(work)
        executor.registry.unregister("work")
        record = await executor.wait_for_result(task_id)

    assert record.status is TaskStatus.FAILED
    assert record.error.startswith("no task has this name: 'work'")
    # 0.1, 0.2, ... 51.2, and 60 s five times.
    assert sim.elapsed == pytest.approx(402.3)
    assert "is given back for 0.1 s, as its function is not registered here" in caplog.text


async def test_who_only_submits(sim):
    broker = InMemoryBroker()
    broker.lease = 3.0
    submits = IOExecutor(Config(executor=ExecutorConfig(io_workers=0)), broker=broker)

    @submits.task()
    async def work():
        return "done"

    async with submits:
        await submits.submit(work)

    assert sim.elapsed == 0
    assert await broker.size() == 1


async def test_what_was_given_is_closed_by_who_has_made_it(tmp_path):
    class Noting(InMemoryBroker):
        async def close(self):
            closed.append("broker")

    class NotingBackend(InMemoryBackend):
        async def close(self):
            closed.append("backend")

    closed = []
    async with IOExecutor(broker=Noting(), backend=NotingBackend()):
        pass

    assert closed == []


async def test_who_shares_a_broker_looks_for_tasks_of_others_each_poll_interval(sim):
    class Looks(InMemoryBroker):
        async def claim(self, owner):
            looks.append(sim.elapsed)
            return await super().claim(owner)

    looks = []
    broker = Looks()
    broker.poll_interval = BrokerConfig("sqlite:///x.db").poll_interval
    async with IOExecutor(broker=broker):
        await asyncio.sleep(3600)

    assert len(looks) == pytest.approx(36_000, abs=5)


def test_passwords_are_not_shown():
    shown = repr(
        Config(BrokerConfig("redis://me:secret@here"), BackendConfig("rediss://:secret@x"))
    )

    assert "secret" not in shown
    assert "BrokerConfig(url='redis://me:***@here', max_connections=50" in shown


@pytest.mark.parametrize("url", ["redis://here/zero", "redis://here/-1", "rediss://here/0/1"])
def test_a_database_is_a_number(url):
    with pytest.raises(ValueError, match=r"url has no meaning: '\w+://here/.*' is no number"):
        BrokerConfig(url)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"args": "abc"}, r"^args are no arguments of a call: 'abc'\ngive a list, .*\['abc'\]"),
        ({"args": 5}, "^args are no arguments of a call: 5"),
        ({"kwargs": [1]}, r"^kwargs are no arguments by keyword: \[1\]"),
    ],
)
async def test_arguments_of_schedules(more, message):
    app = Flowrra()

    @app.task()
    async def work(*args, **kwargs): ...

    scheduler = app.create_scheduler()
    with pytest.raises(TaskArgumentError, match=message):
        await scheduler.schedule_interval("work", 5.0, **more)
    assert await scheduler.list_scheduled_tasks() == []
