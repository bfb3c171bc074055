"""Whether a program does on one loop what it does on the other."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
from typing import TYPE_CHECKING, Any

from simclock import SimEventLoop
from tools.asyncprograms.drawing import traits
from tools.asyncprograms.loops import StockLoop
from tools.asyncprograms.running import Outcome, run, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.asyncprograms.program import Program
    from tools.asyncprograms.running import NewLoop

DESTROYED = "Task was destroyed but it is pending!"
BEFORE, AFTER = 6, 4  # lines shown around a difference


def check(
    program: Program, new_loop: NewLoop = SimEventLoop, expected_loop: NewLoop = StockLoop
) -> str:
    """Run *program* on both loops; return how they differ, or nothing."""
    before = descriptors()
    if wrong := _compare(program, new_loop, expected_loop):
        return wrong
    if descriptors() != before:
        gc.collect()
    if (after := descriptors()) != before:
        return f"descriptors are left: {sorted(set(after) ^ set(before))}"
    return ""


def _compare(program: Program, new_loop: NewLoop, expected_loop: NewLoop) -> str:
    expected, found = simulate(program, expected_loop), simulate(program, new_loop)
    if wrong := _differ("the stock loop", expected, "the other", found):
        return wrong
    again = simulate(program, _default(new_loop))
    if wrong := _differ("the first run", found, "the second", again):
        return wrong
    if found.digest != again.digest:
        return "two runs with the same log have other traces"
    if is_pure(program) and new_loop is SimEventLoop:
        alone = run(program, new_loop)
        # Which garbage is collected before it is cancelled depends on when it is collected.
        for outcome in (found, alone):
            outcome.whenever[:] = [w for w in outcome.whenever if not w.startswith(DESTROYED)]
        return _differ("in a simulation", found, "alone", alone)
    return ""


def is_pure(program: Program) -> bool:
    """Return whether it needs no simulation: it waits for nothing but its loop.

    In debug mode a loop by itself measures in real time what takes long.
    """
    return not traits(program) and "debug" not in program.options


def _default(new_loop: NewLoop) -> NewLoop:
    """Return what gives that loop inside a simulation, if it is what one gets there."""
    return asyncio.new_event_loop if new_loop is SimEventLoop else new_loop


def _differ(one: str, expected: Outcome, other: str, found: Outcome) -> str:
    pairs = itertools.zip_longest(expected.log, found.log)
    for number, (left, right) in enumerate(pairs):
        if left != right:
            return (
                f"line {number} of the log differs\n"
                f"{_excerpt(one, expected.log, number)}\n{_excerpt(other, found.log, number)}"
            )
    for what, get in _ASIDE:
        if get(expected) != get(found):
            errors = "\n".join(filter(None, (expected.error, found.error)))
            return f"{what} differs\n{one}: {get(expected)}\n{other}: {get(found)}\n{errors}"
    return ""


_ASIDE: tuple[tuple[str, Callable[[Outcome], object]], ...] = (
    ("the end", lambda outcome: outcome.end),
    ("the time of the end", lambda outcome: outcome.elapsed),
    ("what has no order", lambda outcome: outcome.whenever),
)


def _excerpt(name: str, log: list[Any], number: int) -> str:
    lines = [f"{name}:"]
    lines += [
        f"{'->' if index == number else '  '} {log[index]}"
        for index in range(max(0, number - BEFORE), min(len(log), number + AFTER))
    ]
    return "\n".join(lines if number < len(log) else [*lines, "-> (ends here)"])


def descriptors() -> list[str]:
    """Return what this process has open."""
    return sorted(os.listdir("/proc/self/fd"))
