# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool runs a program under Hypothesis, which draws a number for it.

Answers are the smallest number with which it was found to be wrong, and None if it was not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.comparison.probes.drawn import Main

NUMBERS = st.integers(0, 1000)
SETTINGS = settings(max_examples=300, deadline=None, database=None, derandomize=True)


def smallest(prop: Callable[[], None], failed: list[int]) -> int | None:
    """Return the number of the last failure, which is the one that is reported."""
    try:
        prop()
    except AssertionError:
        return failed[-1]
    return None


def simclock(program: Main) -> int | None:
    """Draw the schedule as well."""
    from simclock.hypothesis import Deviations, schedules

    failed: list[int] = []

    @SETTINGS
    @given(number=NUMBERS, schedule=schedules())
    def prop(number: int, schedule: Deviations) -> None:
        try:
            schedule.run(asyncio.run, program(number))
        except AssertionError:
            failed.append(number)
            raise

    return smallest(prop, failed)


def seedloop(program: Main) -> int | None:
    """Draw the seed as well."""
    import seedloop
    from seedloop.hypothesis import given_seed

    failed: list[int] = []

    @SETTINGS
    @given_seed(number=NUMBERS)
    def prop(seed: int, number: int) -> None:
        async def scenario(_: seedloop.World) -> None:
            await program(number)

        try:
            seedloop.replay(scenario, seed=seed)
        except AssertionError:
            failed.append(number)
            raise

    return smallest(prop, failed)


def simloop(program: Main) -> int | None:
    """Explore each example under a few seeds, as its recipe says."""
    import simloop

    failed: list[int] = []

    @SETTINGS
    @given(number=NUMBERS)
    def prop(number: int) -> None:
        if report := simloop.explore(lambda: program(number), range(8)):
            failed.append(number)
            raise AssertionError(report.render())

    return smallest(prop, failed)


def hypothesis(program: Main) -> int | None:
    """Run each example for real."""
    failed: list[int] = []

    @SETTINGS
    @given(number=NUMBERS)
    def prop(number: int) -> None:
        try:
            asyncio.run(program(number))
        except AssertionError:
            failed.append(number)
            raise

    return smallest(prop, failed)
