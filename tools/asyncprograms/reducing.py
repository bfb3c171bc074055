"""A program made smaller as long as something stays true of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.asyncprograms.program import Body, Program, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What has a body that is for somebody of another kind.
THREADS = ("start_thread", "thread_")


def reduce(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Return a small program that *fails* too."""
    found = True
    while found:
        found = False
        for smaller in _smaller(program):
            if fails(smaller):
                program, found = smaller, True
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    for option in sorted(program.options):
        yield program._replace(options=program.options - {option})
    for number in range(len(program.bodies)):
        yield program._replace(bodies=program.bodies[:number] + program.bodies[number + 1 :])
    for number, each in enumerate(program.bodies):
        for body in _smaller_bodies(each):
            bodies = (*program.bodies[:number], body, *program.bodies[number + 1 :])
            yield program._replace(bodies=bodies)


def _smaller_bodies(body: Body) -> Iterator[Body]:
    """Yield it without a step, with a step's own body in its place, with a smaller step."""
    if len(body) > 3:
        yield Body(body[: len(body) // 2])
        yield Body(body[len(body) // 2 :])
    for number, step in enumerate(body):
        before, after = body[:number], body[number + 1 :]
        yield Body(before + after)
        for arg in step.args:
            if isinstance(arg, Body) and not step.name.startswith(THREADS):
                yield Body((*before, *arg, *after))
        for smaller in _smaller_steps(step):
            yield Body((*before, smaller, *after))


def _smaller_steps(step: Step) -> Iterator[Step]:
    bodies = [number for number, arg in enumerate(step.args) if isinstance(arg, Body)]
    for number in bodies:
        before, after = step.args[:number], step.args[number + 1 :]
        if len(bodies) > 1 and step.args[number]:
            yield step._replace(args=(*before, Body(), *after))
        for body in _smaller_bodies(step.args[number]):
            yield step._replace(args=(*before, body, *after))
