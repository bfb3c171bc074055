"""A sleep that can be cut short."""

from __future__ import annotations

import asyncio


class Alarm:
    """Sleeps of one task that can be cut short. What rings before a sleep is not lost."""

    def __init__(self) -> None:
        self._has_rung = False
        self._over: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake who sleeps, or the next one."""
        self._has_rung = True
        if self._over is not None:
            _finish(self._over)

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or when it rings, or at once if it has since the last."""
        loop = asyncio.get_running_loop()
        over = self._over = loop.create_future()
        timer = loop.call_later(seconds, _finish, over)
        try:
            if not self._has_rung:
                await over
        finally:
            timer.cancel()
            self._over = None
        self._has_rung = False


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
