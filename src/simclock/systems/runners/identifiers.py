"""What tasks, their calls and their invocations are known by."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simclock.systems._shared.codecs import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ARGS = "no_args"
_SEPARATOR = "#"  # is in no name of a module, function or digest
_NAMESPACE = uuid.UUID("5a3d6c0e-6f0e-4d5b-9f0c-2b1f3b8a7c11")


@dataclass(frozen=True, order=True)
class TaskId:
    """A task: the function that it runs.

    Attributes:
        module: Where the function can be imported from.
        func_name: Its name there.
    """

    module: str
    func_name: str

    @property
    def key(self) -> str:
        """``module.function``: what `from_key` reads."""
        return f"{self.module}.{self.func_name}"

    @classmethod
    def from_key(cls, key: str) -> TaskId:
        """Return the task that has this key.

        Raises:
            ValueError: None can have it.
        """
        module, _, func_name = key.rpartition(".")
        if not module or not func_name:
            raise ValueError(f"this is no key of a task: {key!r}\ngive module.function")
        return cls(module, func_name)

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, order=True)
class CallId:
    """A task with arguments: equal for equal ones.

    Attributes:
        task_id: The task.
        args_id: A digest of the arguments; ``no_args`` if there are none.
    """

    task_id: TaskId
    args_id: str

    @classmethod
    def of(cls, task_id: TaskId, arguments: Mapping[str, str]) -> CallId:
        """Return the id of a call with these arguments, which are serialised."""
        return cls(task_id, args_id_of(arguments))

    @property
    def key(self) -> str:
        """``module.function#digest``: what `from_key` reads."""
        return f"{self.task_id.key}{_SEPARATOR}{self.args_id}"

    @classmethod
    def from_key(cls, key: str) -> CallId:
        """Return the call that has this key.

        Raises:
            ValueError: None can have it.
        """
        task, _, args_id = key.partition(_SEPARATOR)
        if not args_id:
            raise ValueError(f"this is no key of a call: {key!r}\ngive module.function#digest")
        return cls(TaskId.from_key(task), args_id)

    def __str__(self) -> str:
        return self.key


class InvocationId(str):
    """One invocation of a task: a text that nobody else has."""

    __slots__ = ()

    @classmethod
    def new(cls) -> InvocationId:
        """Return one that nobody has had."""
        return cls(uuid.uuid4())

    @classmethod
    def derived(cls, *parts: str) -> InvocationId:
        """Return the one that always comes of these parts.

        Whoever creates an invocation twice under it has created one.
        """
        return cls(uuid.uuid5(_NAMESPACE, canonical(parts)))


def args_id_of(arguments: Mapping[str, str]) -> str:
    """Return a digest of serialised arguments, whatever their order is."""
    if not arguments:
        return NO_ARGS
    # Not joined by separators: these may be in the texts.
    return hashlib.sha256(canonical(dict(arguments)).encode()).hexdigest()
