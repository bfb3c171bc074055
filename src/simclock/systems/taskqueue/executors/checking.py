"""What executors are given, looked at before anything is done with it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems._shared.retry import check_number
from simclock.systems.taskqueue.backends import BaseResultBackend
from simclock.systems.taskqueue.brokers import BaseBroker
from simclock.systems.taskqueue.config import Config
from simclock.systems.taskqueue.failures import TaskArgumentError
from simclock.systems.taskqueue.registry import TaskRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock.systems.taskqueue.registry import Definition
    from simclock.systems.taskqueue.tasks import Task


def check_parts(config: Any, registry: Any, broker: Any, backend: Any) -> None:
    """Raise a `TypeError` unless each is what it has to be, or None."""
    parts = (
        ("config", config, Config),
        ("registry", registry, TaskRegistry),
        ("broker", broker, BaseBroker),
        ("backend", backend, BaseResultBackend),
    )
    for name, part, kind in parts:
        if part is not None and not isinstance(part, kind):
            raise TypeError(
                f"{name} is no {kind.__name__}: {part!r}\n"
                f"give {_EXAMPLES.get(name, f'a {kind.__name__}')}, or leave it out"
            )


_EXAMPLES = {
    "config": "Config(broker=BrokerConfig(url), backend=BackendConfig(url))",
    "broker": "what get_broker(url) returns",
    "backend": "what get_backend(url) returns",
}


def check_called(function: Any) -> None:
    """Raise a `TypeError` if a function was called that was to be submitted."""
    if inspect.iscoroutine(function):
        name = function.__name__
        function.close()
        raise TypeError(
            f"{name!r} was called, so it is not a task any more\n"
            f"write submit({name}, ...), with its arguments after it"
        )


def check_id(task_id: Any) -> None:
    """Raise a `TypeError` unless it is what ids of tasks are."""
    if isinstance(task_id, str) and task_id:
        return
    if inspect.iscoroutine(task_id):
        task_id.close()
        raise TypeError("a coroutine is no id of a task: await submit(...) to get one")
    raise TypeError(f"this is no id of a task: {task_id!r}\ngive the text that submit has returned")


def check_timeout(timeout: Any) -> None:
    """Raise a `ValueError` unless *timeout* is a number of seconds, or None."""
    if timeout is not None:
        check_number("timeout", timeout)


def check_arguments(definition: Definition, task: Task) -> None:
    """Raise a `TaskArgumentError` if the function cannot be called with a task's arguments."""
    try:
        signature = inspect.signature(definition.function)
    except (TypeError, ValueError):
        return  # not all functions that were written in C say what they take
    try:
        signature.bind(*task.args, **task.kwargs)
    except TypeError as error:
        raise TaskArgumentError(
            f"{definition.name!r} cannot be called so: {error}\nit is {definition.name}{signature}"
        ) from None


def check_call(args: Any, kwargs: Any) -> None:
    """Raise a `TaskArgumentError` unless something can be called with them."""
    # A text is iterable, too: nobody means its letters.
    if not isinstance(args, Iterable) or isinstance(args, (str, bytes)):
        raise TaskArgumentError(
            f"args are no arguments of a call: {args!r}\ngive a list, also of one: [{args!r}]"
        )
    if kwargs is None:
        return
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) for name in kwargs):
        raise TaskArgumentError(
            f"kwargs are no arguments by keyword: {kwargs!r}\ngive a dict with names as keys"
        )


@contextlib.contextmanager
def arguments_of(task: Task) -> Iterator[None]:
    """In a block, let arguments that a store cannot take be a `TaskArgumentError`."""
    try:
        yield
    except NotSerialisable as error:
        raise TaskArgumentError(f"a call of {task.name!r} cannot be kept: {error}") from error
