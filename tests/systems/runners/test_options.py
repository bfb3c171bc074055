"""Options of tasks, and what a function has to be to become one."""

from __future__ import annotations

import functools

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.failures import InvalidTaskOptionsError, RetryError, TaskNotFoundError
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.options import ConcurrencyControlType, TaskOptions, make_options
from simclock.systems.runners.trigger_builder import TriggerBuilder

pytestmark = pytest.mark.simclock


def plain(number, name="x"):
    return number


async def awaited(number):
    return number


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retries": 1}, "tasks have no such options: retries\nthey have: parallel_batch_size"),
        ({"max_retries": -1}, "max_retries has no meaning: -1"),
        ({"max_retries": 1.5}, "max_retries has no meaning: 1.5"),
        ({"retry_delay": -1}, "retry_delay has no meaning: -1"),
        ({"backoff": 0.5}, "backoff has no meaning: 0.5"),
        ({"max_delay": "x"}, "max_delay has no meaning: 'x'"),
        ({"jitter": 2}, "jitter has no meaning: 2"),
        ({"max_recoveries": None}, "max_recoveries has no meaning: None"),
        ({"parallel_batch_size": -1}, "parallel_batch_size has no meaning: -1"),
        ({"retry_for": ValueError}, "retry_for has no meaning: <class 'ValueError'>\ngive a tuple"),
        ({"retry_for": (3,)}, "retry_for has no meaning: 3\ngive types of exceptions"),
        ({"key_arguments": "number"}, "key_arguments has no meaning: 'number'\ngive a tuple"),
        ({"running_concurrency": "TASK"}, "running_concurrency has no meaning: 'TASK'\ngive a Conc"),
        ({"registration_concurrency": ConcurrencyControlType.KEYS}, "give key_arguments="),
        ({"on_diff_non_key_args_raise": 1}, "on_diff_non_key_args_raise has no meaning: 1"),
        ({"reroute_on_concurrency_control": None}, "reroute_on_concurrency_control has no meaning"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(options, said):
    with pytest.raises(InvalidTaskOptionsError) as caught:
        make_options(options)

    assert said in str(caught.value)


def test_options_name_arguments_that_there_are():
    app = Pynenc()
    with pytest.raises(
        InvalidTaskOptionsError, match="names no argument of the task: b\nit has: name, number"
    ):
        app.task(key_arguments=("b",))(plain)
    with pytest.raises(InvalidTaskOptionsError, match="disable_cache_args names no argument"):
        app.task(disable_cache_args=("b",))(plain)

    assert app.task(disable_cache_args=("*",), key_arguments=["name"])(plain)
    assert app.tasks[TaskId(__name__, "plain")].options.key_arguments == ("name",)


def test_a_retry_error_is_always_retriable():
    options = TaskOptions(retry_for=(KeyError,))

    assert [options.is_retriable(each) for each in (RetryError(), KeyError(), ValueError())] == [
        True,
        True,
        False,
    ]


class Holder:
    def method(self):
        """No function of a module."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: None, "a task is no function of a module: "),
        (Holder.method, "a task is no function of a module: Holder.method\nother processes import"),
        (functools.partial(plain, 3), "a task is no function: functools.partial"),
        (3, "a task is no function: 3\nwrite @app.task above"),
    ],
)
def test_a_task_is_a_function_of_a_module(function, said):
    with pytest.raises(ValueError, match=said):
        Pynenc().task(function)


def test_a_task_is_no_function_of_main(monkeypatch):
    monkeypatch.setattr(plain, "__module__", "__main__")

    with pytest.raises(
        RuntimeError, match="a task is a function of __main__: plain\nother processes"
    ):
        Pynenc().task(plain)


def test_the_decorator_may_have_options_or_none():
    app = Pynenc()

    assert app.task(plain).options == TaskOptions()
    assert app.task(max_retries=3)(plain).options == TaskOptions(max_retries=3)
    assert app.task()(plain).__name__ == "plain"


def test_a_task_knows_whether_it_is_awaited():
    app = Pynenc()

    assert [app.task(each).is_async for each in (plain, awaited)] == [False, True]


def test_a_task_that_is_not_there_is_told():
    app = Pynenc()

    with pytest.raises(
        TaskNotFoundError,
        match=r"there is no task nowhere\.at_all: its module cannot be imported: Mod",
    ):
        app.get_task(TaskId("nowhere", "at_all"))
    with pytest.raises(
        TaskNotFoundError, match=r"there is no task .*\.plain: its module has no such task"
    ):
        app.get_task(TaskId(__name__, "plain"))
    assert app.options_of(TaskId("nowhere", "at_all")) == TaskOptions()


def test_triggers_are_checked_where_they_are_declared():
    app = Pynenc()

    with pytest.raises(
        InvalidTaskOptionsError, match="triggers has no meaning: 'daily'\ngive a TriggerBuilder"
    ):
        app.task(triggers="daily")(plain)
    with pytest.raises(ValueError, match="trigger"):
        app.task(triggers=[TriggerBuilder()])(plain)
    assert app.task(triggers=TriggerBuilder().on_cron("0 6 * * *"))(plain).options.triggers
