"""Executors of functions in processes, in simulated time; `test_real.py` has real processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from multiprocessing import connection
from multiprocessing.context import BaseContext, SpawnProcess

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    Config,
    CPUExecutor,
    EventBus,
    ExecutorConfig,
    TaskArgumentError,
    TaskStatus,
)
from simclock.systems.taskqueue.executors import processes

NAMES = (
    *("square", "crash", "fail", "fail_mutely", "leave", "interrupt", "unsendable", "unloadable"),
    *("long", "steps", "say", "pid"),
)
pytestmark = pytest.mark.simclock(processes="simulated")


@pytest.fixture
def make(functions):
    """Return a function that makes an executor of the functions of the module."""

    def make(workers=2, **settings):
        config = Config(
            backend=BackendConfig("memory://"),
            executor=ExecutorConfig(cpu_workers=workers, **settings),
        )
        executor = CPUExecutor(config, events=EventBus())
        for name in NAMES:
            executor.task(max_retries=1, retry_delay=1.0)(getattr(functions, name))
        return executor

    return make


async def ended(executor, *submission, **options):
    return await executor.wait_for_result(await executor.submit(*submission, **options))


async def test_as_many_at_once_as_there_are_processes(make, functions, note):
    executor = make(2)

    async with executor:
        ids = [await executor.submit(functions.square, number, 1.0) for number in range(5)]
        async for record in executor.as_completed(ids):
            note(record.result)

    assert note.log == [(1.0, 0), (1.0, 1), (2.0, 4), (2.0, 9), (3.0, 16)]


async def test_processes_are_kept(make, functions):
    async with make(1) as executor:
        pids = {(await ended(executor, functions.pid)).result for _ in range(3)}

    assert len(pids) == 1
    assert os.getpid() not in pids


async def test_map(make, functions):
    async with make() as executor:
        results = [each async for each in executor.map(functions.square, range(6), priority=3)]

    assert results == [0, 1, 4, 9, 16, 25]


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("fail", ("why",), "why"),
        ("fail", ("",), "LookupError"),
        ("leave", (), "3"),
        ("interrupt", (), "enough"),
        ("fail_mutely", (), "Mute"),
    ],
)
async def test_what_a_function_raises_is_its_failure(make, functions, name, args, text):
    async with make() as executor:
        record = await ended(executor, getattr(functions, name), *args)
        done = await ended(executor, functions.square, 3)

    assert (record.status, record.retries, record.error) == (TaskStatus.FAILED, 1, text)
    assert done.result == 9


async def test_the_traceback_of_the_process_is_logged(make, functions, caplog):
    caplog.set_level("INFO")
    async with make() as executor:
        await ended(executor, functions.fail, "why")

    assert "in fail\n    raise LookupError(text)\nLookupError: why" in caplog.text


async def test_a_crash_is_a_loss_and_no_failure(make, functions, tmp_path, sim):
    async with make(1) as executor:
        record = await ended(executor, functions.crash, f"{tmp_path}/crashed")

    assert (record.result, record.losses, record.retries) == ("survived", 1, 0)
    assert sim.elapsed == 1


async def test_what_crashes_again_and_again_has_failed(make, functions, sim, caplog):
    async with make(1, max_losses=2) as executor:
        crashing = await executor.submit(functions.crash)
        record = await executor.wait_for_result(crashing)
        done = await ended(executor, functions.square, 3)

    assert (record.status, record.losses, record.retries) == (TaskStatus.FAILED, 3, 0)
    assert record.error.startswith("3 workers were lost while they ran this task\n")
    assert round(sim.elapsed, 3) == 3
    assert done.result == 9
    assert len(caplog.messages) == 3


async def test_a_crash_concerns_no_other_task(make, functions, note):
    async with make(2) as executor:
        ids = [
            await executor.submit(functions.square, 3, 5.0),
            await executor.submit(functions.crash),
        ]
        async for record in executor.as_completed(ids):
            note(record.status.value, record.losses)

    assert note.log == [(4.0, "failed", 4), (5.0, "success", 0)]


async def test_arguments_that_cannot_be_sent_are_refused_and_nothing_is_stored(make, functions):
    async with make() as executor:
        with pytest.raises(TaskArgumentError, match="a call of 'square' cannot be sent") as error:
            await executor.submit(functions.square, lambda: None)
        assert isinstance(error.value, TypeError)
        assert len(executor.backend) == 0


@pytest.mark.parametrize(
    ("name", "why"), [("unsendable", ""), ("unloadable", "OSError: it is gone\n")]
)
async def test_a_result_that_cannot_be_sent_is_a_failure(make, functions, name, why):
    async with make(1) as executor:
        record = await ended(executor, getattr(functions, name))
        done = await ended(executor, functions.square, 3)

    assert (record.status, record.retries, record.losses) == (TaskStatus.FAILED, 0, 0)
    assert record.error.startswith(f"its result cannot be serialised: {why}")
    assert done.result == 9


async def test_progress_comes_from_the_process(make, functions, note):
    async with make() as executor:
        task_id = await executor.submit(functions.steps, 3)
        for _ in range(3):
            await asyncio.sleep(0.5)
            note((await executor.get_result(task_id)).progress)
            await asyncio.sleep(0.5)
        assert (await executor.wait_for_result(task_id)).result == 3

    assert note.log == [(0.5, (0, "step 0")), (1.5, (1, "step 1")), (2.5, (2, "step 2"))]


@pytest.mark.parametrize("what", ["unsendable", "unloadable"])
async def test_progress_that_cannot_be_sent_is_not_noted(make, functions, caplog, what):
    async with make() as executor:
        record = await ended(executor, functions.say, what)

    assert (record.result, record.progress, record.retries) == ("done", None, 0)
    (message,) = caplog.messages
    assert message.startswith("the progress of a task is not noted: ")


async def test_a_cancelled_task_is_killed(make, functions, note):
    async with make(1) as executor:
        task_id = await executor.submit(functions.long)
        await asyncio.sleep(3)
        assert await executor.cancel(task_id)
        note((await ended(executor, functions.square, 3)).result)

    assert (await executor.get_result(task_id)).status is TaskStatus.CANCELLED
    assert len(note.log) == 1
    assert note.log[0][0] < 3.5


async def test_a_stop_kills_what_does_not_end_in_time(make, functions, sim):
    executor = make(2)
    await executor.start()
    first, second = [await executor.submit(functions.long) for _ in range(2)]
    await executor.stop(timeout=5)

    assert 5 <= sim.elapsed < 5.5
    for each in (first, second):
        assert (await executor.get_result(each)).status is TaskStatus.CANCELLED


async def test_a_stop_blocks_nobody(make, functions, note):
    executor = make(1)
    await executor.start()
    await executor.submit(functions.square, 3, 3.0)
    stopping = asyncio.ensure_future(executor.stop())
    while not stopping.done():
        note("others")
        await asyncio.sleep(1)

    assert [instant for instant, _ in note.log[:4]] == [0, 1, 2, 3]


async def test_it_starts_again(make, functions):
    executor = make(1)
    for number in range(3):
        async with executor:
            assert (await ended(executor, functions.square, number)).result == number**2


async def test_coroutine_functions_are_refused(make):
    executor = make()

    @executor.registry.task()
    async def coroutine(): ...

    async with executor:
        with pytest.raises(
            TypeError, match=r"'coroutine' is not for CPUExecutor\nsubmit it to an IO"
        ):
            await executor.submit(coroutine)


def test_it_says_what_it_is(make):
    assert repr(make()) == "<CPUExecutor of 12 functions, not running>"


async def test_a_process_that_was_killed_while_idle_is_no_loss(make, functions, sim):
    async with make(1) as executor:
        pid = (await ended(executor, functions.pid)).result
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(1)
        record = await ended(executor, functions.square, 3)

    assert (record.result, record.losses) == (9, 0)


async def test_a_process_that_cannot_be_started_is_waited_for(make, functions, monkeypatch, sim):
    ends = []
    start, pipe = SpawnProcess.start, BaseContext.Pipe

    def fail_twice(process):
        if len(ends) <= 4:
            raise BlockingIOError(11, "too many processes")
        start(process)

    def noted(context):
        both = pipe(context)
        ends.extend(both)
        return both

    monkeypatch.setattr(SpawnProcess, "start", fail_twice)
    monkeypatch.setattr(BaseContext, "Pipe", noted)
    async with make(1) as executor:
        record = await ended(executor, functions.square, 3)
        assert [each.closed for each in ends] == [True] * 4 + [False, True]

    assert (record.result, record.retries, record.losses) == (9, 0, 0)
    assert round(sim.elapsed, 6) == 0.3


async def test_a_task_whose_process_cannot_be_started_may_be_cancelled(
    make, functions, monkeypatch
):
    def fail(process):
        raise BlockingIOError(11, "too many processes")

    with monkeypatch.context() as patch:
        patch.setattr(SpawnProcess, "start", fail)
        executor = make(1)
        await executor.start()
        task_id = await executor.submit(functions.square, 3)
        await asyncio.sleep(3)
        assert await executor.cancel(task_id)
    assert (await ended(executor, functions.square, 3)).result == 9
    await executor.stop()


async def test_a_process_is_killed_also_if_it_has_just_ended():
    process = processes._Process(multiprocessing.get_context("spawn"))
    await asyncio.to_thread(process.end)

    process.kill()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="processes are looked at each second")
async def test_a_process_is_not_looked_at_again_and_again(make, functions, monkeypatch):
    waits = []
    wait = connection.wait

    def noted(ends, timeout=None):
        waits.append(timeout)
        return wait(ends, timeout)

    monkeypatch.setattr(connection, "wait", noted)
    async with make(1) as executor:
        await ended(executor, functions.square, 3, 1e6)

    assert set(waits) == {None, 0.0}
    assert waits.count(None) < 5
