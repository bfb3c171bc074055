"""What `Records` promises, by every kind of store."""

from __future__ import annotations

import pytest

from simclock.systems.testing import RecordsContract


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
class TestRecordsInMemory(RecordsContract):
    keeps_objects = True

    @pytest.fixture
    def open_records(self, make_records):
        return make_records


@pytest.mark.parametrize("kind", ["sqlite", "redis", "served"], indirect=True)
class TestRecords(RecordsContract):
    @pytest.fixture
    def open_records(self, make_records):
        return make_records
