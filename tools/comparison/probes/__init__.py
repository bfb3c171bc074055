"""The programs that are tried: ordinary ones, which know of no tool.

A function is one probe, named after what it asks; what it has to answer is in `wants`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Program(NamedTuple):
    """A program of threads.

    Attributes:
        setup: Makes what the bodies share.
        bodies: What the threads run, each with what they share.
        answer: What to say at the end.
    """

    setup: Callable[[], Any]
    bodies: tuple[Callable[[Any], Any], ...]
    answer: Callable[[Any], object]


def one_body(body: Callable[[], object]) -> Program:
    """Return a program of one thread, which answers what *body* returns."""
    return Program(list, (lambda said: said.append(body()),), lambda said: said[-1])
