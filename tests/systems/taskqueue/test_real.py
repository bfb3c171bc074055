"""A few runs in real time, with real processes: what is simulated elsewhere is so in fact."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    Config,
    CPUExecutor,
    ExecutorConfig,
    IOExecutor,
    TaskStatus,
)

pytestmark = pytest.mark.real

MODULES = Path(__file__).with_name("modules")
LIMIT = 60  # seconds; far above all that is waited for
NAMES = (
    *("square", "crash", "steps", "pid", "long", "interrupt_us", "fail", "fork", "span"),
    "start_a_process",
)


def cpu(functions, workers=2, method="spawn"):
    config = Config(
        backend=BackendConfig("memory://"),
        executor=ExecutorConfig(cpu_workers=workers, start_method=method),
    )
    executor = CPUExecutor(config)
    for name in NAMES:
        executor.task(max_retries=0)(getattr(functions, name))
    return executor


async def ended(executor, *submission):
    return await executor.wait_for_result(await executor.submit(*submission), LIMIT)


def test_tasks_on_the_loop():
    executor = IOExecutor()
    calls = []

    @executor.task(max_retries=1, retry_delay=0.05)
    async def work(number):
        calls.append(number)
        await asyncio.sleep(0.01)
        if calls.count(number) == 1:
            raise LookupError(number)
        return number

    async def main():
        async with executor:
            return [each async for each in executor.map(work, range(20))]

    assert asyncio.run(main()) == list(range(20))
    assert len(calls) == 40


@pytest.mark.unclean("multiprocessing keeps a process that starts others, and one that tidies up")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_functions_in_processes(functions, method):
    async def main():
        async with cpu(functions, method=method) as executor:
            squares = [each async for each in executor.map(functions.square, range(4))]
            pids = {(await ended(executor, functions.pid)).result for _ in range(3)}
            failed = await ended(executor, functions.fail, "why")
            survived = await ended(executor, functions.interrupt_us)
            steps = await ended(executor, functions.steps, 1)
            refused = await ended(executor, functions.start_a_process, True)
            started = await ended(executor, functions.start_a_process, False)
        # It is a daemon, to be ended with its executor; what it would start so would not be.
        assert (refused.error, started.error) == (
            "daemonic processes are not allowed to have children",
            None,
        )
        assert squares == [0, 1, 4, 9]
        assert os.getpid() not in pids
        assert len(pids) <= 2
        assert (failed.status, failed.error) == (TaskStatus.FAILED, "why")
        assert survived.result == "survived"
        assert steps.progress == (0, "step 0")

    asyncio.run(main())


@pytest.mark.unclean("multiprocessing keeps a process that tidies up")
def test_processes_work_at_the_same_time_and_are_replaced(functions, tmp_path):
    async def main():
        async with cpu(functions) as executor:
            # Both are up.
            await asyncio.gather(*(ended(executor, functions.square, 1, 0.5) for _ in range(2)))
            spans = await asyncio.gather(*(ended(executor, functions.span, 1.0) for _ in range(2)))
            begins, ends = zip(*(each.result for each in spans), strict=True)
            assert max(begins) < min(ends)
            crashed = await ended(executor, functions.crash, f"{tmp_path}/crashed")
            assert (crashed.result, crashed.losses) == ("survived", 1)

    asyncio.run(main())


@pytest.mark.unclean("multiprocessing keeps a process that tidies up")
def test_a_cancelled_function_is_killed(functions, tmp_path):
    path = tmp_path / "pid"

    async def main():
        async with cpu(functions, workers=1) as executor:
            task_id = await executor.submit(functions.long, str(path))
            await written(path)
            assert await executor.cancel(task_id)
            assert (await ended(executor, functions.square, 3)).result == 9

    asyncio.run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


async def written(path):
    """Return the number in a file, when it is there."""
    end = time.monotonic() + LIMIT
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    return int(path.read_text())


@pytest.mark.unclean("multiprocessing keeps a process that starts others, and one that tidies up")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_crash_is_seen_though_what_was_forked_lives(functions, tmp_path, method):
    path = tmp_path / "pid"

    async def main():
        async with cpu(functions, workers=1, method=method) as executor:
            task_id = await executor.submit(functions.fork, str(path), 0.1)
            record = None
            forked = set()
            while record is None or not record.is_complete:
                forked.add(await written(path))
                record = await executor.get_result(task_id)
                await asyncio.sleep(0.01)
            return record, forked

    record, forked = asyncio.run(asyncio.wait_for(main(), LIMIT))
    for pid in forked:
        os.kill(pid, signal.SIGKILL)  # it lives
    assert (record.status, record.losses) == (TaskStatus.FAILED, 4)


@pytest.mark.unclean("multiprocessing keeps a process that tidies up")
def test_a_stop_waits_for_nothing_that_was_forked(functions, tmp_path):
    path = tmp_path / "pid"

    async def main():
        executor = cpu(functions, workers=1)
        await executor.start()
        task_id = await executor.submit(functions.fork, str(path), 1000)
        pid = await written(path)
        assert await executor.cancel(task_id)
        assert (await ended(executor, functions.square, 3)).result == 9
        await executor.stop()
        os.kill(pid, signal.SIGKILL)  # it lives

    asyncio.run(asyncio.wait_for(main(), LIMIT))


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_workers_that_are_killed_lose_no_task(request, monkeypatch, tmp_path, kind):
    monkeypatch.syspath_prepend(str(MODULES))
    worker = importlib.import_module("taskqueue_worker")
    url = request.getfixturevalue("redis_url") if kind == "redis" else f"sqlite:///{tmp_path}/all"
    log = tmp_path / "log"
    log.touch()

    def lines(pid=None):
        found = [line.split() for line in log.read_text().splitlines()]
        return [what for who, *what in found if pid in {None, int(who)}]

    async def main(groups):
        executor, work = worker.executor_at(url)
        # It submits, and lets others work.
        monkeypatch.setattr(type(executor), "_places", 0)
        await executor.start()
        ids = [await executor.submit(work, number, 0.3) for number in range(8)]
        victim = groups[0]
        end = time.monotonic() + LIMIT
        while not lines(victim.pid):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        victim.kill()
        records = [await executor.wait_for_result(each, LIMIT) for each in ids]
        await executor.stop(wait=False)
        return records

    command = [sys.executable, str(MODULES / "taskqueue_worker.py"), url, str(log)]
    groups = [subprocess.Popen(command) for _ in range(2)]
    try:
        records = asyncio.run(main(groups))
    finally:
        for each in groups:
            each.kill()
            each.wait()

    assert [each.result for each in records] == list(range(8))
    assert {each.retries for each in records} == {0}
    # What the killed group had begun, and not ended, was begun once more. So was what it had
    # ended a moment ago, and not said so.
    begun = {number for what, number in lines(groups[0].pid) if what == "begins"}
    lost = begun - {number for what, number in lines(groups[0].pid) if what == "ends"}
    assert lost
    for number in map(str, range(8)):
        times = lines().count(["begins", number])
        assert times == 2 if number in lost else times in ({1, 2} if number in begun else {1})
