"""Those who wait for the end of tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simclock.systems.taskqueue.failures import (
    FlowrraError,
    TaskTimeoutError,
    UnknownTaskIdError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simclock.systems.taskqueue.tasks import TaskResult

    Ends = asyncio.Future["TaskResult | FlowrraError"]


class Waiting:
    """Wakes those who wait for records to be complete: told, or by looking again and again.

    Of one event loop at a time: who waits in one that is closed is forgotten.

    Args:
        look: Returns the record of a task.
        poll_interval: Seconds between two looks; None: all changes are told.
    """

    def __init__(
        self,
        look: Callable[[str], Awaitable[TaskResult | None]],
        poll_interval: float | None,
    ) -> None:
        self._look = look
        self._poll_interval = poll_interval
        # Invariant: no list is empty.
        self._waiters: dict[str, list[Ends]] = {}
        self._poller: asyncio.Task[None] | None = None
        # Of the loop of all that is above.
        self._loop: asyncio.AbstractEventLoop | None = None

    async def wait_for(self, task_id: str, timeout: float | None) -> TaskResult:
        """Return the record of a task when it is complete.

        Raises:
            UnknownTaskIdError: There is no record, or none any more.
            TaskTimeoutError: It is not complete within *timeout* seconds.
        """
        loop = asyncio.get_running_loop()
        self._forget_the_closed()
        self._loop = loop
        ends: Ends = loop.create_future()
        alarm = None
        if timeout is not None:
            late = TaskTimeoutError(task_id, timeout)
            alarm = loop.call_later(max(0, timeout), _end, ends, late)
        # Before the first look: what is told from now on must not be missed.
        self._waiters.setdefault(task_id, []).append(ends)
        try:
            record = await self._look(task_id)
            if record is None:
                raise UnknownTaskIdError(task_id)
            if record.is_complete:
                return record
            self._poll()
            end = await ends
        finally:
            self._leave(task_id, ends)
            if alarm is not None:
                alarm.cancel()
        if isinstance(end, FlowrraError):
            raise end
        return end

    def tell(self, record: TaskResult) -> None:
        """Wake those who wait for this task, if its record is complete."""
        if record.is_complete:
            self._forget_the_closed()
            for ends in self._waiters.get(record.task_id, ()):
                _end(ends, record)

    def forget(self, task_id: str) -> None:
        """Wake those who wait for a task whose record is gone."""
        self._forget_the_closed()
        for ends in self._waiters.get(task_id, ()):
            _end(ends, UnknownTaskIdError(task_id))

    def forget_all(self) -> None:
        """Wake all: there are no records any more."""
        for task_id in tuple(self._waiters):
            self.forget(task_id)

    def _forget_the_closed(self) -> None:
        """Forget who waits if their loop was closed under way: nobody can wake them."""
        if self._loop is not None and self._loop.is_closed():
            self._waiters = {}
            self._poller = self._loop = None

    def _leave(self, task_id: str, ends: Ends) -> None:
        self._forget_the_closed()
        others = self._waiters.get(task_id, [])
        if ends not in others:
            return  # it was forgotten
        others.remove(ends)
        if not others:
            del self._waiters[task_id]
        if not self._waiters and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    def _poll(self) -> None:
        if self._poll_interval is not None and (self._poller is None or self._poller.done()):
            self._poller = asyncio.create_task(self._look_again(self._poll_interval))

    async def _look_again(self, interval: float) -> None:
        while self._waiters:
            await asyncio.sleep(interval)
            for task_id in tuple(self._waiters):
                await self._look_at(task_id)

    async def _look_at(self, task_id: str) -> None:
        try:
            record = await self._look(task_id)
        except FlowrraError as error:
            for ends in self._waiters.get(task_id, ()):
                _end(ends, error)
            return
        if record is None:
            self.forget(task_id)
        else:
            self.tell(record)


def _end(ends: Ends, end: TaskResult | FlowrraError) -> None:
    # Errors are results, too: one that was set as such has to be seen by somebody.
    if not ends.done():
        ends.set_result(end)
