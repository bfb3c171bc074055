"""The life of a runner: whether it runs, who asks it to stop, and waits that hear of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from simclock.systems._shared.lifecycle import Lifecycle, State
from simclock.systems.runners.failures import RunnerAlreadyRunningError
from simclock.systems.runners.wakes import Wake

if TYPE_CHECKING:
    from collections.abc import Callable


class Life:
    """What a runner goes through, once at a time; a stop that comes before is not lost.

    Args:
        name: Of the runner, for errors.

    Attributes:
        wake: Ends the waits of its loop.
    """

    def __init__(self, name: str) -> None:
        self.wake: Wake = Wake()
        self._lifecycle = Lifecycle(name)
        self._ended = threading.Event()
        self._ended.set()
        # Handlers of signals append to it: whatever they interrupt.
        self._signals: deque[int] = deque()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and nobody has asked it to stop."""
        return self._lifecycle.state is State.RUNNING

    @property
    def signal(self) -> int | None:
        """The first signal that has asked it to stop."""
        return self._signals[0] if self._signals else None

    def begin(self) -> None:
        """Begin a run.

        Raises:
            RunnerAlreadyRunningError: One has not ended.
        """
        try:
            self._lifecycle.start()
        except RuntimeError as error:
            raise RunnerAlreadyRunningError(str(error)) from None
        # Not cleared: whoever has ended the last run may be about to set that one's.
        self._ended = threading.Event()
        self._signals.clear()

    def ready(self) -> bool:
        """Run, and return True; False if somebody has asked for the end already."""
        return self._lifecycle.ready()

    def stop(self) -> bool:
        """Ask for the end, from any thread; return whether there is a run to end. Idempotent."""
        is_alive = self._lifecycle.stop()
        self.wake.ring()
        return is_alive

    def end(self, *, failed: bool) -> None:
        """Note that the run has ended."""
        ended = self._ended  # another run may begin at any moment now
        self._lifecycle.end(failed=failed)
        ended.set()

    def wait_for_end(self, timeout: float) -> bool:
        """Wait until there is no run; return whether there is none."""
        return self._ended.wait(timeout)

    def note_signal(self, signum: int) -> None:
        """Note a signal, in its handler: the loop does the rest."""
        # No handler may wait for a lock, such as a log's.
        self._signals.append(signum)
        self.wake.ring()

    def wait_within(
        self, seconds: float, is_over: Callable[[], bool], *, may_hurry: bool = True
    ) -> bool:
        """Wait until it is over, at most so many seconds; return whether it is.

        A second signal is of somebody who will not wait: no more time then, if that may be.
        """
        end = time.monotonic() + seconds
        while not is_over():
            left = end - time.monotonic()
            if left <= 0 or (may_hurry and len(self._signals) > 1):
                return False
            self.wake.wait(left)
        return True
