# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool runs a program of trio, and what the program answers then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Main = Callable[[], Coroutine[Any, Any, object]]


def simclock(main: Main) -> object:
    """Run it in a simulation."""
    import trio

    import simclock

    return simclock.run(trio.run, main)


def trio(main: Main) -> object:
    """Run it with trio's clock for tests."""
    import trio
    import trio.testing

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
