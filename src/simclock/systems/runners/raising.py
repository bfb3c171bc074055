"""Errors of tasks, kept as text and raised elsewhere: the same ones where that is possible."""

from __future__ import annotations

import inspect
import traceback
from typing import TYPE_CHECKING, Any

from simclock.systems.runners import failures
from simclock.systems.runners.failures import SerializationError, TaskFailedError
from simclock.systems.runners.serializers import imported
from simclock.systems.runners.stored import StoredError

if TYPE_CHECKING:
    from simclock.systems.runners.serializers import BaseSerializer


class _Traceback(Exception):
    """The text of a traceback, for those who log the error."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def store_error(error: BaseException, serializer: BaseSerializer) -> StoredError:
    """Return what is kept of an error: all of it, if the serializer takes its arguments."""
    kind, text = type(error), _text_of(error)
    shown = _shown(error)
    kept: dict[str, Any] = {"traceback": shown}
    if imported(kind.__module__, kind.__qualname__) is kind:
        kept |= {"module": kind.__module__, "name": kind.__qualname__}
        kept |= {"args": error.args, "made_by": _arguments(error), "state": error.__dict__}
    for each in (kept, {"traceback": shown}):
        try:
            payload = serializer.serialize(each)
        except SerializationError:
            continue
        return StoredError(kind.__name__, text, payload)
    return StoredError(kind.__name__, text)


def restore_error(stored: StoredError, serializer: BaseSerializer) -> BaseException:
    """Return the error that was kept, or a `TaskFailedError` that tells of it."""
    if stored.payload is None:
        return failures.restore(stored.type_name, stored.text)
    kept: dict[str, Any] = {}
    try:
        read = serializer.deserialize(stored.payload)
        kept = read if isinstance(read, dict) else {}
        error = _made(kept)
    except Exception:  # noqa: BLE001 - classes of users raise whatever they like
        error = None
    shown = str(kept.get("traceback", ""))
    if error is None:
        error = TaskFailedError(stored.type_name, stored.text, shown)
    error.__cause__ = _Traceback(shown)
    return error


def _made(kept: dict[str, Any]) -> BaseException | None:
    kind = imported(kept.get("module", ""), kept.get("name", ""))
    # Others would end the loop of who waits, or have it think that it was cancelled.
    if not isinstance(kind, type) or not issubclass(kind, (Exception, SystemExit)):
        return None
    if inspect.isfunction(kind.__init__):
        # Not called: it may take others than `args`, or add to them.
        error: BaseException = kind.__new__(kind, *kept["args"])
        error.args = kept["args"]
    else:
        error = kind(*kept["made_by"])
    error.__dict__.update(kept["state"])
    return error


def _arguments(error: BaseException) -> tuple[Any, ...]:
    """Return what a class of Python's own makes an equal one of: it is more than `args`."""
    reduced: Any = error.__reduce__()
    is_made = isinstance(reduced, tuple) and reduced[0] is type(error)
    arguments: tuple[Any, ...] = reduced[1] if is_made else error.args
    return arguments


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _text_of(error: BaseException) -> str:
    try:
        return str.__str__(str(error)) or type(error).__name__
    except Exception:  # noqa: BLE001 - an error of users may raise when it is asked
        return type(error).__name__
