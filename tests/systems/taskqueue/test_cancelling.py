"""Cancelling tasks: those that wait, those that run, and those of others."""

from __future__ import annotations

import asyncio

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    IOExecutor,
    TaskStatus,
)

pytestmark = pytest.mark.simclock


def one_worker(config=None):
    return IOExecutor(config or Config(executor=ExecutorConfig(io_workers=1)))


def working(executor, note):
    @executor.task(max_retries=1, retry_delay=5.0)
    async def work(number, seconds=10.0):
        note("begins", number)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note("interrupted", number)
            raise

    return work


async def test_a_task_that_waits_is_never_begun(note):
    executor = one_worker()
    work = working(executor, note)

    async with executor:
        await executor.submit(work, 1)
        task_id = await executor.submit(work, 2)
        assert await executor.cancel(task_id) is True
        record = await executor.wait_for_result(task_id)
        assert await executor.cancel(task_id) is False

    assert (record.status, record.error) == (TaskStatus.CANCELLED, "the task was cancelled")
    assert record.is_complete
    assert not record.is_success
    assert record.finished_at is not None
    assert note.log == [(0.0, "begins", 1)]


async def test_a_task_that_runs_is_interrupted_at_once(note):
    executor = one_worker()
    work = working(executor, note)

    async with executor:
        task_id = await executor.submit(work, 1)
        await executor.submit(work, 2)
        await asyncio.sleep(3)
        assert await executor.cancel(task_id)
        record = await executor.get_result(task_id)
        assert record.status is TaskStatus.CANCELLED

    assert note.log == [(0.0, "begins", 1), (3.0, "interrupted", 1), (3.0, "begins", 2)]
    assert (await executor.get_result(task_id)) == record


async def test_a_retry_that_waits_is_not_run(note):
    executor = one_worker()

    @executor.task(max_retries=1, retry_delay=5.0)
    async def fail():
        note("fails")
        raise LookupError

    async with executor:
        task_id = await executor.submit(fail)
        await asyncio.sleep(1)
        assert await executor.cancel(task_id)
    note("stopped")

    assert note.log == [(0.0, "fails"), (1.0, "stopped")]


async def test_what_a_cancelled_task_returns_is_not_seen():
    executor = one_worker()

    @executor.task()
    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "all the same"

    async with executor:
        task_id = await executor.submit(stubborn)
        await asyncio.sleep(1)
        assert await executor.cancel(task_id)

    record = await executor.get_result(task_id)
    assert (record.status, record.result) == (TaskStatus.CANCELLED, None)


async def test_there_is_nothing_to_cancel():
    executor = one_worker()

    @executor.task()
    async def work(): ...

    async with executor:
        assert await executor.cancel("nobody") is False
        task_id = await executor.submit(work)
        await executor.wait_for_result(task_id)
        assert await executor.cancel(task_id) is False


async def test_a_cancelled_task_makes_room(note):
    executor = IOExecutor(Config(executor=ExecutorConfig(io_workers=1, max_queue_size=1)))
    work = working(executor, note)

    async with executor:
        await executor.submit(work, 1)
        waits = await executor.submit(work, 2)
        submitting = asyncio.ensure_future(executor.submit(work, 3))
        await asyncio.sleep(1)
        assert not submitting.done()
        await executor.cancel(waits)
        await submitting
        assert note.log == [(0.0, "begins", 1)]
    assert note.log[1:] == [(10.0, "begins", 3)]


async def test_a_task_of_another_process_is_interrupted_with_its_next_lease(note, tmp_path):
    url = f"sqlite:///{tmp_path}/all"
    config = Config(BrokerConfig(url, lease=6.0), BackendConfig(url))
    executor, other = one_worker(config), one_worker(config)
    work = working(executor, note)

    async with executor:
        task_id = await executor.submit(work, 1)
        await asyncio.sleep(1)
        # This one only asks; it does not run.
        assert await other.cancel(task_id)
        note("cancelled")
        assert (await executor.wait_for_result(task_id)).status is TaskStatus.CANCELLED

    log = [(round(instant, 2), *what) for instant, *what in note.log]
    assert [what for _, *what in log] == [["begins", 1], ["cancelled"], ["interrupted", 1]]
    assert 2.0 <= log[-1][0] < 2.2
