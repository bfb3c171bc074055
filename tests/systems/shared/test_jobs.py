"""What `Jobs` promises, by every kind of store."""

from __future__ import annotations

import itertools
import math
import threading

import pytest

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems._shared.stores.interfaces import Counts, Job


def claimed(jobs, now=0.0, until=1e9):
    """Claim all that is ready, each by an owner of its own, and return the keys in order."""
    found = []
    while job := jobs.claim(f"owner {len(found)} at {now}", now=now, until=until):
        found.append(job.key)
    return found


def test_a_job_that_was_pushed_is_claimed_once(jobs):
    assert jobs.push("a", {"x": 1})

    assert jobs.claim("one", now=0, until=10) == Job("a", {"x": 1}, 0, 1)
    assert jobs.claim("two", now=0, until=10) is None


def test_nothing_is_claimed_of_an_empty_queue(jobs):
    assert jobs.claim("one", now=0, until=10) is None


def test_a_text_of_a_class_of_its_own_is_a_key_like_any(jobs):
    class Name(str):
        __slots__ = ()

    for key in ("a", "b"):
        jobs.push(Name(key), 1)
    assert jobs.claim(Name("one"), now=0, until=10) == Job("a", 1, 0, 1)
    assert jobs.renew("a", Name("one"), until=20)
    assert jobs.acknowledge(Name("a"), "one")
    assert jobs.remove(Name("b"))


def test_lower_priorities_first_then_in_the_order_of_pushes(jobs):
    for key, priority in [("a", 1), ("b", 0), ("c", -5), ("d", 1), ("e", 0), ("f", 10)]:
        jobs.push(key, None, priority=priority)

    assert claimed(jobs) == ["c", "b", "e", "a", "d", "f"]


def test_equals_are_in_order_however_many_there_are(jobs):
    keys = [f"key {(number * 7919) % 300}" for number in range(300)]
    for key in keys:
        jobs.push(key, None)

    assert claimed(jobs) == keys


def test_a_delayed_job_gets_ready_at_its_instant(jobs):
    jobs.push("a", None, due=10.5)

    assert jobs.claim("one", now=10.499999, until=99) is None
    assert jobs.claim("one", now=10.5, until=99).key == "a"


def test_a_delayed_job_takes_the_place_of_its_push(jobs):
    jobs.push("a", None, due=10)
    jobs.push("b", None)
    jobs.push("c", None, due=5)

    assert claimed(jobs, now=10) == ["a", "b", "c"]


def test_a_job_that_is_there_already_is_left_as_it_is(jobs):
    jobs.push("a", 1, priority=5)

    assert jobs.push("a", 2, priority=0, due=99)
    assert jobs.claim("one", now=0, until=10) == Job("a", 1, 5, 1)
    assert jobs.push("a", 3)
    assert jobs.claim("two", now=0, until=10) is None


def test_a_key_may_come_again_once_it_is_gone(jobs):
    jobs.push("a", 1)
    jobs.claim("one", now=0, until=10)
    jobs.acknowledge("a", "one")
    jobs.push("a", 2)

    assert jobs.claim("two", now=0, until=10) == Job("a", 2, 0, 1)


def test_a_queue_may_be_limited(jobs):
    assert jobs.push("a", None, limit=2)
    assert jobs.push("b", None, limit=2, due=99)
    assert not jobs.push("c", None, limit=2)
    assert jobs.push("b", None, limit=2)

    jobs.claim("one", now=0, until=10)
    assert jobs.push("c", None, limit=2)
    assert not jobs.push("d", None, limit=2)
    jobs.release("a", "one", due=0)
    assert not jobs.push("d", None, limit=3)
    assert not jobs.push("d", None, limit=0)
    assert jobs.push("d", None)


def test_an_owner_that_claims_again_is_given_the_same_job(jobs):
    jobs.push("a", None)
    jobs.push("b", None)
    first = jobs.claim("one", now=0, until=10)

    assert jobs.claim("one", now=5, until=20) == first
    assert jobs.claim("one", now=15, until=30) == first
    assert jobs.next_instant(15) == 30
    assert claimed(jobs) == ["b"]


def test_a_claim_that_expires_is_given_to_the_next_one(jobs):
    jobs.push("a", None)
    jobs.claim("one", now=0, until=10)

    assert jobs.claim("two", now=9.999, until=20) is None
    assert jobs.claim("two", now=10, until=20) == Job("a", None, 0, 2)
    assert jobs.claim("one", now=10, until=20) is None


def test_a_claim_that_expired_keeps_its_place(jobs):
    for key in "abc":
        jobs.push(key, None)
    jobs.claim("one", now=0, until=10)

    assert claimed(jobs, now=10) == ["a", "b", "c"]


def test_an_expired_claim_ends_with_the_next_claim_of_anybody(jobs):
    """The store has no clock: it learns from a claim what time it is."""
    for key in "ab":
        jobs.push(key, None)
    jobs.claim("one", now=0, until=10)
    jobs.claim("two", now=0, until=10)
    assert jobs.renew("a", "one", until=11)
    assert jobs.claim("three", now=20, until=30).key == "a"

    assert not jobs.renew("b", "two", until=40)
    assert not jobs.acknowledge("b", "two")
    assert not jobs.release("b", "two", due=0)
    assert jobs.remove("b")


def test_until_then_it_is_its_owners(jobs):
    jobs.push("a", None)
    jobs.claim("one", now=0, until=10)

    assert not jobs.remove("a")
    assert jobs.counts(20) == Counts(1, 0, 0)
    assert jobs.renew("a", "one", until=30)
    assert jobs.counts(20) == Counts(0, 0, 1)
    assert jobs.acknowledge("a", "one")


def test_a_claim_that_is_renewed_does_not_expire(jobs):
    jobs.push("a", None)
    jobs.claim("one", now=0, until=10)
    for until in range(11, 60):
        assert jobs.renew("a", "one", until=until)

    assert jobs.claim("two", now=58, until=99) is None
    assert jobs.claim("two", now=59, until=99).deliveries == 2


def test_a_job_that_is_acknowledged_is_gone(jobs):
    jobs.push("a", None)
    jobs.claim("one", now=0, until=10)

    assert jobs.acknowledge("a", "one")
    assert not jobs.acknowledge("a", "one")
    assert jobs.counts(99) == Counts(0, 0, 0)


def test_what_others_own_is_not_touched(jobs):
    jobs.push("a", None)
    jobs.push("b", None, due=99)
    jobs.claim("one", now=0, until=10)
    jobs.claim("two", now=0, until=10)

    for key, owner in [("a", "two"), ("b", "one"), ("nothing", "one"), ("a", "nobody")]:
        assert not jobs.renew(key, owner, until=99)
        assert not jobs.acknowledge(key, owner)
        assert not jobs.release(key, owner, due=0)
    assert not jobs.remove("a")
    assert jobs.counts(0) == Counts(0, 1, 1)


def test_a_job_that_is_released_is_the_last_of_its_equals(jobs):
    for key in "ab":
        jobs.push(key, None)
    jobs.claim("one", now=0, until=10)
    assert jobs.release("a", "one", due=0)
    assert not jobs.release("a", "one", due=0)
    jobs.push("c", None)

    assert claimed(jobs) == ["b", "a", "c"]


def test_a_job_that_is_released_for_later_is_delayed_and_counts_its_deliveries(jobs):
    jobs.push("a", "payload", priority=3)
    jobs.claim("one", now=0, until=10)
    jobs.release("a", "one", due=50)

    assert jobs.counts(20) == Counts(0, 1, 0)
    assert jobs.claim("one", now=49, until=99) is None
    assert jobs.claim("one", now=50, until=99) == Job("a", "payload", 3, 2)


def test_jobs_that_nobody_has_claimed_can_be_removed(jobs):
    jobs.push("a", None)
    jobs.push("b", None)
    jobs.push("c", None, due=10)
    jobs.claim("one", now=0, until=10)

    assert [jobs.remove(key) for key in "abcd"] == [False, True, True, False]
    assert not jobs.remove("b")
    jobs.release("a", "one", due=0)
    assert jobs.remove("a")
    assert claimed(jobs, now=99) == []


def test_counts_by_what_they_wait_for(jobs):
    for key, due in [("a", 0), ("b", 0), ("c", 10), ("d", 20)]:
        jobs.push(key, None, due=due)
    jobs.claim("one", now=0, until=15)

    assert [jobs.counts(now) for now in (0, 10, 15, 20)] == [
        Counts(1, 2, 1),
        Counts(2, 1, 1),
        Counts(3, 1, 0),
        Counts(4, 0, 0),
    ]


def test_when_the_next_job_gets_ready_by_itself(jobs):
    assert jobs.next_instant(0) is None
    jobs.push("a", None, due=10)
    jobs.push("b", None, due=0)
    jobs.claim("one", now=0, until=7.25)

    assert [jobs.next_instant(now) for now in (0, 7.24, 7.25, 9, 10)] == [7.25, 7.25, 10, 10, None]


def test_instants_are_exact(jobs):
    instant = 1_795_344_000.123_456_7
    before, after = math.nextafter(instant, 0) if hasattr(math, "nextafter") else 0, instant
    jobs.push("a", None, due=instant)

    assert jobs.next_instant(0) == instant
    assert jobs.claim("one", now=before, until=instant) is None
    assert jobs.claim("one", now=after, until=2 * instant).key == "a"
    assert jobs.next_instant(instant) == 2 * instant


def test_instants_may_be_before_1970(jobs):
    jobs.push("a", None, due=-10)

    assert jobs.claim("one", now=-11, until=0) is None
    assert jobs.claim("one", now=-10, until=-5).key == "a"
    assert jobs.claim("two", now=-5, until=0).key == "a"


def test_all_can_be_removed(jobs):
    jobs.push("a", None)
    jobs.push("b", None)
    jobs.push("c", None, due=99)
    jobs.claim("one", now=0, until=10)

    assert jobs.clear() == 3
    assert jobs.clear() == 0
    assert not jobs.acknowledge("a", "one")
    assert jobs.claim("one", now=999, until=9999) is None
    assert jobs.next_instant(0) is None


def test_nothing_is_lost_with_close_and_all_can_be_used_again(jobs):
    jobs.push("a", None)
    jobs.close()
    jobs.close()

    assert claimed(jobs) == ["a"]


@pytest.mark.parametrize("key", ["", "a:b", "ä😀", "{x}", "a b\n", "x" * 1000, "\0", "*"])
def test_any_text_is_a_key_and_an_owner(jobs, key):
    jobs.push(key, key)
    jobs.push("other", None)

    assert jobs.claim(key, now=0, until=10) == Job(key, key, 0, 1)
    assert not jobs.acknowledge("other", key)
    assert jobs.renew(key, key, until=20)
    assert jobs.release(key, key, due=0)
    assert jobs.remove(key)


@pytest.mark.parametrize("priority", [2**53, -(2**53), 0, True])
def test_priorities_are_exact(jobs, priority):
    jobs.push("b", None, priority=min(priority + 1, 2**53))
    jobs.push("a", None, priority=priority)
    job = jobs.claim("one", now=0, until=10)

    assert job.priority == min(priority, 2**53)
    assert type(job.priority) is int


@pytest.mark.parametrize("priority", [2**53 + 1, -(2**53) - 1, 1.5, "1", None])
def test_priorities_that_cannot_be_kept_are_refused(jobs, priority):
    with pytest.raises(ValueError, match=r"give a whole number from -2\*\*53 to 2\*\*53"):
        jobs.push("a", None, priority=priority)
    assert jobs.counts(0) == Counts(0, 0, 0)


@pytest.mark.parametrize("instant", [math.nan, math.inf, -math.inf, None, "1"])
def test_what_is_no_instant_is_refused(jobs, instant):
    calls = [
        lambda: jobs.push("a", None, due=instant),
        lambda: jobs.claim("one", now=instant, until=0),
        lambda: jobs.claim("one", now=0, until=instant),
        lambda: jobs.renew("a", "one", until=instant),
        lambda: jobs.release("a", "one", due=instant),
        lambda: jobs.counts(instant),
        lambda: jobs.next_instant(instant),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="is no instant: "):
            call()


def test_what_cannot_be_serialised_is_refused_and_not_added(kind, jobs):
    if kind == "memory":
        payload = object()
        jobs.push("a", payload)
        assert jobs.claim("one", now=0, until=10).payload is payload
        return
    with pytest.raises(NotSerialisable, match="cannot be serialised: a builtins"):
        jobs.push("a", object())
    assert jobs.counts(0) == Counts(0, 0, 0)


@pytest.mark.parametrize("kind", ["sqlite", "redis"], indirect=True)
def test_other_connections_see_the_same_jobs(make_jobs):
    one, other = make_jobs(), make_jobs()
    one.push("a", "payload")

    assert other.claim("two", now=0, until=10).payload == "payload"
    assert one.claim("one", now=0, until=10) is None
    assert one.counts(0) == other.counts(0) == Counts(0, 0, 1)
    assert other.acknowledge("a", "two")
    assert not one.remove("a")


def test_threads_claim_each_job_once(make_jobs):
    """In real time, by two connections."""
    count, found = 60, []
    stores = [make_jobs(), make_jobs()]
    for number in range(count):
        stores[0].push(f"key {number}", number)

    def work(name):
        jobs = stores[name % 2]
        turn = itertools.count()
        while job := jobs.claim(f"{name} {(number := next(turn))}", now=1, until=1e9):
            found.append(job.payload)
            assert jobs.renew(job.key, f"{name} {number}", until=2e9)
            assert jobs.acknowledge(job.key, f"{name} {number}")

    threads = [threading.Thread(target=work, args=[name]) for name in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(found) == list(range(count))
    assert stores[0].counts(0) == Counts(0, 0, 0)


@pytest.mark.parametrize("kind", ["sqlite", "redis"], indirect=True)
def test_a_key_that_utf8_cannot_encode_is_refused(jobs):
    with pytest.raises(UnicodeEncodeError):
        jobs.push("\ud800", 1)
    assert jobs.push("a", 1)
    assert jobs.counts(0) == Counts(1, 0, 0)
