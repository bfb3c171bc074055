"""The wall clock through freezegun, for simulations opened while it is active.

freezegun replaces the functions that read a clock, wherever a module has them,
and asks the last of its *factories* for the time, in whatever thread. As with
travellers, each factory answers the world that started it, and no other.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native, worlds
from simclock._core.instants import delta_to_ns
from simclock.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = worlds.FREEZEGUN
_FACTORIES = ("FrozenDateTimeFactory", "TickingDateTimeFactory", "StepTickTimeFactory")
_hooks = worlds.Hooks()
# Freezes that were stopped from below ours: what they replaced is put back with ours.
_late: list[Any] = []


def is_active() -> bool:
    """Return whether a freeze is started."""
    api = sys.modules.get(NAME)
    return api is not None and bool(api.freeze_factories)


def now() -> dt.datetime:
    """Return the wall clock of the calling thread's world, unfrozen, as freezegun has it."""
    since = dt.timedelta(microseconds=_native.wall_time_ns() // 1000)
    api = sys.modules[NAME]
    utc: dt.datetime = api.real_datetime(1970, 1, 1) + since
    return utc


def _factory() -> Any:
    """Return the topmost factory of the calling thread's world, None if that is not frozen."""
    mine = worlds.world()
    for factory in reversed(sys.modules[NAME].freeze_factories):
        if getattr(factory, "world", None) is mine:
            return None if isinstance(factory, Freezegun) else factory
    return None


def current() -> dt.datetime:
    """Return the time in the calling thread's world."""
    factory = _factory()
    if factory is None:
        return now()
    if not hasattr(factory, "own_time"):
        frozen: dt.datetime = factory()  # started before the simulation was opened
        return frozen
    shown: dt.datetime = factory.own_time()
    return shown


class _Ignored(tuple[str, ...]):
    """A list of modules that are given real time, but not to simulated threads.

    freezegun gives real time also to whoever was called from ``threading`` a
    few frames ago, as a thread's own function is.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return worlds.world() is None


class Freezegun:
    """One simulation's wall clock through freezegun, and its place among the factories."""

    name = "freezegun"

    def __init__(self) -> None:
        self._freeze: Any = None

    def start(self) -> None:
        """Let the wall clock be read through us."""
        try:
            api = importlib.import_module(NAME)
        except ImportError as error:
            raise Unsupported(
                f"there is no freezegun: {error}\n"
                "install simclock[freezegun], or choose wall_clock=None"
            ) from error
        notice()
        self.world = worlds.innermost()
        if api.freeze_factories:
            api.tz_offsets.append(api.tz_offsets[-1])
            api.tick_flags.append(True)
            api.ignore_lists.append(_Ignored(api.ignore_lists[-1]))
            api.freeze_factories.append(self)
        else:
            self._freeze = api.freeze_time(tick=True)
            _hooks.original(api._freeze_time, "start")(self._freeze)
            api.ignore_lists[-1] = _Ignored(api.ignore_lists[-1])
            api.freeze_factories[-1] = self

    def stop(self) -> None:
        """Undo `start`."""
        api: Any = sys.modules[NAME]
        if self in api.freeze_factories:
            _take(api, self, self._freeze)

    def read_ns(self) -> int:
        """Return what a program is told."""
        return _ns(sys.modules[NAME].get_current_time())

    def __call__(self) -> dt.datetime:
        """Return the time in the calling thread's world."""
        return current()


def _ns(when: dt.datetime) -> int:
    return delta_to_ns(when - sys.modules[NAME].real_datetime(1970, 1, 1))


# ------------------------------------------------------------- freezes of the user's


def begin() -> None:
    """Let freezes know their worlds, until the last `finish`."""
    _hooks.begin()
    notice()


def notice() -> None:
    """Do what `begin` could not do if freezegun was not imported by then. Idempotent."""
    api: Any = sys.modules.get(NAME)
    if api is None or not _hooks.wanted:
        return
    for name in _FACTORIES:
        _hooks.replace(api, name, _divided(getattr(api, name)))
    for suffix in ("", "_ns"):
        name, real = f"_get_fake_monotonic{suffix}", getattr(api, f"real_monotonic{suffix}")
        _hooks.replace(api, name, _monotonic(getattr(api, name), real))
    _hooks.replace(api._freeze_time, "start", _start)
    _hooks.replace(api._freeze_time, "stop", _stop)


def finish() -> None:
    """Undo `begin`."""
    _hooks.finish()


def end_left(world: worlds.World | None) -> None:
    """End the freezes that threads of *world* left started."""
    api: Any = sys.modules.get(NAME)
    for factory in reversed(api.freeze_factories.copy() if api else []):
        freeze = getattr(factory, "freeze", None)
        if freeze is not None and factory.world is world:
            _take(api, factory, freeze)
            worlds.stopped(freeze)


@functools.cache  # making a class takes as long as all else that opens a simulation
def _divided(base: Any) -> Any:
    """Return a factory class like *base* that answers only the world that made it."""
    is_ticking = base.__name__ == "TickingDateTimeFactory"

    class Factory(base):  # type: ignore[misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.world = worlds.world()
            if is_ticking:
                self.start = now()

        def __call__(self) -> dt.datetime:
            return current()

        def own_time(self) -> dt.datetime:
            # A reading counts, as for a travel: a busy wait lets others run.
            passing = now()
            if is_ticking:
                ticked: dt.datetime = self.time_to_freeze + (passing - self.start)
                return ticked
            frozen: dt.datetime = super().__call__()
            return frozen

        def move_to(self, target: Any) -> None:
            super().move_to(target)
            if is_ticking:
                self.start = now()

    Factory.__name__ = Factory.__qualname__ = base.__name__
    return Factory


def _monotonic(fake: Callable[[], Any], real: Callable[[], Any]) -> Callable[[], Any]:
    """Return a stand-in for freezegun's monotonic clock: only what is frozen is its own."""

    def monotonic() -> Any:
        return real() if _factory() is None else fake()

    return monotonic


def _start(self: Any) -> Any:
    """Stand in for ``_freeze_time.start``."""
    factory = _hooks.original(type(self), "start")(self)
    factory.freeze = self
    api: Any = sys.modules[NAME]
    if any(isinstance(below, Freezegun) for below in api.freeze_factories):
        api.ignore_lists[-1] = _Ignored(self.ignore)  # real time would be the machine's
    return factory


def _stop(self: Any) -> None:
    """Stand in for ``_freeze_time.stop``, which ends whichever freeze was started last."""
    if "stop" in vars(self):
        self.stop()  # bound before its simulation ended, and called after
        return
    api: Any = sys.modules[NAME]
    factory = worlds.to_stop(api.freeze_factories, Freezegun, "freeze", self)
    if factory is None:
        raise IndexError("no freeze is started: there is nothing to stop\nstart() it first")
    _take(api, factory, self)


def _take(api: Any, factory: Any, freeze: Any) -> None:
    """Take *factory* off, wherever it is; put the clocks back if it was the last one."""
    if freeze is not None and freeze.undo_changes:
        _late.append(freeze)
    if len(api.freeze_factories) > 1:
        place = api.freeze_factories.index(factory)
        for stack in (api.freeze_factories, api.tz_offsets, api.ignore_lists, api.tick_flags):
            del stack[place]
        return
    # Only the freeze that was started first knows what it replaced.
    first = _late[-1] if _late else freeze
    _late.clear()
    _hooks.original(api._freeze_time, "stop")(first)
