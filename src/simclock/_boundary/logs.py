"""Log lines of simulated threads, noted beside the trace.

The factory of log records is wrapped while a simulation is open that asks for it, so that a line
is seen whatever its handlers do, and whether or not it has any. What a line says is put together
without a call of the program's own code: that might wait, and the run would not be the one that
it is unwatched.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernels
from simclock._core.notes import LogLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simclock._core.kernel import Kernel
    from simclock._core.notes import Notes

PLAIN = (str, int, float, complex, bool, type(None), bytes)
CONTAINERS = (tuple, list, dict, set, frozenset)
# How deep containers are looked into.
DEPTH = 4
# Letters of a message that are kept.
LONGEST = 2000


class Listener:
    """Notes the log lines of one simulation's threads while it is started.

    Args:
        kernel: The simulation's.
        notes: Where they are noted.
    """

    def __init__(self, kernel: Kernel, notes: Notes) -> None:
        self._kernel = kernel
        self._notes = notes
        self._is_on = False
        self._before: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()

    def start(self) -> None:
        """Begin to listen."""
        self._before = logging.getLogRecordFactory()
        self._is_on = True
        logging.setLogRecordFactory(self._make)

    def stop(self) -> None:
        """Listen no more; leave a factory that somebody else has put in the place of ours."""
        self._is_on = False
        # Each access to a bound method makes another one: they are equal, not the same.
        if logging.getLogRecordFactory() == self._make:
            logging.setLogRecordFactory(self._before)

    def _make(self, *args: Any, **keywords: Any) -> logging.LogRecord:
        record = self._before(*args, **keywords)
        if self._is_on and kernels[-1:] == [self._kernel] and _native.simulated():
            self._note(record)
        return record

    def _note(self, record: logging.LogRecord) -> None:
        kernel = self._kernel
        self._notes.logs.append(
            LogLine(
                len(kernel.trace),
                kernel.world.now_ns,
                kernel.current.path,
                str(record.levelname),
                str(record.name),
                message(record.msg, record.args)[:LONGEST],
                f"{record.filename}:{record.lineno}",
            )
        )


def message(template: object, args: tuple[object, ...] | Mapping[str, object] | None) -> str:
    """Return what a log record says; of an argument with a text of its own making, the type."""
    text = str(_safe(template))
    if not args:
        return text
    try:
        if isinstance(args, dict):
            return text % {key: _safe(value) for key, value in args.items()}
        return text % tuple(_safe(value) for value in args)
    except (TypeError, ValueError, KeyError):
        return text


class _Shown:
    """Stands for an object that is not asked for its text."""

    def __init__(self, value: object) -> None:
        self._text = f"<{type(value).__qualname__}>"

    def __repr__(self) -> str:
        return self._text


def _safe(value: object) -> object:
    if _is_plain(value):
        return value
    if isinstance(value, BaseException) and _is_plain_error(value):
        return value
    return _Shown(value)


def _is_plain(value: object, depth: int = DEPTH) -> bool:
    """Return whether the text of *value* is made by Python alone."""
    if type(value) in PLAIN or isinstance(value, PurePath):
        return True
    if type(value) not in CONTAINERS or depth == 0:
        return False
    items: Any = value
    parts = [*items, *items.values()] if isinstance(value, dict) else items
    return all(_is_plain(part, depth - 1) for part in parts)


def _is_plain_error(error: BaseException) -> bool:
    """Return whether *error* has no text of its own making, and is made of what is plain."""
    kind = type(error)
    return (
        kind.__str__ in _PLAIN_ERRORS and kind.__repr__ in _PLAIN_ERRORS and _is_plain(error.args)
    )


# Methods in C, which errors of the program inherit.
_PLAIN_ERRORS = {
    getattr(kind, name)
    for kind in (BaseException, OSError, KeyError, SyntaxError, UnicodeDecodeError)
    for name in ("__str__", "__repr__")
}
