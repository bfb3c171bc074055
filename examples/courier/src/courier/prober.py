"""Ask endpoints whether they are well, many at a time, on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


async def probe(
    names: Iterable[str],
    ping: Callable[[str], Awaitable[None]],
    *,
    timeout: float,
    at_once: int = 10,
) -> dict[str, bool]:
    """Return for each name whether its ping ended well and in time."""
    gate = asyncio.Semaphore(at_once)

    async def one(name: str) -> bool:
        async with gate:
            try:
                await asyncio.wait_for(ping(name), timeout)
            # Before 3.11 asyncio's was not the built-in one.
            except (OSError, TimeoutError, asyncio.TimeoutError):
                return False
            return True

    names = list(names)
    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


class Prober:
    """Probes every *period* seconds and tells what has changed."""

    def __init__(
        self,
        names: Iterable[str],
        ping: Callable[[str], Awaitable[None]],
        changed: Callable[[str, bool], None],
        *,
        period: float,
        timeout: float,
    ) -> None:
        self._names = list(names)
        self._ping = ping
        self._changed = changed
        self._period = period
        self._timeout = timeout
        self._up = dict.fromkeys(self._names, True)
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="courier-prober")

    def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def stop(self) -> None:
        """Let a probe that is under way end, and the thread with it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._rounds())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _rounds(self) -> None:
        while not self._stop.is_set():
            found = await probe(self._names, self._ping, timeout=self._timeout)
            for name, up in found.items():
                if up is not self._up[name]:
                    self._up[name] = up
                    self._changed(name, up)
            try:
                await asyncio.wait_for(self._stop.wait(), self._period)
            except (TimeoutError, asyncio.TimeoutError):
                continue
