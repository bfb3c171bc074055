"""What `Jobs` promises, as tests."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems._shared.stores.interfaces import Counts, Job, Jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# More than any test has: a store that returns jobs for ever is not to hang.
MANY = 1000


class JobsContract:
    """Tests that every store of jobs passes.

    To be subclassed in a test module, with a fixture that says how the store
    is opened::

        class TestFileJobs(JobsContract):
            @pytest.fixture
            def open_jobs(self, tmp_path):
                return lambda: FileJobs(tmp_path / "jobs")

    Attributes:
        keeps_objects: Whether any object is a payload, as in memory; if not,
            what the codec cannot take has to be refused.
    """

    keeps_objects: bool = False

    @pytest.fixture
    def open_jobs(self) -> Callable[[], Jobs]:
        """Return a function that opens the jobs of one test, as another process would."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how its jobs are opened\n"
            "override the fixture `open_jobs`: it returns a function that opens them"
        )

    @pytest.fixture
    def jobs(self, open_jobs: Callable[[], Jobs]) -> Iterator[Jobs]:
        """Return the jobs of one test; they are closed at its end."""
        with contextlib.closing(open_jobs()) as jobs:
            yield jobs

    def test_a_job_that_was_pushed_is_claimed_once(self, jobs: Jobs) -> None:
        assert jobs.push("a", {"x": 1})

        assert jobs.claim("one", now=0, until=10) == Job("a", {"x": 1}, 0, 1)
        assert jobs.claim("two", now=0, until=10) is None

    def test_nothing_is_claimed_of_an_empty_queue(self, jobs: Jobs) -> None:
        assert jobs.claim("one", now=0, until=10) is None

    def test_a_text_of_a_class_of_its_own_is_a_key_like_any(self, jobs: Jobs) -> None:
        for key in ("a", "b"):
            jobs.push(Name(key), 1)
        assert jobs.claim(Name("one"), now=0, until=10) == Job("a", 1, 0, 1)
        assert jobs.renew("a", Name("one"), until=20)
        assert jobs.acknowledge(Name("a"), "one")
        assert jobs.remove(Name("b"))

    def test_lower_priorities_first_then_in_the_order_of_pushes(self, jobs: Jobs) -> None:
        for key, priority in [("a", 1), ("b", 0), ("c", -5), ("d", 1), ("e", 0), ("f", 10)]:
            jobs.push(key, None, priority=priority)

        assert claimed(jobs) == ["c", "b", "e", "a", "d", "f"]

    def test_equals_are_in_order_however_many_there_are(self, jobs: Jobs) -> None:
        keys = [f"key {(number * 7919) % 300}" for number in range(300)]
        for key in keys:
            jobs.push(key, None)

        assert claimed(jobs) == keys

    def test_a_delayed_job_gets_ready_at_its_instant(self, jobs: Jobs) -> None:
        jobs.push("a", None, due=10.5)

        assert jobs.claim("one", now=10.499999, until=99) is None
        assert claim(jobs, "one", now=10.5, until=99).key == "a"

    def test_a_delayed_job_takes_the_place_of_its_push(self, jobs: Jobs) -> None:
        jobs.push("a", None, due=10)
        jobs.push("b", None)
        jobs.push("c", None, due=5)

        assert claimed(jobs, now=10) == ["a", "b", "c"]

    def test_a_job_that_is_there_already_is_left_as_it_is(self, jobs: Jobs) -> None:
        jobs.push("a", 1, priority=5)

        assert jobs.push("a", 2, priority=0, due=99)
        assert jobs.claim("one", now=0, until=10) == Job("a", 1, 5, 1)
        assert jobs.push("a", 3)
        assert jobs.claim("two", now=0, until=10) is None

    def test_a_key_may_come_again_once_it_is_gone(self, jobs: Jobs) -> None:
        jobs.push("a", 1)
        jobs.claim("one", now=0, until=10)
        jobs.acknowledge("a", "one")
        jobs.push("a", 2)

        assert jobs.claim("two", now=0, until=10) == Job("a", 2, 0, 1)

    def test_a_queue_may_be_limited(self, jobs: Jobs) -> None:
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

    def test_an_owner_that_claims_again_is_given_the_same_job(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.push("b", None)
        first = jobs.claim("one", now=0, until=10)

        assert jobs.claim("one", now=5, until=20) == first
        assert jobs.claim("one", now=15, until=30) == first
        assert jobs.next_instant(15) == 30
        assert claimed(jobs) == ["b"]

    def test_a_claim_that_expires_is_given_to_the_next_one(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.claim("one", now=0, until=10)

        assert jobs.claim("two", now=9.999, until=20) is None
        assert jobs.claim("two", now=10, until=20) == Job("a", None, 0, 2)
        assert jobs.claim("one", now=10, until=20) is None

    def test_a_claim_that_expired_keeps_its_place(self, jobs: Jobs) -> None:
        for key in "abc":
            jobs.push(key, None)
        jobs.claim("one", now=0, until=10)

        assert claimed(jobs, now=10) == ["a", "b", "c"]

    def test_an_expired_claim_ends_with_the_next_claim_of_anybody(self, jobs: Jobs) -> None:
        """The store has no clock: it learns from a claim what time it is."""
        for key in "ab":
            jobs.push(key, None)
        jobs.claim("one", now=0, until=10)
        jobs.claim("two", now=0, until=10)
        assert jobs.renew("a", "one", until=11)
        assert claim(jobs, "three", now=20, until=30).key == "a"

        assert not jobs.renew("b", "two", until=40)
        assert not jobs.acknowledge("b", "two")
        assert not jobs.release("b", "two", due=0)
        assert jobs.remove("b")

    def test_until_then_it_is_its_owners(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.claim("one", now=0, until=10)

        assert not jobs.remove("a")
        assert jobs.counts(20) == Counts(1, 0, 0)
        assert jobs.renew("a", "one", until=30)
        assert jobs.counts(20) == Counts(0, 0, 1)
        assert jobs.acknowledge("a", "one")

    def test_a_claim_that_is_renewed_does_not_expire(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.claim("one", now=0, until=10)
        for until in range(11, 60):
            assert jobs.renew("a", "one", until=until)

        assert jobs.claim("two", now=58, until=99) is None
        assert claim(jobs, "two", now=59, until=99).deliveries == 2

    def test_a_job_that_is_acknowledged_is_gone(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.claim("one", now=0, until=10)

        assert jobs.acknowledge("a", "one")
        assert not jobs.acknowledge("a", "one")
        assert jobs.counts(99) == Counts(0, 0, 0)

    def test_what_others_own_is_not_touched(self, jobs: Jobs) -> None:
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

    def test_a_job_that_is_released_is_the_last_of_its_equals(self, jobs: Jobs) -> None:
        for key in "ab":
            jobs.push(key, None)
        jobs.claim("one", now=0, until=10)
        assert jobs.release("a", "one", due=0)
        assert not jobs.release("a", "one", due=0)
        jobs.push("c", None)

        assert claimed(jobs) == ["b", "a", "c"]

    def test_a_job_that_is_released_for_later_is_delayed_and_counts_its_deliveries(
        self, jobs: Jobs
    ) -> None:
        jobs.push("a", "payload", priority=3)
        jobs.claim("one", now=0, until=10)
        jobs.release("a", "one", due=50)

        assert jobs.counts(20) == Counts(0, 1, 0)
        assert jobs.claim("one", now=49, until=99) is None
        assert jobs.claim("one", now=50, until=99) == Job("a", "payload", 3, 2)

    def test_jobs_that_nobody_has_claimed_can_be_removed(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.push("b", None)
        jobs.push("c", None, due=10)
        jobs.claim("one", now=0, until=10)

        assert [jobs.remove(key) for key in "abcd"] == [False, True, True, False]
        assert not jobs.remove("b")
        jobs.release("a", "one", due=0)
        assert jobs.remove("a")
        assert claimed(jobs, now=99) == []

    def test_counts_by_what_they_wait_for(self, jobs: Jobs) -> None:
        for key, due in [("a", 0), ("b", 0), ("c", 10), ("d", 20)]:
            jobs.push(key, None, due=due)
        jobs.claim("one", now=0, until=15)

        assert [jobs.counts(now) for now in (0, 10, 15, 20)] == [
            Counts(1, 2, 1),
            Counts(2, 1, 1),
            Counts(3, 1, 0),
            Counts(4, 0, 0),
        ]

    def test_when_the_next_job_gets_ready_by_itself(self, jobs: Jobs) -> None:
        assert jobs.next_instant(0) is None
        jobs.push("a", None, due=10)
        jobs.push("b", None, due=0)
        jobs.claim("one", now=0, until=7.25)

        assert [jobs.next_instant(now) for now in (0, 7.24, 7.25, 9, 10)] == [
            7.25,
            7.25,
            10,
            10,
            None,
        ]

    def test_instants_are_exact(self, jobs: Jobs) -> None:
        instant = 1_795_344_000.123_456_7
        before, after = math.nextafter(instant, 0) if hasattr(math, "nextafter") else 0, instant
        jobs.push("a", None, due=instant)

        assert jobs.next_instant(0) == instant
        assert jobs.claim("one", now=before, until=instant) is None
        assert claim(jobs, "one", now=after, until=2 * instant).key == "a"
        assert jobs.next_instant(instant) == 2 * instant

    def test_1970_is_an_instant_like_any(self, jobs: Jobs) -> None:
        jobs.push("a", None)

        assert jobs.counts(-1) == Counts(0, 1, 0)
        assert jobs.next_instant(-1) == 0
        assert jobs.claim("one", now=-1, until=0) is None
        assert claim(jobs, "one", now=0, until=10).key == "a"
        assert jobs.renew("a", "one", until=0)
        assert jobs.counts(-1) == Counts(0, 0, 1)
        assert jobs.next_instant(-1) == 0

    def test_instants_may_be_before_1970(self, jobs: Jobs) -> None:
        jobs.push("a", None, due=-10)

        assert jobs.claim("one", now=-11, until=0) is None
        assert claim(jobs, "one", now=-10, until=-5).key == "a"
        assert claim(jobs, "two", now=-5, until=0).key == "a"

    def test_all_can_be_removed(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.push("b", None)
        jobs.push("c", None, due=99)
        jobs.claim("one", now=0, until=10)

        assert jobs.clear() == 3
        assert jobs.clear() == 0
        assert not jobs.acknowledge("a", "one")
        assert jobs.claim("one", now=999, until=9999) is None
        assert jobs.next_instant(0) is None

    def test_nothing_is_lost_with_close_and_all_can_be_used_again(self, jobs: Jobs) -> None:
        jobs.push("a", None)
        jobs.close()
        jobs.close()

        assert claimed(jobs) == ["a"]

    @pytest.mark.parametrize("key", ["", "a:b", "ä😀", "{x}", "a b\n", "x" * 1000, "\0", "*"])
    def test_any_text_is_a_key_and_an_owner(self, jobs: Jobs, key: str) -> None:
        jobs.push(key, key)
        jobs.push("other", None)

        assert jobs.claim(key, now=0, until=10) == Job(key, key, 0, 1)
        assert not jobs.acknowledge("other", key)
        assert jobs.renew(key, key, until=20)
        assert jobs.release(key, key, due=0)
        assert jobs.remove(key)

    @pytest.mark.parametrize("priority", [2**53, -(2**53), 0, True])
    def test_priorities_are_exact(self, jobs: Jobs, priority: Any) -> None:
        jobs.push("b", None, priority=min(priority + 1, 2**53))
        jobs.push("a", None, priority=priority)
        job = claim(jobs, "one", now=0, until=10)

        assert job.priority == min(priority, 2**53)
        assert type(job.priority) is int

    @pytest.mark.parametrize("priority", [2**53 + 1, -(2**53) - 1, 1.5, "1", None])
    def test_priorities_that_cannot_be_kept_are_refused(self, jobs: Jobs, priority: Any) -> None:
        with pytest.raises(ValueError, match=r"give a whole number from -2\*\*53 to 2\*\*53"):
            jobs.push("a", None, priority=priority)
        assert jobs.counts(0) == Counts(0, 0, 0)

    @pytest.mark.parametrize("instant", [math.nan, math.inf, -math.inf, None, "1"])
    def test_what_is_no_instant_is_refused(self, jobs: Jobs, instant: Any) -> None:
        calls: list[Callable[[], object]] = [
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

    def test_what_cannot_be_serialised_is_refused_and_not_added(self, jobs: Jobs) -> None:
        if self.keeps_objects:
            payload = object()
            jobs.push("a", payload)
            assert claim(jobs, "one", now=0, until=10).payload is payload
            return
        with pytest.raises(NotSerialisable, match="cannot be serialised: a builtins"):
            jobs.push("a", object())
        assert jobs.counts(0) == Counts(0, 0, 0)

    def test_other_connections_see_the_same_jobs(self, open_jobs: Callable[[], Jobs]) -> None:
        with contextlib.closing(open_jobs()) as one, contextlib.closing(open_jobs()) as other:
            one.push("a", "payload")

            assert claim(other, "two", now=0, until=10).payload == "payload"
            assert one.claim("one", now=0, until=10) is None
            assert one.counts(0) == other.counts(0) == Counts(0, 0, 1)
            assert other.acknowledge("a", "two")
            assert not one.remove("a")

    def test_threads_claim_each_job_once(self, open_jobs: Callable[[], Jobs]) -> None:
        """By two connections."""
        count = 60
        found: list[int] = []
        with contextlib.closing(open_jobs()) as one, contextlib.closing(open_jobs()) as other:
            for number in range(count):
                one.push(f"key {number}", number)

            def work(jobs: Jobs, name: int) -> None:
                for turn in range(MANY):
                    owner = f"{name} {turn}"
                    job = jobs.claim(owner, now=1, until=1e9)
                    if job is None:
                        return
                    found.append(job.payload)
                    assert jobs.renew(job.key, owner, until=2e9)
                    assert jobs.acknowledge(job.key, owner)

            threads = [
                threading.Thread(target=work, args=[jobs, name])
                for name, jobs in enumerate([one, other, one, other])
            ]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

            assert sorted(found) == list(range(count))
            assert one.counts(0) == Counts(0, 0, 0)


def claim(jobs: Jobs, owner: str, *, now: float, until: float) -> Job:
    """Claim a job that has to be there."""
    job = jobs.claim(owner, now=now, until=until)
    assert job is not None
    return job


class Name(str):
    """A text of a class of its own."""

    __slots__ = ()


def claimed(jobs: Jobs, now: float = 0.0, until: float = 1e9) -> list[str]:
    """Claim all that is ready, each by an owner of its own, and return the keys in order."""
    found: list[str] = []
    for number in range(MANY):
        job = jobs.claim(f"owner {number} at {now}", now=now, until=until)
        if job is None:
            break
        found.append(job.key)
    return found
