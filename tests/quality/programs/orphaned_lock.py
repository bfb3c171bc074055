"""A worker looks under its lock whether it should stop.

Fails: it is told to stop between two pieces of work, and ends as the owner of the lock, which the
other thread then waits for.
"""

from __future__ import annotations

import threading
import time

from .threads import together

PIECES = 2


def bug():
    """Return without a release."""
    lock = threading.Lock()
    stopping = False
    done = 0

    def work():
        nonlocal done
        for _ in range(PIECES):
            lock.acquire()
            if stopping:
                return
            done += 1
            lock.release()

    def stop():
        nonlocal stopping
        stopping = True
        time.sleep(0)
        with lock:
            assert done <= PIECES

    together(work, stop)


def fixed():
    """Release on each way out."""
    lock = threading.Lock()
    stopping = False
    done = 0

    def work():
        nonlocal done
        for _ in range(PIECES):
            with lock:
                if stopping:
                    return
                done += 1

    def stop():
        nonlocal stopping
        stopping = True
        time.sleep(0)
        with lock:
            assert done <= PIECES

    together(work, stop)
