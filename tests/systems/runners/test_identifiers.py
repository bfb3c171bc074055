"""What tasks, calls and invocations are known by, and errors that cross processes."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock.systems.runners import failures
from simclock.systems.runners.identifiers import CallId, InvocationId, TaskId, args_id_of
from simclock.systems.runners.statuses import InvocationStatus

TASK = TaskId("shop.orders", "charge")
texts = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3)


def test_keys_are_read_as_they_were_written():
    call = CallId.of(TASK, {"order": "7"})

    assert TASK.key == str(TASK) == "shop.orders.charge"
    assert TaskId.from_key(TASK.key) == TASK
    assert CallId.from_key(call.key) == call
    assert CallId.of(TASK, {}).key == "shop.orders.charge#no_args"


@pytest.mark.parametrize("key", ["", "charge", ".charge", "shop."])
def test_what_is_no_key_of_a_task_is_refused(key):
    with pytest.raises(ValueError, match="this is no key of a task"):
        TaskId.from_key(key)


def test_what_is_no_key_of_a_call_is_refused():
    with pytest.raises(ValueError, match="this is no key of a call"):
        CallId.from_key("shop.charge")


@given(texts, texts)
def test_arguments_have_one_id_exactly_if_they_are_equal(one, other):
    assert (args_id_of(one) == args_id_of(other)) == (one == other)
    assert args_id_of(dict(reversed(list(one.items())))) == args_id_of(one)


def test_new_invocations_have_ids_that_differ():
    assert len({InvocationId.new() for _ in range(100)}) == 100


def test_derived_ids_come_of_their_parts():
    assert InvocationId.derived("a", "b") == InvocationId.derived("a", "b")
    assert InvocationId.derived("a", "b") != InvocationId.derived("ab")
    assert isinstance(InvocationId.derived("a"), InvocationId)


ERRORS = [
    failures.InvocationNotFoundError("i"),
    failures.PoisonedInvocationError("i", 3),
    failures.ResultTimeoutError("i", 1.5),
    failures.ConcurrencyControlledError("i"),
    failures.InvocationConcurrencyWithDifferentArgumentsError("i", ["x"]),
    failures.InvocationStatusTransitionError(
        InvocationStatus.FAILED, InvocationStatus.RUNNING, frozenset()
    ),
    failures.InvocationStatusOwnershipError(
        InvocationStatus.RUNNING, InvocationStatus.SUCCESS, "a", "b", "why"
    ),
    failures.InvocationStatusRaceConditionError("i", 20),
    failures.TaskNotFoundError(TASK),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each).__name__)
def test_errors_cross_processes(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_stored_error_of_the_library_is_restored_by_its_name():
    error = failures.restore("PoisonedInvocationError", "it did it again")

    assert type(error) is failures.PoisonedInvocationError
    assert str(error) == "it did it again"


@pytest.mark.parametrize("name", ["NoSuchError", "StoreError", "annotations", "TypeVar"])
def test_a_stored_error_of_another_name_is_one_of_the_library(name):
    error = failures.restore(name, "text")

    assert type(error) is failures.PynencError
    assert str(error) == f"{name}: text"
