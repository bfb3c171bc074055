"""Two groups share a lock: a group's first thread takes it, its last one gives it back.

After SCTBench's ``carter01_bad``, with the two threads that do nothing. Fails: group 1 has the
shared lock; group 2 counts itself and waits for the shared lock with the counters' lock, which
group 1 needs to count itself out.
"""

from __future__ import annotations

import threading

from .threads import together


def bug():
    """Count both groups under one lock."""
    counting = threading.Lock()
    _run(counting, counting)


def fixed():
    """Count each group under a lock of its own: who owns the shared lock needs no other group's."""
    _run(threading.Lock(), threading.Lock())


def _run(*counting):
    shared = threading.Lock()
    members = [0, 0]

    def work(group):
        with counting[group]:
            members[group] += 1
            if members[group] == 1:
                shared.acquire()
        with counting[group]:
            members[group] -= 1
            if members[group] == 0:
                shared.release()

    together(lambda: work(0), lambda: work(1), _nothing, _nothing)


def _nothing():
    pass
