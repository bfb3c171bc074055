"""Machines that are killed, whose clocks are wrong: each invocation has one end, none is stolen."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simclock
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.stored import StoredError

pytestmark = pytest.mark.hang_limit(300)
NAMES = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 2), st.sampled_from("12")),
    st.tuples(st.just("kill"), NAMES),
    st.tuples(st.just("restart"), NAMES),
    st.tuples(st.just("step"), NAMES, st.sampled_from([-86400.0, -30.0, 30.0, 86400.0])),
    st.tuples(st.just("drift"), NAMES, st.sampled_from([-0.01, 0.01])),
)
PROGRAMS = st.lists(st.tuples(st.floats(0, 40), STEPS), max_size=15)
OPTIONS = [
    TaskOptions(max_retries=2, retry_delay=1.0, max_recoveries=2),
    TaskOptions(
        max_retries=2,
        max_recoveries=2,
        running_concurrency=C.TASK,
        reroute_on_concurrency_control=True,
    ),
]
_seeds = itertools.count()


class Cluster:
    """Three machines with a runner each, which also recovers; all share a storage in memory."""

    def __init__(self, sim, make_bench, options):
        self._numbers = itertools.count()
        self._hosts = {name: sim.host(name) for name in "abc"}
        self._make = lambda storage=None: make_bench(
            storage, options, runner_considered_dead_after=30.0, max_pending_seconds=60.0
        )
        self.bench = self._make()
        # Of each body: its invocation, runner and machine.
        self.bodies, self.running, self.most_running = [], set(), 0
        self.fails, self.alive, self.killed = {}, {}, set()
        self.processes = [host.start(self._serve, name) for name, host in self._hosts.items()]

    def do(self, what, *more):
        if what == "call":
            fails, x = more
            self.fails[self.bench.routed(x=x)] = fails
            return
        name, *more = more
        host = self._hosts[name]
        if what in {"kill", "restart"}:
            self.killed.add(self.alive.pop(name, None))
            self.running = {each for each in self.running if each[2] != name}
            getattr(host, what)()
        elif what == "step":
            host.move_wall(*more)
        else:
            host.drift(*more)

    def is_done(self):
        return self.bench.orchestrator.filter_by_final(self.fails) == list(self.fails)

    def _serve(self, name):
        bench = self._make(self.bench.storage)
        it, recovery = bench.orchestrator, Recovery(bench.orchestrator)
        context = RunnerContext("Runner", f"{name}{next(self._numbers)}")
        self.alive[name] = context.runner_id

        def live():
            while True:
                it.register_runner_heartbeats([context])
                recovery.step(context)
                time.sleep(2)

        threading.Thread(target=live, name="heartbeats", daemon=True).start()
        while True:
            for stored in it.get_invocations_to_run(1, context):
                self._run(it, it.start(stored.id, context, routing=stored.routing), context, name)
            time.sleep(1)

    def _run(self, it, stored, context, name):
        body = (stored.id, context.runner_id, name)
        self.bodies.append(body)
        self.running.add(body)
        self.most_running = max(self.most_running, len(self.running))
        # Longer than it takes to find that a runner is dead.
        time.sleep(40)
        self.running.discard(body)
        one = {"routing": stored.routing}
        error = StoredError("ValueError", "wrong")
        if stored.retries >= self.fails.get(stored.id, 0):
            it.succeed(stored.id, context, "paid", **one)
        elif not it.retry(stored.id, context, error, **one):
            it.fail(stored.id, context, error, **one)


@pytest.mark.parametrize("options", OPTIONS, ids=["free", "controlled"])
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(program=PROGRAMS)
def test_each_invocation_has_one_end_whatever_happens_to_machines(make_bench, options, program):
    with simclock.Simulation(seed=next(_seeds)) as sim:
        cluster = Cluster(sim, make_bench, options)
        for pause, step in program:
            time.sleep(pause)
            cluster.do(*step)
        for name in "abc":
            cluster.do("restart", name)
        for _ in range(300):
            time.sleep(10)
            if cluster.is_done():
                break
        assert [each.error for each in cluster.processes] == [None] * 3
        found = {each: cluster.bench.orchestrator.get(each) for each in cluster.fails}
        for name in "abc":
            cluster.do("kill", name)

    for invocation_id, stored in found.items():
        begun = [each for each in cluster.bodies if each[0] == invocation_id]
        assert stored.status is (S.FAILED if stored.error else S.SUCCESS)
        assert sum(each.status.is_final for each in stored.history) == 1
        assert stored.executions == len(begun) <= 1 + stored.retries + stored.recoveries
        # None is taken from who lives: an owner that was declared dead had been killed.
        for each in stored.history:
            if each.note and each.note.endswith(" is dead"):
                assert each.note.removesuffix(" is dead") in cluster.killed
    if options.running_concurrency is C.TASK:
        assert cluster.most_running <= 1
