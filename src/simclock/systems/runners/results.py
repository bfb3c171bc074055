"""Wait until invocations are final, as the place where this runs allows."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.context import current_invocation
from simclock.systems.runners.failures import ConcurrencyControlledError, ResultTimeoutError
from simclock.systems.runners.insisting import insistently
from simclock.systems.runners.raising import restore_error
from simclock.systems.runners.statuses import InvocationStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.identifiers import InvocationId
    from simclock.systems.runners.stored import StoredInvocation

# Seconds before the second look; twice as many each time.
FIRST_PAUSE = 0.001
# Of so many or more each look takes time: nothing is done afterwards, so many times as long.
MANY, RESTING = 10, 2.0


class _Pauses:
    """The pauses of one wait, which grow, and its end."""

    def __init__(self, app: Pynenc, ids: Sequence[InvocationId], timeout: float | None) -> None:
        self._timeout = math.inf if timeout is None else timeout
        self._end = time.monotonic() + self._timeout
        self._ids = ids
        self._longest = app.conf.runner.invocation_wait_results_sleep_time_sec
        self._pause = FIRST_PAUSE
        self._began = 0.0

    def begin_look(self) -> None:
        """Note that a look begins: `rest` is by how long it took."""
        self._began = time.monotonic()

    def rest(self) -> float:
        """Return how many seconds to do nothing after a look, however often the bell rings.

        Each look is at all that is waited for: of many, one for each end takes too much.
        """
        if len(self._ids) < MANY:
            return 0.0
        took = time.monotonic() - self._began
        return min(RESTING * took, self._longest, self.left())

    def left(self) -> float:
        """Return how many seconds are left.

        Raises:
            ResultTimeoutError: None are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise ResultTimeoutError(self._ids[0], self._timeout)
        return left

    def next(self) -> float:
        """Return how many seconds to wait before the next look."""
        pause = min(self._pause, self._longest, self.left())
        self._pause *= 2
        return pause

    def runner_args(self) -> dict[str, Any] | None:
        """Return what a runner that waits is told."""
        left = self.left()
        return None if left == math.inf else {"timeout": left}


def wait_for_finals(
    app: Pynenc, ids: Sequence[InvocationId], timeout: float | None = None
) -> list[StoredInvocation]:
    """Wait until some of *ids* are final; return these.

    In the body of an invocation its runner decides how: it may give the slot to others.

    Raises:
        ResultTimeoutError: None was, after that many seconds.
        InvocationNotFoundError: There is no such invocation.
        StateBackendError: The store cannot be used; inside of a body, for a long time.
    """
    pauses = _Pauses(app, ids, timeout)
    invocation = current_invocation(app.app_id)
    while not (finals := insistently(app, lambda: _finals(app, ids, pauses))):
        if invocation is None:
            if rest := pauses.rest():
                time.sleep(rest)
            app.storage.bell.wait(pauses.next())
        else:
            args = pauses.runner_args()
            invocation.waits.waiting_for_results(invocation.id, list(ids), args)
    return finals


async def async_wait_for_finals(
    app: Pynenc, ids: Sequence[InvocationId], timeout: float | None = None
) -> list[StoredInvocation]:
    """Do the same without blocking the event loop."""
    pauses = _Pauses(app, ids, timeout)
    invocation = current_invocation(app.app_id)
    with _Rings(app) as rings:
        while not (finals := await _finals_elsewhere(app, ids, pauses)):
            if invocation is None:
                if rest := pauses.rest():
                    await asyncio.sleep(rest)
                await rings.wait(pauses.next())
            else:
                args = pauses.runner_args()
                await invocation.waits.async_waiting_for_results(invocation.id, list(ids), args)
    return finals


class _Rings:
    """The bell of a storage, for a coroutine."""

    def __init__(self, app: Pynenc) -> None:
        self._bell = app.storage.bell
        self._loop = asyncio.get_running_loop()
        self._has_rung = asyncio.Event()

    def __enter__(self) -> _Rings:
        self._bell.subscribe(self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        self._bell.unsubscribe(self._ring)

    def _ring(self) -> None:
        # The loop may be closed: who rings may have begun with it before.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._has_rung.set)

    async def wait(self, seconds: float) -> None:
        """Wait that long at most, or until it rings; not if it was rung since the last wait."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._has_rung.wait(), seconds)
        self._has_rung.clear()


def _finals(app: Pynenc, ids: Sequence[InvocationId], pauses: _Pauses) -> list[StoredInvocation]:
    pauses.begin_look()
    found = (app.orchestrator.get(each) for each in ids)
    return [each for each in found if each.status.is_final]


async def _finals_elsewhere(
    app: Pynenc, ids: Sequence[InvocationId], pauses: _Pauses
) -> list[StoredInvocation]:
    if app.storage.is_shared_memory:
        return _finals(app, ids, pauses)  # which never waits
    return await asyncio.to_thread(insistently, app, lambda: _finals(app, ids, pauses))


def value_of(app: Pynenc, stored: StoredInvocation) -> Any:
    """Return what an invocation that is final has returned, or raise what it has raised.

    Raises:
        ConcurrencyControlledError: It was not run.
    """
    if stored.status is InvocationStatus.SUCCESS and stored.result is not None:
        return app.serializer.deserialize(stored.result)
    if stored.error is not None:
        raise restore_error(stored.error, app.serializer)
    raise ConcurrencyControlledError(stored.id)
