"""Randomness: one seeded stream for each purpose."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any

from simclock._boundary.rows import Row, originals

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_streams: dict[str, random.Random] = {}
_saved: list[tuple[dict[str, random.Random], Any]] = []
_seed: list[int | str] = []
# Whether the program has chosen what the global generator gives; innermost simulation last.
_chosen: list[bool] = []
_global: random.Random = random._inst


def start(seed: int) -> None:
    """Seed everything from *seed*; `stop` puts the global state back."""
    _saved.append((dict(_streams), random.getstate()))
    _seed.append(seed)
    _chosen.append(False)
    reseed(seed)


def reseed(seed: int) -> None:
    """Go on from *seed* as after `start`, to which `stop` still goes back.

    A global generator that the program itself has seeded is left alone: a
    fixture that does so for several tests means them all.
    """
    _seed[-1] = seed
    _streams.clear()
    if not _chosen[-1]:
        _global.seed(f"{seed}:random")
        _chosen[-1] = False


def stop() -> None:
    """Undo the last `start`."""
    streams, state = _saved.pop()
    _seed.pop()
    _streams.clear()
    _streams.update(streams)
    _global.setstate(state)
    _chosen.pop()  # last: for a simulation around this one, nobody has chosen anything


def set_aside(name: str) -> Callable[[], None]:
    """Draw from other streams, called *name*, until what this returns is called.

    Also the global generator is another one, unless the program has seeded it; if it is seeded
    meanwhile, that does not last.
    """
    streams, state, seed, is_chosen = dict(_streams), _global.getstate(), _seed[-1], _chosen[-1]

    depth = len(_seed)

    def go_on() -> None:
        if len(_seed) != depth:
            return  # pragma: no cover - a forked child, which has left the simulation
        _streams.clear()
        _streams.update(streams)
        _global.setstate(state)
        _seed[-1], _chosen[-1] = seed, is_chosen

    _seed[-1] = f"{seed}:{name}"
    _streams.clear()
    if not is_chosen:
        _global.seed(f"{_seed[-1]}:random")
        _chosen[-1] = False
    return go_on


def stream(purpose: str) -> random.Random:
    # One for each purpose, so that a further draw of one kind does not move the others.
    found = _streams.get(purpose)
    if found is None:
        found = _streams[purpose] = random.Random(f"{_seed[-1]}:{purpose}")
    return found


def _urandom(*args: Any) -> bytes:
    # The original judges the arguments; what it returns gives the length only.
    return stream("urandom").randbytes(len(originals["os.urandom"](*args)))


def _getrandom(*args: Any, **kwargs: Any) -> bytes:
    return stream("urandom").randbytes(len(originals["posix.getrandom"](*args, **kwargs)))


def _seed_random(generator: Any, *args: Any) -> None:
    original = originals["_random.Random.seed"]
    if args in ((), (None,)) and not _for_temporary_names():
        args = (stream("Random").getrandbits(64),)
    elif generator is _global:
        _chosen[-1] = True
    original(generator, *args)


def _set_state(generator: Any, *args: Any) -> None:
    originals["_random.Random.setstate"](generator, *args)
    if generator is _global:
        _chosen[-1] = True


def _for_temporary_names() -> bool:
    """Return whether ``tempfile`` asks: its names must differ from another process'."""
    frame: FrameType | None = sys._getframe(1)
    callers: list[object] = []
    while frame is not None and len(callers) < 6:
        callers.append(frame.f_globals.get("__name__"))
        frame = frame.f_back
    return "tempfile" in callers


ROWS = [
    Row("os.urandom", "simulated", "a stream of the simulation's seed", _urandom),
    Row("posix.getrandom", "simulated", "the same stream", _getrandom),
    Row(
        "_random.Random.seed",
        "simulated",
        "without a seed: from the simulation's seed",
        _seed_random,
    ),
    Row(
        "_random.Random.setstate",
        "simulated",
        "the original; noted if it is the global generator's",
        _set_state,
    ),
]
