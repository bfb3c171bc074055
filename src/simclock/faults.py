"""Places of a program where something may go wrong by choice of the schedule.

    if buggify("disk.full"):
        raise OSError(errno.ENOSPC, "No space left on device")

In a simulation whose schedules are searched that is true at times; anywhere else it is false. To
import this loads no simulator. What needs no change of the program is `Simulation.faults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["buggify"]

# As in FoundationDB: how likely a site is to be enabled in a run, and to fire then.
ENABLED = 0.25
FIRES = 0.25


def buggify(site: str, *, p: float = FIRES, enabled: float = ENABLED) -> bool:
    """Return whether to fail here, by choice of the schedule. In canonical runs nothing ever does.

    In each run of a search a site is enabled or not, and fires now and then if it is: so each run
    has few of the faults that there are, and these often. False outside of a simulation, in
    threads that are not simulated, and when its faults are off. No checkpoint, and takes no time.

    After FoundationDB's BUGGIFY.

    Args:
        site: Its name: a literal. What has the same name is one site.
        p: How likely it is to fire where it is enabled, when schedules are drawn.
        enabled: How likely it is to be enabled in a run.

    Raises:
        TypeError, ValueError: That is no name, or no probability.
    """
    run = _find()
    return run is not None and run._comes_to(site, p, enabled)


def _nowhere() -> Any:
    return None


# Returns the simulation that the calling thread belongs to, or None; see `connect`.
_find: Callable[[], Any] = _nowhere


def connect(find: Callable[[], Any]) -> None:
    """Let *find* say which simulation the calling thread belongs to. For the simulator."""
    global _find  # noqa: PLW0603 - there is one simulator, if it is loaded
    _find = find


def here() -> Any:
    """Return the simulation that the calling thread belongs to, or None. For the simulator."""
    return _find()
