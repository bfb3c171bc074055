"""The stores of each kind, empty and for one test."""

from __future__ import annotations

import contextlib
import functools

import pytest

from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords
from simclock.systems._shared.stores.redis import RedisJobs, RedisRecords
from simclock.systems._shared.stores.served import ServedJobs, ServedRecords
from simclock.systems._shared.stores.serving import StoreServer
from simclock.systems._shared.stores.sqlite import SqliteJobs, SqliteRecords

KINDS = ["memory", "sqlite", "redis", "served"]


@pytest.fixture(params=KINDS)
def kind(request):
    """The kind of store that a test of the contract is run with."""
    return request.param


@pytest.fixture
def make_jobs(kind, tmp_path, request):
    """Return a function that returns the jobs of this test, as another process would open them.

    Those in memory are always the same.
    """
    with contextlib.ExitStack() as stack:
        in_memory = MemoryJobs()

        @functools.cache
        def served_url():
            return stack.enter_context(StoreServer({"one": in_memory}, {})).url

        def make():
            if kind == "memory":
                return in_memory
            if kind == "sqlite":
                return stack.enter_context(
                    contextlib.closing(SqliteJobs(tmp_path / "db", durable=False))
                )
            if kind == "served":
                return stack.enter_context(contextlib.closing(ServedJobs(served_url(), "one")))
            url = request.getfixturevalue("redis_url")
            prefix = request.getfixturevalue("redis_prefix")
            return stack.enter_context(contextlib.closing(RedisJobs(url, prefix=prefix)))

        yield make


@pytest.fixture
def jobs(make_jobs):
    return make_jobs()


@pytest.fixture
def make_records(kind, tmp_path, request):
    """Return a function that returns the records of this test, as `make_jobs` does."""
    with contextlib.ExitStack() as stack:
        in_memory = MemoryRecords()

        @functools.cache
        def served_url():
            return stack.enter_context(StoreServer({}, {"one": in_memory})).url

        def make():
            if kind == "memory":
                return in_memory
            if kind == "sqlite":
                return stack.enter_context(
                    contextlib.closing(SqliteRecords(tmp_path / "db", durable=False))
                )
            if kind == "served":
                return stack.enter_context(contextlib.closing(ServedRecords(served_url(), "one")))
            url = request.getfixturevalue("redis_url")
            prefix = request.getfixturevalue("redis_prefix")
            return stack.enter_context(contextlib.closing(RedisRecords(url, prefix=prefix)))

        yield make


@pytest.fixture
def records(make_records):
    return make_records()
