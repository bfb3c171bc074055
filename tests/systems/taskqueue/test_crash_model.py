"""Random programs of submissions, cancellations, kills and restarts of two workers on one store."""

from __future__ import annotations

import asyncio
import itertools
import queue
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simclock
from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    IOExecutor,
    TaskStatus,
)

pytestmark = pytest.mark.usefixtures("no_log")

RETRIES = 1
HOSTS = st.sampled_from(["a", "b"])
STEPS = st.one_of(
    # Who submits it, its priority, how often it fails, how long it takes.
    st.tuples(st.just("submit"), HOSTS, st.integers(0, 2), st.integers(0, 3), st.floats(0, 2)),
    st.tuples(st.just("cancel"), HOSTS, st.integers(0, 5)),
    st.tuples(st.just("kill"), HOSTS),
    st.tuples(st.just("restart"), HOSTS),
    st.tuples(st.just("stop"), HOSTS, st.booleans()),
)
PROGRAMS = st.lists(st.tuples(st.floats(0, 1.5), STEPS), max_size=12)
_names = (f"model {number}" for number in itertools.count())
# Not those of other tests on the same Redis server: tasks would have the same ids.
_seeds = itertools.count(2_000_000)


class World:
    """Two machines whose programs share a store; what they have done, kept outside of it."""

    def __init__(self, sim, url):
        self._config = Config(
            BrokerConfig(url, queue_key=next(_names), lease=1.0),
            BackendConfig(url),
            ExecutorConfig(io_workers=2, max_retries=RETRIES, retry_delay=0.5, max_losses=99),
        )
        self.orders = {name: queue.SimpleQueue() for name in "ab"}
        self.submitted, self.cancelled, self.executed = {}, set(), []
        self.fails = {}
        self.kills = 0
        self._hosts = {name: sim.host(name) for name in "ab"}
        for name, host in self._hosts.items():
            host.start(self._serve, name)

    def do(self, what, name, *more):
        if what == "kill":
            self.kills += 1
            self._hosts[name].kill()
        elif what == "restart":
            self.kills += 1
            self._hosts[name].restart()
        elif what == "submit":
            task = len(self.fails)
            self.fails[task] = more[1]
            self.orders[name].put((what, task, *more))
        else:
            self.orders[name].put((what, *more))

    def _serve(self, name):
        asyncio.run(self._work(self.orders[name]))

    async def _work(self, orders):
        executor = IOExecutor(self._config)

        @executor.task()
        async def work(task, fails, seconds):
            self.executed.append(task)
            await asyncio.sleep(seconds)
            if self.executed.count(task) <= fails:
                raise LookupError(task)
            return task

        await executor.start()
        while True:
            while orders.empty():
                await asyncio.sleep(0.05)
            what, *more = orders.get_nowait()
            if what == "submit":
                task, priority, fails, seconds = more
                task_id = await executor.submit(work, task, fails, seconds, priority=priority)
                self.submitted[task] = task_id
            elif what == "cancel":
                task_id = self.submitted.get(more[0])
                if task_id is not None and await executor.cancel(task_id):
                    self.cancelled.add(more[0])
            else:
                await executor.stop(wait=more[0])
                await executor.start()

    async def records(self):
        """Wait for the end of all tasks; return what there is to know of them then."""
        submitted, cancelled = dict(self.submitted), set(self.cancelled)
        executor = IOExecutor(self._config)  # not started: it would take tasks
        records = {
            task: await executor.wait_for_result(task_id, 120)
            for task, task_id in submitted.items()
        }
        return records, cancelled, tuple(self.executed)


@pytest.fixture(params=["sqlite", "redis"])
def url(request, tmp_path):
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    return f"sqlite:///{tmp_path}/tasks.db"


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(program=PROGRAMS)
def test_each_task_has_one_end_whatever_happens_to_its_workers(url, program):
    with simclock.Simulation(seed=next(_seeds)) as sim:
        world = World(sim, url)
        for pause, step in program:
            time.sleep(pause)
            world.do(*step)
        for name in "ab":
            world.do("restart", name)
        time.sleep(5)
        records, cancelled, executed = asyncio.run(world.records())
        for name in "ab":
            world.do("kill", name)

    for task, record in records.items():
        runs = executed.count(task)
        # At most as often as it may fail, and once more for each time that a worker was lost,
        # or stopped while it ran it.
        interruptions = world.kills + sum(step[0] == "stop" for _, step in program)
        assert runs <= 1 + RETRIES + interruptions
        if task in cancelled:
            assert record.status is TaskStatus.CANCELLED
        elif record.status is TaskStatus.SUCCESS:
            assert record.result == task
            assert runs > world.fails[task]
        else:
            assert record.status is TaskStatus.FAILED
            assert runs > RETRIES
