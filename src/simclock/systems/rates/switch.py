"""One run at a time, and a stop that no run misses."""

from __future__ import annotations

import enum
import threading
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from simclock.systems.rates.events import StopEvent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine


class AlreadyRunningError(RuntimeError):
    """Something that runs once at a time was told to run again before its run had ended."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"it is running already: {what!r}\n"
            "stop it and wait until that run has ended, or make another one"
        )


def refuse_copy(self: object) -> NoReturn:
    """Say that there cannot be two of *self*; to be the ``__reduce__`` of a class.

    What `copy` and `pickle` make of one would share its switch, or have a lock
    that nobody else knows.
    """
    raise TypeError(
        f"this cannot be copied or pickled, as it may be running: {self!r}\n"
        "make another one, in the way that this one was made"
    )


class _Phase(enum.Enum):
    FRESH = "no run was asked for yet"
    STARTED = "told that a run will come"
    RUNNING = "in a run"
    IDLE = "no run is under way"


class Asked(StopEvent):
    """Of one run: set when it is to end.

    Attributes:
        loop: The event loop of a coroutine that has begun.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop: asyncio.AbstractEventLoop | None = None
        # Weak, as the coroutine has the event.
        self._coroutine: weakref.ref[Any] | None = None

    def of(self, coroutine: Coroutine[Any, Any, None], what: object) -> Coroutine[Any, Any, None]:
        """Return *coroutine*, which is the run of *what*."""
        # What Python tells of that nobody has awaited, and debuggers show of its task.
        coroutine.__qualname__ = f"{type(what).__qualname__}.run"  # type: ignore[attr-defined]
        self._coroutine = weakref.ref(coroutine)
        return coroutine

    @property
    def is_dropped(self) -> bool:
        """Whether the coroutine will not begin, such as one cancelled before its first step."""
        if self._coroutine is None:
            return False
        coroutine = self._coroutine()
        return coroutine is None or coroutine.cr_frame is None

    @property
    def is_lost(self) -> bool:
        """Whether the event loop of the run is closed, so that it will not go on."""
        return self.loop is not None and self.loop.is_closed()


class Switch:
    """Knows whether something is to run. All methods may be called by any thread.

    A stop is for the run that is under way, and for those that were asked for
    (`expect`) and have not begun: these end before they have done anything. If
    none was asked for yet, or after `start`, it is kept for the next one.
    Otherwise there is nothing to stop.

    A run whose event loop was closed is over. So is what `start` has begun, if
    all runs asked for since were cancelled before their first step. With a run
    that was asked for before `start`, that cannot be said: whoever cancels a run
    and starts expects another one, and its stop must not be lost.

    Not built on `Lifecycle`, which has one run that its owner starts and ends.
    Here runs are coroutines, too: there may be several that were asked for, a
    stop concerns each of them, and one may come to nothing without any step.
    Each of its methods would be another one.

    Attributes:
        asked: Of the run that is under way: set when it is to end. Otherwise set
            if a stop is kept.
    """

    def __init__(self) -> None:
        # Reentrant, as a signal handler may call `stop` wherever its thread is. Therefore, too, the
        # methods are written so that a stop between any two of their lines is not lost.
        self._lock = threading.RLock()
        self._phase = _Phase.FRESH
        self.asked: Asked = Asked()
        # Of runs that have not begun. Weak: a coroutine that was cancelled just goes, and its event
        # too, unless somebody keeps the traceback.
        self._expected: weakref.WeakSet[Asked] = weakref.WeakSet()
        # Whether a run was asked for after `start`.
        self._is_expected = False

    def share(self, lock: threading.RLock) -> None:
        """Use the lock of an owner from now on; before the first use.

        With two locks, a handler could wait for the one while the thread it has
        interrupted owns the other, and another thread has them the other way round.
        """
        self._lock = lock

    @property
    def on(self) -> bool:
        """Whether a run is under way or to come, and is not to end."""
        # Without the lock, as tight loops ask it each time.
        asked = self.asked
        if self._phase is _Phase.RUNNING and not asked.is_lost:
            return not asked.is_set()
        with self._lock:
            self._settle()
            return self._phase in (_Phase.STARTED, _Phase.RUNNING) and not self.asked.is_set()

    @property
    def in_run(self) -> bool:
        """Whether a run is under way, also one that is to end."""
        return self._phase is _Phase.RUNNING and not self.asked.is_lost

    def is_run(self, asked: Asked) -> bool:
        """Return whether the run of *asked* is under way; not if its loop was closed, once seen."""
        return self._phase is _Phase.RUNNING and self.asked is asked

    def start(self) -> None:
        """Expect a run: a stop that was kept is forgotten, one from now on is kept.

        Nothing changes while a run is under way; one that is to end does so.
        """
        with self._lock:
            self._settle()
            if self._phase is not _Phase.RUNNING:
                self.asked = Asked()
                self._is_expected = False
                self._phase = _Phase.STARTED

    def stop(self) -> None:
        """Have the run end; idempotent."""
        with self._lock:
            self._settle()
            for each in list(self._expected):
                each.set()
            if self._phase is not _Phase.IDLE:
                self.asked.set()

    def expect(self) -> Asked:
        """Return the event of a new run, for `begin`; a stop counts from now on.

        It is set already if a stop was kept, which is not kept any longer then.
        """
        with self._lock:
            self._settle()
            expected = Asked()
            self._expected.add(expected)
            self._is_expected = True
            if self._phase is _Phase.FRESH:
                self._phase = _Phase.IDLE
            if self.asked.is_set() and self._phase is not _Phase.RUNNING:
                expected.set()
                self.asked = Asked()
            return expected

    def begin(
        self, expected: Asked, what: object, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Begin a run of *what* that was expected, in an event loop if it is a coroutine.

        Raises:
            AlreadyRunningError: A run is under way.
        """
        with self._lock:
            self._settle()
            if self._phase is _Phase.RUNNING:
                raise AlreadyRunningError(what)
            expected.loop = loop
            self.asked = expected
            self._phase = _Phase.RUNNING
            self._expected.discard(expected)

    def end(self, asked: Asked) -> None:
        """End the run of *asked*, if it is the one that is under way."""
        with self._lock:
            if self.is_run(asked):
                self._rest()

    def _settle(self) -> None:
        """Notice that a run, or what `start` has begun, has come to nothing."""
        if self._phase is _Phase.RUNNING:
            is_over = self.asked.is_lost
        else:
            is_over = (
                self._phase is _Phase.STARTED
                and self._is_expected
                and all(each.is_dropped for each in list(self._expected))
            )
        if is_over:
            self._rest()

    def _rest(self) -> None:
        self._phase = _Phase.IDLE
        self.asked = Asked()
