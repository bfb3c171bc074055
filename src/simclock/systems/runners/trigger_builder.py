"""What has a task run by itself, said step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import NotSerialisable, canonical
from simclock.systems.runners.conditions import (
    CompositeLogic,
    CronCondition,
    EventCondition,
    ExceptionCondition,
    ResultCondition,
    StatusCondition,
    TriggerCondition,
)
from simclock.systems.runners.filters import Filter, reference_to
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.trigger_definitions import ArgumentProvider, TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simclock.systems.runners.occurrences import (
        CronContext,
        EventContext,
        ExceptionContext,
        ResultContext,
        StatusContext,
    )
    from simclock.systems.runners.trigger_definitions import TriggerContext


class TriggerBuilder:
    """Says what has a task run by itself: the option ``triggers`` of a task.

        TriggerBuilder().on_cron("0 3 * * *").with_args_static({"full": True})

    Each method returns the builder. Several conditions are all needed, unless
    `with_logic` says otherwise.
    """

    def __init__(self) -> None:
        self._conditions: list[TriggerCondition] = []
        self._providers: list[ArgumentProvider] = []
        self._logic = CompositeLogic.AND

    def add_condition(self, condition: TriggerCondition) -> TriggerBuilder:
        """Wait for this."""
        self._conditions.append(condition)
        return self

    def on_cron(self, expr: str, timezone: str = "UTC") -> TriggerBuilder:
        """Wait until a cron line is due. See `CronCondition`."""
        return self.add_condition(CronCondition(expr, timezone))

    def on_event(self, event_code: str, payload_filter: Filter = None) -> TriggerBuilder:
        """Wait for an event. See `EventCondition`."""
        return self.add_condition(EventCondition(event_code, payload_filter))

    def on_status(
        self,
        task: Any,
        statuses: InvocationStatus | Iterable[InvocationStatus] = InvocationStatus.SUCCESS,
        arguments_filter: Filter = None,
    ) -> TriggerBuilder:
        """Wait until an invocation of a task gets one of some statuses. See `StatusCondition`."""
        wanted = (statuses,) if isinstance(statuses, InvocationStatus) else statuses
        return self.add_condition(StatusCondition(_task_id(task), wanted, arguments_filter))

    def on_any_result(self, task: Any, arguments_filter: Filter = None) -> TriggerBuilder:
        """Wait until an invocation of a task succeeds. See `ResultCondition`."""
        return self.add_condition(ResultCondition(_task_id(task), arguments_filter))

    def on_result(
        self, task: Any, result_filter: Filter, arguments_filter: Filter = None
    ) -> TriggerBuilder:
        """Wait until an invocation of a task has a certain result. See `ResultCondition`."""
        return self.add_condition(ResultCondition(_task_id(task), arguments_filter, result_filter))

    def on_exception(
        self,
        task: Any,
        exception_types: str | type[BaseException] | Iterable[str | type[BaseException]] = (),
        arguments_filter: Filter = None,
    ) -> TriggerBuilder:
        """Wait until an invocation of a task fails. See `ExceptionCondition`."""
        is_one = isinstance(exception_types, (str, type))
        names: Any = (exception_types,) if is_one else exception_types
        return self.add_condition(ExceptionCondition(_task_id(task), arguments_filter, names))

    def with_logic(self, logic: CompositeLogic | str) -> TriggerBuilder:
        """Say whether all conditions are needed, ``AND``, or one is enough, ``OR``.

        Raises:
            ValueError: There is no such logic.
        """
        try:
            self._logic = CompositeLogic(logic.lower() if isinstance(logic, str) else logic)
        except ValueError:
            raise ValueError(f"there is no such logic: {logic!r}\ngive AND or OR") from None
        return self

    def with_args_static(self, arguments: Mapping[str, Any]) -> TriggerBuilder:
        """Call the task with these arguments, by name.

        Raises:
            ValueError: They cannot be stored.
        """
        values = dict(arguments)
        try:
            canonical(values)
        except NotSerialisable as error:
            raise ValueError(f"these arguments cannot be stored: {error}") from error
        return self._add("static", values)

    def with_args_from_event(self, function: Callable[[EventContext], Any]) -> TriggerBuilder:
        """Call the task with what a function of a module makes of the event."""
        return self._add_function("event", function)

    def with_args_from_cron(self, function: Callable[[CronContext], Any]) -> TriggerBuilder:
        """Call the task with what a function of a module makes of the instant."""
        return self._add_function("cron", function)

    def with_args_from_status(self, function: Callable[[StatusContext], Any]) -> TriggerBuilder:
        """Call the task with what a function of a module makes of the status."""
        return self._add_function("status", function)

    def with_args_from_result(self, function: Callable[[ResultContext], Any]) -> TriggerBuilder:
        """Call the task with what a function of a module makes of the result."""
        return self._add_function("result", function)

    def with_args_from_exception(
        self, function: Callable[[ExceptionContext], Any]
    ) -> TriggerBuilder:
        """Call the task with what a function of a module makes of the failure."""
        return self._add_function("exception", function)

    def with_args_from_trigger_context(
        self, function: Callable[[TriggerContext], Any]
    ) -> TriggerBuilder:
        """Call the task with what a function of a module makes of all that it fires for."""
        return self._add_function("trigger", function)

    def _add_function(self, kind: str, function: Callable[..., Any]) -> TriggerBuilder:
        return self._add(kind, reference_to(function, "a provider of arguments"))

    def _add(self, kind: str, source: Any) -> TriggerBuilder:
        self._providers.append(ArgumentProvider(kind, source))
        return self

    def build(self, task_id: TaskId) -> TriggerDefinition:
        """Return the trigger for a task.

        Raises:
            ValueError: It waits for nothing.
        """
        if not self._conditions:
            raise ValueError(
                f"a trigger of {task_id} waits for nothing\nadd a condition: on_cron, on_event, ..."
            )
        return TriggerDefinition(
            task_id, tuple(self._conditions), self._logic, tuple(self._providers)
        )


def _task_id(task: Any) -> TaskId:
    """Return the id of a task, of a direct task's function, or the id that was given."""
    if isinstance(task, TaskId):
        return task
    found = getattr(getattr(task, "task", task), "task_id", None)
    if not isinstance(found, TaskId):
        raise ValueError(  # noqa: TRY004 - what all mistakes in triggers are
            f"this is no task: {task!r}\ngive what app.task has returned, or a TaskId"
        )
    return found
