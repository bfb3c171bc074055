"""A broker and a backend that fail once, at every single call: nothing is lost, no result wrong."""

from __future__ import annotations

import asyncio

import pytest

import simclock
from simclock.systems.taskqueue import (
    BackendError,
    BrokerError,
    Config,
    EventBus,
    ExecutorConfig,
    FlowrraError,
    InMemoryBackend,
    InMemoryBroker,
    IOExecutor,
    TaskStatus,
    progress,
)


class Fault:
    """Fails at one call of all, before or after that has done its work."""

    def __init__(self, at, when):
        self._at, self._when = at, when
        self.calls = 0

    async def around(self, operation, error):
        self.calls += 1
        is_it = self.calls == self._at
        if is_it and self._when == "before":
            raise error("it is away")
        answer = await operation
        if is_it and self._when == "after":
            raise error("the answer is lost")
        return answer


def failing(kind, names, error):
    """Return a subclass whose methods of these names fail as `fault` says."""

    def method(name):
        async def call(self, *args, **kwargs):
            operation = getattr(super(made, self), name)(*args, **kwargs)
            try:
                return await self.fault.around(operation, error)
            finally:
                operation.close()

        return call

    made = type(f"Failing{kind.__name__}", (kind,), {name: method(name) for name in names})
    return made


BROKER = ("push", "claim", "renew", "acknowledge", "release", "remove", "counts", "next_wait")
FailingBroker = failing(InMemoryBroker, BROKER, BrokerError)
FailingBackend = failing(InMemoryBackend, ("create", "read", "change", "delete"), BackendError)


async def scenario(fault):
    """Run some tasks; return what was submitted, by ids, the records, and what was run."""
    broker, backend = FailingBroker(), FailingBackend()
    broker.fault = backend.fault = fault
    broker.lease = 3.0
    config = Config(executor=ExecutorConfig(io_workers=2, max_retries=1, retry_delay=1.0))
    executor = IOExecutor(config, broker=broker, backend=backend, events=EventBus())
    runs = []

    @executor.task()
    async def work(name, fails=0):
        runs.append(name)
        await asyncio.sleep(2)
        if runs.count(name) <= fails:
            raise LookupError(name)
        return name

    ids = {}
    async with executor:
        for name, fails in {"good": 0, "flaky": 1, "bad": 9, "cancelled": 0}.items():
            try:
                ids[name] = await executor.submit(work, name, fails)
            except FlowrraError:
                ids[name] = None
        await asyncio.sleep(1)
        try:
            await executor.cancel(ids["cancelled"] or "nobody")
        except FlowrraError:
            # It was, or was not.
            ids["either"] = ids.pop("cancelled")
    records = {}
    for name, task_id in ids.items():
        if task_id is not None:
            records[name] = await InMemoryBackend.read(backend, task_id)
    left = (await InMemoryBroker.counts(broker), len(backend) - len(records))
    return ids, {name: found.record for name, found in records.items()}, runs, left


EXPECTED = {
    "good": (TaskStatus.SUCCESS, "good"),
    "flaky": (TaskStatus.SUCCESS, "flaky"),
    "bad": (TaskStatus.FAILED, None),
    "cancelled": (TaskStatus.CANCELLED, None),
}
ANY = [(TaskStatus.CANCELLED, None), (TaskStatus.SUCCESS, "cancelled")]
MOST_RUNS = {"good": 1, "flaky": 2, "bad": 2, "cancelled": 1}


def run(at, when):
    fault = Fault(at, when)
    with simclock.Simulation() as sim:
        outcome = asyncio.run(scenario(fault))
        # The stop has waited for all of them, not given up.
        assert sim.elapsed < 29
    return fault, *outcome


def test_without_faults():
    _, ids, records, runs, left = run(0, "before")

    assert {name: (each.status, each.result) for name, each in records.items()} == EXPECTED
    assert None not in ids.values()
    assert sorted(runs) == ["bad", "bad", "flaky", "flaky", "good"]
    assert left == ((0, 0, 0), 0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_one_fault_at_each_call_loses_nothing(when):
    calls = run(0, "before")[0].calls
    assert calls > 50
    for at in range(1, calls + 1):
        _, ids, records, runs, left = run(at, when)
        found = {name: (each.status, each.result) for name, each in records.items()}
        assert found.pop("either", ANY[0]) in ANY, at
        assert found == {name: EXPECTED[name] for name in found}, at
        for name, most in MOST_RUNS.items():
            # Whoever was told that it was not submitted can rely on it; the rest is run once for
            # each attempt, and once more if what was written could not be known.
            was_refused = ids.get(name, "either") is None
            assert runs.count(name) <= (0 if was_refused else most + 1), (at, name)
        assert left[0] == (0, 0, 0), at
        assert left[1] <= len([each for each in ids.values() if each is None]), at
        assert sum(each.losses for each in records.values()) <= 1, at


class Outage:
    """Fails at each call, while it lasts."""

    def __init__(self):
        self.lasts = False

    async def around(self, operation, error):
        if self.lasts:
            raise error("it is away")
        return await operation


@pytest.fixture
def outage():
    return Outage()


@pytest.fixture
def made(outage, sim):
    """Return an executor over stores that the outage concerns, and its task, which takes 1 s."""
    broker, backend = FailingBroker(), FailingBackend()
    broker.fault = backend.fault = outage
    broker.lease = 3.0
    executor = IOExecutor(broker=broker, backend=backend, events=EventBus())

    @executor.task()
    async def work(number):
        runs.append((sim.elapsed, number))
        await asyncio.sleep(1)
        return number

    runs = work.runs = []
    return executor, work


async def test_a_result_waits_for_the_end_of_an_outage(made, outage, sim):
    executor, work = made
    async with executor:
        task_id = await executor.submit(work, 1)
        await asyncio.sleep(0.5)
        outage.lasts = True
        await asyncio.sleep(2)
        with pytest.raises(BackendError):
            await executor.get_result(task_id)
        outage.lasts = False
        record = await executor.wait_for_result(task_id)

    assert (record.result, record.losses) == (1, 0)
    assert work.runs == [(0, 1)]


async def test_after_a_long_outage_the_lease_is_over_and_the_task_is_run_again(made, outage):
    executor, work = made
    async with executor:
        task_id = await executor.submit(work, 1)
        await asyncio.sleep(0.5)
        outage.lasts = True
        await asyncio.sleep(20)
        outage.lasts = False
        record = await executor.wait_for_result(task_id)

    assert (record.result, record.losses) == (1, 1)
    assert len(work.runs) == 2


async def test_a_stop_in_an_outage_is_bounded_and_nothing_is_lost(made, outage, sim):
    executor, work = made
    await executor.start()
    ids = [await executor.submit(work, number) for number in range(6)]
    await asyncio.sleep(0.5)
    outage.lasts = True
    await executor.stop(timeout=2)
    assert sim.elapsed == 2.5
    with pytest.raises(FlowrraError):
        await executor.get_result(ids[0])

    outage.lasts = False
    await asyncio.sleep(5)
    async with executor:
        records = [await executor.wait_for_result(each) for each in ids]

    assert [each.result for each in records] == list(range(6))
    assert max(each.losses for each in records) == 1
    assert len(work.runs) <= 6 + 4


async def test_what_is_submitted_in_an_outage_is_refused(made, outage):
    executor, work = made
    async with executor:
        outage.lasts = True
        with pytest.raises(BackendError):
            await executor.submit(work, 1)
        outage.lasts = False
        assert len(executor.backend) == 0
    assert work.runs == []


# ----------------------------------------------------------------------------- lost answers


class Forgetful(InMemoryBackend):
    """Does what it is told, but the answer is lost, where a function of the record says so."""

    def __init__(self, forgets):
        super().__init__()
        self.forgets = forgets

    async def change(self, version, record):
        done = await super().change(version, record)
        if done and self.forgets(record):
            raise BackendError("the answer is lost")
        return done


async def test_a_progress_whose_answer_is_lost_is_no_reason_to_lose_the_result(sim):
    last = (TaskStatus.RUNNING, (2, None))
    executor = IOExecutor(
        backend=Forgetful(lambda record: (record.status, record.progress) == last),
        events=EventBus(),
    )

    @executor.task()
    async def work():
        for step in range(3):
            progress(step)
            await asyncio.sleep(1)
        return "done"

    async with executor:
        record = await executor.wait_for_result(await executor.submit(work), timeout=10)
        assert await executor.broker.counts() == (0, 0, 0)

    assert (record.result, record.progress, sim.elapsed) == ("done", (2, None), 3)


@pytest.mark.simclock
async def test_a_change_of_ours_that_nobody_has_seen_is_caught_up_with():
    backend = InMemoryBackend()
    executor = IOExecutor(backend=backend, events=EventBus())

    @executor.task()
    async def work():
        # As if an answer had not come yet.
        found = await backend.read(task_id)
        await backend.change(found.version, found.record)
        return "done"

    async with executor:
        task_id = await executor.submit(work)
        record = await executor.wait_for_result(task_id, timeout=10)

    assert record.result == "done"


async def test_beginnings_whose_answers_are_lost_are_no_losses(sim):
    executor = IOExecutor(
        backend=Forgetful(lambda record: record.status is TaskStatus.RUNNING), events=EventBus()
    )

    @executor.task()
    async def work():
        runs.append(sim.elapsed)
        return "done"

    runs = []
    async with executor:
        record = await executor.wait_for_result(await executor.submit(work), timeout=10)

    assert (record.result, record.losses) == ("done", 0)
    assert runs == [0]


# ----------------------------------------------------------------------------- a broker is lost


@pytest.mark.simclock
async def test_a_task_ends_although_its_broker_has_lost_it(caplog):
    """As a server does that is started again without its data; records are elsewhere."""
    broker = InMemoryBroker()
    broker.lease = 3.0
    executor = IOExecutor(broker=broker, events=EventBus())
    runs = []

    @executor.task(max_retries=1, retry_delay=1.0)
    async def work(fails):
        runs.append(fails)
        await asyncio.sleep(5)
        if fails and len(runs) == 1:
            raise LookupError
        return "done"

    async with executor:
        for fails in (True, False):
            task_id = await executor.submit(work, fails)
            await asyncio.sleep(0.5)
            await broker.clear()
            record = await executor.wait_for_result(task_id, timeout=20)
            assert (record.result, record.losses) == ("done", 0)

    assert runs == [True, True, False]
    assert "the broker says that task" in caplog.text
