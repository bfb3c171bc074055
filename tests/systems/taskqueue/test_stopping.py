"""The life of executors: draining, bounded stops, and starting again."""

from __future__ import annotations

import asyncio

import pytest

import simclock
from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    BrokerError,
    Config,
    EventBus,
    ExecutorConfig,
    ExecutorNotRunningError,
    InMemoryBackend,
    InMemoryBroker,
    IOExecutor,
    TaskStatus,
)
from simclock.systems.taskqueue.executors.dispatch import Dispatcher

pytestmark = pytest.mark.simclock


@pytest.fixture
def working(note):
    """Return a function that makes an executor whose task ``work`` notes what it does."""

    def make(workers=1, config=None, **options):
        settings = {name: options.pop(name) for name in tuple(options) if name not in SHARED}
        if config is None:
            config = Config(executor=ExecutorConfig(io_workers=workers, **settings))
        executor = IOExecutor(config, events=EventBus(), **options)

        async def work(number, seconds=1.0):
            note("begins", number)
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                note("interrupted", number)
                raise
            note("ends", number)

        executor.task()(work)
        return executor, work

    return make


SHARED = {"broker", "backend"}


async def status_of(executor, task_id):
    return (await executor.get_result(task_id)).status


# ----------------------------------------------------------------------------- draining


async def test_a_stop_waits_for_all_that_was_submitted(working, note):
    executor, work = working()
    await executor.start()
    ids = [await executor.submit(work, number) for number in range(3)]
    await executor.stop()
    note("stopped")

    assert note.log[-2:] == [(3.0, "ends", 2), (3.0, "stopped")]
    assert [await status_of(executor, each) for each in ids] == [TaskStatus.SUCCESS] * 3


async def test_a_stop_waits_for_retries(note):
    executor = IOExecutor()

    @executor.task(max_retries=2, retry_delay=5.0)
    async def fail():
        note("fails")
        raise LookupError

    async with executor:
        task_id = await executor.submit(fail)
    note("stopped")

    assert note.log == [(0.0, "fails"), (5.0, "fails"), (10.0, "fails"), (10.0, "stopped")]
    assert await status_of(executor, task_id) is TaskStatus.FAILED


async def test_nothing_is_taken_while_it_stops(working, note):
    executor, work = working()
    await executor.start()
    await executor.submit(work, 1)
    stopping = asyncio.ensure_future(executor.stop())
    await asyncio.sleep(0.5)
    assert not executor.is_running
    with pytest.raises(ExecutorNotRunningError):
        await executor.submit(work, 2)
    await stopping

    assert note.log == [(0.0, "begins", 1), (1.0, "ends", 1)]


async def test_a_stop_takes_no_longer_than_it_is_told(working, note, caplog):
    executor, work = working()
    await executor.start()
    first, second = [await executor.submit(work, number, 10) for number in range(2)]
    await executor.stop(timeout=3)
    note("stopped")

    assert note.log == [(0.0, "begins", 0), (3.0, "interrupted", 0), (3.0, "stopped")]
    assert await status_of(executor, first) is TaskStatus.CANCELLED
    assert await status_of(executor, second) is TaskStatus.PENDING
    assert caplog.messages == [f"{executor!r} stops before all tasks have ended"]


async def test_without_timeout_a_stop_waits_as_long_as_it_takes(working, sim):
    executor, work = working()
    await executor.start()
    await executor.submit(work, 1, 86400)
    await executor.stop(timeout=None)

    assert sim.elapsed == 86400


async def test_a_stop_with_a_broker_waits_too(working, note, tmp_path):
    url = f"sqlite:///{tmp_path}/all"
    executor, work = working(config=Config(BrokerConfig(url), BackendConfig(url)))
    await executor.start()
    ids = [await executor.submit(work, number) for number in range(6)]
    await executor.stop()

    assert [await status_of(executor, each) for each in ids] == [TaskStatus.SUCCESS] * 6


# ----------------------------------------------------------------------------- interrupting


async def test_with_a_broker_what_is_interrupted_is_given_back(working, note):
    broker, backend = InMemoryBroker(), InMemoryBackend()
    first, work = working(broker=broker, backend=backend)
    second, _ = working(broker=broker, backend=backend)
    await first.start()
    task_id = await first.submit(work, 1, 10)
    await asyncio.sleep(1)
    await first.stop(wait=False)
    record = await second.get_result(task_id)
    assert (record.status, record.losses, record.retries) == (TaskStatus.PENDING, 0, 0)
    await second.start()
    assert (await second.wait_for_result(task_id)).is_success
    await second.stop()

    assert note.log == [
        (0.0, "begins", 1),
        (1.0, "interrupted", 1),
        (1.0, "begins", 1),
        (11.0, "ends", 1),
    ]


@pytest.mark.parametrize(
    ("requeues", "log"),
    [
        (
            True,
            [(0.0, "begins", 1), (1.0, "interrupted", 1), (1.0, "begins", 1), (11.0, "ends", 1)],
        ),
        (False, [(0.0, "begins", 1), (1.0, "interrupted", 1)]),
    ],
)
@pytest.mark.parametrize("has_broker", [False, True])
async def test_what_becomes_of_the_interrupted_can_be_chosen(
    working, note, has_broker, requeues, log
):
    broker = InMemoryBroker() if has_broker else None
    executor, work = working(requeue_interrupted=requeues, broker=broker)
    await executor.start()
    task_id = await executor.submit(work, 1, 10)
    await asyncio.sleep(1)
    await executor.stop(wait=False)
    await executor.start()
    await executor.stop()

    assert note.log == log
    final = TaskStatus.SUCCESS if requeues else TaskStatus.CANCELLED
    assert await status_of(executor, task_id) is final


async def test_a_task_that_ends_well_all_the_same_has_succeeded(sim):
    executor = IOExecutor()

    @executor.task()
    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(2)
        return "done"

    await executor.start()
    task_id = await executor.submit(work)
    await asyncio.sleep(1)
    await executor.stop(wait=False)

    assert sim.elapsed == 3
    assert (await executor.get_result(task_id)).result == "done"


async def test_a_task_that_does_not_end_is_left(note, caplog):
    executor = IOExecutor(Config(executor=ExecutorConfig(grace=2.0)))
    over = asyncio.Event()

    @executor.task()
    async def stubborn():
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                note("refuses")

    await executor.start()
    task_id = await executor.submit(stubborn)
    await asyncio.sleep(1)
    await executor.stop(wait=False)
    note("stopped")
    over.set()
    await asyncio.sleep(0)

    assert note.log == [(1.0, "refuses"), (3.0, "stopped")]
    assert await status_of(executor, task_id) is TaskStatus.CANCELLED
    assert "does not end although it was cancelled: it is left" in caplog.text


async def test_a_retry_that_waits_is_run_after_the_next_start(note):
    executor = IOExecutor()

    @executor.task(max_retries=1, retry_delay=10.0)
    async def fail():
        note("fails")
        raise LookupError

    await executor.start()
    task_id = await executor.submit(fail)
    await asyncio.sleep(1)
    await executor.stop(wait=False)
    assert await status_of(executor, task_id) is TaskStatus.RETRYING
    await asyncio.sleep(20)
    await executor.start()
    await executor.stop()

    assert note.log == [(0.0, "fails"), (21.0, "fails")]


async def test_what_was_not_begun_stays_as_it_was(working, note):
    executor, work = working()
    await executor.start()
    await asyncio.sleep(1)
    task_id = await executor.submit(work, 1)
    await executor.stop(wait=False)
    record = await executor.get_result(task_id)
    assert (record.status, record.started_at) == (TaskStatus.PENDING, None)
    await executor.start()
    await executor.stop()

    assert note.log == [(1.0, "begins", 1), (2.0, "ends", 1)]


@pytest.mark.parametrize(
    ("blocked", "status"),
    [(TaskStatus.RUNNING, TaskStatus.PENDING), (TaskStatus.SUCCESS, TaskStatus.SUCCESS)],
)
async def test_a_subscriber_that_never_returns_is_not_waited_for(sim, caplog, blocked, status):
    events = EventBus()

    async def hang(event):
        if event["task"]["status"] == blocked.value:
            await asyncio.Event().wait()

    events.subscribe(hang)
    executor = IOExecutor(Config(executor=ExecutorConfig(grace=2.0)), events=events)

    @executor.task()
    async def work():
        return "done"

    await executor.start()
    task_id = await executor.submit(work)
    await asyncio.sleep(1)
    stopping = asyncio.ensure_future(executor.stop(wait=False))
    await asyncio.wait({stopping}, timeout=60)

    assert stopping.done()
    assert sim.elapsed == 3
    assert await status_of(executor, task_id) is status
    assert "a subscriber is not waited for any longer" in caplog.text


class Silent(InMemoryBroker):
    """Answers to nothing in time, once it is silent."""

    lease = 60.0
    is_silent = False
    claims = waits = 0

    async def claim(self, owner):
        self.claims += self.is_silent
        await self.answer()
        return await super().claim(owner)

    async def acknowledge(self, claim):
        await self.answer()
        return await super().acknowledge(claim)

    async def release(self, claim, delay=0.0):
        await self.answer()
        return await super().release(claim, delay)

    async def answer(self):
        if self.is_silent:
            await asyncio.sleep(5)
            raise BrokerError("it says nothing")

    async def next_wait(self):
        self.waits += self.is_silent
        return await super().next_wait()


async def test_a_stop_asks_a_broker_that_says_nothing_no_further(working, sim):
    broker = Silent()
    executor, _ = working(broker=broker)
    await executor.start()
    await asyncio.sleep(1)
    broker.is_silent = True
    await executor.stop(timeout=1)

    assert (broker.claims, broker.waits) == (1, 0)
    assert sim.elapsed == 6


async def test_an_attempt_asks_a_broker_that_says_nothing_once_in_a_stop(working, sim):
    broker = Silent()
    executor, work = working(broker=broker)
    await executor.start()
    await executor.submit(work, 1)
    await asyncio.sleep(0.9)
    broker.is_silent = True
    await executor.stop(timeout=0.5)

    assert sim.elapsed == 6
    assert (broker.claims, broker.waits) == (0, 0)


# ----------------------------------------------------------------------------- several calls


async def test_two_stops_end_together(working, note):
    executor, work = working()
    await executor.start()
    await executor.submit(work, 1)

    async def stop():
        await executor.stop()
        note("stopped")

    await asyncio.gather(stop(), stop())

    assert note.log[-2:] == [(1.0, "stopped")] * 2


async def test_a_second_stop_may_be_in_a_hurry(working, note):
    executor, work = working()
    await executor.start()
    await executor.submit(work, 1, 100)
    patient = asyncio.ensure_future(executor.stop(timeout=None))
    await asyncio.sleep(2)
    await executor.stop(wait=False)
    await patient
    note("stopped")

    assert note.log == [(0.0, "begins", 1), (2.0, "interrupted", 1), (2.0, "stopped")]


async def test_a_stop_that_is_cancelled_interrupts(working, note):
    executor, work = working()
    await executor.start()
    await executor.submit(work, 1, 100)
    stopping = asyncio.ensure_future(executor.stop())
    await asyncio.sleep(2)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    note("stopped")

    assert note.log == [(0.0, "begins", 1), (2.0, "interrupted", 1), (2.0, "stopped")]
    assert not executor.is_running


async def test_a_start_waits_for_the_stop(working, note):
    executor, work = working()
    await executor.start()
    await executor.submit(work, 1)
    stopping = asyncio.ensure_future(executor.stop())
    await asyncio.sleep(0.5)
    await executor.start()
    note("started")
    assert executor.is_running
    await stopping
    await executor.submit(work, 2)
    await executor.stop()

    assert note.log == [
        (0.0, "begins", 1),
        (1.0, "ends", 1),
        (1.0, "started"),
        (1.0, "begins", 2),
        (2.0, "ends", 2),
    ]


async def test_an_error_in_the_block_is_raised_after_the_stop(working, note):
    executor, work = working()
    with pytest.raises(LookupError):
        async with executor:
            await executor.submit(work, 1)
            raise LookupError
    assert note.log == [(0.0, "begins", 1), (1.0, "ends", 1)]


# ----------------------------------------------------------------------------- loops


def test_it_may_be_started_again_in_another_loop():
    log = []
    with simclock.Simulation() as sim:
        executor = IOExecutor()

        @executor.task()
        async def work(number):
            log.append((sim.elapsed, number))
            await asyncio.sleep(1)

        async def main(number):
            async with executor:
                await executor.submit(work, number)

        for number in range(3):
            asyncio.run(main(number))

    assert log == [(0, 0), (1, 1), (2, 2)]


def test_a_loop_that_ends_without_a_stop_interrupts():
    log = []
    with simclock.Simulation() as sim:
        executor = IOExecutor()

        @executor.task()
        async def work(number):
            log.append((sim.elapsed, number))
            await asyncio.sleep(10)

        async def forget():
            await executor.start()
            ids.append(await executor.submit(work, 1))
            await asyncio.sleep(1)

        async def again():
            async with executor:
                return await executor.get_result(ids[0])

        ids = []
        asyncio.run(forget())
        assert not executor.is_running
        record = asyncio.run(again())

    assert record.status is TaskStatus.CANCELLED
    assert log == [(0, 1)]


def test_a_loop_that_ends_with_a_submission_leaves_it_to_the_next_one():
    log = []
    with simclock.Simulation() as sim:
        executor = IOExecutor(events=EventBus())

        @executor.task()
        async def work():
            log.append(sim.elapsed)
            return "done"

        async def forget():
            await executor.start()
            await asyncio.sleep(1)
            # The attempt's task is made, and cancelled before its first step.
            return await executor.submit(work)

        async def again(task_id):
            async with executor:
                return await executor.wait_for_result(task_id, timeout=10)

        record = asyncio.run(again(asyncio.run(forget())))

    assert (record.result, log) == ("done", [1])


@pytest.mark.parametrize("is_far", [False, True])
def test_a_loop_that_ends_before_a_task_has_begun_leaves_it_to_the_next_one(tmp_path, is_far):
    log = []
    with simclock.Simulation() as sim:
        url = f"sqlite:///{tmp_path}/all" if is_far else "memory://"
        settings = ExecutorConfig(requeue_interrupted=False)
        config = Config(BrokerConfig(url), BackendConfig(url), settings)
        executor = IOExecutor(config, events=EventBus())
        begin = Dispatcher._begin

        def begin_and_end(self, claim):
            begin(self, claim)
            # The loop ends when the attempt is looking at the record, or has just begun.
            over.set_result(None)

        @executor.task()
        async def work():
            log.append(round(sim.elapsed))

        async def forget():
            nonlocal over
            over = asyncio.get_running_loop().create_future()
            await executor.start()
            ids.append(await executor.submit(work))
            await over

        async def again():
            async with executor:
                return await executor.wait_for_result(ids[0], timeout=10)

        over, ids = None, []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Dispatcher, "_begin", begin_and_end)
            asyncio.run(forget())
        record = asyncio.run(again())

    assert record.is_success
    assert log == [0]


async def test_it_is_for_the_loop_that_has_started_it(working):
    executor, work = working()

    async def elsewhere():
        for use in (executor.submit(work, 1), executor.start(), executor.stop()):
            with pytest.raises(RuntimeError, match="it runs in another event loop: <IOExecutor"):
                await use

    async with executor:
        await asyncio.to_thread(lambda: asyncio.run(elsewhere()))


# ----------------------------------------------------------------------------- stops that fail


@pytest.mark.parametrize("timeout", ["5", -1, float("nan")])
async def test_a_timeout_that_has_no_meaning_stops_nothing(working, note, timeout):
    executor, work = working()

    async with executor:
        with pytest.raises(ValueError, match="timeout has no meaning"):
            await executor.stop(timeout=timeout)
        await executor.wait_for_result(await executor.submit(work, 1))

    assert note.log == [(0, "begins", 1), (1, "ends", 1)]


async def test_after_a_stop_that_has_failed_it_may_be_started(working, note, monkeypatch):
    executor, work = working()

    async def fail():
        raise OSError("it does not close")

    await executor.start()
    with monkeypatch.context() as patch:
        patch.setattr(executor, "_close", fail)
        with pytest.raises(OSError, match="it does not close"):
            await executor.stop()
    assert not executor.is_running
    async with executor:
        await executor.wait_for_result(await executor.submit(work, 1))

    assert note.log == [(0, "begins", 1), (1, "ends", 1)]


@pytest.mark.parametrize(("timeout", "ends"), [(2, 2), (None, 10), (20, 10)])
async def test_a_second_stop_waits_no_longer_than_it_was_told(working, sim, timeout, ends):
    executor, work = working()

    await executor.start()
    await executor.submit(work, 1, 10.0)
    first = asyncio.ensure_future(executor.stop(timeout=None))
    await asyncio.sleep(0)
    await executor.stop(timeout=timeout)

    assert sim.elapsed == ends
    await first
