"""The contracts of stores find mistakes: each of these stores makes one."""

from __future__ import annotations

JOBS = {
    "claims_have_no_end": """
        def _make_ready(self, now):
            for key in self._delayed.pop_until(now):
                self._queue(key)
    """,
    "a_claim_takes_the_first_pushed": """
        def _queue(self, key):
            self._ready.add(key, (0, self._jobs[key].place))
    """,
    "anybody_may_acknowledge": """
        def acknowledge(self, key, owner):
            job = self._jobs.get(key)
            return job is not None and super().acknowledge(key, job.owner)
    """,
    "an_owner_gets_another_job": """
        def claim(self, owner, *, now, until):
            return super().claim(f"{owner} {now}", now=now, until=until)
    """,
    "a_release_keeps_the_place": """
        def release(self, key, owner, *, due):
            return self.renew(key, owner, until=due)
    """,
    "deliveries_are_not_counted": """
        def claim(self, owner, *, now, until):
            job = super().claim(owner, now=now, until=until)
            return job and job._replace(deliveries=1)
    """,
    "zero_is_no_instant": """
        def next_instant(self, now):
            return super().next_instant(now) or None
    """,
    "a_limit_counts_what_is_claimed": """
        def push(self, key, payload, *, priority=0, due=0, limit=None):
            if limit is not None and key not in self._jobs and len(self._jobs) >= limit:
                return False
            return super().push(key, payload, priority=priority, due=due)
    """,
    "a_close_loses_all": """
        def close(self):
            self.clear()
    """,
}
RECORDS = {
    "a_swap_compares_nothing": """
        def swap(self, key, version, status, value, *, expires=None):
            seen = self.get(key)
            return bool(seen) and super().swap(key, seen.version, status, value, expires=expires)
    """,
    "a_create_overwrites": """
        def create(self, key, status, value, *, at, expires=None):
            self.delete(key)
            return super().create(key, status, value, at=at, expires=expires)
    """,
    "the_oldest_come_first": """
        def with_status(self, status, *, limit=None, offset=0):
            found = super().with_status(status)[::-1]
            return found[offset:None if limit is None else offset + limit]
    """,
    "a_swap_keeps_when_it_expires": """
        def swap(self, key, version, status, value, *, expires=None):
            seen = self.get(key)
            expires = expires or seen and seen.expires
            return super().swap(key, version, status, value, expires=expires)
    """,
    "a_purge_is_late": """
        def purge(self, now):
            return super().purge(now - 1)
    """,
    "versions_begin_at_zero": """
        def get(self, key):
            seen = super().get(key)
            return seen and seen._replace(version=seen.version - 1)
    """,
}
SUITE = """
import pytest
from simclock.systems.stores import Memory{kind}
from simclock.systems.testing import {kind}Contract

class Store(Memory{kind}):
{body}
    pass

class TestStore({kind}Contract):
    keeps_objects = True

    @pytest.fixture
    def open_{name}(self):
        store = Store()
        return lambda: store
"""
MISTAKES = {
    **{name: ("Jobs", body) for name, body in JOBS.items()},
    **{name: ("Records", body) for name, body in RECORDS.items()},
}


def suite(kind, body=""):
    # In the classes it is indented by four.
    body = "\n".join(line[4:] for line in body.splitlines())
    return SUITE.format(kind=kind, name=kind.lower(), body=body)


def test_each_mistake_is_found(pytester):
    pytester.makepyfile(**{f"test_{name}": suite(*it) for name, it in MISTAKES.items()})

    done = pytester.runpytest("-q", "-p", "no:xdist")

    failed = {line.split()[1].split(".")[0] for line in done.outlines if line.startswith("FAILED")}
    assert failed == {f"test_{name}" for name in MISTAKES}


def test_a_store_without_mistakes_passes(pytester):
    pytester.makepyfile(test_jobs=suite("Jobs"), test_records=suite("Records"))

    done = pytester.runpytest("-q", "-p", "no:xdist")

    assert done.ret == 0
    assert done.parseoutcomes().keys() == {"passed"}


def test_who_does_not_say_how_a_store_is_opened_is_told(pytester):
    pytester.makepyfile(
        """
        from simclock.systems.testing import JobsContract, RecordsContract

        class TestJobs(JobsContract): ...
        class TestRecords(RecordsContract): ...
        """
    )

    done = pytester.runpytest("-q", "-p", "no:xdist", "-k", "close")

    done.assert_outcomes(errors=2, deselected=done.parseoutcomes()["deselected"])
    done.stdout.fnmatch_lines(
        [
            "*TestJobs does not say how its jobs are opened",
            "*override the fixture `open_jobs`: it returns a function that opens them",
            "*TestRecords does not say how its records are opened",
        ]
    )
