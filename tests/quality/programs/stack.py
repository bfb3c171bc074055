"""One thread pushes, another pops if a flag says that something was ever pushed.

After SCTBench's ``stack_bad``. Fails: push, pop, pop.
"""

from __future__ import annotations

import threading

from .threads import together

SIZE = 3


def bug():
    """Ask whether something was ever pushed."""
    _run(lambda pushed, items: pushed)


def fixed():
    """Ask whether something is there."""
    _run(lambda pushed, items: bool(items))


def _run(may_pop):
    lock = threading.Lock()
    items = []
    pushed = False

    def push():
        nonlocal pushed
        for number in range(SIZE):
            with lock:
                items.append(number)
                pushed = True

    def pop():
        for _ in range(SIZE):
            with lock:
                if may_pop(pushed, items):
                    assert items
                    items.pop()

    together(push, pop)
