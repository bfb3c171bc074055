"""The stores of each kind, empty and for one test."""

from __future__ import annotations

import pytest

from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords


@pytest.fixture(params=["memory"])
def kind(request):
    """The kind of store that a test of the contract is run with."""
    return request.param


@pytest.fixture
def jobs(kind):
    return MemoryJobs()


@pytest.fixture
def records(kind):
    return MemoryRecords()
