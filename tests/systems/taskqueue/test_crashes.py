"""Workers that are killed anywhere, and stores that fail anywhere: no task is lost, none is wrong.

What was executed is counted outside of the stores.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time

import pytest

import simclock
from simclock._core.kernel import Kernel
from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    FlowrraError,
    IOExecutor,
    TaskStatus,
)
from simclock.systems.taskqueue.access import Far

pytestmark = pytest.mark.usefixtures("no_log")

LEASE = 0.5
# What such a server has said to have kept is there when it starts again.
KEEPING = ("--appendonly", "yes", "--appendfsync", "always")
# The second one fails the first time.
NUMBERS = (1, 2)
# One part of the places to be killed at is a test of some ten seconds.
PARTS = 23
ALL = os.environ.get("SIMCLOCK_ALL_CRASHES")
RUN = range(PARTS if ALL else 1)
# Of the operations that fail.
STEP = 1 if ALL else 5
_names = (f"crashes {number}" for number in itertools.count())
# Each simulation has one of its own, so ids of its own: stores are kept from one to the next, and
# the Redis server from one module to the next.
_seeds = itertools.count(1_000_000)


@pytest.fixture(params=["sqlite", "redis"])
def make_url(request, tmp_path):
    """Return a function that returns the URL of a store in which there is nothing yet."""
    if request.param == "redis":
        if sys.version_info < (3, 13):
            pytest.skip("it takes a minute: on one Python")
        url = request.getfixturevalue("redis_url")
        return lambda: url
    return lambda: f"sqlite:///{tmp_path / next(_names)}.db"


def config_of(url, name, **executor):
    # The backend's keys are ids of tasks: drawn anew by each simulation, from its seed.
    return Config(
        broker=BrokerConfig(url, queue_key=name, lease=LEASE),
        backend=BackendConfig(url),
        executor=ExecutorConfig(io_workers=2, **executor),
    )


class KillAt:
    """Kills a simulated process at one of its checkpoints, as another process would."""

    def __init__(self, number):
        self.number = number
        self.seen = 0
        self._process = None

    def aim(self, sim, process):
        self._killer = sim.host("killer").start(time.sleep, 1e8)
        time.sleep(0)
        self._process = process
        process._kernel.world.interested = 1  # every operation is to come by

    @property
    def has_struck(self):
        return self.seen >= self.number

    @contextlib.contextmanager
    def armed(self, monkeypatch):
        original = Kernel.checkpoint

        def checkpoint(kernel, label, subject=None):
            original(kernel, label, subject)
            process = self._process
            if process is not None and kernel.current.group is process._group:
                self.seen += 1
                if self.seen == self.number:
                    self._process = None
                    kernel.relax()
                    self._strike(kernel, process)

        with monkeypatch.context() as patch:
            patch.setattr(Kernel, "checkpoint", checkpoint)
            yield

    def _strike(self, kernel, process):
        killer, mine = self._killer._group, kernel.current
        killer.pending[0] = process.kill
        kernel.forced(killer.main)
        kernel.scheduler.ready.appendleft(mine)
        kernel._hand_over(mine, killer.main)
        kernel._deliver(mine)


class Scenario:
    """A process that submits tasks and runs them; what another one makes of what it leaves."""

    def __init__(self, url):
        self._config = config_of(url, next(_names))
        self.submitted = {}
        self.executed = []

    def executor(self):
        executor = IOExecutor(self._config)

        @executor.task(retry_delay=0.5)
        async def double(number):
            self.executed.append(number)
            await asyncio.sleep(0.1)
            if number == 2 and self.executed.count(2) == 1:
                raise ValueError("not the first time")
            return 2 * number

        return executor, double

    def first(self):
        async def main():
            executor, double = self.executor()
            async with executor:
                for number in NUMBERS:
                    self.submitted[await executor.submit(double, number)] = number
                for task_id in self.submitted:
                    await executor.wait_for_result(task_id)

        asyncio.run(main())

    def second(self):
        async def main():
            executor, _ = self.executor()
            async with executor:
                results = {}
                for task_id, number in submitted.items():
                    record = await executor.wait_for_result(task_id, 60)
                    results[number] = (record.status, record.result)
                return results

        # Both as they are now: a killed process may go on with them when the simulation is over.
        submitted = dict(self.submitted)
        results = asyncio.run(main())
        self.found = submitted, results, tuple(self.executed)

    def check(self):
        submitted, results, executed = self.found
        assert results == {
            number: (TaskStatus.SUCCESS, 2 * number) for number in submitted.values()
        }
        for number in submitted.values():
            # Once, once more if it fails, once more if it was lost.
            assert 1 <= executed.count(number) <= 2 + (number == 2)


@pytest.mark.parametrize("part", RUN)
def test_no_task_is_lost_with_a_worker_that_is_killed_anywhere(part, make_url, monkeypatch, capsys):
    """At each 23rd checkpoint, or at each one, in parts, if SIMCLOCK_ALL_CRASHES is set."""
    for number in itertools.count(part + 1, PARTS):
        kill, scenario = KillAt(number), Scenario(make_url())
        with kill.armed(monkeypatch), simclock.Simulation(seed=next(_seeds)) as sim:
            process = sim.host("first").start(scenario.first)
            kill.aim(sim, process)
            process.join()
            assert process.exitcode in (0, -9)
            second = sim.host("second").start(scenario.second)
            second.join()
            assert second.exitcode == 0
        scenario.check()
        if not kill.has_struck:
            break

    with capsys.disabled():
        sys.stdout.write(
            f"\nkilled at {kill.seen} checkpoints, part {part} of {PARTS}: {make_url()}\n"
        )
    assert kill.seen > 100


class Fault:
    """Goes wrong at one operation of all, by one of three ways."""

    def __init__(self, at, way, url):
        self.at, self.way, self.url = at, way, url
        self.seen = 0

    @contextlib.contextmanager
    def armed(self, monkeypatch):
        original = Far.do

        async def do(far, operation):
            self.seen += 1
            is_it = self.seen == self.at
            if is_it and self.way == "away":
                raise far._error("it is away")
            if is_it and self.way == "cut off":
                self._cut_off()
            answer = await original(far, operation)
            if is_it and self.way == "no answer":
                raise far._error("the answer is lost")
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(Far, "do", do)
            yield

    def _cut_off(self):
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.client_kill_filter(_type="normal", skipme=True)


async def tasks_with(executor, submitted, executed):
    """Submit three tasks, of which two fail, one for good; note what was taken, and what was run."""

    @executor.task(max_retries=1, retry_delay=0.5)
    async def work(name, fails):
        executed.append(name)
        await asyncio.sleep(1)
        if executed.count(name) <= fails:
            raise LookupError(name)
        return name

    async with executor:
        for name, fails in (("good", 0), ("flaky", 1), ("bad", 9)):
            with contextlib.suppress(FlowrraError):
                submitted[name] = await executor.submit(work, name, fails)


async def records_of(executor, submitted):
    return {name: await executor.get_result(each) for name, each in submitted.items()}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["away", "no answer", "cut off"])
def test_no_task_is_lost_when_any_one_operation_of_a_store_fails(make_url, monkeypatch, way):
    ends = {
        "good": (TaskStatus.SUCCESS, "good"),
        "flaky": (TaskStatus.SUCCESS, "flaky"),
        "bad": (TaskStatus.FAILED, None),
    }
    if way == "cut off" and not make_url().startswith("unix"):
        pytest.skip("there is no connection to a file")
    for at in itertools.count(1, STEP):
        fault, submitted, executed = Fault(at, way, make_url()), {}, []
        with simclock.Simulation(seed=next(_seeds)) as sim:
            executor = IOExecutor(config_of(fault.url, next(_names)))
            with fault.armed(monkeypatch):
                asyncio.run(tasks_with(executor, submitted, executed))
            assert sim.elapsed < 29  # the stop has waited for all of them, not given up
            records = asyncio.run(records_of(executor, submitted))
        if fault.seen < at:
            break
        assert {name: (each.status, each.result) for name, each in records.items()} == {
            name: ends[name] for name in submitted
        }
        assert len(submitted) >= (2 if way != "cut off" else 3)
        for name in submitted:
            # A lease that was lost is a further run at most.
            assert 1 <= executed.count(name) <= 3

    assert at > 30


def test_tasks_outlive_a_server_that_is_away_for_a_while(own_redis):
    log = []

    async def main(sim):
        def note(what):
            log.append((round(sim.elapsed, 3), what))

        executor = IOExecutor(config_of(own_redis.url, next(_names)))

        @executor.task()
        async def work(number):
            await asyncio.sleep(1)
            note(number)
            return number

        async with executor:
            tasks = [await executor.submit(work, number) for number in range(4)]
            await asyncio.sleep(0.5)
            with sim.real_time():
                own_redis.kill()
            note("away")
            with pytest.raises(FlowrraError, match="cannot be used"):
                await executor.submit(work, 4)
            await asyncio.sleep(60)
            with sim.real_time():
                own_redis.start(*KEEPING)
            note("back")
            records = [await executor.wait_for_result(each, 60) for each in tasks]
        return [(each.status, each.result) for each in records]

    own_redis.start(*KEEPING)
    with simclock.Simulation() as sim:
        records = asyncio.run(main(sim))

    assert records == [(TaskStatus.SUCCESS, number) for number in range(4)]
    assert [what for _, what in log if isinstance(what, str)] == ["away", "back"]
    assert {what for _, what in log} == {"away", "back", 0, 1, 2, 3}
