"""The wall clock through time-machine, which redirects the built-ins that read it.

A started traveller is asked for the time at each call, in whatever thread.
Ours answers each world with its own time, and so does every traveller that is
started while a simulation is open: its own logic runs on the wall clock of the
world that started it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from simclock._boundary import _native, worlds
from simclock._boundary.rows import Row
from simclock.errors import Unsupported

with worlds.unfrozen():
    import time_machine

# Not the class by which another import of this module may have replaced it.
BaseTraveller: Any = time_machine.Traveller.__mro__[-2]
# Not by itself: freezegun replaces the functions that it finds in a module.
_TIME_NS = {"time_ns": worlds.builtin("time_ns")}
_hooks = worlds.Hooks()


def time_ns() -> int:
    """Return the time in the calling thread's world."""
    mine = worlds.world()
    for traveller in reversed(time_machine.traveller_stack):
        if getattr(traveller, "world", None) is mine:
            if isinstance(traveller, TimeMachine):
                break
            if mine is not None and not traveller._tick:
                # The reading counts: a busy wait on a clock that stands still lets others run.
                _native.wall_time_ns()
            return int(BaseTraveller.time_ns(traveller))
    return _native.wall_time_ns()


def seconds() -> float:
    """Return the time in the calling thread's world, in seconds."""
    return time_ns() / 1e9


class Traveller(BaseTraveller):  # type: ignore[misc]
    """A user's traveller: it takes along the world that started it, and no other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.world = worlds.world()
        self.travel: time_machine.travel | None = None

    def time_ns(self) -> int:
        """Return the time in the calling thread's world."""
        return time_ns()

    def time(self) -> float:
        """Return the same in seconds: time-machine before 3.5 asks for that."""
        return seconds()


class TimeMachine:
    """One simulation's wall clock through time-machine, and its place among the travellers."""

    name = "time-machine"

    def __init__(self) -> None:
        self.time_ns = time_ns
        self.time = seconds

    def start(self) -> None:
        """Let the wall clock be read through us."""
        if dt.datetime.__name__ == "FakeDatetime":
            raise Unsupported(
                "the wall clock is taken: freezegun is active\n"
                'open the simulation outside freeze_time(), or with wall_clock="freezegun"'
            )
        stack: list[Any] = time_machine.traveller_stack
        # Then nobody below is asked: reading stays in C as long as this is on top.
        if all(getattr(below, "world", None) is not None for below in stack):
            self.time_ns = _native.wall_time_ns
        self.world = worlds.innermost()
        if stack:
            stack.append(self)
        else:
            # To now: foreign threads read the clock through it until it is replaced.
            _hooks.original(time_machine.travel, "start")(
                time_machine.travel(_native.call_kernel(_native.wall_time_ns) / 1e9)
            )
            stack[-1] = self

    def stop(self) -> None:
        """Undo `start`."""
        stack: list[Any] = time_machine.traveller_stack
        if self in stack:
            _end(self)

    def read_ns(self) -> int:
        """Return what a program is told."""
        return int(_TIME_NS["time_ns"]())

    def _stop(self) -> None:
        """Be taken off the stack, as time-machine tells a traveller."""


def begin() -> None:
    """Let travels know their worlds, until the last `finish`."""
    _hooks.begin()
    if _hooks.wanted:
        _hooks.replace(time_machine, "Traveller", Traveller)
        _hooks.replace(time_machine.travel, "start", _start)
        _hooks.replace(time_machine.travel, "stop", _stop)


def finish() -> None:
    """Undo `begin`."""
    _hooks.finish()


def end_left(world: worlds.World | None) -> None:
    """End the travels that threads of *world* left started."""
    for traveller in reversed(time_machine.traveller_stack.copy()):
        if isinstance(traveller, Traveller) and traveller.world is world:
            _end(traveller)
            worlds.stopped(traveller.travel)


def _start(self: time_machine.travel) -> Any:
    """Stand in for ``travel.start``."""
    traveller = _hooks.original(time_machine.travel, "start")(self)
    traveller.travel = self
    return traveller


def _stop(self: time_machine.travel) -> None:
    """Stand in for ``travel.stop``, which ends whichever travel was started last."""
    if "stop" in vars(self):
        self.stop()  # bound before its simulation ended, and called after
        return
    traveller = worlds.to_stop(time_machine.traveller_stack, TimeMachine, "travel", self)
    if traveller is None:
        raise IndexError("no travel is started: there is nothing to stop\nstart() it first")
    _end(traveller)


def _end(traveller: Any) -> None:
    """Stop the travel of *traveller*, wherever it is on the stack."""
    stack: list[Any] = time_machine.traveller_stack
    stack.remove(traveller)
    stack.append(traveller)
    _hooks.original(time_machine.travel, "stop")(time_machine.travel(0))


# ------------------------------------------------------------------ time-machine's real time


def _unmoved_ns() -> int:
    return int(_native.call_user(_native.wall_time_ns))


def _unmoved() -> float:
    return _unmoved_ns() / 1e9


def _unmoved_datetime(zone: dt.tzinfo | None = None) -> dt.datetime:
    return dt.datetime.fromtimestamp(_unmoved(), zone)


def _unmoved_utc() -> dt.datetime:
    return _unmoved_datetime(dt.timezone.utc).replace(tzinfo=None)


_NOTE = "what a `travel` inside starts from: the virtual wall clock, not moved by it"
ROWS = [
    Row("_time_machine.original_time_ns", "simulated", _NOTE, _unmoved_ns),
    Row("_time_machine.original_time", "simulated", "likewise", _unmoved),
    Row("_time_machine.original_now", "simulated", "likewise", _unmoved_datetime),
    Row("_time_machine.original_utcnow", "simulated", "likewise", _unmoved_utc),
]
