"""Leases: never two at once, and never none for long."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import random
import threading
import time
import warnings

import pytest

import simclock
from simclock.systems._shared.leases import FREE, Lease
from simclock.systems._shared.stores.interfaces import StoreError
from simclock.systems._shared.stores.memory import MemoryRecords
from simclock.systems._shared.stores.served import ServedRecords, StoreClient
from simclock.systems._shared.stores.serving import StoreServer
from simclock.systems._shared.stores.sqlite import SqliteRecords

pytestmark = pytest.mark.simclock


@pytest.fixture
def kept():
    return MemoryRecords()


def lease_of(records, owner, **settings):
    return Lease(records, "x", owner, **{"duration": 10, "margin": 0.1, **settings})


def test_the_first_one_has_it(kept):
    lease = lease_of(kept, "a")
    assert (lease.held, lease.token) == (False, None)

    assert lease.try_acquire() == 1
    assert (lease.held, lease.token) == (True, 1)
    assert kept.get("x").value["owner"] == "a"


def test_it_ends_by_itself(kept):
    lease = lease_of(kept, "a")
    lease.try_acquire()
    time.sleep(9.999)
    assert lease.held
    time.sleep(0.001)
    assert not lease.held


def test_renewed_it_is_longer(kept):
    lease = lease_of(kept, "a")
    lease.try_acquire()
    for _ in range(10):
        time.sleep(6)
        assert lease.renew()
        assert lease.held
    assert lease.token == 1


def test_to_acquire_it_again_renews_it(kept):
    lease = lease_of(kept, "a")
    for _ in range(5):
        assert lease.try_acquire() == 1
        time.sleep(6)
        assert lease.held


def test_another_waits_as_long_and_a_margin_from_when_it_has_looked_first(sim, kept):
    first, second = lease_of(kept, "a"), lease_of(kept, "b")
    first.try_acquire()
    time.sleep(3)
    while second.try_acquire() is None:
        time.sleep(0.5)

    assert sim.elapsed == 3 + 11
    assert second.token == 2
    assert not first.renew()
    assert (first.held, first.token) == (False, None)


def test_each_renewal_is_seen_by_the_other(sim, kept):
    first, second = lease_of(kept, "a"), lease_of(kept, "b")
    first.try_acquire()
    while second.try_acquire() is None:
        time.sleep(1)
        if sim.elapsed in (5, 10, 15):
            first.renew()

    assert sim.elapsed == 15 + 11


def test_who_has_not_looked_for_long_does_not_know_for_how_long_it_was_silent(kept):
    first, second = lease_of(kept, "a"), lease_of(kept, "b")
    first.try_acquire()
    second.try_acquire()
    time.sleep(5)
    first.renew()
    time.sleep(8)
    assert first.held

    assert second.try_acquire() is None


def test_one_that_was_released_is_had_at_once_with_a_higher_token(kept):
    first, second = lease_of(kept, "a"), lease_of(kept, "b")
    first.try_acquire()
    first.release()
    first.release()
    assert not first.held
    assert kept.get("x").status == FREE

    assert second.try_acquire() == 2
    first.release()
    assert second.renew()
    second.release()
    assert first.try_acquire() == 3


def test_what_ended_may_be_renewed_if_nobody_took_it(kept):
    lease = lease_of(kept, "a")
    lease.try_acquire()
    time.sleep(60)

    assert lease.renew()
    assert (lease.held, lease.token) == (True, 1)


def test_nothing_that_was_never_had_is_renewed(kept):
    assert not lease_of(kept, "a").renew()
    assert kept.count() == 0


def test_owners_of_one_name_are_two(kept):
    """A process that was started again may be called the same."""
    first, second = lease_of(kept, "a"), lease_of(kept, "a")
    first.try_acquire()

    assert second.try_acquire() is None
    assert not second.renew()
    second.release()
    assert first.held
    assert first.renew()


def test_names_are_leases_of_their_own(kept):
    assert Lease(kept, "x", "a", 10).try_acquire() == 1
    assert Lease(kept, "y", "b", 10).try_acquire() == 1


def test_the_time_that_the_store_takes_is_not_believed_in(kept):
    class Slow(MemoryRecords):
        def create(self, *arguments, **options):
            time.sleep(4)
            return super().create(*arguments, **options)

        def swap(self, *arguments, **options):
            time.sleep(3)
            return super().swap(*arguments, **options)

    lease = lease_of(Slow(), "a")
    lease.try_acquire()
    time.sleep(5.9)
    assert lease.held
    time.sleep(0.1)
    assert not lease.held
    lease.renew()
    time.sleep(6.9)
    assert lease.held
    time.sleep(0.1)
    assert not lease.held


class Failing(MemoryRecords):
    """Fails when it is told to: before or after it has done something."""

    when = None

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name not in ("create", "get", "swap"):
            return found

        def call(*arguments, **options):
            when, self.when = (
                self.when,
                None if self.when in (f"before {name}", name) else self.when,
            )
            if when == f"before {name}":
                raise StoreError(when)
            answer = found(*arguments, **options)
            if when == name:
                raise StoreError(f"after {when}")
            return answer

        return call


@pytest.mark.parametrize("what", ["create", "swap"])
def test_what_was_acquired_without_an_answer_is_had_with_the_next_call(what):
    records = Failing()
    if what == "swap":
        other = lease_of(records, "b")
        other.try_acquire()
        other.release()
    lease = lease_of(records, "a")
    records.when = what
    with pytest.raises(StoreError):
        lease.try_acquire()
    assert (lease.held, lease.token) == (False, None)

    assert lease.try_acquire() == (1 if what == "create" else 2)
    assert lease.held


@pytest.mark.parametrize("when", ["before swap", "swap", "get"])
def test_what_could_not_be_renewed_stays_believed_until_it_ends(when):
    records = Failing()
    lease = lease_of(records, "a")
    lease.try_acquire()
    time.sleep(5)
    records.when = when
    with pytest.raises(StoreError):
        lease.renew()
    time.sleep(4.9)
    assert lease.held
    assert lease.token == 1
    time.sleep(0.1)
    assert not lease.held
    assert lease.renew()
    assert lease.token == 1


def test_who_looks_before_another_creates_it_does_not_have_it(kept, monkeypatch):
    late, other = lease_of(kept, "a"), lease_of(kept, "b")
    other.try_acquire()
    with monkeypatch.context() as patch:
        patch.setattr(kept, "get", lambda _: None)
        assert late.try_acquire() is None
    assert not late.held


def test_one_that_another_has_taken_is_not_released(kept):
    late, other = lease_of(kept, "a"), lease_of(kept, "b")
    late.try_acquire()
    while other.try_acquire() is None:
        time.sleep(1)
    late.release()

    assert other.renew()


def test_a_renewal_that_another_was_faster_than_is_none(kept, monkeypatch):
    late, other = lease_of(kept, "a"), lease_of(kept, "b")
    late.try_acquire()
    seen = kept.get("x")
    while other.try_acquire() is None:
        time.sleep(1)
    with monkeypatch.context() as patch:
        patch.setattr(kept, "get", lambda _: seen)
        assert not late.renew()
    assert not late.held


def test_one_that_cannot_be_released_is_believed_in_no_more():
    records = Failing()
    lease = lease_of(records, "a")
    lease.try_acquire()
    records.when = "before swap"
    with pytest.raises(StoreError):
        lease.release()
    assert not lease.held
    assert lease.token is None


@pytest.mark.parametrize(("margin", "overlap"), [(0.3, False), (0.25, False), (0.1, True)])
def test_clocks_may_differ_by_the_margin(kept, margin, overlap):
    """The one that waits has the faster clock."""
    slow = lease_of(kept, "slow", margin=margin, clock=time.monotonic)
    fast = lease_of(kept, "fast", margin=margin, clock=lambda: time.monotonic() * 1.25)
    slow.try_acquire()
    while fast.try_acquire() is None:
        time.sleep(0.01)

    assert slow.held == overlap


def test_of_two_that_want_it_at_once_one_has_it():
    def scenario():
        records, found = MemoryRecords(), []
        leases = [lease_of(records, name) for name in "abc"]
        threads = [
            threading.Thread(target=lambda each=each: found.append(each.try_acquire()))
            for each in leases
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(found, key=str) == [1, None, None]
        assert sum(each.held for each in leases) == 1

    lines = ["simclock.systems._shared.leases", "simclock.systems._shared.stores.memory"]
    report = simclock.explore(scenario, runs=100, lines=lines)
    assert report.check().verdict == "passed"
    assert report.distinct > 10


@pytest.mark.parametrize("numbers", [{"duration": 0}, {"duration": -1}, {"margin": -1}])
def test_numbers_that_have_no_meaning_are_refused(kept, numbers):
    with pytest.raises(ValueError, match="nobody can be watched"):
        lease_of(kept, "a", **numbers)


# ------------------------------------------------------- machines on which things go wrong

PORT = 7300
# For each pair within the margin.
RATES, MARGIN = (1.0, 1.28, 1.1), 0.3
DURATION = 2.0


class Beliefs:
    """Who has believed to hold the lease, from when to when, in true time."""

    def __init__(self):
        self.all = []

    def note(self, name, lease, rate):
        now = simclock.active().elapsed
        left = lease._until - lease._clock()
        if left > 0:
            self.all.append((now, now + left / rate, name, lease.token))

    def forget(self, name):
        """It is about to be released: now nobody believes in it any more."""
        now = simclock.active().elapsed
        self.all = [
            (start, min(end, now) if who == name else end, who, token)
            for start, end, who, token in self.all
        ]

    def check(self):
        for first, second in itertools.combinations(self.all, 2):
            if first[3] != second[3]:
                assert first[1] <= second[0] or second[1] <= first[0], (first, second)
                assert (first[0] < second[0]) == (first[3] < second[3]), (first, second)
            else:
                assert first[2] == second[2], "one token, two holders"


def want(make, url, name, rate, beliefs):
    """Want the lease for ever, renew it, and sometimes release it."""
    name = f"{name} {simclock.active().elapsed}"  # a process that was started again is another
    draw = random.Random(name)
    with contextlib.closing(StoreClient(url, timeout=0.7)) as client:
        records = ServedRecords(client, "leases")
        lease = make(records, "x", name, DURATION, MARGIN, clock=lambda: time.monotonic() * rate)
        while True:
            with contextlib.suppress(StoreError):
                if lease.try_acquire() is not None and lease.held:
                    beliefs.note(name, lease, rate)
                    if draw.random() < 0.1:
                        beliefs.forget(name)
                        lease.release()
            time.sleep(draw.choice([0.1, 0.2, 0.4]))


def keep(path, name):
    with contextlib.ExitStack() as stack:
        records = stack.enter_context(contextlib.closing(SqliteRecords(path, name, durable=False)))
        server = StoreServer({}, {"leases": records}, host="", port=PORT)
        stack.enter_context(contextlib.closing(server)).run()


numbers = itertools.count()
ALL = ("kill", "pause", "skew", "drift", "partition", "reset", "slow")
RUNS = 200 if os.environ.get("SIMCLOCK_ALL_CRASHES") else 12


def scenario(make, path, totals):
    sim = simclock.active()
    store, *machines = (sim.host(name) for name in ("store", "a", "b", "c"))
    sim.network.set(latency=0.02)
    beliefs = Beliefs()
    store.start(keep, path, f"run {next(numbers)}")
    url = f"served://{store.address}:{PORT}"
    for host, rate in zip(machines, RATES, strict=True):
        host.start(want, make, url, host.name, rate, beliefs)
    hosts = [store, *machines]
    with sim.faults.phase(**dict.fromkeys(ALL, hosts), every=(0.3, 2.0)):
        sim.sleep(20)
    beliefs.check()
    before = len(beliefs.all)
    sim.faults.recovers(lambda: len(beliefs.all) > before, "somebody has it", within=10)
    beliefs.check()
    totals.append(len({token for *_, token in beliefs.all}))
    for host in hosts:
        host.kill()


def search(make, path, **options):
    totals = []
    whole = functools.partial(scenario, make, path, totals)
    with warnings.catch_warnings():
        # Of sockets that killed processes had open.
        warnings.simplefilter("ignore", ResourceWarning)
        report = simclock.explore(whole, strategy="random", latency=0.0, **options)
        kinds = {each.kind for each in report.evidence.faults}
        found = report.verdict, str(report), kinds, max(totals, default=0)
        del report
        gc.collect()
    return found


@pytest.mark.slow
def test_never_two_whatever_goes_wrong(tmp_path):
    verdict, shown, kinds, most = search(Lease, tmp_path / "db", runs=RUNS)

    assert verdict == "passed", shown
    assert kinds == set(ALL)
    assert most > 5


class LooksOnceOnly(Lease):
    def _may_be_taken(self, found):
        self._others.observe(self.name, 1)
        return self._others.is_dead(self.name)


@pytest.mark.slow
def test_the_search_finds_a_lease_that_is_wrong(tmp_path):
    verdict, shown, *_ = search(LooksOnceOnly, tmp_path / "db", runs=200, shrink=0)

    assert verdict == "failed", shown
