"""How long a runner's loop waits between two turns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simclock.systems.runners.bodies import FIRST_BACK_OFF, LONGEST_BACK_OFF
from simclock.systems.runners.waiting import FIRST_PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.runners.wakes import Wake

# Seconds between two looks from which on it is worth another look when something is due.
SLOW = 1.0


class Pacing:
    """The waits of a loop: short while there is work, and longer the longer there is none.

    Args:
        wake: Ends a wait that is no punishment.
        longest: Seconds between two looks for work.
        is_told: Whether whoever makes work rings for it.

    Attributes:
        is_told: The same.
    """

    def __init__(self, wake: Wake, longest: float, *, is_told: bool = False) -> None:
        self.is_told = is_told
        self._wake = wake
        self._longest = longest
        self._pause = FIRST_PAUSE
        self._back_off = FIRST_BACK_OFF

    @property
    def asks(self) -> bool:
        """Whether waits are so long that one asks before when something is due."""
        return self.is_told or self._longest > SLOW

    def wait(self, *, has_begun: bool, due: float | None = None) -> None:
        """Wait after a turn that was well.

        Args:
            has_begun: Whether there was something to do.
            due: After how many seconds there will be, as far as that is known.
        """
        self._back_off = FIRST_BACK_OFF
        self._pause = min(FIRST_PAUSE if has_begun else 2 * self._pause, self._longest)
        self._wake.wait(self._pause if due is None else min(self._pause, max(due, FIRST_PAUSE)))

    def wait_after_failure(self, goes_on: Callable[[], bool]) -> None:
        """Wait after a turn that has failed, or until it does not go on."""
        end = time.monotonic() + self._back_off
        self._back_off = min(2 * self._back_off, LONGEST_BACK_OFF)
        # Nothing else ends it: it is rung for each push.
        while goes_on() and (left := end - time.monotonic()) > 0:
            self._wake.wait(left)
