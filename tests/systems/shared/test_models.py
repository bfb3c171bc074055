"""Whatever is done to a store, it is what a dict that is searched through each time would be."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from simclock.systems._shared.stores.interfaces import Counts, Job, StoredRecord

EXAMPLES = {"memory": 100, "sqlite": 10, "redis": 10, "served": 10}
STEPS = 40

keys = st.sampled_from("abcde")
owners = st.sampled_from(["one", "two", "three"])
priorities = st.integers(-1, 1)
# Instants that are near each other, so that many of them are the same.
instants = st.integers(-2, 12)


@dataclasses.dataclass
class Entry:
    """A job of the model."""

    payload: int
    priority: int
    place: int
    at: int | None  # None: ready
    owner: str | None = None
    deliveries: int = 0


class JobsModel(RuleBasedStateMachine):
    """Jobs, their owners, and when they get ready."""

    def __init__(self, jobs):
        super().__init__()
        self.jobs = jobs
        self.jobs.clear()
        self.entries = {}
        self.places = 0

    def next_place(self):
        self.places += 1
        return self.places

    def owned(self, key, owner):
        entry = self.entries.get(key)
        return entry if entry is not None and entry.owner == owner else None

    @rule(
        key=keys,
        payload=st.integers(),
        priority=priorities,
        due=instants,
        limit=st.none() | st.integers(0, 4),
    )
    def push(self, key, payload, priority, due, limit):
        unclaimed = sum(entry.owner is None for entry in self.entries.values())
        is_there = key in self.entries
        is_taken = is_there or limit is None or unclaimed < limit

        assert self.jobs.push(key, payload, priority=priority, due=due, limit=limit) == is_taken
        if is_taken and not is_there:
            self.entries[key] = Entry(payload, priority, self.next_place(), due)

    @rule(owner=owners, now=instants, until=instants)
    def claim(self, owner, now, until):
        mine = [key for key, entry in self.entries.items() if entry.owner == owner]
        if not mine:
            for entry in self.entries.values():
                if entry.at is not None and entry.at <= now:
                    entry.at = entry.owner = None
            ready = [key for key, entry in self.entries.items() if entry.at is None]
            ready.sort(key=lambda key: (self.entries[key].priority, self.entries[key].place))
            mine = ready[:1]
            for key in mine:
                self.entries[key].owner = owner
                self.entries[key].deliveries += 1
        expected = None
        for key in mine:
            entry = self.entries[key]
            entry.at = until
            expected = Job(key, entry.payload, entry.priority, entry.deliveries)

        assert self.jobs.claim(owner, now=now, until=until) == expected

    @rule(key=keys, owner=owners, until=instants)
    def renew(self, key, owner, until):
        entry = self.owned(key, owner)
        if entry:
            entry.at = until

        assert self.jobs.renew(key, owner, until=until) == (entry is not None)

    @rule(key=keys, owner=owners)
    def acknowledge(self, key, owner):
        entry = self.owned(key, owner)
        if entry:
            del self.entries[key]

        assert self.jobs.acknowledge(key, owner) == (entry is not None)

    @rule(key=keys, owner=owners, due=instants)
    def release(self, key, owner, due):
        entry = self.owned(key, owner)
        if entry:
            entry.owner, entry.at, entry.place = None, due, self.next_place()

        assert self.jobs.release(key, owner, due=due) == (entry is not None)

    @rule(key=keys)
    def remove(self, key):
        entry = self.owned(key, None)
        if entry:
            del self.entries[key]

        assert self.jobs.remove(key) == (entry is not None)

    @rule()
    def clear(self):
        assert self.jobs.clear() == len(self.entries)
        self.entries.clear()

    @rule()
    def close(self):
        self.jobs.close()

    @rule(now=instants)
    def look(self, now):
        waiting = [e for e in self.entries.values() if e.at is not None and e.at > now]
        claimed = sum(entry.owner is not None for entry in waiting)

        assert self.jobs.counts(now) == Counts(
            len(self.entries) - len(waiting), len(waiting) - claimed, claimed
        )
        assert self.jobs.next_instant(now) == min((each.at for each in waiting), default=None)


@dataclasses.dataclass
class Record:
    """A record of the model."""

    row: StoredRecord
    order: tuple[int, int]


class RecordsModel(RuleBasedStateMachine):
    """Records by their keys."""

    def __init__(self, records):
        super().__init__()
        self.records = records
        self.records.clear()
        self.model = {}
        self.number = 0

    keys = st.sampled_from("abc")
    statuses = st.sampled_from(["new", "done", ""])
    expiries = st.none() | instants

    @rule(key=keys, status=statuses, value=st.integers(), at=instants, expires=expiries)
    def create(self, key, status, value, at, expires):
        is_new = key not in self.model

        assert self.records.create(key, status, value, at=at, expires=expires) == is_new
        if is_new:
            self.number += 1
            self.model[key] = Record(StoredRecord(1, status, value, expires), (at, self.number))

    @rule(
        key=keys,
        off=st.sampled_from([0, 0, 0, -1, 1]),
        status=statuses,
        value=st.integers(),
        expires=expiries,
    )
    def swap(self, key, off, status, value, expires):
        record = self.model.get(key)
        version = (record.row.version if record else 1) + off
        is_right = record is not None and not off

        assert self.records.swap(key, version, status, value, expires=expires) == is_right
        if is_right:
            record.row = StoredRecord(version + 1, status, value, expires)

    @rule(key=keys)
    def delete(self, key):
        assert self.records.delete(key) == (self.model.pop(key, None) is not None)

    @rule(now=instants)
    def purge(self, now):
        gone = [
            key
            for key, record in self.model.items()
            if record.row.expires is not None and record.row.expires <= now
        ]
        for key in gone:
            del self.model[key]

        assert self.records.purge(now) == len(gone)

    @rule()
    def clear(self):
        assert self.records.clear() == len(self.model)
        self.model.clear()

    @rule()
    def close(self):
        self.records.close()

    @rule(status=statuses, limit=st.none() | st.integers(0, 3), offset=st.integers(0, 3))
    def look(self, status, limit, offset):
        found = [(key, each) for key, each in self.model.items() if each.row.status == status]
        found.sort(key=lambda item: item[1].order, reverse=True)
        page = found[offset:] if limit is None else found[offset : offset + limit]

        assert self.records.with_status(status, limit=limit, offset=offset) == [
            (key, record.row) for key, record in page
        ]

    @invariant()
    def is_the_model(self):
        assert self.records.count() == len(self.model)
        for key in "abc":
            record = self.model.get(key)
            assert self.records.get(key) == (record.row if record else None)


@pytest.fixture
def few(kind):
    return settings(max_examples=EXAMPLES[kind], stateful_step_count=STEPS, deadline=None)


def test_jobs_are_as_a_model_says(jobs, few):
    run_state_machine_as_test(lambda: JobsModel(jobs), settings=few)


def test_records_are_as_a_model_says(records, few):
    run_state_machine_as_test(lambda: RecordsModel(records), settings=few)
