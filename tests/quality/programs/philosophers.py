"""Philosophers at a round table take the left fork, then the right one.

Fails: each has the left fork.
"""

from __future__ import annotations

import threading

from .threads import together


def bug(seats=3):
    """Let each take the left one first."""
    forks = [threading.Lock() for _ in range(seats)]
    _dine([(forks[seat], forks[(seat + 1) % seats]) for seat in range(seats)])


def fixed(seats=3):
    """Let the last one take the right one first."""
    forks = [threading.Lock() for _ in range(seats)]
    _dine([(forks[seat], forks[seat + 1]) for seat in range(seats - 1)] + [(forks[0], forks[-1])])


def _dine(places):
    eaten = []

    def eat(first, second):
        with first, second:
            eaten.append(True)

    together(*(lambda place=place: eat(*place) for place in places))
    assert len(eaten) == len(places)
