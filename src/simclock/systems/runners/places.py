"""How many bodies run at once: places that are taken, given free by who waits, taken again."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Gate(Protocol):
    """How one body gives its place free while it waits, and gets one again."""

    def leave(self) -> None:
        """Give the place free."""

    def come_back(self, granted: Callable[[], object]) -> None:
        """Ask for a place; *granted* is called when there is one, perhaps at once."""

    def withdraw(self, granted: Callable[[], object]) -> None:
        """Ask no more; a place that was granted meanwhile is given free."""


class Places:
    """So many places, and a queue of those who want one back.

    Who comes back is before whoever is new: it has begun already, and others
    may wait for it. A `Gate` for the bodies of this process.

    Args:
        limit: How many there are.
        on_free: Is called when one has become free, and nobody wants it back.
    """

    def __init__(self, limit: int, on_free: Callable[[], object]) -> None:
        self._lock = threading.Lock()
        self._on_free = on_free
        # Invariant: above 0 only while nobody waits in the queue.
        self._free = limit
        self._returning: deque[Callable[[], object]] = deque()

    @property
    def free(self) -> int:
        """How many are free."""
        return self._free

    def take(self) -> bool:
        """Take a place, and return True; False if none is free."""
        with self._lock:
            if not self._free:
                return False
            self._free -= 1
            return True

    def leave(self) -> None:
        """Give a place free, or to the first who wants one back."""
        if not self.put_back():
            self._on_free()

    def put_back(self) -> bool:
        """Do so with one that was taken for nothing: nobody is told that it is free.

        Returns:
            Whether somebody wanted it back.
        """
        with self._lock:
            granted = self._returning.popleft() if self._returning else None
            if granted is None:
                self._free += 1
                return False
        granted()
        return True

    def come_back(self, granted: Callable[[], object]) -> None:
        """Call *granted* when there is a place for it, which it then has."""
        with self._lock:
            if not self._free:
                self._returning.append(granted)
                return
            self._free -= 1
        granted()

    def withdraw(self, granted: Callable[[], object]) -> None:
        """Ask no more; a place that was granted meanwhile is given free."""
        with self._lock:
            if granted in self._returning:
                self._returning.remove(granted)
                return
        self.leave()
