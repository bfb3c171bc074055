"""The table of the boundary: every row there is."""

from __future__ import annotations

from simclock._boundary import (
    clocks,
    entropy,
    locks,
    pollers,
    queues,
    signals,
    threads,
    travelling,
)
from simclock._boundary.rows import Row

WALL_CLOCK = [
    Row(name, "simulated", "epoch plus virtual time, read through time-machine")
    for name in (
        "time.time",
        "time.time_ns",
        "time.gmtime",
        "time.localtime",
        "time.strftime",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.date.today",
    )
]
# What waits in C and is not redirected yet: the thread keeps its baton meanwhile.
HELD = [
    Row(name, "held", "runs for real; the whole simulation stands still")
    for name in (
        "_socket.socket.recv",
        "_socket.socket.send",
        "_socket.socket._accept",
        "_socket.socket.connect",
        "posix.read",
        "posix.write",
        "posix.waitpid",
        "fcntl.flock",
    )
]

REDIRECTED = [
    *clocks.ROWS,
    *locks.ROWS,
    *queues.ROWS,
    *threads.ROWS,
    *pollers.ROWS,
    *entropy.ROWS,
    *signals.ROWS,
    *travelling.ROWS,
]
ROWS = [*REDIRECTED, *WALL_CLOCK, *HELD]
