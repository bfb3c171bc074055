"""How coroutines wait for a change, on whatever event loop they are."""

from __future__ import annotations

import math

import anyio


class Bell:
    """Wakes all who wait, in the order in which they came; whoever comes later waits for the next.

    It knows nothing of what they wait for: each looks again. Waiters and
    ringers are of one event loop at a time, and another one may have it later.
    """

    def __init__(self) -> None:
        # One for each waiter, made when that waits: it belongs to the loop on which it was made.
        self._waiting: dict[anyio.Event, None] = {}

    def ring(self) -> None:
        """Wake those who wait now."""
        waiting, self._waiting = self._waiting, {}
        for event in waiting:
            event.set()

    async def wait(self, seconds: float = math.inf) -> None:
        """Wait until it is rung, or until so many seconds have gone by."""
        event = anyio.Event()
        self._waiting[event] = None
        try:
            with anyio.move_on_after(seconds):
                await event.wait()
        finally:
            self._waiting.pop(event, None)
