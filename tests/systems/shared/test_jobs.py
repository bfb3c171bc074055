"""What `Jobs` promises, by every kind of store."""

from __future__ import annotations

import pytest

from simclock.systems.stores import Counts
from simclock.systems.testing import JobsContract


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
class TestJobsInMemory(JobsContract):
    keeps_objects = True

    @pytest.fixture
    def open_jobs(self, make_jobs):
        return make_jobs


@pytest.mark.parametrize("kind", ["sqlite", "redis", "served"], indirect=True)
class TestJobs(JobsContract):
    @pytest.fixture
    def open_jobs(self, make_jobs):
        return make_jobs


@pytest.mark.parametrize("kind", ["sqlite", "redis"], indirect=True)
def test_a_key_that_utf8_cannot_encode_is_refused(jobs):
    with pytest.raises(UnicodeEncodeError):
        jobs.push("\ud800", 1)
    assert jobs.push("a", 1)
    assert jobs.counts(0) == Counts(1, 0, 0)
