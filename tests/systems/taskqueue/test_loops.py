"""Event loops that are closed while something is under way in them; the next one goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import pytest

import simclock
from simclock.systems.taskqueue import (
    BackendConfig,
    BackendError,
    BrokerConfig,
    Config,
    CPUExecutor,
    EventBus,
    Flowrra,
    IOExecutor,
    TaskStatus,
)
from simclock.systems.taskqueue.access import Far


def abandon(main, *, collect=True):
    """Run *main* in a loop that is closed when that has returned, whatever is under way."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    tasks = asyncio.all_tasks(loop)
    loop.close()
    for each in tasks:
        # What a collection does some day, and says so. In vain: the loop is closed.
        each._log_destroy_pending = False
        if collect:
            with contextlib.suppress(RuntimeError):
                each.get_coro().close()


class Slow:
    """A store that is opened in a second, and whose operation takes one."""

    def __init__(self, log):
        time.sleep(1)
        self.log = log
        log.append("opened")

    def operate(self):
        time.sleep(1)
        self.log.append("operated")
        return "done"

    def close(self):
        self.log.append("closed")


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_an_operation_is_waited_for_in_the_next_loop(seconds):
    log = []
    far = Far(lambda: Slow(log), 4, BackendError, "slow")

    async def begin():
        kept.append(asyncio.create_task(far.do(Slow.operate)))
        await asyncio.sleep(seconds)

    async def go_on():
        kept.append(await asyncio.wait_for(far.do(Slow.operate), 10))
        await asyncio.wait_for(far.close(), 10)

    kept = []
    with simclock.Simulation():
        abandon(begin)
        asyncio.run(go_on())

    assert kept[1] == "done"
    assert log == ["opened", "operated", "operated", "closed"]


def test_a_store_is_closed_in_the_next_loop():
    log = []
    far = Far(lambda: Slow(log), 4, BackendError, "slow")

    async def begin():
        kept.append(asyncio.create_task(far.do(Slow.operate)))
        await asyncio.sleep(1.5)

    kept = []
    with simclock.Simulation():
        abandon(begin)
        asyncio.run(asyncio.wait_for(far.close(), 10))

    assert log == ["opened", "operated", "closed"]


def test_an_executor_stops_in_the_next_loop(tmp_path):
    url = f"sqlite:///{tmp_path}/all"

    async def begin():
        await executor.start()
        ids.append(await executor.submit(work))
        await asyncio.sleep(1)

    async def go_on():
        await asyncio.wait_for(executor.stop(), 10)
        await executor.start()
        record = await executor.wait_for_result(ids[0], 100)
        await executor.stop()
        return record

    ids = []
    with simclock.Simulation():
        executor = IOExecutor(Config(BrokerConfig(url), BackendConfig(url)), events=EventBus())

        @executor.task()
        async def work():
            await asyncio.sleep(2)

        abandon(begin)
        assert not executor.is_running
        record = asyncio.run(go_on())

    assert record.status is TaskStatus.SUCCESS


def test_who_waited_in_a_closed_loop_keeps_nobody_from_waiting(tmp_path):
    url = f"sqlite:///{tmp_path}/all"

    async def begin():
        await submitter.start()
        ids.append(await submitter.submit(work))
        await submitter.stop(wait=False)
        kept.append(asyncio.create_task(executor.wait_for_result(ids[0])))
        await asyncio.sleep(1)

    async def go_on():
        # Another one runs it: this one has to look.
        async with submitter:
            return await executor.wait_for_result(ids[0], 100)

    kept, ids = [], []
    with simclock.Simulation():
        config = Config(BrokerConfig(url), BackendConfig(url))
        executor = IOExecutor(config, events=EventBus())
        submitter = IOExecutor(config, executor.registry, events=EventBus())

        @executor.task()
        async def work():
            await asyncio.sleep(5)

        abandon(begin)
        record = asyncio.run(go_on())

    assert record.status is TaskStatus.SUCCESS


def test_an_application_is_stopped_in_the_next_loop():
    async def begin():
        await app.start()
        await app.submit(work)
        await asyncio.sleep(1)

    async def go_on():
        await asyncio.wait_for(app.stop(), 10)
        async with app:
            return await app.wait_for_result(await app.submit(work))

    with simclock.Simulation():
        app = Flowrra()

        @app.task()
        async def work():
            await asyncio.sleep(2)

        abandon(begin)
        record = asyncio.run(go_on())

    assert record.status is TaskStatus.SUCCESS


def test_a_process_that_works_for_a_closed_loop_is_killed(functions, tmp_path):
    path = tmp_path / "pid"

    async def begin():
        await executor.start()
        await executor.submit(functions.long, str(path))
        await asyncio.sleep(1)
        # As long as nobody has collected them.
        kept.extend(each.get_coro() for each in asyncio.all_tasks())

    async def go_on():
        await executor.stop()
        await asyncio.sleep(1)
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)

    kept = []
    with simclock.Simulation(processes="simulated"):
        executor = CPUExecutor(Config(backend=BackendConfig("memory://")), events=EventBus())
        executor.task()(functions.long)
        abandon(begin, collect=False)
        asyncio.run(go_on())
        for each in kept:
            with contextlib.suppress(RuntimeError):
                each.close()
