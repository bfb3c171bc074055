"""Conditions that wake one more than they were told to, where the schedule has it so.

Python's documentation lets them: "it's not safe to rely on" exactly n threads being woken
(``threading.Condition.notify``), and "a task may return from this call spuriously"
(``asyncio.Condition.wait``). As they are made today, they do not: so only in chaos.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from simclock.lowlevel import SPURIOUS, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.lowlevel import Overlay


def wake_more(overlay: Overlay, condition: Any) -> None:
    """Let conditions of the class *condition* do so while the simulation is open."""
    if overlay.chaos:
        overlay.replace(condition, "notify", _waking_more(condition.notify, overlay.choose))


def _waking_more(notify: Callable[..., None], choose: Callable[[int, str], int]) -> Any:
    @functools.wraps(notify)
    def notify_some(self: Any, n: int = 1) -> None:
        if simulated() and n < len(self._waiters):
            n += choose(2, SPURIOUS)
        notify(self, n)

    return notify_some
