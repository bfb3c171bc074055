"""Takes tasks from a broker, as many at once as there are places, until it is halted."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.executors.attempts import Attempt
from simclock.systems.taskqueue.executors.shop import FIRST_BACK_OFF, LONGEST_BACK_OFF, Reason
from simclock.systems.taskqueue.failures import FlowrraError

if TYPE_CHECKING:
    from simclock.systems.taskqueue.brokers import Claim
    from simclock.systems.taskqueue.executors.shop import Shop

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")


class Dispatcher:
    """Runs attempts, each in an asyncio task of its own; whatever fails, it goes on.

    One asks for work on behalf of all places: so a queue that has to be asked
    again and again is asked once.

    Args:
        shop: What attempts work with.
        places: How many are under way at once, at most.
    """

    def __init__(self, shop: Shop, places: int) -> None:
        self._shop = shop
        self._places = places
        self._name = str(uuid.uuid4())
        self._claims = 0
        self._attempts: dict[asyncio.Task[None], Attempt] = {}
        # Claims of attempts that were cancelled before their first step.
        self._left: list[Claim] = []
        # Set by whatever may be a reason to look again.
        self._bell = asyncio.Event()
        self._halted = asyncio.Event()
        # Set when nothing is left to do; made by who waits for that.
        self._drained: asyncio.Event | None = None
        self._back_off = FIRST_BACK_OFF
        shop.broker.listen(self._bell.set)
        self._main = asyncio.create_task(self._dispatch())

    def attempt_at(self, task_id: str) -> Attempt | None:
        """Return the attempt at a task that is under way here, if there is one."""
        for attempt in self._attempts.values():
            if attempt.claim.key == task_id:
                return attempt
        return None

    def runs(self, task: asyncio.Task[Any] | None) -> bool:
        """Return whether *task* is what calls a function here."""
        return task is not None and any(each.body is task for each in self._attempts.values())

    async def drain(self, timeout: float | None, enough: asyncio.Event) -> bool:
        """Return True when no task is under way here and none waits, delayed ones included.

        Args:
            timeout: How many seconds to wait for that; None: as long as it takes.
            enough: Ends the wait before.
        """
        self._drained = asyncio.Event()
        self._bell.set()
        waits = [asyncio.create_task(each.wait()) for each in (self._drained, enough)]
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        return self._drained.is_set()

    async def halt(self) -> None:
        """Claim no more tasks, interrupt those under way, and return when they have ended.

        An operation of a store that is under way is waited for, and so is what
        attempts write then: with a server that says nothing each of them takes
        its ``socket_timeout``, and twice that if it is tried again.
        """
        self._halted.set()
        self._bell.set()
        for attempt in self._attempts.values():
            attempt.interrupt(Reason.STOPPED)
        await asyncio.wait({self._main, *self._attempts})
        if self._attempts:  # of a claim that came meanwhile
            await asyncio.wait(set(self._attempts))

    async def _dispatch(self) -> None:
        try:
            while not self._halted.is_set():
                await self._try_step()
        finally:  # also at the end of a loop that nobody has waited for
            self._shop.broker.unlisten(self._bell.set)
            await self._give_back_what_is_left()

    async def _give_back_what_is_left(self) -> None:
        if self._attempts:
            await asyncio.wait(set(self._attempts))
        for claim in self._left:
            try:
                await self._shop.broker.unclaim(claim)
            except FlowrraError as error:
                logger.warning("task %s could not be given back: %s", claim.key, error)

    async def _try_step(self) -> None:
        try:
            await self._step()
        except FlowrraError as error:
            logger.warning("tasks cannot be fetched: %s", error)
            await self._pause()
        except Exception:
            logger.exception("a worker has failed, and goes on")
            await self._pause()
        else:
            self._back_off = FIRST_BACK_OFF

    async def _step(self) -> None:
        self._bell.clear()
        if len(self._attempts) >= self._places:
            await self._bell.wait()
            return
        claim = await self._claim()
        if claim is not None:
            self._begin(claim)
            return
        if self._halted.is_set():
            return
        if self._drained is not None:
            await self._see_whether_drained(self._drained)
        await self._shop.broker.wait(self._bell)

    async def _claim(self) -> Claim | None:
        owner = f"{self._name}/{self._claims}"
        try:
            claim = await self._shop.broker.claim(owner)
        except FlowrraError:
            if self._halted.is_set():
                raise
            # It may have been claimed by that name.
            claim = await self._shop.broker.claim(owner)
        finally:
            self._claims += 1
        return claim

    def _begin(self, claim: Claim) -> None:
        attempt = Attempt(self._shop, claim)
        if self._halted.is_set():
            attempt.interrupt(Reason.STOPPED)
        task = asyncio.create_task(attempt.run())
        self._attempts[task] = attempt
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        attempt = self._attempts.pop(task)
        self._bell.set()
        if not attempt.is_begun:
            self._left.append(attempt.claim)
        elif not task.cancelled() and (error := task.exception()) is not None:
            logger.error("an attempt at %s has failed", attempt.claim.key, exc_info=error)

    async def _see_whether_drained(self, drained: asyncio.Event) -> None:
        counts = await self._shop.broker.counts()
        if not (self._attempts or counts.ready or counts.delayed):
            drained.set()

    async def _pause(self) -> None:
        halted = asyncio.create_task(self._halted.wait())
        await asyncio.wait({halted}, timeout=self._back_off)
        halted.cancel()
        self._back_off = min(2 * self._back_off, LONGEST_BACK_OFF)
