from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock._core.trace import BLOCK, ObservedTrace, Record, Trace

records = st.tuples(
    st.integers(0), st.sampled_from(["", "0", "0.1"]), st.sampled_from(["park", "run"]), st.text()
)


def traced(steps, *, read_after=frozenset()):
    trace = Trace()
    for number, step in enumerate(steps):
        trace.add(*step)
        if number in read_after:
            _ = trace.digest
    return trace


def test_records_are_typed_and_in_order():
    trace = Trace()
    trace.add(1, "0", "park", "sleep a.py:1")
    trace.add(2, "", "jump")

    assert trace.records == (Record(1, "0", "park", "sleep a.py:1"), Record(2, "", "jump", ""))
    assert trace.records[0].kind == "park"
    assert len(trace) == 2


def test_who_watches_is_called_at_each_step_of_a_task_until_it_has_enough():
    trace, seen = Trace(), []
    trace.add(0, "0", "step", "too early")
    trace.watch(lambda: seen.append(trace.records[-1].detail))
    trace.add(1, "0", "step", "a")
    trace.add(2, "0", "park", "no step")
    trace.add(3, "0", "step", "b")
    trace.watch(None)
    trace.add(4, "0", "step", "too late")

    assert seen == ["a", "b"]


def test_who_watches_is_called_once_and_after_those_who_see_the_record():
    trace, said = ObservedTrace(fail=None), []
    trace.observers.append(("one", lambda record: said.append(record.detail)))
    trace.watch(lambda: said.append("looked"))
    trace.add(1, "0", "step", "a")
    trace.add(2, "0", "park", "b")

    assert said == ["a", "looked", "b"]


def test_who_sees_the_records_and_fails_is_seen_no_more_and_fails_the_run():
    failures, error = [], KeyError("odd")
    trace = ObservedTrace(failures.append)

    def see(record):
        raise error

    trace.observers.append(("the one", see))
    trace.add(1, "0", "park", "a")
    trace.add(2, "0", "park", "b")

    assert [str(each).splitlines()[0] for each in failures] == [
        "trace observer the one failed: KeyError('odd')"
    ]
    assert failures[0].__cause__ is error
    assert trace.observers == []


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_the_latest_instant_is_that_of_the_last_record(count):
    trace = Trace()
    assert trace.latest_ns == 0

    for number in range(count):
        trace.add(5 + number, "0", "park")
    assert trace.latest_ns == 4 + count


@given(st.lists(records), st.sets(st.integers(0, 20)))
def test_when_it_is_read_makes_no_difference(steps, read_after):
    plain, read = traced(steps), traced(steps, read_after=read_after)

    assert plain.digest == read.digest
    assert plain.records == read.records
    assert len(plain) == len(read) == len(steps)


@pytest.mark.parametrize("count", [1023, 1024, 1025, 5000])
def test_where_its_blocks_end_makes_no_difference(count):
    steps = [(number, "0", "run", "") for number in range(count)]

    read = traced(steps, read_after=range(0, count, 7))

    assert traced(steps).digest == read.digest
    assert len(read) == count


@given(st.lists(records, max_size=5), st.lists(records, max_size=5))
def test_digests_are_equal_exactly_if_the_records_are(one, other):
    assert (traced(one).digest == traced(other).digest) == (one == other)


def test_details_that_run_into_each_other_are_told_apart():
    assert traced([(1, "0", "run", "a"), (1, "0", "run", "b")]).digest != (
        traced([(1, "0", "run", "a', 'b")]).digest
    )


def test_only_the_last_records_are_kept_and_the_digest_is_of_all(monkeypatch):
    monkeypatch.setattr(Trace, "KEPT", 10)
    steps = [(number, "0", "run", "") for number in range(3000)]
    other = [(-1, "0", "run", ""), *steps[1:]]

    trace = traced(steps)

    assert [record.time_ns for record in trace.records] == list(range(2990, 3000))
    assert len(trace) == 3000
    assert traced(other).records == trace.records
    assert traced(other).digest != trace.digest


def test_a_digest_is_the_same_in_every_process():
    assert traced([(1, "0", "run", "é")]).digest == "6d1bf42f107ba1359b10acd392260b90"
