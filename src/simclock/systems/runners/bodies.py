"""One invocation that runs here: how it is stopped, and how it waits for others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from simclock.systems.runners.execution import run_invocation, run_invocation_async
from simclock.systems.runners.failures import (
    InvocationInterrupted,
    InvocationStatusError,
    StateBackendError,
)
from simclock.systems.runners.logged import tried
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.wakes import Wake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext, Waits
    from simclock.systems.runners.places import Gate
    from simclock.systems.runners.stored import StoredInvocation
    from simclock.systems.runners.waiting import ResultWait

# Seconds before something is tried again that the store has refused; twice as many each time.
FIRST_BACK_OFF = 0.1
LONGEST_BACK_OFF = 5.0

logger: logging.Logger = logging.getLogger("simclock.systems.runners")
# Whose code this is. Not looked up by the invocation: one that was taken from us, and again by
# us, has two bodies.
current_body: ContextVar[Body | None] = ContextVar("current_body", default=None)


class Body:
    """One invocation that runs here, in a thread of its own or as a task of a loop.

    While it waits for results it is PAUSED, and has no place. If several of
    its coroutines wait, that is from the first one's begin to the last one's end.

    Args:
        app: Where it is from.
        stored: As it was taken.
        context: Who owns it.
        gate: Where it has a place, at first.

    Attributes:
        stored: The same.
        stop: Is set when it should end.
        ended: Is set when it has.
        has_place: Whether it has a place of the gate.
    """

    def __init__(
        self, app: Pynenc, stored: StoredInvocation, context: RunnerContext, gate: Gate
    ) -> None:
        self.stored = stored
        self.stop: threading.Event = threading.Event()
        self.ended: threading.Event = threading.Event()
        self.has_place: bool = True
        self._app = app
        self._context = context
        self._gate = gate
        # Owned while the first one pauses it, and while the last one resumes it.
        self._changing = threading.Condition()
        self._waits: set[ResultWait] = set()
        self._has_returned = False
        self._returning: Wake | None = None
        self._is_interrupted = False

    @property
    def name(self) -> str:
        """What logs call it."""
        return f"{self.stored.task} {self.stored.id}"

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for others, and not for a place."""
        return not self.has_place and self._returning is None

    def interrupt(self) -> None:
        """End its waits, from any thread: it leaves them by an `InvocationInterrupted`."""
        self.stop.set()
        self._is_interrupted = True
        self._end_waits()

    def _end_waits(self) -> None:
        for each in tuple(self._waits):
            each.give_up()
        returning = self._returning
        if returning is not None:
            returning.ring()

    def run(self, runner: Waits) -> None:
        """Run it in this thread; never raises."""
        token = current_body.set(self)
        try:
            run_invocation(
                self._app,
                self.stored,
                self._context,
                stop=self.stop,
                waits=runner,
                returned=self.end_waits,
            )
        except BaseException:
            logger.exception("%s has ended its thread; it is rerouted", self.stored.id)
            self._give_up()
        finally:
            current_body.reset(token)
            self.finish()

    async def run_async(self, runner: Waits) -> None:
        """Run it on this loop; raises only what cancels it."""
        token = current_body.set(self)
        try:
            await run_invocation_async(
                self._app,
                self.stored,
                self._context,
                stop=self.stop,
                waits=runner,
                returned=self.end_waits,
            )
        except Exception:
            logger.exception("%s has ended its task; it is rerouted", self.stored.id)
            await asyncio.to_thread(self._give_up)
        finally:
            current_body.reset(token)
            self.finish()

    def _give_up(self) -> None:
        """Have it run again, so many times: its owner lives, so the recovery would not."""
        give_back = self._app.orchestrator.kill_and_reroute
        of = self.stored
        tried(
            "it is left to the recovery",
            lambda: give_back(of.id, self._context, orderly=False, routing=of.routing),
        )

    def finish(self) -> None:
        """Give its place free, if it has one: it runs no more."""
        self.ended.set()
        if self.has_place:
            self.has_place = False
            self._gate.leave()

    def wait(self, wait: ResultWait, timeout: float | None) -> None:
        """Wait for results, without a place meanwhile.

        Raises:
            InvocationInterrupted: It is to end; or it is no longer its runner's.
        """
        self._enter(wait)
        try:
            if self._is_to_leave:
                wait.give_up()
            is_final = wait.wait(timeout)
        finally:
            self._leave(wait)
        if self._is_to_leave and not is_final:
            raise InvocationInterrupted(self.stored.id)

    @property
    def _is_to_leave(self) -> bool:
        return self._is_interrupted or self._has_returned

    def end_waits(self) -> None:
        """End the waits that the code has left behind, which has returned, and go on without them.

        Such as those of tasks of the loop that nobody awaits. Nothing that
        ends an invocation can follow PAUSED. Idempotent.
        """
        self._has_returned = True
        self._end_waits()
        with self._changing:
            self._changing.wait_for(lambda: not self._waits)

    def _enter(self, wait: ResultWait) -> None:
        with self._changing:
            if self._has_returned:
                raise InvocationInterrupted(self.stored.id)
            if not self._waits:
                self._pause(wait)
            self._waits.add(wait)

    def _pause(self, wait: ResultWait) -> None:
        with self._owned():
            try:
                self._app.orchestrator.pause(
                    self.stored.id, self._context, wait.ids, routing=self.stored.routing
                )
            except StateBackendError as error:
                # It waits all the same. What it is stays as it was, or perhaps not.
                logger.warning("it cannot be noted that %s waits: %s", self.stored.id, error)
        if self.has_place:  # or it was interrupted before it had one again
            self.has_place = False
            self._gate.leave()

    def _leave(self, wait: ResultWait) -> None:
        with self._changing:
            self._waits.remove(wait)
            if not self._waits:
                self._changing.notify_all()  # who waits for this goes on when we let go of it
                self._come_back()
                self._resume()

    def _come_back(self) -> None:
        """Wait for a place; who has returned goes on without one."""
        granted = threading.Event()
        self._returning = wake = Wake()

        def grant() -> None:
            granted.set()
            wake.ring()

        self._gate.come_back(grant)
        while not granted.is_set():
            if self._is_to_leave:
                self._gate.withdraw(grant)
                self._returning = None
                if self._is_interrupted:
                    raise InvocationInterrupted(self.stored.id)
                return
            wake.wait(None)
        self.has_place = True
        self._returning = None

    def _resume(self) -> None:
        """Note that it goes on. Not before that is known: nothing could follow PAUSED."""
        back_off, wake = FIRST_BACK_OFF, Wake()
        while True:
            try:
                with self._owned():
                    self._resume_once()
                    return
            except StateBackendError as error:
                logger.warning("it cannot be noted that %s goes on: %s", self.stored.id, error)
            if self._is_interrupted:
                raise InvocationInterrupted(self.stored.id)
            wake.wait(back_off)
            back_off = min(2 * back_off, LONGEST_BACK_OFF)

    def _resume_once(self) -> None:
        orchestrator = self._app.orchestrator
        # What was to be noted when the store was away may have been noted, or not.
        if orchestrator.status(self.stored.id).status is InvocationStatus.PAUSED:
            orchestrator.resume(self.stored.id, self._context, routing=self.stored.routing)

    @contextlib.contextmanager
    def _owned(self) -> Iterator[None]:
        """In a block, have an invocation that others have taken over end here."""
        try:
            yield
        except InvocationStatusError as error:
            logger.warning("%s ends here: %s", self.stored.id, error)
            raise InvocationInterrupted(self.stored.id) from error
