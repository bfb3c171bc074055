"""One thread puts numbers, another takes them and compares, each when a flag says it is its turn.

After SCTBench's ``queue_bad``. Fails: the taker looks when it is not its turn and counts that as
done, so that it later compares the first number with the second.
"""

from __future__ import annotations

import collections
import threading

from .threads import together

SIZE = 3


def bug():
    """Pass when it is not one's turn."""
    _run(wait_for_turn=False)


def fixed():
    """Wait for one's turn."""
    _run(wait_for_turn=True)


def _run(*, wait_for_turn):
    changed = threading.Condition()
    items = collections.deque()
    stored = {}
    turn = "put"

    def is_turn(wanted):
        if wait_for_turn:
            changed.wait_for(lambda: turn == wanted)
        return turn == wanted

    def put():
        nonlocal turn
        for place in range(SIZE):
            with changed:
                if is_turn("put"):
                    items.append(10 * place)
                    stored[place] = 10 * place
                    turn = "take"
                    changed.notify_all()

    def take():
        nonlocal turn
        for place in range(SIZE):
            with changed:
                if is_turn("take"):
                    assert items.popleft() == stored.get(place)
                    turn = "put"
                    changed.notify_all()

    together(put, take)
