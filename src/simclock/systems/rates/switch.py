"""One run at a time, and a stop that no run misses."""

from __future__ import annotations

import enum
import threading
import weakref

from simclock.systems.rates.events import StopEvent


class AlreadyRunningError(RuntimeError):
    """Something that runs once at a time was told to run again before its run had ended."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"it is running already: {what!r}\n"
            "stop it and wait until that run has ended, or make another one"
        )


class _Phase(enum.Enum):
    FRESH = "no run was asked for yet"
    STARTED = "told that a run will come"
    RUNNING = "in a run"
    IDLE = "no run is under way"


class Switch:
    """Knows whether something is to run. All methods may be called by any thread.

    A stop is for the run that is under way, and for those that were asked for
    (`expect`) and have not begun: these end before they have done anything. If
    none was asked for yet, or after `start`, it is kept for the next one.
    Otherwise there is nothing to stop.

    Attributes:
        asked: Of the run that is under way: set when it is to end. Otherwise set
            if a stop is kept.
    """

    def __init__(self) -> None:
        # Reentrant, as a signal handler may call `stop` wherever its thread is. Therefore, too, the
        # methods are written so that a stop between any two of their lines is not lost.
        self._lock = threading.RLock()
        self._phase = _Phase.FRESH
        self.asked: threading.Event = StopEvent()
        # Weak: a coroutine that was cancelled before its first step just goes, and its event too.
        self._expected: weakref.WeakSet[threading.Event] = weakref.WeakSet()

    def share(self, lock: threading.RLock) -> None:
        """Use the lock of an owner from now on; before the first use.

        With two locks, a handler could wait for the one while the thread it has
        interrupted owns the other, and another thread has them the other way round.
        """
        self._lock = lock

    @property
    def on(self) -> bool:
        """Whether a run is under way or to come, and is not to end."""
        return self._phase in (_Phase.STARTED, _Phase.RUNNING) and not self.asked.is_set()

    @property
    def in_run(self) -> bool:
        """Whether a run is under way, also one that is to end."""
        return self._phase is _Phase.RUNNING

    def start(self) -> None:
        """Expect a run: a stop that was kept is forgotten, one from now on is kept.

        Nothing changes while a run is under way; one that is to end does so.
        """
        with self._lock:
            if self._phase is not _Phase.RUNNING:
                self.asked = StopEvent()
                self._phase = _Phase.STARTED

    def stop(self) -> None:
        """Have the run end; idempotent."""
        with self._lock:
            for each in list(self._expected):
                each.set()
            if self._phase is not _Phase.IDLE:
                self.asked.set()

    def expect(self) -> threading.Event:
        """Return the event of a new run, for `begin`; a stop counts from now on.

        It is set already if a stop was kept, which is not kept any longer then.
        """
        with self._lock:
            expected = StopEvent()
            self._expected.add(expected)
            if self._phase is _Phase.FRESH:
                self._phase = _Phase.IDLE
            if self.asked.is_set() and self._phase is not _Phase.RUNNING:
                expected.set()
                self.asked = StopEvent()
            return expected

    def begin(self, expected: threading.Event, what: object) -> None:
        """Begin a run of *what* that was expected.

        Raises:
            AlreadyRunningError: A run is under way.
        """
        with self._lock:
            if self._phase is _Phase.RUNNING:
                raise AlreadyRunningError(what)
            self.asked = expected
            self._phase = _Phase.RUNNING

    def end(self) -> None:
        """End the run."""
        with self._lock:
            self._phase = _Phase.IDLE
            self.asked = StopEvent()
