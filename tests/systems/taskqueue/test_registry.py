"""Functions by their names."""

from __future__ import annotations

import functools

import pytest

from simclock.systems.taskqueue import TaskNotFoundError, TaskRegistry


async def wait(): ...


def compute(): ...


@pytest.fixture
def registry():
    return TaskRegistry()


def test_a_function_is_returned_as_it_is_and_found_by_its_name(registry):
    assert registry.task()(wait) is wait

    assert registry.get("wait") is wait
    assert registry.get_or_raise("wait") is wait
    assert registry.list_tasks() == ["wait"]
    assert registry.is_registered("wait")
    assert "wait" in registry
    assert len(registry) == 1


def test_names_in_the_order_of_registration(registry):
    registry.task("b")(wait)
    registry.task("a", cpu_bound=True)(compute)

    assert registry.list_tasks() == ["b", "a"]


def test_the_function_says_how_it_was_registered(registry):
    @registry.task(name="other", max_retries=5, retry_delay=2.5)
    async def function(): ...

    assert function.task_name == "other"
    assert (function.max_retries, function.retry_delay) == (5, 2.5)
    assert function.cpu_bound is False


def test_an_unknown_name(registry):
    assert registry.get("nobody") is None
    assert "nobody" not in registry
    with pytest.raises(TaskNotFoundError, match="no task has this name: 'nobody'") as error:
        registry.get_or_raise("nobody")
    assert error.value.task_name == "nobody"
    assert isinstance(error.value, LookupError)


def test_what_is_unregistered_is_not_found(registry):
    registry.task()(wait)

    assert registry.unregister("wait") is True
    assert registry.unregister("wait") is False
    with pytest.raises(TaskNotFoundError):
        registry.definition(wait)


def test_a_name_is_given_once(registry):
    registry.task()(wait)
    with pytest.raises(ValueError, match="a task of this name already: 'wait'"):
        registry.task("wait", cpu_bound=True)(compute)
    assert registry.get("wait") is wait


def test_the_last_of_several_names_is_meant(registry):
    registry.task("a")(wait)
    registry.task("b", max_retries=0)(wait)
    assert registry.definition(wait).name == "b"
    assert registry.definition("a").function is wait

    registry.unregister("b")
    assert registry.definition(wait).name == "a"


def test_a_function_in_two_registries_is_another_task_in_each(registry):
    other = TaskRegistry()
    registry.task("here", max_retries=1)(wait)
    other.task("there", max_retries=2)(wait)

    assert registry.definition(wait)[:1] == ("here",)
    assert registry.definition(wait).max_retries == 1
    assert other.definition(wait).max_retries == 2


def test_what_decorates_a_function_stands_for_it(registry):
    registry.task()(wait)

    @functools.wraps(wait)
    async def decorated():
        await wait()

    assert registry.definition(decorated).function is wait


def test_another_function_of_the_same_name_is_not_registered(registry):
    registry.task()(wait)

    def make():
        async def wait(): ...

        return wait

    with pytest.raises(TaskNotFoundError):
        registry.definition(make())


def test_numbers_that_are_not_given_are_left_to_the_executor(registry):
    registry.task("said", max_retries=3, retry_delay=1.0)(wait)
    said = registry.definition("said").policy(7, 9.0)
    registry.task("unsaid")(wait)
    unsaid = registry.definition("unsaid").policy(7, 9.0)

    assert (said.max_retries, said.delay) == (3, 1.0)
    assert (unsaid.max_retries, unsaid.delay) == (7, 9.0)


def local():
    def function(): ...

    return function


@pytest.mark.parametrize(
    ("options", "function", "message"),
    [
        ({}, compute, "no coroutine function: compute"),
        ({"cpu_bound": True}, wait, "a task for processes is a coroutine function: wait"),
        ({"cpu_bound": True}, local(), "no function of a module: local.<locals>.function"),
        ({}, 3, "a task is no function: 3"),
        ({"cpu_bound": True}, functools.partial(compute), "a task is no function"),
    ],
)
def test_the_wrong_kind_of_function(registry, options, function, message):
    with pytest.raises(TypeError, match=message):
        registry.task(**options)(function)
    assert len(registry) == 0


def test_local_functions_without_strict_checks():
    function = local()
    registry = TaskRegistry(strict_cpu_checks=False)
    registry.task(cpu_bound=True)(function)

    assert registry.get("function") is function


def test_parentheses_are_missing(registry):
    with pytest.raises(TypeError, match=r"task\(\) is not called.*\nwrite @task\(\) with paren"):

        @registry.task
        async def function(): ...


@pytest.mark.parametrize("name", ["", 3])
def test_what_is_no_name(registry, name):
    with pytest.raises(TypeError, match="this is no name of a task"):
        registry.task(name)


@pytest.mark.parametrize(
    "options", [{"max_retries": -1}, {"retry_delay": -1.0}, {"backoff": 0}, {"jitter": 2}]
)
def test_numbers_without_meaning(registry, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} has no meaning"):
        registry.task(**options)
