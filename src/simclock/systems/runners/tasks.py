"""Tasks: functions whose calls are run elsewhere."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.arguments import Arguments
from simclock.systems.runners.calls import Call, PreSerializedCall, serialized
from simclock.systems.runners.context import current_app, current_invocation
from simclock.systems.runners.development import ConcurrentInvocation, ConcurrentInvocationGroup
from simclock.systems.runners.identifiers import InvocationId
from simclock.systems.runners.insisting import insistently
from simclock.systems.runners.invocations import (
    DistributedInvocation,
    DistributedInvocationGroup,
    ReusedInvocation,
)
from simclock.systems.runners.options import ConcurrencyControlType, TaskOptions

if TYPE_CHECKING:
    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import CurrentInvocation
    from simclock.systems.runners.identifiers import TaskId

Function = Callable[..., Any]
# One call of `parallelize`: positional arguments, or named ones, or all.
Parameters = tuple[Any, ...] | Mapping[str, Any] | Arguments
Invocation = DistributedInvocation | ConcurrentInvocation
Group = DistributedInvocationGroup | ConcurrentInvocationGroup


@dataclass(frozen=True, eq=False)
class Definition:
    """A function that was made a task. Applications that share tasks share this.

    Attributes:
        task_id: What it is known by.
        func: The function.
        options: How it is run.
    """

    task_id: TaskId
    func: Function
    options: TaskOptions


class Task:
    """A function whose calls are run by runners; each call returns an invocation at once.

    In the body of an invocation it belongs to the application that runs that,
    which is a copy of its own on each machine.

    Args:
        app: The application that it was declared in.
        definition: What it is.

    Attributes:
        task_id: What it is known by.
        func: The function.
        options: How it is run.
    """

    def __init__(self, app: Pynenc, definition: Definition) -> None:
        self._app = app
        self.definition = definition
        self.task_id: TaskId = definition.task_id
        self.func: Callable[..., Any] = definition.func
        self.options: TaskOptions = definition.options
        functools.update_wrapper(self, definition.func)

    @property
    def app(self) -> Pynenc:
        """The application that its calls are registered in, here."""
        return current_app(self._app.app_id) or self._app

    @property
    def is_async(self) -> bool:
        """Whether its function is a coroutine function."""
        return inspect.iscoroutinefunction(self.func)

    @property
    def logger(self) -> logging.Logger:
        """Where its body may log to."""
        return logging.getLogger(f"simclock.systems.runners.{self.task_id.key}")

    @property
    def invocation(self) -> CurrentInvocation | None:
        """The invocation whose body this is, None outside."""
        return current_invocation(self._app.app_id)

    def args(self, *args: Any, **kwargs: Any) -> Arguments:
        """Return the arguments that such a call has."""
        return Arguments.from_call(self.func, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Register a call; return its invocation.

        Raises:
            TypeError: The function cannot be called so.
            SerializationError: An argument cannot be passed; it is named.
            InvocationConcurrencyWithDifferentArgumentsError: See ``on_diff_non_key_args_raise``.
        """
        return self.invoke(Call(self, self.args(*args, **kwargs)))

    def invoke(self, call: Call, invocation_id: InvocationId | None = None) -> Invocation:
        """Register a call that was made before.

        Args:
            call: The call.
            invocation_id: What it is to be known by: with the same one it can be
                repeated after a `StateBackendError`, and is registered once.
        """
        app = self.app
        if app.conf.dev_mode_force_sync_tasks:
            return ConcurrentInvocation(call)
        texts, parent = call.serialized_arguments, self._parent()
        # An id of ours costs a look whether it is there: only where the call may be repeated.
        new_id = invocation_id or (InvocationId.new() if parent else None)
        route = app.orchestrator.route_call
        routed = insistently(
            app,
            lambda: route(self.task_id, call.call_id, texts, parent=parent, invocation_id=new_id),
        )
        if routed.is_reused and routed.id != new_id:
            return ReusedInvocation(app, routed.id, routed.differing)
        return DistributedInvocation(app, routed.id, call)

    def parallelize(
        self, parameters: Iterable[Parameters], common_args: Mapping[str, Any] | None = None
    ) -> Any:
        """Register many calls; return the group of their invocations.

        Args:
            parameters: For each call a tuple, a mapping of names, or `Arguments`.
            common_args: Arguments, by name, that all have; they are serialised once.
        """
        app = self.app
        common = dict(common_args or {})
        known = {} if app.conf.dev_mode_force_sync_tasks else serialized(self, common)
        calls: list[Call] = [
            PreSerializedCall(self, self._joined(each, common), known) for each in parameters
        ]
        if app.conf.dev_mode_force_sync_tasks:
            return ConcurrentInvocationGroup(app, [ConcurrentInvocation(each) for each in calls])
        if self._is_batched(calls):
            return DistributedInvocationGroup(app, self._batched(app, calls))
        return DistributedInvocationGroup(app, [_distributed(self.invoke(each)) for each in calls])

    def _joined(self, parameters: Parameters, common: Mapping[str, Any]) -> Arguments:
        if isinstance(parameters, Arguments):
            return self.args(**{**common, **parameters.kwargs})
        if isinstance(parameters, Mapping):
            return self.args(**{**common, **parameters})
        if isinstance(parameters, tuple):
            return self.args(*parameters, **common)
        raise TypeError(
            f"these are no parameters of a call: {parameters!r}\n"
            "give a tuple, a mapping, or what task.args() returns"
        )

    def _is_batched(self, calls: list[Call]) -> bool:
        is_free = self.options.registration_concurrency is ConcurrencyControlType.DISABLED
        # In a body each call by itself can be repeated, while the store is away.
        is_outside = self.invocation is None
        return is_free and is_outside and len(calls) > 1 and self.options.parallel_batch_size > 0

    def _batched(self, app: Pynenc, calls: list[Call]) -> list[DistributedInvocation]:
        size = self.options.parallel_batch_size
        made = []
        for start in range(0, len(calls), size):
            batch = calls[start : start + size]
            routed = app.orchestrator.route_calls(
                [(self.task_id, each.call_id, each.serialized_arguments) for each in batch]
            )
            made += [DistributedInvocation(app, *each) for each in zip(routed, batch, strict=True)]
        return made

    def _parent(self) -> InvocationId | None:
        return self.invocation.id if self.invocation else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _task_of, (self._app, self.task_id)

    def __repr__(self) -> str:
        return f"Task({self.task_id.key})"


def _task_of(app: Pynenc, task_id: TaskId) -> Task:
    return app.get_task(task_id)


def _distributed(invocation: Invocation) -> DistributedInvocation:
    assert isinstance(invocation, DistributedInvocation)
    return invocation
