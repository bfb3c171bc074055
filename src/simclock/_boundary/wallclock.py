"""The wall clock, through time-machine: epoch plus virtual time for simulated threads.

A started traveller asks an attribute of its own for the time, at each call;
giving it a function that knows who asks makes one traveller serve simulated
and foreign threads alike.
"""

from __future__ import annotations

from typing import Any

import time_machine

from simclock._boundary import _native
from simclock.errors import Unsupported

# The travel that is started, and its traveller, while simulations are open.
_travels: list[Any] = []


def _wall_time() -> float:
    return _native.wall_time_ns() / 1e9


def start() -> None:
    """Let the wall clock be read through us."""
    # To now: foreign threads go on reading the clock while the attributes below are set.
    travel = time_machine.travel(_wall_time(), tick=True)
    try:
        traveller: Any = travel.start()
    except RuntimeError as error:
        raise Unsupported(
            f"the wall clock is taken: {error}\n"
            "open the simulation outside freezegun's freeze_time()"
        ) from error
    traveller.time_ns = _native.wall_time_ns
    traveller.time = _wall_time
    _travels.append((travel, traveller))


def stop() -> None:
    """Undo `start`."""
    travel, traveller = _travels.pop()
    travellers = time_machine.traveller_stack
    if traveller in travellers[:-1]:
        # The user's travel that was started inside goes on: its own stop would take away ours.
        travellers.remove(traveller)
    elif travellers:
        travel.stop()
