"""Triggers as they are defined: which task runs when, and with what."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simclock.systems._shared.codecs import NotSerialisable, canonical
from simclock.systems.runners.conditions import (
    CompositeLogic,
    CronCondition,
    EventCondition,
    ExceptionCondition,
    ResultCondition,
    StatusCondition,
    TriggerCondition,
    condition_of,
)
from simclock.systems.runners.filters import Filter, reference_to, referenced
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.occurrences import (
    Context,
    CronContext,
    EventContext,
    ExceptionContext,
    ResultContext,
    StatusContext,
)
from simclock.systems.runners.statuses import InvocationStatus

_logger = logging.getLogger("simclock.systems.runners")


@dataclass(frozen=True)
class TriggerContext:
    """All that a trigger fires for.

    Attributes:
        trigger_id: Which trigger.
        contexts: What has happened: one, or for ``AND`` one for each condition, in their order.
    """

    trigger_id: str
    contexts: tuple[Context, ...]


@dataclass(frozen=True)
class ArgumentProvider:
    """Where the arguments of a triggered task come from.

    Attributes:
        kind: ``static``, ``trigger``, or the kind of what has happened that *source* is given.
        source: The arguments; or the reference to a function that returns them.
    """

    kind: str
    source: Any

    def arguments(self, context: TriggerContext) -> Mapping[str, Any] | None:
        """Return the arguments by name; None if nothing has happened that it takes.

        Raises:
            LookupError: The function cannot be imported here.
        """
        if self.kind == "static":
            return dict(self.source)
        given: Any = context
        if self.kind != "trigger":
            kinds = _CONTEXTS[self.kind]
            given = next((each for each in context.contexts if type(each) is kinds), None)
        return None if given is None else self._called(referenced(self.source), given)

    def _called(self, function: Callable[..., Any], given: object) -> Mapping[str, Any] | None:
        try:
            found = function(given)
        except Exception:
            _logger.exception("the arguments' provider %s failed", self.source)
            return None
        if isinstance(found, Mapping):
            return found
        _logger.error("the arguments' provider %s returned no mapping: %r", self.source, found)
        return None


_CONTEXTS: dict[str, type] = {
    "cron": CronContext,
    "event": EventContext,
    "status": StatusContext,
    "result": ResultContext,
    "exception": ExceptionContext,
}


@dataclass(frozen=True)
class TriggerDefinition:
    """What has a task run by itself. Equal ones are one trigger, however often they are registered.

    Attributes:
        task_id: The task.
        conditions: What it waits for.
        logic: ``OR``: it fires for each thing that any of them waits for. ``AND``: for each
            set of one for each condition, which are matched first in first out, and each used
            once; what finds no others within a day is forgotten.
        providers: Where the arguments come from: the first that has some; without any, there
            are none.
    """

    task_id: TaskId
    conditions: tuple[TriggerCondition, ...]
    logic: CompositeLogic = CompositeLogic.AND
    providers: tuple[ArgumentProvider, ...] = ()

    @property
    def trigger_id(self) -> str:
        """The same for equal definitions, in all processes."""
        return hashlib.sha256(canonical(self.to_value()).encode()).hexdigest()

    @property
    def is_and(self) -> bool:
        """Whether it needs several things to happen."""
        return self.logic is CompositeLogic.AND and len(self.conditions) > 1

    def arguments(self, context: TriggerContext) -> Mapping[str, Any] | None:
        """Return the arguments of the task; None if no provider has any.

        Raises:
            LookupError: A function cannot be imported here.
        """
        if not self.providers:
            return {}
        for each in self.providers:
            found = each.arguments(context)
            if found is not None:
                return found
        return None

    def to_value(self) -> dict[str, Any]:
        """Return what can be stored, and `from_value` reads."""
        return {
            "task": self.task_id.key,
            "conditions": [each.to_value() for each in self.conditions],
            "logic": self.logic.value,
            "providers": [[each.kind, each.source] for each in self.providers],
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> TriggerDefinition:
        """Return the definition that was stored.

        Raises:
            KeyError: It was written by another version.
            ValueError: It has no meaning here.
        """
        return cls(
            TaskId.from_key(value["task"]),
            tuple(map(condition_of, value["conditions"])),
            CompositeLogic(value["logic"]),
            tuple(ArgumentProvider(kind, source) for kind, source in value["providers"]),
        )


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
