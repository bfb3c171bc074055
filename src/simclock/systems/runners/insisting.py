"""A body that uses a store which is away for a while: it waits, as its runner does."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, TypeVar

from simclock.systems.runners.context import CurrentInvocation, current_invocation
from simclock.systems.runners.failures import InvocationInterrupted, StateBackendError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.runners.app import Pynenc

# Seconds before the next try; twice as many each time.
FIRST_BACK_OFF = 0.1
LONGEST_BACK_OFF = 5.0
Answer = TypeVar("Answer")
logger: logging.Logger = logging.getLogger("simclock.systems.runners")


def insistently(app: Pynenc, ask: Callable[[], Answer]) -> Answer:
    """Return what *ask* returns; in the body of an invocation ask again while the store is away.

    That is no failure of the task. It ends when others must have taken the
    invocation over, as a runner without the store has no heartbeats either.
    Outside, and where it would block an event loop, it is asked once.

    Args:
        app: Whose store.
        ask: Uses it; may be called again after a `StateBackendError`.

    Raises:
        StateBackendError: The store could not be used.
        InvocationInterrupted: Nor until the runner was stopped.
    """
    invocation = current_invocation(app.app_id)
    if invocation is None or _is_in_loop():
        return ask()
    end = time.monotonic() + app.conf.orchestrator.runner_considered_dead_after
    pause = FIRST_BACK_OFF
    while True:
        try:
            return ask()
        except StateBackendError as error:
            if time.monotonic() + pause > end:
                raise
            logger.warning("invocation %s waits for the store: %s", invocation.id, error)
            _wait(invocation, pause, error)
            pause = min(2 * pause, LONGEST_BACK_OFF)


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _wait(invocation: CurrentInvocation, seconds: float, error: StateBackendError) -> None:
    if invocation.stop.wait(seconds):
        raise InvocationInterrupted(invocation.id) from error
