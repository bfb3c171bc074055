"""What is under way in a node, and how to wait for its end: in a thread, or in a coroutine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from simclock.systems.rates.events import StopEvent
from simclock.systems.rates.sleeping import Sleeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger: logging.Logger = logging.getLogger(__package__)


class Work:
    """Something under way: a thread, a task, or a call that waits for these.

    Attributes:
        name: What reports call it.
        thread: The thread that it is, if it is one.
        task: The task that it is, if it is one.
        blocks: The thread that it blocks, if it is a call of `Node.spin`.
        loop: The event loop that it runs in, if it does.
        reported: Whether it was reported that it would not end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.thread: threading.Thread | None = None
        self.task: asyncio.Task[Any] | None = None
        self.blocks: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.reported = False
        self._over = StopEvent()
        self._sleepers: list[Sleeper] = []

    @property
    def is_caller(self) -> bool:
        """Whether it is the thread or the task that asks, or blocks it: a handler asks then."""
        return threading.current_thread() in (self.thread, self.blocks) or (
            self.task is not None and self.task is _current_task()
        )

    def end(self) -> None:
        """Let nobody wait any more; any thread may call it."""
        self._over.set()
        for sleeper in self._sleepers.copy():
            sleeper.wake()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, and return whether it has come."""
        if not self._over.wait(seconds):
            return False
        self._join()
        return True

    async def wait_async(self, seconds: float) -> bool:
        """Wait for the end without blocking the event loop, and return whether it has come."""
        sleeper = Sleeper()
        self._sleepers.append(sleeper)
        try:
            await sleeper.sleep(seconds, unless=self._over)
        finally:
            self._sleepers.remove(sleeper)
        if not self._over.is_set():
            return False
        self._join()
        return True

    def _join(self) -> None:
        """Wait for what a thread does after its work: next to nothing."""
        if self.thread is not None:
            self.thread.join()


class Works:
    """What is under way in a node. All methods may be called by any thread.

    Args:
        owner: What logs call the node.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        # Without a lock, which a signal handler could find owned: each use is one step of a list.
        self._works: list[Work] = []

    def add(self, work: Work) -> Work:
        """Note that *work* begins."""
        self._works.append(work)
        return work

    def remove(self, work: Work) -> None:
        """Note that it has ended, and tell those who wait for it. Idempotent."""
        with contextlib.suppress(ValueError):
            self._works.remove(work)
        work.end()

    def remove_lost(self) -> None:
        """Remove what cannot end, as its event loop was closed."""
        for each in self._works.copy():
            if each.loop is not None and each.loop.is_closed():
                self.remove(each)

    def others(self, own: Work | None = None) -> list[Work]:
        """Return all but *own*."""
        return [each for each in self._works.copy() if each is not own]

    def start_thread(self, work: Work, function: Callable[[], object]) -> threading.Thread:
        """Run *function* in a thread that is *work*; log what it raises."""

        def main() -> None:
            try:
                function()
            except Exception:
                logger.exception("%s of %s has failed", work.name, self._owner)
            finally:
                self.remove(work)

        work.thread = threading.Thread(target=main, name=work.name, daemon=True)
        self.add(work)
        try:
            work.thread.start()
        except BaseException:
            work.thread = None  # nobody can join it
            self.remove(work)
            raise
        return work.thread


def cancel(works: Iterable[Work]) -> bool:
    """Cancel those that are tasks; return whether there are any."""
    tasks = [each.task for each in works if each.task is not None]
    for each in tasks:
        each.cancel()
    return bool(tasks)


def wait_for(works: Iterable[Work], seconds: float) -> list[Work]:
    """Wait for all *works*, so many seconds in all, and return those that have not ended."""
    until = time.monotonic() + seconds
    return [each for each in works if not each.wait(max(0.0, until - time.monotonic()))]


async def wait_for_async(works: Iterable[Work], seconds: float) -> list[Work]:
    """Do as `wait_for`, without blocking the event loop."""
    until = time.monotonic() + seconds
    return [each for each in works if not await each.wait_async(max(0.0, until - time.monotonic()))]


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return None
