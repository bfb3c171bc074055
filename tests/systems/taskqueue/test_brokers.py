"""Brokers and backends: in memory, in a file, on a server; and what is shared by them."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BackendError,
    BaseResultBackend,
    BrokerConfig,
    BrokerError,
    Config,
    DamagedRecordError,
    EventBus,
    ExecutorConfig,
    InMemoryBackend,
    InMemoryBroker,
    IOExecutor,
    RedisBackend,
    RedisBroker,
    SQLiteBackend,
    SQLiteBroker,
    Task,
    TaskResult,
    TaskStatus,
    TaskTimeoutError,
    UnknownTaskIdError,
)
from simclock.systems.taskqueue.waiting import Waiting

pytestmark = pytest.mark.simclock

KINDS = ["memory", "sqlite", "redis"]
FAR = KINDS[1:]


class Place:
    """Somewhere to put tasks and records; what it makes can be closed with it."""

    def __init__(self, kind, url, key):
        self.kind, self.url, self.key = kind, url, key
        self._made = []

    def broker(self, lease=30.0):
        key = f"{self.key}:io"  # as the executors'
        made = {
            "memory": InMemoryBroker,
            "sqlite": lambda: SQLiteBroker(self.url, key, lease=lease),
            "redis": lambda: RedisBroker(self.url, queue_key=key, lease=lease),
        }[self.kind]()
        self._made.append(made)
        return made

    def backend(self, **options):
        made = {
            "memory": lambda: InMemoryBackend(**options),
            "sqlite": lambda: SQLiteBackend(self.url, **options),
            "redis": lambda: RedisBackend(self.url, **options),
        }[self.kind]()
        self._made.append(made)
        return made

    def executor(self, workers=1, lease=30.0, **settings):
        broker = BrokerConfig(self.url, queue_key=self.key, lease=lease)
        settings = ExecutorConfig(io_workers=workers, **settings)
        return IOExecutor(Config(broker, BackendConfig(self.url), settings), events=EventBus())

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for each in self._made:
            await each.close()


@pytest.fixture
def place(request, tmp_path):
    """Return where the kind of the test's parameter is."""
    kind = request.param
    url = {
        "memory": lambda: "memory://",
        "sqlite": lambda: f"sqlite:///{tmp_path}/all",
        "redis": lambda: request.getfixturevalue("redis_url"),
    }[kind]()
    key = request.getfixturevalue("redis_prefix") if kind == "redis" else "queue"
    return Place(kind, url, key)


each_kind = pytest.mark.parametrize("place", KINDS, indirect=True)
each_far = pytest.mark.parametrize("place", FAR, indirect=True)

numbers = itertools.count()


def task(number, priority=0):
    return Task(f"{next(numbers)}", "work", (number,), {"key": [number]}, priority=priority)


def record(task_id, status=TaskStatus.PENDING, **fields):
    return TaskResult(task_id, status, **fields)


# ----------------------------------------------------------------------------- brokers


@each_kind
async def test_tasks_come_as_they_went_in_by_priority_and_age(place):
    async with place:
        broker = place.broker()
        tasks = [task(1), task(2), task(3, priority=-1), task(4)]
        for each in tasks:
            assert await broker.push(each)
        assert await broker.size() == 4
        popped = [await broker.pop(timeout=0) for _ in range(5)]

    assert popped == [tasks[2], tasks[0], tasks[1], tasks[3], None]


@each_kind
async def test_pop_waits_for_a_task(place, sim):
    async with place:
        broker = place.broker()
        assert await broker.pop(timeout=2) is None
        waiting = asyncio.ensure_future(broker.pop())
        await asyncio.sleep(1)
        await broker.push(task(1))
        popped = await waiting

    assert popped.args == (1,)
    assert round(sim.elapsed, 1) == 3


@each_kind
async def test_a_claimed_task_is_there_until_it_is_acknowledged(place):
    async with place:
        broker = place.broker()
        one = task(1)
        await broker.push(one)
        claim = await broker.claim("me")
        assert (claim.key, claim.task, claim.deliveries) == (one.id, one, 1)
        assert await broker.claim("you") is None
        assert await broker.size() == 0
        assert (await broker.counts()) == (0, 0, 1)
        assert await broker.renew(claim)
        assert await broker.remove(one.id) is False
        assert await broker.acknowledge(claim)
        assert not await broker.acknowledge(claim)
        assert (await broker.counts()) == (0, 0, 0)


@each_kind
async def test_a_task_that_is_given_back_comes_after_its_delay(place, sim):
    async with place:
        broker = place.broker()
        await broker.push(task(1))
        claim = await broker.claim("me")
        assert await broker.release(claim, 5.0)
        assert not await broker.renew(claim)
        assert await broker.claim("you") is None
        assert 4.9 < await broker.next_wait() <= 5
        assert await broker.size() == 1
        await asyncio.sleep(5)
        again = await broker.claim("you")
        assert again.deliveries == 2
        assert await broker.clear() == 1


@each_far
async def test_a_lease_that_ends_lets_others_have_the_task(place):
    async with place:
        mine, yours = place.broker(lease=3.0), place.broker(lease=3.0)
        await mine.push(task(1))
        stale = await mine.claim("me")
        await asyncio.sleep(2)
        assert await mine.renew(stale)
        await asyncio.sleep(2)
        assert await yours.claim("you") is None
        await asyncio.sleep(1.5)
        claim = await yours.claim("you")
        assert claim.deliveries == 2
        # Whoever was too late changes nothing any more.
        assert not await mine.renew(stale)
        assert not await mine.acknowledge(stale)
        assert not await mine.release(stale)
        assert await yours.acknowledge(claim)


@each_kind
async def test_a_task_of_which_nothing_was_done_keeps_its_place(place):
    async with place:
        broker = place.broker()
        first, second = task(1), task(2)
        await broker.push(first)
        await broker.push(second)
        assert await broker.unclaim(await broker.claim("a"))
        assert await broker.counts() == (2, 0, 0)
        assert (await broker.claim("b")).key == first.id


@each_far
async def test_a_clock_that_is_put_back_does_not_delay_what_is_given_back(place, sim):
    async with place:
        broker = place.broker()
        await broker.push(task(1))
        await broker.release(await broker.claim("first"))
        sim.move_wall(-3600)
        assert await broker.claim("second") is not None


@each_far
async def test_a_bound_is_kept(place):
    async with place:
        broker = place.broker()
        assert [await broker.push(task(1), limit=2) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_closed_broker_opens_again(place):
    async with place:
        broker = place.broker()
        await broker.push(task(1))
        await broker.close()
        await broker.close()
        assert await broker.size() == 1


# ----------------------------------------------------------------------------- backends


@each_kind
async def test_a_record_comes_back_as_it_was(place):
    full = TaskResult(
        "full",
        TaskStatus.SUCCESS,
        "work",
        {"result": [1.5, None, (2, b"bytes")]},
        "error",
        datetime(2024, 2, 29, 12, 0, 0, 123456, timezone.utc),
        datetime(2024, 3, 1, tzinfo=timezone.utc),
        datetime(2024, 3, 2, tzinfo=timezone.utc),
        2,
        (1, ("a", [])),
        {"key": {3: 4}},
        losses=1,
        progress=(0.5, None),
        worker="me",
    )
    async with place:
        backend = place.backend()
        for one in (full, record("bare")):
            await backend.store(one.task_id, one)
            assert await backend.get(one.task_id) == one
        assert TaskResult.from_dict(full.to_dict) == full
        assert await backend.get("nobody") is None


@each_kind
async def test_only_the_version_that_was_seen_is_changed(place):
    async with place:
        backend = place.backend()
        assert await backend.create(record("versions"))
        assert not await backend.create(record("versions"))
        seen = await backend.read("versions")
        running = dataclasses.replace(seen.record, status=TaskStatus.RUNNING, worker="me")
        assert await backend.change(seen.version, running)
        stale = dataclasses.replace(seen.record, status=TaskStatus.RUNNING, worker="you")
        assert not await backend.change(seen.version, stale)
        assert (await backend.get("versions")).worker == "me"


@each_kind
async def test_records_of_a_status_are_in_order_without_instant_last(place):
    async with place:
        backend = place.backend()
        await backend.clear()
        day = datetime(2024, 1, 1, tzinfo=timezone.utc)
        await backend.store("none", record("none"))
        for number in (1, 3, 2):
            submitted = day + timedelta(days=number)
            await backend.store(f"{number}", record(f"{number}", submitted_at=submitted))
        await backend.store("other", record("other", TaskStatus.FAILED))

        async def listed(*page):
            found = await backend.list_by_status(TaskStatus.PENDING, *page)
            return [each.task_id for each in found]

        assert await listed() == ["3", "2", "1", "none"]
        assert await listed(2) == ["3", "2"]
        assert await listed(2, 1) == ["2", "1"]
        assert await backend.delete("3") is True
        assert await backend.delete("3") is False
        assert await backend.count() == 4
        assert await backend.clear() == 4
        assert await listed() == []


@each_kind
async def test_waiting_for_the_end_of_a_task(place, sim):
    async with place:
        backend = place.backend()
        with pytest.raises(UnknownTaskIdError):
            await backend.wait_for("waited", 1)
        await backend.store("waited", record("waited"))
        with pytest.raises(TaskTimeoutError):
            await backend.wait_for("waited", timeout=2)
        assert 2 <= sim.elapsed < 2.1
        waiting = [asyncio.ensure_future(backend.wait_for("waited")) for _ in range(3)]
        await asyncio.sleep(1)
        done = record("waited", TaskStatus.SUCCESS)
        await backend.store("waited", done)
        assert await asyncio.gather(*waiting) == [done] * 3
        assert await backend.wait_for("waited") == done
        assert sim.elapsed < 3.2


@each_far
async def test_the_end_of_a_task_elsewhere_is_seen(place, sim):
    async with place:
        here, there = place.backend(), place.backend()
        await here.store("elsewhere", record("elsewhere"))
        waiting = asyncio.ensure_future(here.wait_for("elsewhere"))
        await asyncio.sleep(1)
        await there.store("elsewhere", record("elsewhere", TaskStatus.FAILED))
        assert (await waiting).status is TaskStatus.FAILED
        assert 1 <= sim.elapsed < 1.3
        await here.store("removed", record("removed"))
        waiting = asyncio.ensure_future(here.wait_for("removed"))
        await asyncio.sleep(1)
        await there.delete("removed")
        with pytest.raises(UnknownTaskIdError):
            await waiting


@each_kind
async def test_records_expire_after_the_end_of_their_tasks(place):
    async with place:
        backend = place.backend(ttl=10.0)
        await backend.clear()
        await backend.store("lives", record("lives"))
        await backend.store("ended", record("ended", TaskStatus.SUCCESS))
        await asyncio.sleep(9)
        assert await backend.get("ended") is not None
        await asyncio.sleep(1.5)
        assert await backend.get("ended") is None
        assert await backend.get("lives") is not None
        assert await backend.list_by_status(TaskStatus.SUCCESS) == []
        # What has expired is removed when another task ends.
        await backend.store("another", record("another", TaskStatus.SUCCESS))
        seen = await backend.read("lives")
        await asyncio.sleep(60)
        await backend.change(seen.version, record("lives", TaskStatus.SUCCESS))
        assert await backend.count() == 1
        # An id whose record has expired is a new one.
        await asyncio.sleep(11)
        await backend.store("lives", record("lives"))
        assert (await backend.get("lives")).status is TaskStatus.PENDING


async def test_a_wait_without_meaning_leaves_nothing_behind():
    async def look(task_id):
        looks.append(task_id)
        return record(task_id)

    looks = []
    waiting = Waiting(look, poll_interval=1.0)
    with pytest.raises(ValueError, match="format code 'g'"):
        await waiting.wait_for("odd", "5")
    with pytest.raises(TaskTimeoutError):
        await waiting.wait_for("even", 2.5)
    await asyncio.sleep(10)

    assert looks == ["even"] * 3


class Slow:
    """A store of records that takes a second."""

    def __init__(self, *_, **__): ...

    def get(self, key):
        time.sleep(1)

    def close(self): ...


@pytest.mark.parametrize(("connections", "seconds"), [(1, 12), (3, 4), (12, 1)])
async def test_as_many_operations_at_once_as_connections(monkeypatch, sim, connections, seconds):
    monkeypatch.setattr("simclock.systems._shared.stores.redis.RedisRecords", Slow)
    backend = RedisBackend("redis://nowhere", max_connections=connections)
    await asyncio.gather(*(backend.get(f"{number}") for number in range(12)))

    assert round(sim.elapsed) == seconds
    await backend.close()


async def test_a_backend_need_not_do_all():
    class Small(BaseResultBackend):
        async def create(self, record): ...
        async def read(self, task_id): ...
        async def change(self, version, record): ...
        async def wait_for(self, task_id, timeout=None): ...

    for call in (
        lambda: Small().delete("x"),
        lambda: Small().clear(),
        lambda: Small().list_by_status(TaskStatus.FAILED),
    ):
        with pytest.raises(NotImplementedError, match="Small"):
            await call()


# ----------------------------------------------------------------------------- executors


def working(executor, note, who=""):
    @executor.task(max_retries=1, retry_delay=2.0)
    async def work(number, seconds=1.0):
        note(f"{who}begins", number)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note(f"{who}interrupted", number)
            raise
        note(f"{who}ends", number)
        if number == "bad":
            raise LookupError("why")
        return number

    return work


@each_far
async def test_two_executors_share_the_work(place, note):
    first, second = place.executor(), place.executor()
    work = working(first, note, "first ")
    working(second, note, "second ")

    async with first, second:
        ids = [await first.submit(work, number) for number in range(6)]
        results = [(await second.wait_for_result(each)).result for each in ids]

    assert results == list(range(6))
    begun = [what for _, what, _ in note.log if what.endswith("begins")]
    assert sorted(begun) == ["first begins"] * 3 + ["second begins"] * 3


@each_far
async def test_priorities_and_retries(place, note):
    executor = place.executor()
    work = working(executor, note)

    async with executor:
        await executor.submit(work, 1)
        await executor.submit(work, 2)
        await executor.submit(work, 3, priority=-1)
        bad = await executor.submit(work, "bad", priority=-2)
        record = await executor.wait_for_result(bad)

    assert (record.status, record.retries, record.error) == (TaskStatus.FAILED, 1, "why")
    # The first one may be begun before the others are there.
    begun = [number for _, what, number in note.log if what == "begins" and number != 1]
    assert begun in (["bad", 3, 2, "bad"], ["bad", 3, "bad", 2])


@each_far
async def test_what_a_stop_has_interrupted_is_run_by_another(place, note):
    first, second = place.executor(), place.executor()
    work = working(first, note, "first ")
    working(second, note, "second ")

    await first.start()
    task_id = await first.submit(work, 1, 10.0)
    await asyncio.sleep(1)
    await first.stop(wait=False)
    async with second:
        record = await second.wait_for_result(task_id)

    assert (record.status, record.losses) == (TaskStatus.SUCCESS, 0)
    assert [what for _, what, _ in note.log] == [
        "first begins",
        "first interrupted",
        "second begins",
        "second ends",
    ]


@each_far
async def test_a_worker_that_has_lost_its_lease_writes_nothing(place, note):
    """It was stuck for so long that another one has the task: only that one's result counts."""
    async with place:
        executor = place.executor(lease=3.0)
        work = working(executor, note)
        broker, backend = place.broker(lease=60.0), place.backend()

        async with executor:
            task_id = await executor.submit(work, 1, 20.0)
            await asyncio.sleep(1)
            # As if it had been frozen: its claim has expired and is another's.
            attempt = executor._run.dispatcher.attempt_at(task_id)
            assert await broker.release(attempt.claim)
            while (claim := await broker.claim("thief")) is None:
                await asyncio.sleep(0.01)
            seen = await backend.read(task_id)
            stolen = dataclasses.replace(seen.record, worker="thief", losses=1)
            assert await backend.change(seen.version, stolen)
            await asyncio.sleep(3)
            note("later")
            assert await backend.get(task_id) == stolen
            done = dataclasses.replace(stolen, status=TaskStatus.SUCCESS, result="the thief's")
            seen = await backend.read(task_id)
            assert await backend.change(seen.version, done)
            assert await broker.acknowledge(claim)

        assert [what for _, what, *_ in note.log] == ["begins", "interrupted", "later"]
        assert (await executor.get_result(task_id)).result == "the thief's"


@each_far
async def test_who_is_lost_is_replaced_but_not_for_ever(place, note):
    """Workers are killed three times while they run the task, then it is given up."""
    async with place:
        broker, backend = place.broker(lease=1.0), place.backend()
        lost = task(1)
        await backend.store(lost.id, record(lost.id, args=(1,)))
        await broker.push(lost)
        for number in range(3):
            assert await broker.claim(f"killed {number}")
            seen = await backend.read(lost.id)
            losses = number
            running = dataclasses.replace(
                seen.record, status=TaskStatus.RUNNING, worker=f"{number}", losses=losses
            )
            assert await backend.change(seen.version, running)
            await asyncio.sleep(1.1)
        executor = place.executor(max_losses=2)
        working(executor, note)

        async with executor:
            ended = await executor.wait_for_result(lost.id)

    assert (ended.status, ended.losses) == (TaskStatus.FAILED, 3)
    assert ended.error.startswith("3 workers were lost")
    assert note.log == []


@each_far
async def test_a_task_that_has_ended_is_not_run_again(place, note):
    async with place:
        broker, backend = place.broker(), place.backend()
        done = task(1)
        await backend.store(done.id, record(done.id, TaskStatus.SUCCESS, result="once"))
        await broker.push(done)
        executor = place.executor()
        working(executor, note)

        async with executor:
            await asyncio.sleep(1)
        assert (await backend.get(done.id)).result == "once"
        assert await broker.counts() == (0, 0, 0)

    assert note.log == []


@each_far
async def test_a_task_without_record_is_run(place, note):
    async with place:
        broker = place.broker()
        lonely = task(1)
        await broker.push(lonely)
        executor = place.executor()
        working(executor, note)

        # Its function takes no `key`, so it fails: but it was run, and there is a record.
        async with executor:
            while (found := await executor.get_result(lonely.id)) is None:
                await asyncio.sleep(0.1)
            found = await executor.wait_for_result(lonely.id)

    assert found.status is TaskStatus.FAILED
    assert "unexpected keyword argument" in found.error


# ----------------------------------------------------------------------------- what is broken


async def test_a_file_that_is_no_database(tmp_path, sim):
    path = tmp_path / "broken"
    path.write_text("this is no database, and it is long enough to be taken for one" * 100)
    url = f"sqlite:///{path}"
    executor = IOExecutor(Config(BrokerConfig(url), BackendConfig(url)))

    @executor.task()
    async def work(): ...

    async with Started(executor):
        with pytest.raises(BackendError, match=r"backend sqlite:///.*broken: "):
            await executor.submit(work)
        with pytest.raises(BackendError):
            await executor.get_result("x")
        with pytest.raises(BackendError):
            await executor.wait_for_result("x")
    with pytest.raises(BrokerError, match="broker sqlite"):
        broker = SQLiteBroker(url)
        try:
            await broker.size()
        finally:
            await broker.close()
    assert sim.elapsed < 60


class Started:
    """Start, and stop in a second: nothing can be drained."""

    def __init__(self, executor):
        self._executor = executor

    async def __aenter__(self):
        await self._executor.start()

    async def __aexit__(self, *_):
        await self._executor.stop(timeout=1)


async def test_a_payload_that_is_none_is_refused_and_others_are_run(tmp_path, note):
    place = Place("sqlite", f"sqlite:///{tmp_path}/all", "queue")
    async with place:
        broker, backend = place.broker(), place.backend()
        odd = task(1)
        await backend.store(odd.id, record(odd.id))
        await broker._access.do(lambda jobs: jobs.push(odd.id, {"no": "task"}))
        executor = place.executor()
        work = working(executor, note)

        async with executor:
            failed = await executor.wait_for_result(odd.id)
            good = await executor.wait_for_result(await executor.submit(work, 1))

    assert (failed.status, failed.error) == (
        TaskStatus.FAILED,
        "what was found in the queue is no task",
    )
    assert good.is_success


@each_far
async def test_a_payload_that_is_damaged_is_refused_and_others_are_run(place, note, monkeypatch):
    async with place, place.executor() as executor:
        work = working(executor, note)
        backend = place.backend()
        cut = task("cut", priority=-1)
        await backend.store(cut.id, record(cut.id))
        with monkeypatch.context() as patch:
            patch.setattr(f"simclock.systems._shared.stores.{place.kind}.encode", lambda _: '{"cut')
            await place.broker().push(cut)
        good = await executor.submit(work, "good")
        assert (await executor.wait_for_result(good, timeout=10)).is_success
        refused = await executor.wait_for_result(cut.id, timeout=10)
        assert refused.status is TaskStatus.FAILED
        assert refused.error == "what was found in the queue is no task"
        assert await executor.broker.counts() == (0, 0, 0)


async def damage(place, monkeypatch, backend, task_id):
    """Overwrite the record of a task with what is none."""
    found = await backend.read(task_id)
    with monkeypatch.context() as patch:
        if place.kind == "memory":
            patch.setattr(TaskResult, "to_dict", {"no": "record"})
        else:
            patch.setattr(f"simclock.systems._shared.stores.{place.kind}.encode", lambda _: '{"cut')
        assert await backend.change(found.version, found.record)


@each_kind
async def test_a_task_with_a_damaged_record_is_set_aside_and_others_are_run(
    place, note, monkeypatch, caplog
):
    async with place, place.executor() as executor:
        work = working(executor, note)
        bad = task("bad", priority=-1)
        await executor.backend.store(bad.id, record(bad.id))
        await damage(place, monkeypatch, executor.backend, bad.id)
        with pytest.raises(DamagedRecordError, match=f"record of task '{bad.id}' cannot be read"):
            await executor.wait_for_result(bad.id)
        await executor.broker.push(bad)
        good = await executor.submit(work, "good")
        assert (await executor.wait_for_result(good, timeout=5)).is_success
        assert await executor.broker.counts() == (0, 0, 0)
        failed = await executor.wait_for_result(bad.id)

    assert (failed.status, failed.task_name, failed.args) == (TaskStatus.FAILED, "work", ("bad",))
    assert failed.error.splitlines()[0] == f"the record of task '{bad.id}' cannot be read"
    assert f"task {bad.id} is set aside" in caplog.text
    assert [what for _, what, *_ in note.log] == ["begins", "ends"]


@each_kind
async def test_a_record_that_is_damaged_while_its_task_runs_is_set_aside(place, note, monkeypatch):
    async with place, place.executor(lease=3.0) as executor:
        work = working(executor, note)
        bad = await executor.submit(work, 1)
        await asyncio.sleep(0.5)
        await damage(place, monkeypatch, executor.backend, bad)
        await asyncio.sleep(2)
        failed = await executor.wait_for_result(bad, timeout=5)
        assert failed.status is TaskStatus.FAILED
        assert failed.error.startswith("the record of task")
        assert await executor.broker.counts() == (0, 0, 0)


async def test_a_record_that_was_mended_meanwhile_is_not_set_aside(note):
    class Mended(InMemoryBackend):
        damages = 0

        async def read(self, task_id):
            found = await super().read(task_id)
            if self.damages:
                self.damages -= 1
                raise DamagedRecordError(task_id, found.version - 1, "it was cut")
            return found

    backend = Mended()
    executor = IOExecutor(broker=InMemoryBroker(), backend=backend, events=EventBus())
    work = working(executor, note)

    async with executor:
        task_id = await executor.submit(work, 1)
        backend.damages = 1
        await asyncio.sleep(0.5)
        assert backend.damages == 0
        record = await executor.wait_for_result(task_id, timeout=5)

    assert record.is_success


async def test_a_locked_file_is_waited_for(tmp_path, note):
    place = Place("sqlite", f"sqlite:///{tmp_path}/all", "queue")
    executor = place.executor()
    work = working(executor, note)

    async with executor:
        task_id = await executor.submit(work, 1)
        await asyncio.sleep(0.5)
        lock = sqlite3.connect(tmp_path / "all", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(20)
        note("unlocked")
        lock.execute("ROLLBACK")
        lock.close()
        record = await executor.wait_for_result(task_id)

    assert record.is_success
    assert [what for _, what, *_ in note.log].count("begins") == 1


async def test_a_server_that_is_not_there(sim):
    pytest.importorskip("redis")
    broker = RedisBroker("unix:///nowhere/socket")
    backend = RedisBackend("unix:///nowhere/socket")
    with pytest.raises(BrokerError, match=r"broker unix:///nowhere/socket: the Redis server at"):
        await broker.push(task(1))
    with pytest.raises(BackendError, match=r"backend unix:///nowhere/socket: the Redis server at"):
        await backend.get("x")
    await broker.close()
    await backend.close()
    assert sim.elapsed < 30
