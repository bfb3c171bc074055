"""A process that works for a runner: what is said to it, what it says, and its end."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import threading
import time
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.failures import RunnerNotExecutableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext

# Seconds between two looks whether a process has ended, where no descriptor says so.
LOOKING = 1.0
# What is said to a worker.
STOP, INTERRUPT, GRANTED = "stop", "interrupt", "granted"
# What a worker says: that it has no place now, that it wants one, and how many bodies it runs.
LEFT, BACK = "left", "back"

logger: logging.Logger = logging.getLogger("simclock.systems.runners")


class Worker:
    """A process, started at once, and a thread that hears what it says.

    Args:
        context: Its identity as a runner.
        target: What it runs: a function of a module, called with the pipe to
            us, and *args*.
        args: Are pickled.
        heard: Is called with each thing that it says, in a thread.
        ended: Is called after its end, in that thread.

    Attributes:
        name: What logs call it.
        context: The same.
        began: When; by the monotonic clock.
        is_asked: Whether it was told to stop, or killed, by us.

    Raises:
        OSError: The system has no process for us; EOFError: nor what starts it.
        RuntimeError: It has no thread for us; then there is no process, either.
    """

    def __init__(
        self,
        context: RunnerContext,
        target: Callable[..., None],
        args: tuple[Any, ...],
        *,
        heard: Callable[[Worker, Any], object],
        ended: Callable[[Worker], object],
    ) -> None:
        self.name: str = f"{context.runner_cls}-{context.runner_id[:8]}"
        self.context = context
        self.began: float = time.monotonic()
        self.is_asked: bool = False
        self._exitcode: int | None = None
        self._is_over = False
        self._heard = heard
        self._ended = ended
        # Whoever says something, and whoever closes the pipe; handlers of signals may do so, too.
        self._saying = threading.RLock()
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._process: BaseProcess = spawning.Process(
            target=target, args=(theirs, *args), name=self.name, daemon=True
        )
        try:
            self._process.start()
        except BaseException:
            self._pipe.close()
            raise
        finally:
            # Or we would not see the end of the process as the end of the pipe.
            theirs.close()
        self.pid: int | None = self._process.pid
        self._thread = threading.Thread(target=self._watch, name=f"{self.name}-watch", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            # Nobody would see its end.
            self._process.kill()
            self._close(None)
            raise

    @property
    def exitcode(self) -> int | None:
        """How it has ended; None while it has not, as far as we have seen."""
        return self._exitcode

    def say(self, message: str) -> None:
        """Send it a message; if it has ended, nothing happens."""
        self.is_asked = self.is_asked or message == STOP
        with self._saying, contextlib.suppress(OSError):
            self._pipe.send(message)

    def kill(self) -> None:
        """Kill it; if it has ended, nothing happens."""
        self.is_asked = True
        with self._saying:
            if not self._is_over:
                self._process.kill()

    def _watch(self) -> None:
        pidfd, pause = _watched(self.pid)
        # The end of the pipe is not enough, nor is the sentinel, which is such an end: a process
        # that the task has forked has them, too, and may outlive it.
        ends = [self._process.sentinel, *([] if pidfd is None else [pidfd])]
        try:
            while not self._hear(ends, pause):
                pass
        finally:
            self._close(pidfd)
            self._ended(self)

    def _hear(self, ends: list[int], pause: float | None) -> bool:
        """Hear one thing, or look whether it has ended; return whether it has."""
        ready = connection.wait([self._pipe, *ends], pause)
        # In this order: what it has said before its end is there by then.
        is_over = self._process.exitcode is not None or any(each in ready for each in ends)
        try:
            if self._pipe.poll():
                self._heard(self, self._pipe.recv())
                return False
        except (EOFError, OSError):
            # It has closed its end, or is about to be gone.
            self._process.join(LOOKING)
        except Exception:
            logger.exception("what %s says cannot be taken", self.name)
        return is_over or self._process.exitcode is not None

    def _close(self, pidfd: int | None) -> None:
        self._process.join()
        with self._saying:
            self._is_over = True
            self._exitcode = self._process.exitcode
            self._pipe.close()
            self._process.close()
        if pidfd is not None:
            os.close(pidfd)


def _watched(pid: int | None) -> tuple[int | None, float | None]:
    """Return what is ready to be read at the end of a process, and how often to look anyway."""
    try:
        return os.pidfd_open(pid or 0), None
    except ProcessLookupError:
        # It is simulated, and its sentinel says it; looking would be a timer each second.
        return None, None
    except (AttributeError, OSError):  # pragma: no cover - no Linux, or one that forbids it
        return None, LOOKING


def check_sendable(app: Pynenc, runner: str) -> None:
    """Raise a `RunnerNotExecutableError` if the application cannot be had in other processes."""
    try:
        pickle.dumps(app)
    except Exception as error:
        raise RunnerNotExecutableError(
            f"{runner} starts processes, and the application cannot be sent to them\n  {error}\n"
            "give it a storage_url= that they can open, and settings that can be pickled"
        ) from error
