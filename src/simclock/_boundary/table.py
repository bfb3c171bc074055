"""The table of the boundary: every row there is."""

from __future__ import annotations

from simclock._boundary import (
    alarms,
    clocks,
    console,
    databases,
    entropy,
    filelocks,
    identity,
    libraries,
    locks,
    pipes,
    pollers,
    posting,
    processes,
    queues,
    semaphores,
    signals,
    sockets,
    sqlite,
    threads,
    tls,
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
# What waits in C and is not redirected: the thread keeps its baton meanwhile.
HELD = [
    Row(name, "held", "runs for real; the whole simulation stands still")
    for name in ("posix.open", "posix.fsync")
]

REDIRECTED = [
    *clocks.ROWS,
    *locks.ROWS,
    *queues.ROWS,
    *threads.ROWS,
    *pollers.ROWS,
    *pipes.ROWS,
    *processes.ROWS,
    *sockets.ROWS,
    *tls.ROWS,
    *entropy.ROWS,
    *signals.ROWS,
    *alarms.ROWS,
    *semaphores.ROWS,
    *filelocks.ROWS,
    *console.ROWS,
    *travelling.ROWS,
    *libraries.ROWS,
    *identity.ROWS,
    *posting.ROWS,
    *sqlite.ROWS,
]
ROWS = [*REDIRECTED, *databases.ROWS, *WALL_CLOCK, *HELD]
