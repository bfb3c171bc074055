# ruff: noqa: PLC0415 - each imports what it needs by itself
"""How each tool runs a program of threads, and what the program answers then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.comparison.probes import Program


class Refused(Exception):
    """A tool has ended the program, for the reason it gives."""


def in_threads(program: Program) -> object:
    """Run each body in a thread, to the end, as one would without any tool."""
    state = program.setup()
    threads = [threading.Thread(target=body, args=(state,)) for body in program.bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return program.answer(state)


def simclock(program: Program) -> object:
    """Run it in a simulation."""
    import simclock

    return simclock.run(in_threads, program, watchdog=3)


def frontrun(program: Program) -> object:
    """Explore a few schedules on its virtual clock."""
    import frontrun

    answers: list[object] = []

    def remember(state: Any) -> bool:
        answers.append(program.answer(state))
        return True

    found = frontrun.explore(
        setup=program.setup,
        workers=list(program.bodies),
        invariant=remember,
        clock="virtual",
        max_executions=5,
    )
    if not found.property_holds:
        raise Refused(str(found.explanation or f"inconclusive: {found.inconclusive_reason}"))
    return answers[-1]


def interleave_test(program: Program) -> object:
    """Explore a few schedules."""
    import interleave_test

    answers: list[object] = []
    interleave_test.explore(
        lambda: answers.append(in_threads(program)), iterations=5, seed=0, timeout=5
    )
    return answers[-1]
