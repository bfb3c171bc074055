"""For those who run tests: use a simulation in several stretches, and leave it in between.

The pytest plugin is made with it, and so can the runner of another framework be.
"""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING

from simclock import simulation as module
from simclock._boundary import _native, activation, entropy, freezing, signals
from simclock._boundary.active import kernels
from simclock._core.instants import START_NS

if TYPE_CHECKING:
    from simclock.simulation import Simulation


class Harness:
    """A simulation that its thread enters and leaves. While it is left, it stands still.

    To be used by one thread only.

    Args:
        simulation: Not open yet.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        # What the thread had when it left: None if it was in ``real_time()`` then.
        self._baton: _native.Baton | None = None

    @signals.uninterrupted
    def open(self) -> None:
        """Open the simulation, and leave it."""
        self.simulation.__enter__()
        self.leave()

    @property
    def is_open(self) -> bool:
        """Whether it was opened, and not closed since."""
        return self.simulation in module._open

    def close(self, error: BaseException | None) -> None:
        """Close the simulation from inside; *error* is what it ended with, if that is known.

        Raises:
            BaseException: What the simulation has found, as ``Simulation`` does.
        """
        self.simulation.__exit__(None if error is None else type(error), error, None)

    @signals.uninterrupted
    def leave(self, *, collect: bool = False) -> None:
        """Go to real time; what was opened inside and is open still stands still, too.

        With *collect*, cyclic garbage is collected meanwhile as outside.
        """
        self._baton = _native.current()
        kernels[-1].outside = _thread.get_ident()
        _native.leave()
        activation.rest(collect=collect)

    @signals.uninterrupted
    def come_back(self) -> None:
        """Go on where `leave` was called; or raise, for a signal, and have left still."""
        collect = activation.wake()
        if self._baton is not None:
            _native.resume(self._baton)
            kernels[-1].outside = 0
        try:
            signals.listen()
        except BaseException:
            self.leave(collect=collect)
            raise

    # ------------------------------------------------------------------- stretches

    def begin(self, name: str, seed: int) -> None:
        """Begin a stretch called *name*: a new zero, seed, and count; the clock goes on.

        What the stretch before did to the wall clock ends with it.
        """
        simulation = self.simulation
        kernel = simulation._running()
        simulation._seed = seed
        simulation._forget_faults()
        entropy.reseed(seed)
        kernel.world.wall_ns = simulation._epoch_ns - START_NS
        kernel.begin_stretch(name)
        freezing.notice()

    @property
    def name(self) -> str:
        """What threads and holds of now are said to be of."""
        return self.simulation._running().stretch

    @name.setter
    def name(self, name: str) -> None:
        self.simulation._running().stretch = name

    def forget_failure(self) -> None:
        """Forget what was found, since it was told."""
        kernel = self.simulation._running()
        kernel.failure = kernel.root.error = None

    def release_holds(self, name: str) -> list[str]:
        """Release the holds that were made in the stretch *name*; return their owners."""
        holds = self.simulation._running().holds
        owners = [holds.pop(key) for key in list(holds) if key[1] == name]
        _native.kick()
        return owners

    @property
    def drain(self) -> float:
        """Virtual seconds that leftover threads get to end by themselves."""
        return self.simulation._limits.drain_ns / 1e9


def depth() -> int:
    """Return how many simulations and ``real_time()`` blocks are open."""
    return len(module.blocks)


def unwind(to: int) -> bool:
    """Close what was opened since `depth` returned *to*, innermost first; return whether any was.

    Raises:
        BaseException: The first that came out of one of them, when all are closed.
    """
    errors: list[BaseException] = []
    found = len(module.blocks) > to
    while len(module.blocks) > to:
        block = module.blocks[-1]
        try:
            block.__exit__(None, None, None)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
        if block in module.blocks:
            module.blocks.remove(block)
    if errors:
        raise errors[0]
    return found
