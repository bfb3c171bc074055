"""What a function has to be to become a task, and what texts may say of its options."""

from __future__ import annotations

import dataclasses
from typing import Any

from simclock.systems.runners.failures import InvalidTaskOptionsError
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.options import ConcurrencyControlType, TaskOptions
from simclock.systems.runners.trigger_builder import TriggerBuilder

_CONCURRENCY = ("running_concurrency", "registration_concurrency")
# What the configuration can say of a task, and values of the types that it says it with.
OPTIONS_BY_TEXT: dict[str, Any] = {
    **{
        each.name: each.default
        for each in dataclasses.fields(TaskOptions)
        if isinstance(each.default, (bool, int, float))
    },
    "max_delay": 0.0,
    "key_arguments": (),
    **dict.fromkeys(_CONCURRENCY, ""),
}


def checked_texts(said: dict[str, Any]) -> dict[str, Any]:
    """Return the options that the configuration says, as a program would give them.

    Raises:
        InvalidTaskOptionsError: There is no such kind of concurrency control.
    """
    options = dict(said)
    for name in _CONCURRENCY:
        if name in options:
            options[name] = _control(name, options[name])
    return options


def _control(name: str, text: str) -> ConcurrencyControlType:
    try:
        return ConcurrencyControlType[text.upper()]
    except KeyError:
        kinds = ", ".join(each.name for each in ConcurrencyControlType)
        raise InvalidTaskOptionsError(f"{name} has no meaning: {text!r}\ngive {kinds}") from None


def checked_task_id(func: Any) -> TaskId:
    """Return the id of a function's task.

    Raises:
        ValueError: Others cannot import it.
        RuntimeError: It is one of ``__main__``.
    """
    name = getattr(func, "__qualname__", None)
    if not callable(func) or not isinstance(name, str):
        raise ValueError(  # noqa: TRY004 - one kind of error for what is no function of a module
            f"a task is no function: {func!r}\nwrite @app.task above a `def`"
        )
    if name != getattr(func, "__name__", None) or not name.isidentifier():
        raise ValueError(
            f"a task is no function of a module: {name}\n"
            "other processes import it: move it to the top level of its module"
        )
    if func.__module__ == "__main__":
        raise RuntimeError(
            f"a task is a function of __main__: {name}\n"
            "other processes cannot import it: move it to a module of its own"
        )
    return TaskId(func.__module__, name)


def check_triggers(declared: Any, task_id: TaskId) -> None:
    """Raise an error unless these are triggers that a task can have.

    Raises:
        InvalidTaskOptionsError: They are none.
        ValueError: One of them waits for nothing.
    """
    if declared is None:
        return
    for each in declared if isinstance(declared, (tuple, list)) else (declared,):
        if not isinstance(each, TriggerBuilder):
            raise InvalidTaskOptionsError(
                f"triggers has no meaning: {each!r}\ngive a TriggerBuilder, or a tuple of them"
            )
        each.build(task_id)
