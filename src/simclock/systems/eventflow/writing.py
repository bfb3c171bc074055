"""What came of an event, as JSON can have it."""

from __future__ import annotations

import sys
from typing import Any

from pydantic_core import to_jsonable_python

from simclock.systems.eventflow.elements import Element
from simclock.systems.eventflow.failures import LionprideError
from simclock.systems.eventflow.sentinels import Unset

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

UNSERIALISABLE = "<unserializable>"
DEPTH = 100  # of groups within groups


def written_value(value: Any) -> Any:
    """Return *value* as JSON can have it: a mark if that is impossible, ``None`` if unset."""
    if value is Unset:
        return None
    try:
        if isinstance(value, Element):
            return value.to_dict(mode="json")
        return to_jsonable_python(value)
    except Exception:  # noqa: BLE001 - values of users fail as they like: the rest is written
        return UNSERIALISABLE


def written_error(
    error: BaseException | None, depth: int = DEPTH, above: frozenset[int] = frozenset()
) -> dict[str, Any] | None:
    """Return what *error* says; a group says what its members do."""
    if error is None:
        return None
    if isinstance(error, LionprideError):
        written = written_value(error.to_dict())
        return written if isinstance(written, dict) else _named(error)
    if not isinstance(error, BaseExceptionGroup):
        return _named(error)
    if depth == 0 or id(error) in above:
        return {**_named(error), "exceptions": "..."}
    members = [written_error(each, depth - 1, above | {id(error)}) for each in error.exceptions]
    return {**_named(error), "exceptions": members}


def _named(error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - whatever it is, there is an error to be told
        message = type(error).__name__
    return {"error": type(error).__name__, "message": message}
