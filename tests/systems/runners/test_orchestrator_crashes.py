"""A program that crashes at each of its writes, or gets no answer: nothing is lost, and none twice."""

from __future__ import annotations

import contextlib
import time

import pytest

from simclock.systems._shared.stores.interfaces import StoreError
from simclock.systems.runners.failures import InvocationStatusError, StateBackendError
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.storage import Storage
from simclock.systems.runners.stored import StoredError

pytestmark = [pytest.mark.simclock, pytest.mark.hang_limit(300)]
ERROR = StoredError("ValueError", "it was wrong")
TABLES = ("invocations", "slots", "runners", "leases", "triggers", "occurrences", "queue")
SETTINGS = {"runner_considered_dead_after": 20.0, "unclaimed_after": 10.0}
OPTIONS = {
    "free": TaskOptions(max_retries=1),
    "delayed": TaskOptions(max_retries=1, retry_delay=3.0),
    "controlled": TaskOptions(
        max_retries=1,
        running_concurrency=C.TASK,
        registration_concurrency=C.ARGUMENTS,
        reroute_on_concurrency_control=True,
    ),
}


class Crashed(BaseException):
    """The program has ended here."""


class Counting:
    """A store that counts its calls, and those of others, and raises at one of them."""

    def __init__(self, store, calls, error, *, is_done):
        self._store = store
        self._calls = calls
        self._error = error
        self._is_done = is_done

    def __getattr__(self, name):
        operation = getattr(self._store, name)

        def call(*arguments, **more):
            self._calls[0] -= 1
            if self._calls[0] != 0:
                return operation(*arguments, **more)
            if self._is_done:
                operation(*arguments, **more)
            raise self._error

        return call


def live(bench, context, told):
    """Two invocations are registered; one fails and is tried again; both are run to their ends."""
    it = bench.orchestrator
    it.register_runner_heartbeats([context])
    for x in "12":
        bench.route(x=x)
    has_failed = False
    for _ in range(12):
        for stored in it.get_invocations_to_run(1, context):
            it.start(stored.id, context, routing=stored.routing)
            if not has_failed:
                has_failed = True
                it.retry(stored.id, context, ERROR, routing=stored.routing)
                continue
            it.succeed(stored.id, context, "paid", routing=stored.routing)
            told.append(stored.id)
        time.sleep(1)


def finish(bench, context):
    """Run what is there to its end, as the only runner there is."""
    it, recovery = bench.orchestrator, Recovery(bench.orchestrator)
    for _ in range(16):
        it.register_runner_heartbeats([context])
        recovery.step(context)
        for stored in it.get_invocations_to_run(9, context):
            it.start(stored.id, context, routing=stored.routing)
            it.succeed(stored.id, context, "at last", routing=stored.routing)
        time.sleep(4)


def lives(make_bench, runner, storage, *, options, call, error, is_done):
    """Let a program raise at that call, and another one finish; return whether it came to that."""
    calls = [call]
    stores = {
        table: Counting(getattr(storage, table), calls, error, is_done=is_done) for table in TABLES
    }
    told = []
    with contextlib.suppress(Crashed, StateBackendError, InvocationStatusError):
        live(make_bench(Storage(**stores), options, **SETTINGS), runner("a"), told)
    if calls[0] > 0:
        return False
    other = make_bench(storage, options, **SETTINGS)
    finish(other, runner("b"))
    found = [each for status in S for each in other.orchestrator.ledger.of_status(status)]
    for stored in found:
        assert stored.status is S.SUCCESS
        assert stored.result == ("paid" if stored.history[-1].runner_id == "a" else "at last")
        assert stored.executions <= 1 + stored.retries + stored.recoveries
        # Whoever was told so can rely on it.
        assert stored.id not in told or stored.result == "paid"
    assert {stored.id for stored in found} >= set(told)
    storage.clear()
    return True


ENDS = {
    "crashes before": (Crashed(), False),
    "crashes after": (Crashed(), True),
    "no answer, not done": (StoreError("gone"), False),
    "no answer, but done": (StoreError("gone"), True),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_is_lost_wherever_a_program_ends(open_kind, make_bench, runner, options, end):
    storage = open_kind("memory")
    error, is_done = ENDS[end]
    how = {"options": OPTIONS[options], "error": error, "is_done": is_done}
    call = 1
    while lives(make_bench, runner, storage, call=call, **how):
        call += 1
    assert call > 40


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_nothing_is_lost_wherever_a_program_ends_on_stores_that_are_shared(
    open_kind, make_bench, runner, kind
):
    storage = open_kind(kind)
    for call in range(1, 60, 7):
        assert lives(
            make_bench,
            runner,
            storage,
            options=OPTIONS["controlled"],
            call=call,
            error=Crashed(),
            is_done=True,
        )


class Forgetful:
    """Records whose answers are lost: they ask again, as a client of a server does."""

    def __init__(self, records):
        self._records = records

    def __getattr__(self, name):
        operation = getattr(self._records, name)
        if name not in {"create", "swap"}:
            return operation

        def twice(*arguments, **more):
            operation(*arguments, **more)
            return operation(*arguments, **more)

        return twice


@pytest.mark.parametrize("options", OPTIONS)
def test_an_answer_that_was_lost_on_the_way_changes_nothing(make_bench, runner, options):
    bench = make_bench(options=OPTIONS[options], **SETTINGS)
    for table in ("invocations", "slots", "runners"):
        setattr(bench.storage, table, Forgetful(getattr(bench.storage, table)))
    bench = make_bench(bench.storage, OPTIONS[options], **SETTINGS)
    statuses = []
    bench.orchestrator.on_change.append(lambda stored: statuses.append(stored.status))

    told = []
    live(bench, runner("a"), told)
    assert len(set(told)) == 2
    assert statuses.count(S.SUCCESS) == statuses.count(S.REGISTERED) == 2
    assert statuses.count(S.RETRY) == 1
    assert bench.orchestrator.hints.count() == 0
