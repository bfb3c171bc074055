"""What threads of one process wake each other by."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bell:
    """What threads of this process wait for instead of looking again and again.

    It is rung when something may have become possible; who is woken has to look.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0
        self._heard = threading.local()
        self._subscribers: dict[Callable[[], object], None] = {}

    def ring(self) -> None:
        """Wake all who wait, and call the subscribers."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()
            subscribers = list(self._subscribers)
        # Not under the lock: they may take others of their own.
        for call in subscribers:
            call()

    def wait(self, seconds: float) -> None:
        """Wait that long at most, or until it rings.

        It does not wait if it was rung since this thread waited the last time.
        """
        with self._condition:
            heard = getattr(self._heard, "rings", 0)
            self._condition.wait_for(lambda: self._rings != heard, seconds)
            self._heard.rings = self._rings

    def subscribe(self, call: Callable[[], object]) -> None:
        """Let *call* be called at each ring, in the thread that rings. Idempotent."""
        with self._condition:
            self._subscribers[call] = None

    def unsubscribe(self, call: Callable[[], object]) -> None:
        """Do not call it any more. Idempotent."""
        with self._condition:
            self._subscribers.pop(call, None)
