"""One attempt at a task: from a worker's claim to what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems.taskqueue.access import ended
from simclock.systems.taskqueue.brokers import FOREVER
from simclock.systems.taskqueue.executors.outcomes import (
    Next,
    beginning,
    drop,
    failed,
    failure,
    interrupted,
    is_success,
    of_error,
    success,
)
from simclock.systems.taskqueue.executors.refusing import (
    MOST_REFUSALS,
    leave_to_others,
    refuse,
    set_aside,
)
from simclock.systems.taskqueue.executors.shop import (
    FIRST_BACK_OFF,
    LONGEST_BACK_OFF,
    ProcessLost,
    Reason,
)
from simclock.systems.taskqueue.failures import (
    BackendError,
    BrokerError,
    DamagedRecordError,
    FlowrraError,
    text_of,
)
from simclock.systems.taskqueue.progress import copied, reporting
from simclock.systems.taskqueue.tasks import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simclock.systems.taskqueue.backends import Versioned
    from simclock.systems.taskqueue.brokers import Claim
    from simclock.systems.taskqueue.executors.shop import Shop
    from simclock.systems.taskqueue.tasks import Task

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")

Result = TypeVar("Result")


class Attempt:
    """Runs a claimed task once, and says so in its record, before and after.

    The record is what counts. Each change names the version that was seen
    before, so an attempt that has lost its claim, or whose task was cancelled
    meanwhile, changes nothing.

    Args:
        shop: What to work with.
        claim: The task.

    Attributes:
        claim: The same.
        is_begun: Whether the claim is dealt with by `run`, even if that is cancelled.
    """

    def __init__(self, shop: Shop, claim: Claim) -> None:
        self._shop = shop
        self.claim = claim
        self.is_begun: bool = False
        # What calls the function; it may be cancelled before it has.
        self.body: asyncio.Task[Any] | None = None
        self._is_called = False
        # The record as it was written last, by this attempt.
        self._found: Versioned | None = None
        self._reason: Reason | None = None
        self._interrupted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whoever is told of changes may take his time, but not that of a stop.
        self._ledger = shop.ledger.hurried_by(self._interrupted, shop.grace)
        self._said: tuple[Any, str | None] | None = None
        self._saying: asyncio.Task[None] | None = None

    def interrupt(self, reason: Reason) -> None:
        """Have it end soon. The first reason counts, unless the task is lost since."""
        if self._reason is None or reason is Reason.LOST:
            self._reason = reason
        if not self._interrupted.done():
            self._interrupted.set_result(None)

    async def run(self) -> None:
        """Do all of it, and return when the claim has been dealt with.

        If this is cancelled, as all tasks of a loop are at its end, the task is
        interrupted, and the cancellation raised when that is written down.
        """
        self.is_begun = True
        keeper = asyncio.create_task(self._keep()) if self._is_leased else None
        try:
            await self._run_or_set_aside()
        except (BackendError, BrokerError) as error:
            logger.warning("task %s is given back, as a store has failed: %s", self._name, error)
            is_hasty = self._reason is not None and self._is_leased
            # A broker that has just said nothing for a while is not asked while a stop waits: the
            # end of the lease does the same.
            if not (is_hasty and isinstance(error, BrokerError)):
                await self._give_back()
        finally:
            if keeper is not None:
                keeper.cancel()
                await ended(keeper)

    @property
    def _name(self) -> str:
        task = self.claim.task
        return self.claim.key if task is None else f"{task.name} {task.id}"

    @property
    def _is_leased(self) -> bool:
        return self._shop.broker.lease < FOREVER

    @property
    def _is_stopped(self) -> bool:
        return self._reason is Reason.STOPPED

    async def _run_or_set_aside(self) -> None:
        try:
            await self._run()
        except DamagedRecordError as damaged:
            await set_aside(self._shop.broker, self._ledger, self.claim, damaged)

    async def _run(self) -> None:
        task = self.claim.task
        if self._is_stopped:
            # Nothing of it was done, so there is nothing to be written down.
            await self._shop.broker.unclaim(self.claim)
            return
        if task is None:
            await refuse(self._shop.broker, self._ledger, self.claim)
            return
        is_known = self._shop.knows(task) or not self._is_leased
        if not is_known and self.claim.deliveries <= MOST_REFUSALS:
            await leave_to_others(self._shop.broker, self.claim, self._name)
            return
        try:
            found = self._found = await self._begin(task)
        except asyncio.CancelledError:
            self.interrupt(Reason.STOPPED)
            await self._leave()
            raise
        if found is None or found.record.is_complete:
            await self._shop.broker.acknowledge(self.claim)
        elif self._is_stopped:
            await self._leave()
        else:
            await self._work(task)

    async def _leave(self) -> None:
        """Put it back as it was: its function was not called."""
        if self._found is None:
            seen = await self._ledger.read(self.claim.key)
            if seen is None or not self._is_ours(seen):
                await self._shop.broker.unclaim(self.claim)
                return
            self._found = seen
        changes = {"status": TaskStatus.PENDING, "worker": None, "started_at": None}
        await self._follow(Next(changes, 0.0))

    # ------------------------------------------------------------------------- the beginning

    async def _begin(self, task: Task) -> Versioned | None:
        """Write down that it runs, and return the record; None if it has ended."""
        ledger = self._ledger
        while True:
            found = await ledger.read(task.id)
            if found is None:
                # Its backend is another one, or the record was lost: that is no reason to lose it.
                await ledger.create(task)
                continue
            if found.record.is_complete:
                return None
            written = await self._try_to_begin(found)
            if written is not None:
                return written

    async def _try_to_begin(self, found: Versioned) -> Versioned | None:
        """Return the record if it runs now, and None if somebody else has changed it."""
        ledger = self._ledger
        changes = beginning(found.record, self.claim.owner, self._shop.max_losses)
        try:
            return await ledger.change(found, **changes)
        except BackendError:
            # To give it back at once could be to lose what was begun: whoever gets it counts that.
            seen = await self._insist(lambda: ledger.read(self.claim.key))
            if seen is None or seen.version == found.version:
                raise
            return seen if self._is_ours(seen) else None

    def _is_ours(self, found: Versioned) -> bool:
        """Return whether this attempt has written that: no other one has its claim's name."""
        record = found.record
        return record.status is TaskStatus.RUNNING and record.worker == self.claim.owner

    # ------------------------------------------------------------------------- the work

    async def _work(self, task: Task) -> None:
        body = self.body = asyncio.create_task(self._call(task))
        try:
            await self._end_of(body)
        except asyncio.CancelledError:
            self.interrupt(Reason.STOPPED)
            await self._end_of(body)
            await self._conclude(task, body)
            raise
        await self._conclude(task, body)

    async def _call(self, task: Task) -> Any:
        self._is_called = True
        reporting.set(self._reporter())
        try:
            return await self._shop.perform(task)
        except SystemExit as error:
            # It would end the loop, and with it all other tasks.
            raise RuntimeError(f"the task raised {error!r}") from error

    async def _end_of(self, body: asyncio.Task[Any]) -> None:
        """Return when it has ended; or after an interruption, and some time to end."""
        if self._reason is None:
            await asyncio.wait({body, self._interrupted}, return_when=asyncio.FIRST_COMPLETED)
        if not body.done():
            body.cancel()
            await asyncio.wait({body}, timeout=self._shop.grace)
        if not body.done():
            logger.error("task %s does not end although it was cancelled: it is left", self._name)

    # ------------------------------------------------------------------------- the end

    async def _conclude(self, task: Task, body: asyncio.Task[Any]) -> None:
        while self._saying is not None and not self._saying.done():
            await ended(self._saying)
        if self._reason is Reason.LOST:
            drop(body)
            logger.warning("task %s was lost: its worker stops, and writes nothing", self._name)
            return
        if self._reason is Reason.CANCELLED:
            # Whoever has cancelled it has written that down.
            drop(body)
            await self._insist(lambda: self._shop.broker.acknowledge(self.claim))
            return
        if not self._is_called:
            await self._leave()
            return
        try:
            await self._follow(self._following(task, body))
        except (BackendError, BrokerError):
            raise
        except NotSerialisable as error:
            await self._follow(failed(f"its result is lost: {text_of(error)}"))
        except Exception as error:
            # Or it would run for ever, for all that anybody could see.
            logger.exception("what task %s has come to cannot be written down", self._name)
            await self._follow(failed(f"its result is lost: {text_of(error)}"))

    def _following(self, task: Task, body: asyncio.Task[Any]) -> Next:
        assert self._found is not None
        record = self._found.record
        if self._reason is not None and not is_success(body):
            drop(body)
            return interrupted(requeues=self._shop.requeues)
        if body.cancelled():
            return failure(self._shop, task, record, "it was cancelled by what it awaits")
        error = body.exception()
        if error is None:
            return success(body.result())
        following = of_error(self._shop, task, record, error)
        if isinstance(error, ProcessLost):
            logger.error("the process of task %s was lost", self._name)
        elif following.delay is None:
            logger.warning("task %s has failed", self._name, exc_info=error)
        else:
            logger.info("task %s has failed, and is tried again", self._name, exc_info=error)
        return following

    async def _follow(self, following: Next) -> None:
        """Write down what becomes of the task, and tell the broker."""
        broker = self._shop.broker
        while not await self._insist(lambda: self._write(following)):
            other = await self._insist(lambda: self._ledger.read(self.claim.key))
            if other is None or other.record.is_complete:
                await self._insist(lambda: broker.acknowledge(self.claim))
                return
            if not self._is_ours(other):
                return  # it is somebody else's by now, and this claim is lost
            self._catch_up(other)
        if following.delay is None:
            await self._insist(lambda: broker.acknowledge(self.claim))
        else:
            delay = following.delay
            await self._insist(lambda: self._put_back(delay))

    async def _write(self, following: Next) -> bool:
        assert self._found is not None
        return await self._ledger.change(self._found, **following.changes) is not None

    async def _put_back(self, delay: float) -> None:
        """Have it run again, also if the broker has lost it."""
        task = self.claim.task
        assert task is not None
        broker = self._shop.broker
        is_known = await (
            broker.release(self.claim, delay) if self._is_called else broker.unclaim(self.claim)
        )
        if not is_known:
            # Nothing happens if it is there.
            await broker.push(task)

    def _catch_up(self, found: Versioned) -> None:
        """Take note of a change of ours whose answer was lost."""
        if self._is_ours(found) and (self._found is None or self._found.version < found.version):
            self._found = found

    async def _insist(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Do it again until it does not fail, or the attempt is interrupted."""
        back_off = FIRST_BACK_OFF
        while True:
            try:
                return await operation()
            except (BackendError, BrokerError) as error:
                if self._reason is not None or isinstance(error, DamagedRecordError):
                    raise
                logger.warning("task %s waits for a store that has failed: %s", self._name, error)
            await asyncio.wait({self._interrupted}, timeout=back_off)
            back_off = min(2 * back_off, LONGEST_BACK_OFF)

    async def _give_back(self) -> None:
        """Have it tried again, by whoever is able to; else that comes at the end of the lease."""
        try:
            await self._shop.broker.release(self.claim, FIRST_BACK_OFF)
        except BrokerError as error:
            logger.warning("task %s could not be given back: %s", self._name, error)

    # ------------------------------------------------------------------------- meanwhile

    async def _keep(self) -> None:
        """Renew the lease, and see whether somebody has cancelled the task."""
        lease = self._shop.broker.lease
        end = time.monotonic() + lease
        while self._reason is not Reason.LOST:
            await asyncio.sleep(lease / 3)
            asked = time.monotonic()
            try:
                if await self._shop.broker.renew(self.claim):
                    end = asked + lease
                elif self._found is None:
                    self.interrupt(Reason.LOST)
                else:
                    # Others have it, or the broker has lost all. The record says whose it is: while
                    # it is ours, to end it would be to lose it.
                    logger.warning("the broker says that task %s is not run here", self._name)
                await self._check_record()
            except FlowrraError as error:
                logger.warning("the lease of task %s is not renewed: %s", self._name, error)
                if time.monotonic() >= end:
                    self.interrupt(Reason.LOST)

    async def _check_record(self) -> None:
        if self._found is None:
            return
        found = await self._ledger.read(self.claim.key)
        if found is None or found.record.is_complete:
            self.interrupt(Reason.CANCELLED)
        elif found.record.worker != self.claim.owner:
            self.interrupt(Reason.LOST)
        else:
            self._catch_up(found)

    def _reporter(self) -> Callable[[Any, str | None], None]:
        loop = asyncio.get_running_loop()

        def report(value: Any, note: str | None) -> None:
            # From whatever thread. A copy, as the function may go on to change it.
            loop.call_soon_threadsafe(self._say, copied(value), note)

        return report

    def _say(self, value: Any, note: str | None) -> None:
        self._said = (value, note)
        if self._saying is None or self._saying.done():
            self._saying = asyncio.create_task(self._write_said())

    async def _write_said(self) -> None:
        while self._said is not None and self._found is not None and self._reason is None:
            said, self._said = self._said, None
            try:
                written = await self._ledger.change(self._found, progress=said)
            except Exception as error:  # noqa: BLE001 - what others said is no reason to fail
                text = text_of(error)
                logger.warning("the progress of task %s is not noted: %s", self._name, text)
                written = None
            if written is None:
                with contextlib.suppress(FlowrraError):
                    await self._check_record()
            else:
                self._catch_up(written)
