"""Workers that are killed anywhere, and stores that fail anywhere: no task is lost, none is wrong.

What was executed is counted outside of the stores.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
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
    IOExecutor,
    TaskStatus,
)

LEASE = 0.5
# The second one fails the first time.
NUMBERS = (1, 2)
PARTS = 4
_names = (f"crashes {number}" for number in itertools.count())


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


@pytest.mark.parametrize("part", range(PARTS))
def test_no_task_is_lost_with_a_worker_that_is_killed_anywhere(part, make_url, monkeypatch, capsys):
    """At each checkpoint; the parts are for the workers that run the tests."""
    for number in itertools.count(part + 1, PARTS):
        kill, scenario = KillAt(number), Scenario(make_url())
        # Each has a seed of its own, so ids of its own.
        with kill.armed(monkeypatch), simclock.Simulation(seed=number) as sim:
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
