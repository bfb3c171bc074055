"""Calls: a task with its arguments, which may be values, texts, or both."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.arguments import Arguments
from simclock.systems.runners.identifiers import CallId
from simclock.systems.runners.serializers import naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simclock.systems.runners.serializers import BaseSerializer
    from simclock.systems.runners.stored import StoredInvocation
    from simclock.systems.runners.tasks import Task


class Call:
    """A task with arguments, as somebody calls it.

    Args:
        task: The task.
        arguments: Its arguments.

    Attributes:
        task: The task.
        arguments: Its arguments.
    """

    def __init__(self, task: Task, arguments: Arguments) -> None:
        self.task = task
        self.arguments = arguments

    @cached_property
    def serialized_arguments(self) -> Mapping[str, str]:
        """The arguments as texts.

        Raises:
            SerializationError: One of them cannot be one; it is named.
        """
        return serialized(self.task, self.arguments.kwargs)

    @property
    def call_id(self) -> CallId:
        """The same for each call of the task with equal arguments."""
        return CallId.of(self.task.task_id, self.serialized_arguments)

    def __repr__(self) -> str:
        conf = self.task.app.conf
        shown = self.arguments.shown(conf.argument_print_mode, conf.truncate_arguments_length)
        return f"{type(self).__name__}({self.task.task_id.key}({shown}))"


class PreSerializedCall(Call):
    """A call some of whose arguments, which many calls have, are texts already.

    Args:
        task: The task.
        arguments: All of its arguments.
        known: The texts of some.
    """

    def __init__(self, task: Task, arguments: Arguments, known: Mapping[str, str]) -> None:
        super().__init__(task, arguments)
        self._known = known

    @cached_property
    def serialized_arguments(self) -> Mapping[str, str]:
        """See `Call`."""
        own = {n: each for n, each in self.arguments.kwargs.items() if n not in self._known}
        texts = {**self._known, **serialized(self.task, own)}
        return {name: texts[name] for name in self.arguments.kwargs}


class LazyCall(Call):
    """A call as it is kept: its values are made of texts when somebody asks for them.

    Args:
        task: The task.
        stored: The invocation.
    """

    def __init__(self, task: Task, stored: StoredInvocation) -> None:
        self.task = task
        self.serialized_arguments = stored.arguments

    @cached_property
    def arguments(self) -> Arguments:  # type: ignore[override]
        """The arguments.

        Raises:
            SerializationError: A text cannot be read.
        """
        return deserialized(self.task.app.serializer, self.serialized_arguments)


def serialized(task: Task, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of some of a task's arguments.

    Raises:
        SerializationError: One has none; it is named.
    """
    texts = {}
    for name, value in values.items():
        with naming(f"argument {name!r} of {task.task_id.key}"):
            texts[name] = task.app.serializer.serialize(value)
    return texts


def deserialized(serializer: BaseSerializer, texts: Mapping[str, str]) -> Arguments:
    """Return the arguments that have these texts.

    Raises:
        SerializationError: One cannot be read; it is named.
    """
    values = {}
    for name, text in texts.items():
        with naming(f"argument {name!r}"):
            values[name] = serializer.deserialize(text)
    return Arguments(values)
