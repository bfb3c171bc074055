"""The life of a system: its states, a stop that is never lost, and an end in bounded time."""

from __future__ import annotations

import enum
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class State(enum.Enum):
    """Where in its life something is that can be started and stopped."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


_OF_A_RUN = {State.STARTING, State.RUNNING, State.STOPPING}


class Lifecycle:
    """The states of what runs once at a time, and as often as one likes.

    A stop is *latched*: whoever asks for it before or while a run starts ends
    that run, which then never becomes RUNNING. After a run has ended a stop
    changes nothing; the next run is not ended by it.

    All of it may be used from any thread, and from handlers of signals.

    Args:
        name: Of what lives, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.RLock()  # a signal may come while it is owned
        self._state = State.NEW
        # Invariant: only set while NEW or STARTING.
        self._is_latched = False

    @property
    def state(self) -> State:
        """Return the state of this moment."""
        return self._state

    def start(self) -> None:
        """Begin a run: STARTING.

        Raises:
            RuntimeError: One has not ended.
        """
        with self._lock:
            if self._state in _OF_A_RUN:
                raise RuntimeError(
                    f"{self._name} is {self._state.value}: it runs once at a time\n"
                    "stop it and wait for its end, or make another one"
                )
            self._state = State.STARTING

    def ready(self) -> bool:
        """Become RUNNING, and return True; or, if a stop was asked for, STOPPING and False."""
        with self._lock:
            self._state = State.STOPPING if self._is_latched else State.RUNNING
            self._is_latched = False
            return self._state is State.RUNNING

    def stop(self) -> bool:
        """Ask for the end; return whether there is a run to wait for. Idempotent."""
        with self._lock:
            if self._state in {State.NEW, State.STARTING}:
                self._is_latched = True
            elif self._state is State.RUNNING:
                self._state = State.STOPPING
            return self._state in _OF_A_RUN

    def end(self, *, failed: bool) -> None:
        """Note that the run has ended: FAILED or STOPPED. Another one may start."""
        with self._lock:
            self._state = State.FAILED if failed else State.STOPPED


class StopReport(NamedTuple):
    """How a stop went.

    Attributes:
        seconds: How long it took.
        abandoned: The names of what would not stop, and may still run.
    """

    seconds: float
    abandoned: tuple[str, ...] = ()


class Step(NamedTuple):
    """One way to end others.

    Attributes:
        act: Asks them, or makes them; called once.
        seconds: How long they then have to end.
    """

    act: Callable[[], object]
    seconds: float


def escalate(steps: Iterable[Step], wait: Callable[[float], Sequence[str]]) -> StopReport:
    """Take one step after the other, the gentlest first, until nobody is left.

    Takes no longer than the steps' seconds together, if what they call returns.

    Args:
        steps: What to try.
        wait: Waits for so many seconds at most, and returns the names of those
            who have not ended.
    """
    began = time.monotonic()
    left = wait(0)
    for step in steps:
        if not left:
            break
        step.act()
        left = wait(step.seconds)
    return StopReport(time.monotonic() - began, tuple(left))
