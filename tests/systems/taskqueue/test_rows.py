"""One test for each oddity of the original executors: each fails on how those behave."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    Config,
    CPUExecutor,
    ExecutorConfig,
    IOExecutor,
    SQLiteBackend,
    TaskStatus,
    TaskTimeoutError,
    UnknownTaskIdError,
)

# What the originals do, and what is done instead. Others have theirs beside the scheduler's tests.
ROWS = {
    "f1": "equal priorities come in any order: first in, first out",
    "f2": "a retry into a full queue blocks the only worker: there is room for retries",
    "f3": "the delay before a retry occupies the worker: others are run meanwhile",
    "f4": "the last record has lost what the first one had: there is one record",
    "f5": "a result that cannot be kept kills the worker: the task has failed, the worker lives",
    "f6": "the end of a wait is any TimeoutError, an unknown id waits for ever: they are told",
    "f7": "settings from the environment, and no settings, crash: they work",
    "f9": "a task that a stop has interrupted is run again, its record says RUNNING: neither",
    "f15": "processes work one after the other: at the same time",
    "f16": "one crashed process fails all later tasks: it is replaced",
}

pytestmark = pytest.mark.simclock


def test_every_row_has_a_test():
    names = re.findall(r"def test_(f\d+)_", Path(__file__).read_text(), re.MULTILINE)

    assert list(dict.fromkeys(names)) == list(ROWS)


def one_worker(**settings):
    return IOExecutor(Config(executor=ExecutorConfig(io_workers=1, **settings)))


async def test_f1_equal_priorities_are_first_in_first_out(note):
    executor = one_worker()

    @executor.task()
    async def run(number):
        note(number)
        await asyncio.sleep(1)

    async with executor:
        for number in range(12):
            await executor.submit(run, number)
        await executor.submit(run, "urgent", priority=-1)
        await executor.submit(run, "late", priority=1)

    # The first one is taken when the loop gets its turn: by then the urgent one is there.
    assert note.log == [
        (0.0, "urgent"),
        *((1.0 + number, number) for number in range(12)),
        (13.0, "late"),
    ]


async def test_f2_a_retry_finds_room_in_a_full_queue(note):
    executor = one_worker(max_queue_size=1)

    @executor.task(max_retries=1, retry_delay=1.0)
    async def fail():
        note("fails")
        raise LookupError

    @executor.task()
    async def work(number):
        note(number)
        await asyncio.sleep(2)

    async with executor:
        await executor.submit(fail)
        for number in range(3):
            await executor.submit(work, number)
            note("submitted", number)

    assert note.log == [
        (0.0, "submitted", 0),
        (0.0, "fails"),
        # Its retry is put into the queue, where there is no room for others any more.
        (0.0, 0),
        (2.0, "submitted", 1),
        (2.0, "fails"),
        (2.0, "submitted", 2),
        (2.0, 1),
        (4.0, 2),
    ]


async def test_f3_a_worker_does_not_sleep_until_the_retry(note):
    executor = one_worker()

    @executor.task(max_retries=1, retry_delay=10.0)
    async def fail():
        note("fails")
        raise LookupError

    @executor.task()
    async def work():
        note("works")

    async with executor:
        await executor.submit(fail)
        await executor.submit(work)

    assert note.log == [(0.0, "fails"), (0.0, "works"), (10.0, "fails")]


async def test_f4_one_record_has_all_from_the_submission_to_the_end(sim):
    executor = one_worker()

    @executor.task(max_retries=1, retry_delay=1.0)
    async def fail(*args, **kwargs):
        await asyncio.sleep(1)
        raise LookupError("why")

    async with executor:
        start = sim.wall
        task_id = await executor.submit(fail, 1, "a", key=[2])
        await executor.submit(fail)
        record = await executor.wait_for_result(task_id)

    def seconds(instant):
        assert instant.utcoffset() == timedelta(0)
        return (instant - start).total_seconds()

    assert (record.args, record.kwargs) == ((1, "a"), {"key": [2]})
    assert (record.task_name, record.retries, record.error) == ("fail", 1, "why")
    # The second one is run in between.
    assert seconds(record.submitted_at) == 0
    assert seconds(record.started_at) == 2
    assert seconds(record.finished_at) == 3


async def test_f5_a_result_that_cannot_be_kept_is_a_failure_of_its_task_only(tmp_path):
    backend = BackendConfig(f"sqlite:///{tmp_path}/results")
    executor = IOExecutor(Config(backend=backend, executor=ExecutorConfig(io_workers=1)))

    @executor.task()
    async def odd():
        return object()

    @executor.task()
    async def work():
        return "done"

    async with executor:
        bad = await executor.submit(odd)
        good = await executor.submit(work)
        failed = await executor.wait_for_result(bad)
        done = await executor.wait_for_result(good)

    assert (failed.status, failed.retries, failed.result) == (TaskStatus.FAILED, 0, None)
    assert re.match("its result is lost: .* cannot be serialised: .*object", failed.error)
    assert done.result == "done"


async def test_f6_waiting_too_long_and_for_nothing_are_told_apart(sim):
    executor = one_worker()

    @executor.task()
    async def work():
        await asyncio.sleep(10)

    async with executor:
        task_id = await executor.submit(work)
        with pytest.raises(TaskTimeoutError, match="not ended within 3 s") as error:
            await executor.wait_for_result(task_id, timeout=3)
        assert sim.elapsed == 3
        with pytest.raises(UnknownTaskIdError, match="no task has this id: 'nobody'"):
            await executor.wait_for_result("nobody")
        assert sim.elapsed == 3
        assert (await executor.wait_for_result(task_id, timeout=8)).is_success

    assert isinstance(error.value, TimeoutError)
    assert (error.value.task_id, error.value.timeout) == (task_id, 3)


async def test_f7_no_settings_are_needed(monkeypatch):
    monkeypatch.setenv("FLOWRRA_EXECUTOR_IO_WORKERS", "2")
    assert Config.from_env() == Config(executor=ExecutorConfig(io_workers=2))
    executor = IOExecutor()

    @executor.task()
    async def work():
        return "done"

    async with executor:
        record = await executor.wait_for_result(await executor.submit(work))
    assert record.result == "done"


async def test_f9_what_a_stop_has_interrupted_is_not_run_again(note):
    executor = one_worker()

    @executor.task()
    async def work(number):
        note("begins", number)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            note("interrupted", number)
            raise
        note("ends", number)

    await executor.start()
    first, second = [await executor.submit(work, number) for number in range(2)]
    await asyncio.sleep(1)
    await executor.stop(wait=False)
    note("stopped")
    record = await executor.get_result(first)
    assert (record.status, record.error) == (TaskStatus.CANCELLED, "the executor was stopped")
    assert (await executor.get_result(second)).status is TaskStatus.PENDING

    await executor.start()
    assert (await executor.wait_for_result(second)).is_success
    await executor.stop()

    assert note.log == [
        (0.0, "begins", 0),
        (1.0, "interrupted", 0),
        (1.0, "stopped"),
        (1.0, "begins", 1),
        (11.0, "ends", 1),
    ]


def processes(tmp_path, **settings):
    backend = SQLiteBackend(f"sqlite:///{tmp_path}/results")
    return CPUExecutor(Config(executor=ExecutorConfig(**settings)), backend=backend), backend


@pytest.mark.simclock(processes="simulated")
async def test_f15_processes_work_at_the_same_time(sim, tmp_path, functions):
    executor, backend = processes(tmp_path, cpu_workers=4)
    executor.task()(functions.square)

    async with executor:
        ids = [await executor.submit(functions.square, number, 0.4) for number in range(4)]
        results = [(await executor.wait_for_result(each)).result for each in ids]
    await backend.close()

    assert results == [0, 1, 4, 9]
    assert round(sim.elapsed, 1) == 0.4


@pytest.mark.simclock(processes="simulated")
async def test_f16_a_crashed_process_is_replaced(sim, tmp_path, functions):
    executor, backend = processes(tmp_path, cpu_workers=1)
    executor.task()(functions.crash)
    executor.task()(functions.square)

    async with executor:
        crashing = await executor.submit(functions.crash, f"{tmp_path}/crashed")
        square = await executor.submit(functions.square, 3)
        crashed = await executor.wait_for_result(crashing)
        squared = await executor.wait_for_result(square)
    await backend.close()

    assert (crashed.result, crashed.losses, crashed.retries) == ("survived", 1, 0)
    assert squared.result == 9
