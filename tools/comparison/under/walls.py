# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool sets the date at which a function is called."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DATE = dt.datetime(2004, 2, 29, 12, tzinfo=dt.timezone.utc)


def simclock(function: Callable[[], object]) -> object:
    """Call it in a simulation that begins at the date."""
    import simclock

    return simclock.run(function, epoch=DATE)


def freezegun(function: Callable[[], object]) -> object:
    """Call it at a date, which is frozen."""
    import freezegun

    with freezegun.freeze_time(DATE):
        return function()


def time_machine(function: Callable[[], object]) -> object:
    """Call it at a date, which does not tick."""
    import time_machine

    with time_machine.travel(DATE, tick=False):
        return function()


def simloom(function: Callable[[], object]) -> object:
    """Call it in a run of which the wall clock begins at the date."""
    import simloom

    answers: list[object] = []

    async def main() -> None:
        answers.append(function())

    options: dict[str, Any] = {"virtual_time": True, "wall_epoch": DATE.timestamp()}
    simloom.run(main, seed=0, **options)
    return answers[-1]
