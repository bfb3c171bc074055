"""Wait for the results of invocations: until one of them is final."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from simclock.systems.runners.failures import InvocationNotFoundError, StateBackendError
from simclock.systems.runners.wakes import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.identifiers import InvocationId

# Seconds before the second look; twice as many each time.
FIRST_PAUSE = 0.005

logger: logging.Logger = logging.getLogger("simclock.systems.runners")


class ResultWait:
    """A wait of one thread until one of some invocations is final, or nobody wants that any more.

    Ends at once with what this process makes final. Others make it look, after
    a pause that grows.

    Args:
        app: Where they are.
        ids: What is waited for.
        longest_pause: Seconds between two looks, at most.
    """

    def __init__(self, app: Pynenc, ids: Sequence[InvocationId], longest_pause: float) -> None:
        self._app = app
        self.ids: list[InvocationId] = list(ids)
        self._longest_pause = longest_pause
        self._is_over = False
        self.wake: Wake = Wake()

    def give_up(self) -> None:
        """End the wait, from any thread: it looks once more."""
        self._is_over = True
        self.wake.ring()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, at most so many seconds; return whether one is final."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        pause = min(FIRST_PAUSE, self._longest_pause)
        with self._awake():
            while not self._is_any_final():
                left = end - time.monotonic()
                if self._is_over or left <= 0:
                    return False
                self.wake.wait(min(pause, left))
                pause = min(2 * pause, self._longest_pause)
        return True

    @contextlib.contextmanager
    def _awake(self) -> Iterator[None]:
        bell = self._app.storage.bell
        bell.subscribe(self.wake.ring)
        try:
            yield
        finally:
            bell.unsubscribe(self.wake.ring)

    def _is_any_final(self) -> bool:
        try:
            return any(self._is_final(each) for each in self.ids)
        except StateBackendError as error:
            logger.warning("results cannot be looked for: %s; it is tried again", error)
            return False

    def _is_final(self, invocation_id: InvocationId) -> bool:
        try:
            return self._app.orchestrator.status(invocation_id).status.is_final
        except InvocationNotFoundError:
            return True  # it was purged, and will never be more: who asks is told so


async def in_own_thread(name: str, call: Callable[[], None], give_up: Callable[[], object]) -> None:
    """Await a call in a thread of its own; if that is cancelled, give up, and await its end.

    Not in the loop's pool: who waits there may wait for those that get no thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    # What runs this code is known by variables of its context.
    settle = functools.partial(contextvars.copy_context().run, _settle, loop, future, call)
    threading.Thread(target=settle, name=name, daemon=True).start()
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        give_up()
        # It is let out of the wait at once; what it has to note first takes a moment.
        await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # or the loop would say that nobody has looked
        raise


def _settle(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[None], call: Callable[[], None]
) -> None:
    error: BaseException | None = None
    try:
        call()
    except BaseException as raised:  # noqa: BLE001 - it is told to who awaits it
        error = raised
    with contextlib.suppress(RuntimeError):  # the loop was closed: nobody awaits it
        loop.call_soon_threadsafe(_tell, future, error)


def _tell(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
