"""Random programs of calls, runners, crashes at any write, lost answers, and the recovery after."""

from __future__ import annotations

import itertools
import os
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from simclock.systems._shared.stores.interfaces import StoreError
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.failures import InvocationStatusError, StateBackendError
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.storage import Storage, open_storage
from simclock.systems.runners.stored import StoredError

# Whether there is time for many more programs.
MORE = bool(os.environ.get("SIMCLOCK_ALL_CRASHES"))
MAX_RETRIES, MAX_RECOVERIES = 2, 2
ERROR = StoredError("ValueError", "it was wrong")
OPTIONS = [
    {},
    {"running_concurrency": C.TASK, "reroute_on_concurrency_control": True},
    {"running_concurrency": C.KEYS, "key_arguments": ("x",)},
    {"registration_concurrency": C.ARGUMENTS, "running_concurrency": C.ARGUMENTS},
    {"retry_delay": 50.0},
]
TABLES = ("invocations", "slots", "runners", "leases", "triggers", "occurrences", "queue")


class Crashed(BaseException):
    """The program has ended here."""


class Fault:
    """What happens at one of the next calls of stores.

    Attributes:
        calls: Before which one; None: nothing happens.
        error: What is raised.
        is_done: Whether the call is done all the same.
    """

    def __init__(self):
        self.calls, self.error, self.is_done = None, None, False

    def arm(self, calls, error, is_done):
        self.calls, self.error, self.is_done = calls, error, is_done

    def strikes(self):
        if self.calls is None:
            return False
        self.calls -= 1
        if self.calls >= 0:
            return False
        self.calls = None
        return True


class Faulty:
    """A store that one program uses, with faults."""

    def __init__(self, store, fault):
        self._store = store
        self._fault = fault

    def __getattr__(self, name):
        operation = getattr(self._store, name)

        def call(*arguments, **more):
            if not self._fault.strikes():
                return operation(*arguments, **more)
            if self._fault.is_done:
                operation(*arguments, **more)
            raise self._fault.error

        return call


class Program:
    """A runner in a program of its own: what it knows is gone when that crashes."""

    def __init__(self, make_bench, storage, options, name):
        self.fault = Fault()
        stores = {table: Faulty(getattr(storage, table), self.fault) for table in TABLES}
        self.bench = make_bench(
            Storage(**stores), options, runner_considered_dead_after=20.0, unclaimed_after=10.0
        )
        self.context = RunnerContext("Runner", name, pid=1, hostname="host", thread_id=1)
        self.recovery = Recovery(self.bench.orchestrator)
        # What it was given to run, with what it was then.
        self.taken = []


class Runners(RuleBasedStateMachine):
    """Three runners on one storage."""

    def __init__(self, make_bench, make_storage):
        super().__init__()
        self._make_bench = make_bench
        self._storage = make_storage()
        self._names = itertools.count()
        self._programs = []
        # Of each invocation: how often a body was begun, and those that are under way.
        self._begun = {}
        self._reroutes = {}
        self._finals = {}

    @initialize(options=st.sampled_from(OPTIONS))
    def begin(self, options):
        self._options = TaskOptions(
            max_retries=MAX_RETRIES, max_recoveries=MAX_RECOVERIES, **options
        )
        self._programs = [self._program() for _ in range(3)]
        self._plain = self._make_bench(self._storage, self._options)

    def _program(self):
        name = f"runner {next(self._names)}"
        return Program(self._make_bench, self._storage, self._options, name)

    def _do(self, at, operation):
        """Let a program do something; if it crashes, another one has its place."""
        program = self._programs[at]
        try:
            return operation(program)
        except Crashed:
            self._programs[at] = self._program()
        except (InvocationStatusError, StateBackendError):
            pass
        return None

    @rule(at=st.integers(0, 2), calls=st.integers(0, 8), is_done=st.booleans())
    def crash_soon(self, at, calls, is_done):
        self._programs[at].fault.arm(calls, Crashed(), is_done)

    @rule(at=st.integers(0, 2), calls=st.integers(0, 8), is_done=st.booleans())
    def lose_the_store_soon(self, at, calls, is_done):
        self._programs[at].fault.arm(calls, StoreError("it is gone"), is_done)

    @rule(at=st.integers(0, 2))
    def kill(self, at):
        self._programs[at] = self._program()

    @rule(at=st.integers(0, 2), x=st.sampled_from("12"))
    def call(self, at, x):
        self._do(at, lambda program: program.bench.route(x=x))

    @rule(at=st.integers(0, 2), count=st.integers(1, 3))
    def take(self, at, count):
        def take(program):
            for stored in program.bench.orchestrator.get_invocations_to_run(count, program.context):
                program.taken.append(stored)

        self._do(at, take)

    def _with_one(self, at, pick, operation):
        """Let a program do something with what it was given; it has that no more, if asked to."""
        program = self._programs[at]
        if not program.taken:
            return
        stored = program.taken[pick % len(program.taken)]
        it, context = program.bench.orchestrator, program.context
        self._do(at, lambda _: operation(it, stored, context))

    @rule(at=st.integers(0, 2), pick=st.integers(0, 3))
    def start(self, at, pick):
        def start(it, stored, context):
            it.start(stored.id, context, routing=stored.routing)

        self._with_one(at, pick, start)

    @rule(
        at=st.integers(0, 2),
        pick=st.integers(0, 3),
        how=st.sampled_from(["succeed", "fail", "retry", "stop", "lose", "pause", "resume"]),
    )
    def go_on(self, at, pick, how):
        def go_on(it, stored, context):
            one = {"routing": stored.routing}
            if how == "succeed":
                it.succeed(stored.id, context, f"of {context.runner_id}", **one)
            elif how == "fail":
                it.fail(stored.id, context, ERROR, **one)
            elif how == "retry":
                _ = it.retry(stored.id, context, ERROR, **one) or it.fail(
                    stored.id, context, ERROR, **one
                )
            elif how == "pause":
                it.pause(stored.id, context, [], **one)
            elif how == "resume":
                it.resume(stored.id, context, **one)
            else:
                it.kill_and_reroute(stored.id, context, orderly=how == "stop", **one)

        self._with_one(at, pick, go_on)

    @rule(at=st.integers(0, 2), how=st.sampled_from(["succeed", "retry", "lose", "nothing"]))
    def take_one_and_run_it(self, at, how):
        self.take(at, 1)
        self.start(at, -1)
        if how != "nothing":
            self.go_on(at, -1, how)

    @rule()
    def crash_all_and_recover(self):
        for at in range(3):
            self.kill(at)
        for _ in range(4):
            self.recover(0, 12)

    @rule(at=st.integers(0, 2), seconds=st.sampled_from([0, 6, 12]))
    def recover(self, at, seconds):
        time.sleep(seconds)

        def recover(program):
            program.bench.orchestrator.register_runner_heartbeats([program.context])
            program.recovery.step(program.context)

        for each in {at, 0, 1, 2}:
            self._do(each, recover)

    def _all(self):
        return [each for status in S for each in self._plain.orchestrator.ledger.of_status(status)]

    @invariant()
    def what_is_final_stays_as_it_is(self):
        if not self._programs:
            return
        for stored in self._all():
            if stored.id in self._finals:
                assert stored == self._finals[stored.id]
            elif stored.status.is_final:
                self._finals[stored.id] = stored
                assert (stored.result is None) == (stored.status is not S.SUCCESS)
                assert (stored.error is None) == (stored.status is not S.FAILED)

    @invariant()
    def one_owner_and_bounded_executions(self):
        if not self._programs:
            return
        for stored in self._all():
            assert (stored.owner is not None) == stored.status.is_owned
            words = [each.status for each in stored.history]
            stops = words.count(S.KILLED) + words.count(S.PENDING_RECOVERY)
            assert stored.executions == words.count(S.RUNNING)
            assert stored.executions <= 1 + stored.retries + stored.recoveries + stops
            assert stored.retries <= MAX_RETRIES
            assert stored.recoveries <= MAX_RECOVERIES

    @invariant()
    def no_two_run_that_keep_each_other_away(self):
        if not self._programs or self._options.running_concurrency is C.DISABLED:
            return
        owned = [each.arguments["x"] for each in self._all() if each.status.is_owned]
        if self._options.running_concurrency is C.TASK:
            assert len(owned) <= 1
        assert len(owned) == len(set(owned))

    def teardown(self):
        """All programs are gone, and one more comes: each invocation gets to its end."""
        if not self._programs:
            return
        last = self._program()
        it, context = last.bench.orchestrator, last.context
        for _ in range(80):
            it.register_runner_heartbeats([context])
            last.recovery.step(context)
            for stored in it.get_invocations_to_run(9, context):
                it.start(stored.id, context, routing=stored.routing)
                it.succeed(stored.id, context, "at last", routing=stored.routing)
            time.sleep(5)
        self.what_is_final_stays_as_it_is()
        assert all(each.status.is_final for each in self._all())
        # None was lost by its slot.
        assert not it.registrations.complete()


def check(make_bench, make_storage, examples):
    run_state_machine_as_test(
        lambda: Runners(make_bench, make_storage),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )


@pytest.mark.simclock
@pytest.mark.hang_limit(300)
def test_each_invocation_has_one_end_whatever_happens_to_programs(make_bench, caplog):
    caplog.set_level("CRITICAL")
    check(make_bench, lambda: open_storage("memory://"), 1500 if MORE else 80)


@pytest.mark.simclock
@pytest.mark.hang_limit(300)
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_it_has_so_on_stores_that_are_shared(make_bench, open_kind, kind, caplog):
    caplog.set_level("CRITICAL")
    storage = open_kind(kind)

    def cleared():
        storage.clear()
        return storage

    check(make_bench, cleared, 100 if MORE else 8)
