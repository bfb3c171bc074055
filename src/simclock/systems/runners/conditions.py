"""Conditions: which of the things that happen a trigger waits for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import canonical
from simclock.systems._shared.cron import CronExpression
from simclock.systems.runners.filters import Filter, passes, stored_filter
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class CompositeLogic(enum.Enum):
    """How several conditions are one."""

    AND = "and"
    OR = "or"


class TriggerCondition:
    """What a trigger waits for. Conditions are values: those with equal parts are equal."""

    def matches(self, context: Context) -> bool:
        """Return whether this is what it waits for.

        Raises:
            LookupError: The function of a filter cannot be imported here.
        """
        raise NotImplementedError

    def to_value(self) -> dict[str, Any]:
        """Return what can be stored, and `condition_of` reads."""
        raise NotImplementedError

    def parts(self) -> Iterator[TriggerCondition]:
        """Yield it, or those that it is composed of."""
        yield self

    @property
    def condition_id(self) -> str:
        """The same for equal conditions, in all processes."""
        return canonical(self.to_value())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TriggerCondition):
            return NotImplemented
        return self.condition_id == other.condition_id

    def __hash__(self) -> int:
        return hash(self.condition_id)


class CronCondition(TriggerCondition):
    """A cron line is due, by the wall clock of whoever looks.

    For all times that were missed it is due once, for the latest of them.

    Args:
        expr: Five fields: see `CronExpression`.
        timezone: The name of the zone by whose clock it is meant.

    Raises:
        ValueError: The line has no meaning, or there is no such zone.
    """

    def __init__(self, expr: str, timezone: str = "UTC") -> None:
        self.cron: CronExpression = CronExpression(expr, timezone)
        self.expr: str = self.cron.text
        self.timezone: str = timezone

    def matches(self, context: Context) -> bool:
        """See `TriggerCondition`."""
        return isinstance(context, CronContext) and context.expr == self.key

    @property
    def key(self) -> str:
        """The line and its zone."""
        return self.expr if self.timezone == "UTC" else f"{self.expr} {self.timezone}"

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        return {"kind": "cron", "expr": self.expr, "timezone": self.timezone}


class EventCondition(TriggerCondition):
    """An event is emitted.

    Args:
        event_code: Of which kind.
        payload_filter: What its payload must be like.

    Raises:
        ValueError: The filter cannot be stored.
    """

    def __init__(self, event_code: str, payload_filter: Filter = None) -> None:
        self.event_code = event_code
        self._filter = stored_filter(payload_filter, "a payload filter")

    def matches(self, context: Context) -> bool:
        """See `TriggerCondition`."""
        return (
            isinstance(context, EventContext)
            and context.event_code == self.event_code
            and passes(self._filter, context.payload)
        )

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        return {"kind": "event", "code": self.event_code, "filter": self._filter}


class _OfTask(TriggerCondition):
    """Something happens to an invocation of a task."""

    kind = ""

    def __init__(self, task_id: TaskId, arguments_filter: Filter) -> None:
        self.task_id = task_id
        self._arguments = stored_filter(arguments_filter, "an arguments filter")

    def _is_of_task(self, context: StatusContext) -> bool:
        return context.task_id == self.task_id and passes(self._arguments, context.arguments)

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        return {"kind": self.kind, "task": self.task_id.key, "arguments": self._arguments}


class StatusCondition(_OfTask):
    """An invocation of a task gets one of some statuses.

    Args:
        task_id: The task.
        statuses: Which statuses.
        arguments_filter: What its arguments must be like.

    Raises:
        ValueError: There are no statuses, or something else; or the filter cannot be stored.
    """

    kind = "status"

    def __init__(
        self,
        task_id: TaskId,
        statuses: Iterable[InvocationStatus] = (InvocationStatus.SUCCESS,),
        arguments_filter: Filter = None,
    ) -> None:
        super().__init__(task_id, arguments_filter)
        self.statuses: frozenset[InvocationStatus] = frozenset(statuses)
        if not self.statuses:
            raise ValueError(f"no status of {task_id} is waited for\ngive at least one")
        for each in self.statuses:
            if not isinstance(each, InvocationStatus):
                raise ValueError(  # noqa: TRY004 - what all mistakes in triggers are
                    f"this is no status: {each!r}\ngive InvocationStatus.SUCCESS, ..."
                )

    def matches(self, context: Context) -> bool:
        """See `TriggerCondition`."""
        return (
            type(context) is StatusContext
            and context.status in self.statuses
            and self._is_of_task(context)
        )

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        return {**super().to_value(), "statuses": sorted(each.value for each in self.statuses)}


class ResultCondition(_OfTask):
    """An invocation of a task succeeds.

    Args:
        task_id: The task.
        arguments_filter: What its arguments must be like.
        result_filter: What its result must be like; a mapping is compared with a result that
            is one.

    Raises:
        ValueError: A filter cannot be stored.
    """

    kind = "result"

    def __init__(
        self, task_id: TaskId, arguments_filter: Filter = None, result_filter: Filter = None
    ) -> None:
        super().__init__(task_id, arguments_filter)
        self._result = stored_filter(result_filter, "a result filter")

    def matches(self, context: Context) -> bool:
        """See `TriggerCondition`."""
        return (
            isinstance(context, ResultContext)
            and self._is_of_task(context)
            and passes(self._result, context.result)
        )

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        return {**super().to_value(), "result": self._result}


class ExceptionCondition(_OfTask):
    """An invocation of a task fails, for good.

    Args:
        task_id: The task.
        arguments_filter: What its arguments must be like.
        exception_types: The classes of errors, or their names, not those of their bases; empty:
            any.

    Raises:
        ValueError: The filter cannot be stored.
    """

    kind = "exception"

    def __init__(
        self,
        task_id: TaskId,
        arguments_filter: Filter = None,
        exception_types: Iterable[str | type[BaseException]] = (),
    ) -> None:
        super().__init__(task_id, arguments_filter)
        self.exception_types: frozenset[str] = frozenset(
            each.__name__ if isinstance(each, type) else each for each in exception_types
        )

    def matches(self, context: Context) -> bool:
        """See `TriggerCondition`."""
        return (
            isinstance(context, ExceptionContext)
            and (not self.exception_types or context.exception_type in self.exception_types)
            and self._is_of_task(context)
        )

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        return {**super().to_value(), "types": sorted(self.exception_types)}


@dataclass(frozen=True, eq=False)
class CompositeCondition(TriggerCondition):
    """All, or any, of some conditions are true of one and the same thing that happens.

    Attributes:
        conditions: Which.
        logic: All or any of them.

    Raises:
        ValueError: There are none.
    """

    conditions: tuple[TriggerCondition, ...]
    logic: CompositeLogic = CompositeLogic.AND

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", tuple(self.conditions))
        if not self.conditions:
            raise ValueError("a condition is composed of nothing\ngive at least one condition")

    def matches(self, context: Context) -> bool:
        """See `TriggerCondition`."""
        found = (each.matches(context) for each in self.conditions)
        return all(found) if self.logic is CompositeLogic.AND else any(found)

    def parts(self) -> Iterator[TriggerCondition]:
        """See `TriggerCondition`."""
        for each in self.conditions:
            yield from each.parts()

    def to_value(self) -> dict[str, Any]:
        """See `TriggerCondition`."""
        parts = [each.to_value() for each in self.conditions]
        return {"kind": "composite", "conditions": parts, "logic": self.logic.value}


def condition_of(value: Mapping[str, Any]) -> TriggerCondition:
    """Return the condition that was stored.

    Raises:
        KeyError: It was written by another version.
        ValueError: It has no meaning here.
    """
    made: TriggerCondition = _READERS[value["kind"]](value)
    return made


def _of_task(kind: Any) -> Any:
    def read(value: Mapping[str, Any]) -> TriggerCondition:
        made: _OfTask = kind(TaskId.from_key(value["task"]))
        # Not by the arguments: functions of filters are imported when they are needed.
        made._arguments = value["arguments"]
        if isinstance(made, StatusCondition):
            made.statuses = frozenset(map(InvocationStatus, value["statuses"]))
        elif isinstance(made, ResultCondition):
            made._result = value["result"]
        elif isinstance(made, ExceptionCondition):
            made.exception_types = frozenset(value["types"])
        return made

    return read


def _event(value: Mapping[str, Any]) -> TriggerCondition:
    made = EventCondition(value["code"])
    made._filter = value["filter"]
    return made


_READERS: dict[str, Any] = {
    "cron": lambda value: CronCondition(value["expr"], value["timezone"]),
    "event": _event,
    **{
        each.kind: _of_task(each) for each in (StatusCondition, ResultCondition, ExceptionCondition)
    },
    "composite": lambda value: CompositeCondition(
        tuple(map(condition_of, value["conditions"])), CompositeLogic(value["logic"])
    ),
}
