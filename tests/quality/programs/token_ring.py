"""Three threads hand a value round; a fourth checks that it went round.

After SCTBench's ``token_ring_bad``. Fails: the second thread copies before the first has written
(or the third before both), and the check comes last.
"""

from __future__ import annotations

import threading

from .threads import together


def bug():
    """Copy at any time."""
    _run(wait=False)


def fixed():
    """Copy when the neighbour is done."""
    _run(wait=True)


def _run(*, wait):
    tokens = [1, 2, 1]
    done = [threading.Event() for _ in tokens]

    def await_done(place):
        if wait:
            done[place].wait()

    def first():
        tokens[0] = (tokens[2] + 1) % 4
        done[0].set()

    def copy(place):
        await_done(place - 1)
        tokens[place] = tokens[place - 1]
        done[place].set()

    def check():
        if all(event.is_set() for event in done):
            assert tokens[0] == tokens[1] == tokens[2]

    together(first, lambda: copy(1), lambda: copy(2), check)
