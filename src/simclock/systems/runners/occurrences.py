"""What has happened, as triggers are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.identifiers import InvocationId, TaskId
from simclock.systems.runners.statuses import InvocationStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from simclock.systems.runners.serializers import BaseSerializer
    from simclock.systems.runners.stored import StoredInvocation


@dataclass(frozen=True)
class CronContext:
    """A cron line was due.

    Attributes:
        context_id: What it is known by.
        expr: The line.
        timestamp: When; aware, in UTC.
    """

    context_id: str
    expr: str
    timestamp: datetime


@dataclass(frozen=True)
class EventContext:
    """Somebody has emitted an event.

    Attributes:
        context_id: What it is known by.
        event_id: What `emit_event` has returned.
        event_code: Of which kind.
        payload: What came with it, by name.
    """

    context_id: str
    event_id: str
    event_code: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class StatusContext:
    """An invocation got a status.

    Attributes:
        context_id: What it is known by.
        task_id: Its task.
        invocation_id: Which.
        status: What it got.
        arguments: What it was called with, by name.
    """

    context_id: str
    task_id: TaskId
    invocation_id: InvocationId
    status: InvocationStatus
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ResultContext(StatusContext):
    """An invocation has succeeded.

    Attributes:
        result: What it returned.
    """

    result: Any


@dataclass(frozen=True)
class ExceptionContext(StatusContext):
    """An invocation has failed, for good.

    Attributes:
        exception_type: The name of the error's class.
        exception_message: What it says.
    """

    exception_type: str
    exception_message: str


Context = CronContext | EventContext | StatusContext


def event_value(
    event_id: str, code: str, payload: Mapping[str, Any], *, is_said_once: bool = False
) -> dict[str, Any]:
    """Return an event as it is stored; one that *is_said_once* comes by that id never again."""
    name = f"event_{code}_{event_id}"
    value = {"kind": "event", "id": name, "event": event_id, "code": code, "payload": dict(payload)}
    return {**value, "once": True} if is_said_once else value


def cron_value(expr: str, instant: datetime) -> dict[str, Any]:
    """Return an instant of a cron line as it is stored."""
    return {"kind": "cron", "id": f"cron_{instant.isoformat()}", "expr": expr, "instant": instant}


def invocation_values(stored: StoredInvocation) -> Iterator[dict[str, Any]]:
    """Yield what happened to an invocation when it got the status that it has, as it is stored.

    Its arguments, its result and its error stay texts: whoever runs it need not know them.
    """
    status, invocation = stored.status, str(stored.id)
    common = {
        "task": stored.task.key,
        "invocation": invocation,
        "status": status.value,
        "since": stored.since,
        "arguments": dict(stored.arguments),
    }
    # It may get any other one again.
    again = "" if status.is_final else f"_{stored.since.isoformat()}"
    yield {"kind": "status", "id": f"status_{invocation}_{status.value}{again}", **common}
    if status is InvocationStatus.SUCCESS:
        yield {"kind": "result", "id": f"result_{invocation}", **common, "result": stored.result}
    if status is InvocationStatus.FAILED and stored.error is not None:
        name, text = stored.error.type_name, stored.error.text
        key = f"exception_{name}_{invocation}"
        yield {"kind": "exception", "id": key, **common, "error": (name, text)}


def context_of(value: Mapping[str, Any], serializer: BaseSerializer) -> Context:
    """Return what is stored as conditions and providers of arguments are given it.

    Raises:
        SerializationError: A text cannot be read.
    """
    kind, context_id = value["kind"], value["id"]
    if kind == "event":
        return EventContext(context_id, value["event"], value["code"], value["payload"])
    if kind == "cron":
        return CronContext(context_id, value["expr"], value["instant"])
    read = serializer.deserialize
    common = (
        context_id,
        TaskId.from_key(value["task"]),
        InvocationId(value["invocation"]),
        InvocationStatus(value["status"]),
        {name: read(text) for name, text in value["arguments"].items()},
    )
    if kind == "result":
        return ResultContext(*common, None if value["result"] is None else read(value["result"]))
    if kind == "exception":
        return ExceptionContext(*common, *value["error"])
    return StatusContext(*common)
