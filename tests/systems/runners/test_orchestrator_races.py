"""Searches over the orders in which runners, callers and those who recover get on."""

from __future__ import annotations

import os
import threading
import time

import pytest

import simclock
from simclock.systems._shared.stores.memory import MemoryRecords
from simclock.systems.runners.failures import InvocationStatusError
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.statuses import InvocationStatus as S
from simclock.systems.runners.storage import open_storage
from simclock.systems.runners.stored import StoredError

pytestmark = pytest.mark.simclock
# The places where one thread can be between two steps.
LINES = [
    f"simclock.systems.{name}"
    for name in (
        "_shared.stores.memory",
        "runners.changes",
        "runners.hints",
        "runners.ledger",
        "runners.slots",
        "runners.taking",
    )
]
ERROR = StoredError("ValueError", "it was wrong")
# Whether there is time for many more races.
MORE = bool(os.environ.get("SIMCLOCK_ALL_CRASHES"))


def run(*functions):
    """Run the functions in threads, to their ends."""
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def search(scenario, runs=80):
    report = simclock.explore(scenario, runs=500 if MORE else runs, lines=LINES)
    assert report.check().verdict == "passed"
    assert report.distinct > 1


def attempt(operation):
    """Return what the operation returns; None if somebody else was faster."""
    try:
        return operation()
    except InvocationStatusError:
        return None


def test_an_invocation_is_taken_by_one_runner(make_bench, runner):
    def scenario():
        one = make_bench()
        other = make_bench(one.storage)
        new = one.routed()
        # As the recovery may do: the second hint can be followed at the same time.
        one.orchestrator.hints.push_again(one.orchestrator.get(new), 1)
        taken = []
        run(
            lambda: taken.extend(one.take(runner("a"))),
            lambda: taken.extend(other.take(runner("b"))),
        )
        assert taken == [new]
        assert one.history(new) == ["registered", "pending"]

    search(scenario)


def test_a_runner_with_several_threads_takes_it_once(make_bench, runner):
    def scenario():
        bench = make_bench()
        new = bench.routed()
        bench.orchestrator.hints.push_again(bench.orchestrator.get(new), 1)
        taken = []
        run(*[lambda: taken.extend(bench.take(runner()))] * 2)
        assert taken == [new]

    search(scenario)


def running_concurrency(make_bench, runner, storage=None):
    def scenario():
        options = TaskOptions(running_concurrency=C.TASK, reroute_on_concurrency_control=True)
        one = make_bench(storage() if storage else None, options)
        benches = [one, make_bench(one.storage, options)]
        ids = {one.routed(x=each) for each in "12"}
        running, done = set(), []

        def work(bench, name):
            while len(done) < 2:
                for each in bench.take(runner(name)):
                    running.add(each)
                    bench.orchestrator.start(each, runner(name))
                    assert running == {each}
                    running.remove(each)
                    bench.orchestrator.succeed(each, runner(name), "")
                    done.append(each)
                time.sleep(1)

        run(*(lambda at=at: work(benches[at], "ab"[at]) for at in range(2)))
        assert set(done) == ids
        assert len(done) == 2

    return scenario


def test_two_that_keep_each_other_from_running_never_run_at_once(make_bench, runner):
    search(running_concurrency(make_bench, runner))


class Overwriting(MemoryRecords):
    """Records whose `swap` does not compare: what the search has to find."""

    def swap(self, key, version, status, value, *, expires=None):
        row = self.get(key)
        return row is not None and super().swap(key, row.version, status, value, expires=expires)


def test_slots_that_are_not_compared_would_be_found_out(make_bench, runner):
    """The search itself."""

    def storage():
        opened = open_storage("memory://")
        opened.slots = Overwriting()
        # Taken by nobody, so that both overwrite it.
        key = "running|task|shop.charge|no_args"
        opened.slots.create(key, "taken", {"invocation": "gone", "routing": 1}, at=1)
        return opened

    scenario = running_concurrency(make_bench, runner, storage)
    assert simclock.explore(scenario, runs=500, lines=LINES, shrink=0).verdict == "failed"


def test_invocations_that_are_not_compared_would_be_found_out(make_bench, runner):
    """The search itself."""

    def scenario():
        storage = open_storage("memory://")
        storage.invocations = Overwriting()
        one, other = make_bench(storage), make_bench(storage)
        new = one.routed()
        one.orchestrator.hints.push_again(one.orchestrator.get(new), 1)
        taken = []
        run(
            lambda: taken.extend(one.take(runner("a"))),
            lambda: taken.extend(other.take(runner("b"))),
        )
        assert taken == [new]

    assert simclock.explore(scenario, runs=500, lines=LINES, shrink=0).verdict == "failed"


def test_one_is_registered_whoever_calls(make_bench, runner):
    def scenario():
        options = TaskOptions(registration_concurrency=C.TASK)
        one = make_bench(options=options)
        benches = [one, make_bench(one.storage, options)]
        routed = []
        run(*(lambda each=each: routed.append(each.route(x="1")) for each in benches))

        assert len({each.id for each in routed}) == 1
        assert sorted(each.is_reused for each in routed) == [False, True]
        assert len(one.take(runner(), 9)) == 1

    search(scenario)


def test_a_call_that_comes_while_one_is_taken_is_run_once_more_or_not(make_bench, runner):
    numbers = set()

    def scenario():
        options = TaskOptions(registration_concurrency=C.TASK)
        bench = make_bench(options=options)
        bench.routed()
        taken = []
        run(bench.route, lambda: taken.extend(bench.take(runner(), 9)))
        taken += bench.take(runner(), 9)
        numbers.add(len(taken))
        assert len(taken) == len(set(taken)) == bench.orchestrator.count_invocations()

    search(scenario)
    assert numbers == {1, 2}


def test_the_dead_who_is_not_and_two_who_recover_give_it_one_end(make_bench, runner):
    ends = set()
    settings = {"heartbeat_interval": 5.0, "runner_considered_dead_after": 20.0}

    def scenario():
        one = make_bench(**settings)
        other = make_bench(one.storage, **settings)
        new = one.started(runner())
        recoveries = [Recovery(each.orchestrator) for each in (one, other)]
        for _ in range(3):
            for each in recoveries:
                each.step(runner("z"))
            time.sleep(10)
        mended = []
        run(
            lambda: attempt(lambda: one.orchestrator.succeed(new, runner(), "")),
            *(lambda each=each: mended.append(each.step(runner("z"))) for each in recoveries),
        )
        stored = one.orchestrator.get(new)
        ends.add(stored.status)
        assert sum(mended) == stored.recoveries <= 1
        assert (stored.status is S.SUCCESS) == (not stored.recoveries)
        assert one.take(runner("b"), 9) == ([] if stored.status is S.SUCCESS else [new])

    search(scenario)
    assert ends == {S.SUCCESS, S.REROUTED}


@pytest.mark.slow
def test_a_body_that_ends_while_it_is_given_back_has_one_end(make_bench, runner):
    ends = set()

    def scenario():
        bench = make_bench(options=TaskOptions(max_retries=1))
        it = bench.orchestrator
        new = bench.started(runner())
        told = []
        it.on_change.append(lambda stored: told.append(stored.status))
        run(
            lambda: attempt(lambda: it.succeed(new, runner(), "", routing=1)),
            lambda: attempt(lambda: it.retry(new, runner(), ERROR, routing=1)),
            lambda: attempt(lambda: it.kill_and_reroute(new, runner(), orderly=True, routing=1)),
        )
        ends.add(it.status(new).status)
        assert told in ([S.SUCCESS], [S.RETRY], [S.KILLED, S.REROUTED])

    search(scenario, runs=60)
    assert ends == {S.SUCCESS, S.RETRY, S.REROUTED}
