"""The locks of a collection, of which each copy gets its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Locks:
    """One lock that threads hold for a moment, and one that tasks hold for as long as they like.

    Attributes:
        thread: Held by each method, never across a point where a task may wait.
    """

    def __init__(self) -> None:
        self.thread: AbstractContextManager[object] = threading.RLock()
        self._tasks: anyio.Lock | None = None

    @property
    def tasks(self) -> anyio.Lock:
        """What tasks hold by ``async with``."""
        # Later than the rest: it belongs to the event loop that uses it first.
        if self._tasks is None:
            self._tasks = anyio.Lock()
        return self._tasks

    def __reduce__(self) -> tuple[Any, ...]:
        return Locks, ()
