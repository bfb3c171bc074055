"""How far a task has got, said by the task itself."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from simclock.systems._shared.codecs import decode, encode

Reporter = Callable[[Any, "str | None"], None]
"""Takes a value and a note, in whatever thread."""

# Of each task its own, in a process as on the event loop; threads that a task starts by
# `asyncio.to_thread` have it, too.
reporting: ContextVar[Reporter | None] = ContextVar("reporting", default=None)


def progress(value: Any, note: str | None = None) -> None:
    """Say how far the task has got in which this is called; outside of a task, do nothing.

    It is put into the task's record, soon, and replaces what was said before;
    of what is said in quick succession only the last may be seen.

    Args:
        value: Whatever the program takes for progress, such as a part of 1.
        note: What goes on, in words.
    """
    report = reporting.get()
    if report is not None:
        report(value, note)


def copied(value: Any) -> Any:
    """Return a copy, which does not change as *value* may; of what has no text, itself."""
    try:
        return decode(encode(value))
    except Exception:  # noqa: BLE001 - objects raise what they like
        # A backend in memory takes it; another one says why not.
        return value
