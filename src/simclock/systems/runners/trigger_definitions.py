"""Triggers as they are defined: which task runs when, and with what."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simclock.systems._shared.codecs import canonical
from simclock.systems.runners.conditions import (
    CompositeLogic,
    TriggerCondition,
    condition_of,
)
from simclock.systems.runners.filters import referenced
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.occurrences import (
    Context,
    CronContext,
    EventContext,
    ExceptionContext,
    ResultContext,
    StatusContext,
)

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
