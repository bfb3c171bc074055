"""The wall clock of a simulation: who provides it, and what it shows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Protocol

from simclock._boundary import freezing, travelling, worlds
from simclock._boundary.active import kernels
from simclock.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

# Floats of a wall clock's seconds are this coarse, and so are freezegun's datetimes.
TOLERANCE_NS = 1_000
# More clock readings than one reading of a wall clock can take.
ENOUGH_READS = 1_000_000


class WallClock(Protocol):
    """What lets programs read a simulation's wall clock.

    Its class is called without arguments, once for each simulation.
    """

    name: str

    def start(self) -> None:
        """Let simulated threads read ``_native.wall_time_ns``, others what they read before.

        Called when a simulation is opened, before anything else is redirected,
        in a thread that is not simulated by it yet. Raises `Unsupported`, and
        changes nothing, if it cannot.
        """

    def stop(self) -> None:
        """Undo `start`. Called in the same thread, when all else is undone."""

    def read_ns(self) -> int:
        """Return what a program is told, in nanoseconds. Called in a simulated thread."""


def suitable() -> str:
    """Return the name of the wall clock that goes with what is active."""
    return freezing.Freezegun.name if freezing.is_active() else travelling.TimeMachine.name


class Provided:
    """The wall clock of one open simulation, and what is started on top of it."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._world: worlds.World | None = None

    def start(self) -> None:
        """Let programs read it."""
        travelling.begin()
        freezing.begin()
        self._world = worlds.enter()
        try:
            self._clock.start()
        except BaseException:
            self._finish()
            raise

    def stop(self) -> None:
        """Undo `start`, and end the travels and freezes that simulated threads left started."""
        try:
            freezing.end_left(self._world)
            travelling.end_left(self._world)
            self._clock.stop()
        finally:
            self._finish()

    def _finish(self) -> None:
        worlds.leave()
        freezing.finish()
        travelling.finish()

    def check(self) -> None:
        """Raise `Unsupported` unless programs read it, in the simulation just opened."""
        inner: Any = kernels[-1].world
        found = unseen(inner, self._clock.read_ns)
        expected = inner.now_ns + inner.wall_ns
        if abs(found - expected) > TOLERANCE_NS:
            raise Unsupported(
                f"the wall clock does not read as simulated: {found} ns, not {expected} ns\n"
                f"  it is provided by: {self._clock.name}\n"
                "stop what else replaces the clock, or choose another one with wall_clock="
            )


def shown(inner: Any) -> dt.datetime:
    """Return what the wall clock shows a program in the calling thread, in UTC.

    Whatever moved it: asked the way programs ask, but taking no time.
    """
    now = unseen(inner, lambda: dt.datetime.now(dt.timezone.utc))
    # Not freezegun's subclass.
    real: Any = next(kind for kind in dt.datetime.__mro__ if kind.__module__ == "datetime")
    shown_to: dt.datetime = real.combine(now.date(), now.timetz())
    return shown_to


def unseen(inner: Any, read: Callable[[], Any]) -> Any:
    """Return ``read()``, as if nobody had read the clock."""
    kept = inner.step_ns, inner.reads_left
    inner.step_ns, inner.reads_left = 0, ENOUGH_READS
    try:
        return read()
    finally:
        inner.step_ns, inner.reads_left = kept
