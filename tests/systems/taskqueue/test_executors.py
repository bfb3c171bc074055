"""What executors of coroutine functions promise while they run."""

from __future__ import annotations

import asyncio
import logging

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BackendError,
    BrokerConfig,
    Config,
    CPUExecutor,
    EventBus,
    ExecutorConfig,
    ExecutorNotRunningError,
    InMemoryBackend,
    InMemoryBroker,
    IOExecutor,
    QueueFullError,
    TaskFailedError,
    TaskNotFoundError,
    TaskStatus,
    TaskTimeoutError,
    UnknownTaskIdError,
    progress,
)

pytestmark = pytest.mark.simclock


def make(workers=1, *, events=None, broker=None, backend=None, **settings):
    config = Config(executor=ExecutorConfig(io_workers=workers, **settings))
    return IOExecutor(config, events=events or EventBus(), broker=broker, backend=backend)


# ----------------------------------------------------------------------------- order


async def test_as_many_at_once_as_there_are_workers(note):
    executor = make(3)

    @executor.task()
    async def work(number):
        note(number)
        await asyncio.sleep(1)

    async with executor:
        for number in range(7):
            await executor.submit(work, number)

    assert note.log == [(float(number // 3), number) for number in range(7)]


async def test_lower_numbers_come_first(note):
    executor = make()

    @executor.task()
    async def work(priority):
        note(priority)
        await asyncio.sleep(1)

    async with executor:
        for priority in (5, -5, 0, 10**9, -(10**9)):
            await executor.submit(work, priority, priority=priority)

    assert [what for _, what in note.log] == [-(10**9), -5, 0, 5, 10**9]


# ----------------------------------------------------------------------------- retries


async def test_retries_back_off(note):
    executor = make()

    @executor.task(max_retries=4, retry_delay=1.0, backoff=2.0, max_delay=5.0)
    async def fail():
        note("fails")
        raise LookupError

    async with executor:
        record = await executor.wait_for_result(await executor.submit(fail))

    assert [instant for instant, _ in note.log] == [0, 1, 3, 7, 12]
    assert (record.status, record.retries, record.error) == (TaskStatus.FAILED, 4, "LookupError")


async def test_jitter_is_random_and_bounded(note):
    executor = make(10)

    @executor.task(max_retries=1, retry_delay=10.0, jitter=0.5)
    async def fail():
        note("fails")
        raise LookupError

    async with executor:
        for _ in range(10):
            await executor.submit(fail)

    instants = [instant for instant, _ in note.log[10:]]
    assert len(set(instants)) == 10
    assert 5 <= min(instants) < max(instants) <= 15


async def test_a_task_that_succeeds_at_last_has_no_error(sim):
    executor = make()
    calls = []

    @executor.task(max_retries=3)
    async def work():
        calls.append(sim.elapsed)
        if len(calls) < 3:
            raise LookupError("not yet")
        return "done"

    async with executor:
        task_id = await executor.submit(work)
        await asyncio.sleep(0.5)
        early = await executor.get_result(task_id)
        record = await executor.wait_for_result(task_id)

    assert (early.status, early.error, early.retries) == (TaskStatus.RETRYING, "not yet", 1)
    assert (record.status, record.result, record.error) == (TaskStatus.SUCCESS, "done", None)
    assert record.retries == 2
    assert calls == [0, 1, 2]


async def test_who_says_nothing_is_retried_as_the_settings_say(note):
    executor = make(max_retries=1, retry_delay=5.0)

    @executor.task()
    async def unsaid():
        note("unsaid")
        raise LookupError

    @executor.task(max_retries=2, retry_delay=1.0)
    async def said():
        note("said")
        raise LookupError

    async with executor:
        await executor.submit(unsaid)
        await executor.submit(said)

    assert note.log == [
        (0.0, "unsaid"),
        (0.0, "said"),
        (1.0, "said"),
        (2.0, "said"),
        (5.0, "unsaid"),
    ]


async def test_a_change_of_the_wall_clock_changes_no_delay(note, sim):
    executor = make()

    @executor.task(max_retries=1, retry_delay=10.0)
    async def fail():
        note("fails")
        raise LookupError

    async with executor:
        task_id = await executor.submit(fail)
        await asyncio.sleep(1)
        sim.move_wall(-3600)
        await executor.wait_for_result(task_id)

    assert [instant for instant, _ in note.log] == [0, 10]


# ----------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LookupError("why"), "why"),
        (LookupError(), "LookupError"),
        (SystemExit(3), r"the task raised SystemExit(3)"),
        (asyncio.CancelledError(), "it was cancelled by what it awaits"),
        (BaseException("odd"), "odd"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_whatever_a_task_raises_is_its_failure(error, text):
    executor = make(max_retries=0)

    @executor.task()
    async def fail():
        raise error

    @executor.task()
    async def work():
        return "done"

    async with executor:
        failed = await executor.wait_for_result(await executor.submit(fail))
        done = await executor.wait_for_result(await executor.submit(work))

    assert (failed.status, failed.error) == (TaskStatus.FAILED, text)
    assert done.result == "done"


class Unsayable(Exception):
    def __str__(self):
        raise LookupError("there is no text")


async def test_an_error_that_cannot_say_what_it_is():
    executor = make(max_retries=1, retry_delay=1.0)

    @executor.task()
    async def fail():
        raise Unsayable

    async with executor:
        record = await executor.wait_for_result(await executor.submit(fail), timeout=5)

    assert (record.status, record.error, record.retries) == (TaskStatus.FAILED, "Unsayable", 1)


class Picky(InMemoryBackend):
    """Raises what no backend should at what it does not like."""

    async def change(self, version, record):
        if "odd" in (record.result, record.progress and record.progress[0]):
            raise RuntimeError("changed during the iteration")
        return await super().change(version, record)


async def test_a_result_that_cannot_be_written_down_is_a_failure(caplog):
    executor = make(backend=Picky())

    @executor.task(max_retries=3)
    async def work(result):
        return result

    async with executor:
        record = await executor.wait_for_result(await executor.submit(work, "odd"), timeout=5)
        other = await executor.wait_for_result(await executor.submit(work, "even"), timeout=5)
        assert await executor.broker.counts() == (0, 0, 0)

    assert record.status is TaskStatus.FAILED
    assert record.error == "its result is lost: changed during the iteration"
    assert other.result == "even"
    assert "has come to cannot be written down" in caplog.text


async def test_a_function_that_was_unregistered_meanwhile():
    executor = make(max_retries=1)

    @executor.task()
    async def work(): ...

    async with executor:
        task_id = await executor.submit(work)
        executor.registry.unregister("work")
        record = await executor.wait_for_result(task_id)

    assert (record.status, record.retries) == (TaskStatus.FAILED, 1)
    assert record.error.startswith("no task has this name: 'work'")


async def test_a_function_for_processes_is_refused(functions):
    executor = make()
    executor.registry.task(cpu_bound=True)(functions.square)

    async with executor:
        with pytest.raises(TypeError, match="'square' is not for IOExecutor\nsubmit it to a CPUEx"):
            await executor.submit(functions.square, 1)


async def test_arguments_that_cannot_be_kept_are_refused_and_nothing_is_stored(tmp_path):
    url = f"sqlite:///{tmp_path}/all"
    for config in (Config(BrokerConfig(url), BackendConfig(url)), Config(BrokerConfig(url))):
        executor = IOExecutor(config)

        @executor.task()
        async def work(what): ...

        async with executor:
            with pytest.raises(TypeError, match="cannot be serialised"):
                await executor.submit(work, object())
            assert await executor.backend.list_by_status(TaskStatus.PENDING) == []
            assert (await executor.wait_for_result(await executor.submit(work, 1))).is_success


class Flaky(InMemoryBackend):
    """A backend that fails as often as it is told to."""

    def __init__(self):
        super().__init__()
        self.failures = 0
        self.failed = []

    async def change(self, version, record):
        if self.failures:
            self.failures -= 1
            self.failed.append(record.status)
            raise BackendError("it is away")
        return await super().change(version, record)


async def test_a_worker_survives_a_backend_that_fails_for_a_while(note, caplog):
    backend = Flaky()
    executor = make(backend=backend)

    @executor.task()
    async def work():
        note("works")
        backend.failures = 3
        return "done"

    async with executor:
        task_id = await executor.submit(work)
        backend.failures = 2
        record = await executor.wait_for_result(task_id)
        note("known")

    assert record.result == "done"
    # It was given back twice, and run once. Its result was stored at the fourth time.
    assert note.log == [(0.2, "works"), (0.9, "known")]
    assert backend.failed == [TaskStatus.RUNNING] * 2 + [TaskStatus.SUCCESS] * 3
    assert all("it is away" in message for message in caplog.messages)


class BrokenEntrance(InMemoryBroker):
    async def push(self, task, *, limit=None):
        raise RuntimeError("nobody gets in")


async def test_what_cannot_be_pushed_leaves_no_record():
    executor = make(broker=BrokenEntrance())

    @executor.task()
    async def work(): ...

    async with executor:
        with pytest.raises(RuntimeError, match="nobody gets in"):
            await executor.submit(work)
        assert len(executor.backend) == 0


# ----------------------------------------------------------------------------- a full queue


async def test_submitters_wait_for_room_in_their_order(note):
    executor = make(max_queue_size=1)

    @executor.task()
    async def work(number):
        await asyncio.sleep(1)

    async def submit(number):
        await executor.submit(work, number)
        note(number)

    async with executor:
        await asyncio.gather(*(submit(number) for number in range(5)))

    assert note.log == [(0.0, 0), (0.0, 1), (1.0, 2), (2.0, 3), (3.0, 4)]


async def test_a_submission_waits_as_long_as_it_is_told(sim):
    executor = make(max_queue_size=1, submit_timeout=3.0)

    @executor.task()
    async def work():
        await asyncio.sleep(10)

    async with executor:
        await executor.submit(work)
        await executor.submit(work)
        with pytest.raises(QueueFullError, match="1 tasks wait, and none was taken within 3 s"):
            await executor.submit(work)
        assert sim.elapsed == 3
        assert len(executor.backend) == 2
        await asyncio.sleep(6)
        # There is room in time.
        await executor.submit(work)
        assert sim.elapsed == 10


async def test_a_submission_may_wait_for_no_time_at_all():
    executor = make(max_queue_size=1, submit_timeout=0)

    @executor.task()
    async def work():
        await asyncio.sleep(1)

    async with executor:
        await executor.submit(work)
        with pytest.raises(QueueFullError, match="1 tasks wait, and none was taken within 0 s"):
            await executor.submit(work)
        await asyncio.sleep(0.5)
        await executor.submit(work)


async def test_a_submission_that_is_cancelled_leaves_nothing(note):
    executor = make(max_queue_size=1)

    @executor.task()
    async def work(number):
        note(number)
        await asyncio.sleep(10)

    async with executor:
        for number in range(2):
            await executor.submit(work, number)
        waiting = asyncio.ensure_future(executor.submit(work, "cancelled"))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(executor.backend) == 2
        await executor.submit(work, "last")

    assert [what for _, what in note.log] == [0, 1, "last"]


async def test_a_stop_ends_the_wait_for_room():
    executor = make(max_queue_size=1)

    @executor.task()
    async def work():
        await asyncio.sleep(10)

    async with executor:
        for _ in range(2):
            await executor.submit(work)
        waiting = asyncio.ensure_future(executor.submit(work))
        await asyncio.sleep(1)
    with pytest.raises(ExecutorNotRunningError):
        await waiting
    assert len(executor.backend) == 2


# ----------------------------------------------------------------------------- results


async def test_who_waits_is_woken_at_the_end(note):
    executor = make()

    @executor.task()
    async def work():
        await asyncio.sleep(3)

    async def wait(task_id):
        await executor.wait_for_result(task_id)
        note("woken")

    async with executor:
        task_id = await executor.submit(work)
        await asyncio.gather(wait(task_id), wait(task_id))

    assert note.log == [(3.0, "woken")] * 2


async def test_a_record_that_is_removed_ends_the_wait():
    executor = make()

    @executor.task()
    async def work():
        await asyncio.sleep(3)

    async with executor:
        task_id = await executor.submit(work)
        for remove in (lambda: executor.backend.delete(task_id), executor.backend.clear):
            waiting = asyncio.ensure_future(executor.wait_for_result(task_id))
            await asyncio.sleep(1)
            assert await remove()
            with pytest.raises(UnknownTaskIdError):
                await waiting
            await executor.backend.store(task_id, (await _any_record(task_id)))


async def _any_record(task_id):
    from simclock.systems.taskqueue import TaskResult

    return TaskResult(task_id, TaskStatus.PENDING)


async def test_map_yields_results_in_order(sim):
    executor = make(4, max_queue_size=2)

    @executor.task()
    async def work(number):
        await asyncio.sleep(4 - number % 4)
        return number

    async with executor:
        results = [result async for result in executor.map(work, range(8))]

    assert results == list(range(8))
    assert sim.elapsed <= 11


async def test_map_takes_only_as_many_items_as_it_needs():
    executor = make(2, max_queue_size=3)
    taken = []

    def items():
        for number in range(10**9):
            taken.append(number)
            yield number

    @executor.task()
    async def work(number):
        return number

    async with executor:
        results = executor.map(work, items())
        assert [await results.__anext__() for _ in range(3)] == [0, 1, 2]
        await results.aclose()

    assert len(taken) <= 3 + 5


async def test_map_ends_with_the_first_failure(note):
    executor = make(2, max_retries=0)

    @executor.task()
    async def work(number):
        note(number)
        await asyncio.sleep(number)
        if number == 2:
            raise LookupError("two")
        return number

    results = []
    async with executor:
        with pytest.raises(TaskFailedError, match=r"\(work\) ended as failed: two") as error:
            async for result in executor.map(work, range(1, 10)):
                results += [result]

    assert results == [1]
    assert error.value.result.args == (2,)
    assert [what for _, what in note.log] == [1, 2, 3]


async def test_as_completed_yields_who_ends_first(note):
    executor = make(3)

    @executor.task()
    async def work(number):
        await asyncio.sleep(number)

    async with executor:
        ids = [await executor.submit(work, number) for number in (3, 1, 2, 1)]
        async for record in executor.as_completed([*ids, ids[0]]):
            note(*record.args)

    assert note.log == [(1.0, 1), (2.0, 2), (2.0, 1), (3.0, 3)]


async def test_as_completed_ends_in_time(sim):
    executor = make(3)

    @executor.task()
    async def work(number):
        await asyncio.sleep(number)

    async with executor:
        ids = [await executor.submit(work, number) for number in (1, 5)]
        seen = []
        with pytest.raises(TaskTimeoutError) as error:
            async for record in executor.as_completed(ids, timeout=3):
                seen += [record.args]
        assert sim.elapsed == 3
        with pytest.raises(UnknownTaskIdError):
            _ = [record async for record in executor.as_completed(["nobody", ids[1]])]

    assert seen == [(1,)]
    assert error.value.task_id == ids[1]


# ----------------------------------------------------------------------------- progress, events


async def test_progress_is_in_the_record(note):
    executor = make()

    @executor.task()
    async def work():
        for number in range(3):
            progress(number / 3, f"step {number}")
            await asyncio.to_thread(progress, number / 3 + 0.1)
            await asyncio.sleep(1)
        progress(1, "all")

    async with executor:
        task_id = await executor.submit(work)
        for _ in range(3):
            await asyncio.sleep(0.5)
            note((await executor.get_result(task_id)).progress)
            await asyncio.sleep(0.5)
        record = await executor.wait_for_result(task_id)

    assert note.log == [
        (0.5, (0.1, None)),
        (1.5, (1 / 3 + 0.1, None)),
        (2.5, (2 / 3 + 0.1, None)),
    ]
    assert record.progress == (1, "all")
    assert record.is_success


async def test_progress_is_what_it_was_when_it_was_said(caplog):
    executor = make(backend=Picky())
    seen = []

    @executor.task()
    async def work():
        steps = []
        for step in range(3):
            steps.append(step)
            progress(steps)
            steps.append("unsaid")
            await asyncio.sleep(1)
            seen.append((await executor.get_result(task_id)).progress)
        progress("odd")
        await asyncio.sleep(1)
        return "done"

    async with executor:
        task_id = await executor.submit(work)
        record = await executor.wait_for_result(task_id)

    said = ([0], [0, "unsaid", 1], [0, "unsaid", 1, "unsaid", 2])
    assert seen == [(each, None) for each in said]
    assert record.result == "done"
    assert "is not noted: changed during the iteration" in caplog.text


def test_progress_outside_of_a_task_is_nothing():
    progress(1, "nobody sees it")


async def test_each_change_is_told(note, caplog):
    events = EventBus()
    executor = make(events=events)

    @executor.task(max_retries=1, retry_delay=1.0)
    async def work(what):
        if not note.log[-1][2] == 1:
            raise LookupError("why")
        return what

    async def told(event):
        task = event["task"]
        note(task["status"], task["retries"])

    def broken(event):
        raise LookupError("not heard")

    async def cancelled(event):
        raise asyncio.CancelledError

    for subscriber in (told, broken, cancelled):
        events.subscribe(subscriber)
    async with executor:
        record = await executor.wait_for_result(await executor.submit(work, object()))

    assert (record.status, record.error) == (TaskStatus.SUCCESS, None)
    assert note.log == [
        (0.0, "pending", 0),
        (0.0, "running", 0),
        (0.0, "retrying", 1),
        (1.0, "running", 1),
        (1.0, "success", 1),
    ]
    assert {entry.levelname for entry in caplog.records if "subscriber" in entry.message} == {
        "ERROR"
    }


async def test_subscribers_are_told_at_the_same_time_until_they_leave(note):
    events = EventBus()

    async def slow(event):
        await asyncio.sleep(event)
        note("slow", event)

    async def quick(event):
        note("quick", event)

    events.subscribe(slow)
    await events.async_subscribe(quick)
    await events.emit(2)
    await events.unsubscribe(slow)
    await events.unsubscribe(slow)
    await events.emit(3)

    assert note.log == [(0.0, "quick", 2), (2.0, "slow", 2), (2.0, "quick", 3)]
    with pytest.raises(TypeError, match="a subscriber cannot be called: 3"):
        events.subscribe(3)


# ----------------------------------------------------------------------------- idle


async def test_an_idle_executor_does_nothing(sim, functions):
    executors = [
        make(8),
        CPUExecutor(Config(backend=BackendConfig("memory://"))),
    ]
    for executor in executors:
        await executor.start()
    before = len(sim.trace)
    await asyncio.sleep(3600)
    steps = len(sim.trace) - before
    for executor in executors:
        await executor.stop()

    assert steps < 20


async def test_a_task_of_another_executor_is_not_known_here():
    first, second = make(), make()

    @first.task()
    async def work(): ...

    async with first, second:
        with pytest.raises(TaskNotFoundError):
            await second.submit(work)
        task_id = await first.submit(work)
        assert await second.get_result(task_id) is None


async def test_nothing_is_logged_when_all_is_well(caplog):
    caplog.set_level(logging.INFO)
    executor = make()

    @executor.task()
    async def work(): ...

    async with executor:
        await executor.submit(work)

    assert caplog.messages == []
