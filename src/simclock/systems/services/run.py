"""One run of a daemon: from the start of `ServiceRunner.accept` to its end."""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.lifecycle import Lifecycle, State, Step, StopReport, escalate
from simclock.systems.services.failures import (
    NotRunning,
    OrphanedReturn,
    PayloadCancelled,
    PayloadExit,
)
from simclock.systems.services.work import waiting_for_caller

if TYPE_CHECKING:
    from simclock.flavours import Flavour, PayloadFuture, Runner
    from simclock.systems.services.work import Work

log: logging.Logger = logging.getLogger("simclock.systems.services")
# Seconds that payloads have after they were asked for the second time, for each flavour.
LAST_CHANCE = 1.0
# A letter for the thread that accepts: it is woken, and Python runs the handlers that are due.
_LOOK = 0
_HOW_TO_END = (
    "accept() was waiting: it returns when a payload, another thread or a handler of a signal "
    "calls shutdown() of the runner"
)


class Run:
    """The payloads of one run, and the runners of their flavours.

    All of it may be used from any thread, but for `wait_for_stop` and `stop`,
    which are for the thread that accepts.

    Args:
        lifecycle: Of the runner.
        lock: Guards the runner.
        left: Runners of async flavours that an earlier run had to abandon, by
            flavour; those of this run are added.
    """

    def __init__(
        self, lifecycle: Lifecycle, lock: threading.RLock, left: dict[str, Runner]
    ) -> None:
        self._lifecycle = lifecycle
        self._lock = lock
        self._left = left
        self._thread = threading.current_thread()
        # What may wake the thread that accepts. Not an event: a handler of a signal that comes
        # while that thread is about to wait for one would wait for its lock.
        self._mail: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        # How many have come out of the mail.
        self._signals = 0
        self._runners: dict[str, Runner] = {}
        # Those that have not ended, in the order of their coming.
        self._works: dict[Work, None] = {}
        # By flavour of the loop that waits in `execute`: the flavour for which.
        self._waiting: dict[str, str] = {}
        self._is_stopping = False
        self._is_over = False
        self.ended: threading.Event = threading.Event()
        self.report: StopReport = StopReport(0.0)
        self.failures: list[tuple[str, Exception]] = []

    # ------------------------------------------------------------------- payloads

    def take(self, work: Work) -> None:
        """Run *work* in the background.

        Raises:
            NotRunning: The run has begun to end.
            RuntimeError: An earlier run has abandoned coroutines of its
                flavour, which still run.
        """
        with self._lock:
            runner = self._runner(work.flavour)
            work.future = runner.adopt(work.payload())
            self._works[work] = None
            if work.unit is not None:
                work.unit.began(work)
        # Not with the lock: it may have ended, and is told here.
        work.future.add_done_callback(functools.partial(self._ended, work))

    def works(self) -> list[Work]:
        """Return those that have not ended. No lock is waited for."""
        return list(self._works)

    def execute(self, work: Work) -> Any:
        """Run *work* and wait for its end; return or raise what it does."""
        if not work.flavour.is_async:
            return self._call(work)
        outcome: Future[Any] | None
        outcome = work.outcome = Future()
        me = self._refuse_to_wait_for_itself(work.flavour)
        try:
            self.take(work)
            return outcome.result()
        except CancelledError:
            if self._is_running():
                raise
            raise self._aborted(work) from None
        except BaseException:
            work.ask()  # if it is the caller who is interrupted
            raise
        finally:
            with self._lock:
                self._waiting.pop(me, None)
            work.outcome = outcome = None  # it has the error, whose traceback has this frame

    def _call(self, work: Work) -> Any:
        with self._lock:
            runner = self._runner(work.flavour)
            self._works[work] = None
        try:
            return runner.execute(work.payload())
        finally:
            self._forget(work)

    def _refuse_to_wait_for_itself(self, flavour: Flavour) -> str:
        """Return the flavour in whose loop the caller is; raise if that would wait for itself."""
        with self._lock:
            me = next((name for name, each in self._runners.items() if each.is_inside()), "")
            target: str | None = flavour.name
            while target is not None and me:
                if target == me:
                    raise RuntimeError(
                        f"a payload of flavour {me!r} would wait for its own runner\n"
                        "await it directly, or adopt it"
                    )
                target = self._waiting.get(target)
            if me:
                self._waiting[me] = flavour.name
            return me

    def _runner(self, flavour: Flavour) -> Runner:
        if not self._is_running():
            raise NotRunning(
                f"the runner is {self._lifecycle.state.value}: it takes no payloads\n"
                "adopt them while its accept() runs; only before the first one are they kept for it"
            )
        name = flavour.name
        if name not in self._runners:
            self._refuse_beside_abandoned(name)
            self._runners[name] = flavour.start()
        return self._runners[name]

    def _is_running(self) -> bool:
        return self._lifecycle.state is State.RUNNING and not self._is_over

    def _refuse_beside_abandoned(self, name: str) -> None:
        """Never run coroutines of a flavour beside those which an earlier run has left."""
        if name in self._left:
            try:
                self._left[name].close(0)
            except TimeoutError as error:
                raise RuntimeError(
                    f"coroutines of flavour {name!r} that an earlier run has abandoned still run\n"
                    f"{error}"
                ) from None
            del self._left[name]

    # --------------------------------------------------------------- what becomes of them

    def _ended(self, work: Work, future: PayloadFuture) -> None:
        if work.is_executed:
            self._hand_over(work, future)
        else:
            error = self._failure_of(work, future)
            if work.unit is not None:
                work.unit.ended(failed=error is not None)
            if error is not None:
                self.failed(work.name, error)
        work.future = None  # it has the work: together they would keep the payload, and a service
        # Last: when all have ended, the run has.
        self._forget(work)

    def _hand_over(self, work: Work, future: PayloadFuture) -> None:
        with self._lock:
            outcome = work.outcome
            if outcome is None or outcome.done():
                return  # nobody waits any more
            if future.cancelled():
                outcome.cancel()
            elif (error := future.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(future.result())

    def _failure_of(self, work: Work, future: PayloadFuture) -> Exception | None:
        if future.cancelled():
            # Once the run stops, its runners cancel by themselves.
            asked = work.is_asked or self._is_stopping
            return None if asked else PayloadCancelled(work.name)
        error = future.exception()
        if error is None:
            value = future.result()
            return None if value is None else OrphanedReturn(work.name, value)
        if isinstance(error, NotRunning) and not self._is_running():
            return None  # it was about to give us a payload: we have ended it
        return error if isinstance(error, Exception) else PayloadExit(work.name, error)

    def _forget(self, work: Work) -> None:
        with self._lock:
            self._works.pop(work, None)
            if self._is_stopping and not self._works:
                self._mail.put(None)

    def failed(self, name: str, error: Exception) -> None:
        """Terminate because of what a payload has done."""
        log.error("background task failed: %s", name, exc_info=error)
        with self._lock:
            if not self._is_over:
                self.failures.append((name, error))
        self.ask_to_stop()

    def hand_over_failures(self) -> list[tuple[str, Exception]]:
        """Return the failures, with their names, and keep none: their frames have the services."""
        failures, self.failures = self.failures, []
        return failures

    # ------------------------------------------------------------------------- its end

    def ask_to_stop(self) -> None:
        """Have the thread that accepts end the run. Does not wait."""
        with self._lock:
            if not self._is_over:
                self._lifecycle.stop()
                self._mail.put(None)

    def on_signal(self, number: int) -> None:
        """Do the same for a signal, in its handler; a second one cuts the grace period short."""
        self._mail.put(number)

    def wake(self) -> None:
        """Wake the thread that accepts, for handlers of signals. It waits on if there are none."""
        self._mail.put(_LOOK)

    def note_stop(self) -> None:
        """Let the thread that accepts end the run, which was asked to stop.

        For handlers of signals: no lock is waited for.
        """
        self._mail.put(None)

    def wait_for_stop(self) -> None:
        """Wait until somebody asks for the end."""
        try:
            while self._next_letter() == _LOOK:
                pass
        except Exception as error:
            # Nothing in here raises: somebody outside has found that it waits in vain, or too long.
            if sys.version_info >= (3, 11):  # pragma: no branch - before, errors have no notes
                error.add_note(_HOW_TO_END)
            raise

    def _next_letter(self, timeout: float | None = None) -> int | None:
        letter = self._mail.get(timeout=timeout)
        if letter:
            self._signals += 1
        return letter

    def is_inside(self) -> bool:
        """Return whether the run cannot end while the caller waits."""
        with self._lock:
            return (
                threading.current_thread() is self._thread
                or any(work in self._works for work in waiting_for_caller())
                or any(runner.is_inside() for runner in self._runners.values())
            )

    def stop(self, grace: float) -> None:
        """End all payloads: ask, wait for *grace* s, ask again, wait, abandon.

        Takes *grace* and `LAST_CHANCE` for each flavour at most.
        """
        with self._lock:
            self._is_stopping = True  # from now on an end may be the last one
            asked = list(self._works)
        began = time.monotonic()
        escalate([Step(self._ask_all, grace)], self._wait)
        abandoned = self._close_all()
        deadline = time.monotonic() + LAST_CHANCE
        for work in asked:
            # Its payload has ended, so the thread is about to.
            if work not in self._works and work.thread is not None:
                work.thread.join(max(deadline - time.monotonic(), 0))
        self.report = StopReport(time.monotonic() - began, tuple(abandoned))
        if abandoned:
            log.warning("payloads would not stop and are abandoned: %s", ", ".join(abandoned))

    def _ask_all(self) -> None:
        with self._lock:
            works = list(self._works)
        for work in works:
            work.ask()

    def _wait(self, seconds: float) -> list[str]:
        deadline = time.monotonic() + seconds
        # With a second signal somebody does not want to wait. The first may have begun all this.
        while (left := self._names()) and self._signals < 2:
            try:
                self._next_letter(max(deadline - time.monotonic(), 0))
            except queue.Empty:
                break
        return left

    def _names(self, flavour: str | None = None) -> list[str]:
        with self._lock:
            works = list(self._works)
        return [work.name for work in works if flavour in {None, work.flavour.name}]

    def _close_all(self) -> list[str]:
        """Close all runners, also if one of them fails at that; return who is left."""
        abandoned: list[str] = []
        with contextlib.ExitStack() as closing:
            for runner in reversed(self._runners.values()):  # the stack begins with its last one
                closing.callback(lambda each: abandoned.extend(self._close(each)), runner)
        return abandoned

    def _close(self, runner: Runner) -> list[str]:
        """Close a runner, which asks again who has not ended; return who is left."""
        name = runner.flavour.name
        try:
            runner.close(LAST_CHANCE)
        except TimeoutError:
            if runner.flavour.is_async:
                self._left[name] = runner
            return self._names(name) or [f"tasks that payloads have started ({name})"]
        return []

    def end(self) -> None:
        """Let nobody wait for what would not stop, and run nothing more. Does not wait."""
        with self._lock:
            self._is_over = True
            for work in self._works:
                if work.outcome is not None and not work.outcome.done():
                    work.outcome.set_exception(self._aborted(work))
            self.ended.set()

    def _aborted(self, work: Work) -> NotRunning:
        return NotRunning(
            f"{work.name} was ended before it was done: the runner has stopped\n"
            "execute it while the runner accepts"
        )
