"""A coroutine's sleep that any thread may cut short."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class Sleeper:
    """Sleeps of one task, one after the other.

    `asyncio.sleep` cannot be woken, and `asyncio.Event` not by another thread.
    """

    def __init__(self) -> None:
        self._sleep: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    async def sleep(self, seconds: float | None, unless: threading.Event) -> None:
        """Sleep until `wake` is called or so many seconds are over; None: for ever.

        Args:
            seconds: How long.
            unless: If it is set, there is no sleep. Who sets it and then calls
                `wake` wakes the sleeper, whichever comes first.
        """
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _finish, over)
        # In this order: `wake` comes after `unless` is set, and finds the sleep if this does not.
        sleep = self._sleep = loop, over
        try:
            if not unless.is_set():
                await over
        finally:
            # The coroutine may be closed long after its loop was, when another one sleeps.
            if self._sleep is sleep:
                self._sleep = None
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        """Wake who sleeps; any thread may call it."""
        sleep = self._sleep
        if sleep is not None:
            loop, over = sleep
            # A loop that is closed meanwhile runs no sleeper any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_finish, over)


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
