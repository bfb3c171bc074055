"""One run at a time, and a stop that no run misses."""

from __future__ import annotations

import enum
import threading


class AlreadyRunningError(RuntimeError):
    """Something that runs once at a time was told to run again before its run had ended."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"it is running already: {what!r}\n"
            "stop it and wait until that run has ended, or make another one"
        )


class _Phase(enum.Enum):
    FRESH = "never started"
    STARTED = "told that a run will come"
    RUNNING = "in a run"
    ENDED = "its run has ended"


class Switch:
    """Knows whether something is to run. All methods may be called by any thread.

    A stop is for the run that is under way, or else for the next one, if one is
    to come: before the first run, and after `start`. That run ends before it
    has done anything, and the one after it is not concerned. After a run has
    ended there is nothing to stop, until `start`.

    Attributes:
        asked: Set when the run is to end. Each run has another event, so what an
            earlier run has left still sees its own.
    """

    def __init__(self) -> None:
        # Reentrant, as a signal handler may call `stop` wherever its thread is. Therefore, too, the
        # methods are written so that a stop between any two of their lines is not lost.
        self._lock = threading.RLock()
        self._phase = _Phase.FRESH
        self.asked = threading.Event()

    @property
    def on(self) -> bool:
        """Whether a run is under way or to come, and is not to end."""
        return self._phase in (_Phase.STARTED, _Phase.RUNNING) and not self.asked.is_set()

    @property
    def in_run(self) -> bool:
        """Whether a run is under way, also one that is to end."""
        return self._phase is _Phase.RUNNING

    def start(self) -> None:
        """Expect a run: a stop from before is forgotten, one from now on counts.

        Nothing changes while a run is under way; one that is to end does so.
        """
        with self._lock:
            if self._phase is not _Phase.RUNNING:
                if self.asked.is_set():
                    self.asked = threading.Event()
                self._phase = _Phase.STARTED

    def stop(self) -> None:
        """Have the run end; idempotent."""
        with self._lock:
            self.asked.set()
            if self._phase is _Phase.ENDED:
                self.asked = threading.Event()

    def begin(self, what: object) -> threading.Event:
        """Begin a run of *what*, and return its event, which may be set already.

        Raises:
            AlreadyRunningError: A run is under way.
        """
        with self._lock:
            if self._phase is _Phase.RUNNING:
                raise AlreadyRunningError(what)
            self._phase = _Phase.RUNNING
            return self.asked

    def end(self) -> None:
        """End the run."""
        with self._lock:
            self._phase = _Phase.ENDED
            self.asked = threading.Event()
