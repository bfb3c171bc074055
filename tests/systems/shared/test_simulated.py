"""The stores in a simulation: nothing of it is in them, and all schedules of threads are legal."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time

import pytest

import simclock
from simclock.systems._shared.stores.interfaces import Counts
from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords
from simclock.systems._shared.stores.sqlite import SqliteJobs, SqliteRecords


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def work_off(jobs, name, done):
    """Claim and acknowledge until nothing is left; each job takes a second."""
    for number in itertools.count():
        owner = f"{name} {number}"
        now = time.time()
        job = jobs.claim(owner, now=now, until=now + 5)
        if job is None:
            return
        time.sleep(1)
        done.append(job.key)
        assert jobs.acknowledge(job.key, owner)


@pytest.mark.simclock
def test_threads_claim_each_job_once(sim, make_jobs):
    """By two connections, in simulated time: a real Redis answers in no time at all."""
    stores = [make_jobs(), make_jobs()]
    for number in range(40):
        stores[0].push(str(number), number)
    done = []
    run(*(lambda name=name: work_off(stores[name % 2], name, done) for name in range(4)))

    assert sorted(done, key=int) == [str(number) for number in range(40)]
    assert stores[1].counts(time.time()) == Counts(0, 0, 0)
    # A little more where SQLite was locked.
    assert 10 <= sim.elapsed < 11


@pytest.mark.simclock
def test_delays_and_claims_end_at_virtual_instants(sim, jobs):
    """A server has a clock of its own, which nobody asks."""
    began = time.time()
    jobs.push("a", 1, due=began + 3600)
    assert jobs.claim("one", now=time.time(), until=began + 9999) is None
    time.sleep(jobs.next_instant(time.time()) - time.time())
    assert jobs.claim("one", now=time.time(), until=time.time() + 86400).key == "a"
    time.sleep(86399)
    assert jobs.claim("two", now=time.time(), until=time.time()) is None
    time.sleep(1)
    assert jobs.claim("two", now=time.time(), until=time.time() + 1).deliveries == 2

    assert sim.elapsed == pytest.approx(3600 + 86400, abs=0.1)


@pytest.mark.simclock
def test_a_store_that_was_used_outside_can_be_used_inside(jobs):
    jobs.close()
    jobs.push("a", 1)

    assert jobs.claim("one", now=0, until=1).key == "a"


# ----------------------------------------------------------------- all schedules


@pytest.fixture(params=["memory", "sqlite", "sqlite, two connections"])
def stores(request, tmp_path):
    """Return a function that returns two stores of each kind, which are one, and empty."""
    numbers = itertools.count()

    @contextlib.contextmanager
    def make():
        if request.param == "memory":
            jobs, records = MemoryJobs(), MemoryRecords()
            yield (jobs, jobs), (records, records)
            return
        # A name of its own: what a run has left is there in the next one.
        path, name = tmp_path / "db", str(next(numbers))
        with contextlib.ExitStack() as stack:

            def opened(kind):
                return stack.enter_context(contextlib.closing(kind(path, name, durable=False)))

            jobs, records = opened(SqliteJobs), opened(SqliteRecords)
            if request.param == "sqlite":
                yield (jobs, jobs), (records, records)
            else:
                yield (jobs, opened(SqliteJobs)), (records, opened(SqliteRecords))

    make.runs = 200 if request.param == "memory" else 40
    return make


# The places where one thread can be between two of a store's own steps.
LINES = [
    f"simclock.systems._shared.{name}"
    for name in ("queues", "stores.memory", "stores.databases", "stores.sqlite")
]


def search(stores, scenario):
    def whole():
        with stores() as (jobs, records):
            scenario(jobs, records)

    report = simclock.explore(whole, runs=stores.runs, lines=LINES)
    assert report.check().verdict == "passed"
    assert report.distinct > 1


def test_no_job_is_claimed_twice(stores):
    def scenario(jobs, _):
        owned, done = set(), []

        def work(jobs, name):
            for number in range(2):
                owner = f"{name} {number}"
                job = jobs.claim(owner, now=0, until=10)
                if job is None:
                    continue
                assert job.key not in owned
                owned.add(job.key)
                assert jobs.renew(job.key, owner, until=20)
                owned.discard(job.key)
                if number:
                    assert jobs.acknowledge(job.key, owner)
                    done.append(job.key)
                else:
                    assert jobs.release(job.key, owner, due=0)

        for key in "ab":
            jobs[0].push(key, key)
        run(*(lambda name=name: work(jobs[name % 2], name) for name in range(3)))
        left = jobs[0].counts(0)
        assert left.ready + len(done) == 2
        assert left.claimed == 0
        assert len(set(done)) == len(done)

    search(stores, scenario)


def test_a_claim_that_expires_has_one_new_owner(stores):
    def scenario(jobs, _):
        jobs[0].push("a", 1)
        jobs[0].claim("late", now=0, until=10)
        won = []

        def late():
            if jobs[0].acknowledge("a", "late"):
                won.append("late")

        def other(jobs, name):
            job = jobs.claim(name, now=10, until=20)
            if job:
                assert job.deliveries == 2
                won.append(name)

        run(late, lambda: other(jobs[1], "one"), lambda: other(jobs[0], "two"))
        assert len(won) == 1

    search(stores, scenario)


def test_one_of_two_swaps_is_done(stores):
    def scenario(_, records):
        records[0].create("a", "new", 0, at=1)
        done = []

        def swap(records, name):
            row = records.get("a")
            if records.swap("a", row.version, name, row.value + 1):
                done.append(name)

        run(lambda: swap(records[0], "one"), lambda: swap(records[1], "two"))
        row = records[0].get("a")
        assert row.value == row.version - 1 == len(done) >= 1
        assert row.status == done[-1] or len(done) == 2
        found = records[1].with_status("one") + records[1].with_status("two")
        assert [key for key, _ in found] == ["a"]

    search(stores, scenario)


def test_a_limit_holds_whoever_pushes(stores):
    def scenario(jobs, _):
        taken = []

        def push(jobs, key):
            if jobs.push(key, 1, limit=2):
                taken.append(key)

        run(*(lambda key=key: push(jobs[key % 2], str(key)) for key in range(3)))
        assert len(taken) == 2
        assert jobs[0].counts(0).ready == 2

    search(stores, scenario)


def test_no_job_is_lost_with_a_process_that_is_killed_anywhere(tmp_path):
    """In a transaction, too: the next one finds the file as if it had not begun."""
    numbers = itertools.count()

    def scenario():
        name = str(next(numbers))
        with contextlib.closing(SqliteJobs(tmp_path / "db", name, durable=False)) as jobs:
            for key in "ab":
                jobs.push(key, key)
            done = []

            def main():
                with contextlib.closing(SqliteJobs(tmp_path / "db", name, durable=False)) as own:
                    for owner in "12":
                        job = own.claim(owner, now=0, until=10)
                        done.append(job.key)
                        assert own.acknowledge(job.key, owner)

            process = simclock.active().host("a").start(main)
            # Wherever it is by now.
            simclock.active().checkpoint()
            process.kill()
            left = []
            while job := jobs.claim(f"other {len(left)}", now=10, until=20):
                left.append(job.key)
            states.add((tuple(done), tuple(left)))
            assert set(done + left) == set("ab")

    states = set()
    report = simclock.explore(scenario, runs=60, lines=LINES)
    assert report.check().verdict == "passed"
    assert len(states) >= 4


def test_a_store_without_a_lock_would_be_found_out():
    """The search itself."""

    class Unlocked(MemoryJobs):
        def _forget(self):
            super()._forget()
            self._lock = contextlib.nullcontext()

    def scenario():
        jobs, keys = Unlocked(), []
        jobs.push("a", 1)

        def claim(name):
            job = jobs.claim(name, now=0, until=10)
            keys.extend([job.key] if job else [])

        run(lambda: claim("one"), lambda: claim("two"))
        assert keys == ["a"]

    assert simclock.explore(scenario, runs=200, lines=LINES, shrink=0).verdict == "failed"
