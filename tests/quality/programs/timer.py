"""A timer gives work up that is just about to be done.

Fails: the work is done in time and has found that it was not given up; before it says so, 50 ms
pass, in which the timer finds that it is not done. Both count.
"""

from __future__ import annotations

import contextlib
import threading
import time

TIMEOUT = 1.05
DURATION = 1.0


def bug():
    """Look and settle in two steps."""
    _run(contextlib.nullcontext())


def fixed():
    """Look and settle under a lock."""
    _run(threading.Lock())


def _run(lock):
    ends = []

    def settle(end):
        with lock:
            if not ends:
                time.sleep(0)
                ends.append(end)

    timer = threading.Timer(TIMEOUT, settle, ["given up"])
    timer.start()
    time.sleep(DURATION)
    settle("done")
    timer.cancel()
    timer.join()
    assert len(ends) == 1
