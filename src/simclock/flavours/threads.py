"""Threads and pools in a simulation: names that count from 1, sets that have an order."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from simclock.flavours import contract
from simclock.flavours.spurious import wake_more
from simclock.hookspecs import hookimpl
from simclock.lowlevel import OrderedSet

if TYPE_CHECKING:
    from simclock.lowlevel import Overlay


class Threading:
    """The plugin."""

    @hookimpl
    def simclock_simulate(self, overlay: Overlay) -> None:
        """Let names and order be the same in each run."""
        overlay.replace(threading, "_counter", overlay.counter("threads"))
        base = overlay.module("concurrent.futures._base")
        # `as_completed` and `wait` go through sets of futures, and sort them by `id`.
        overlay.replace(base, "Future", overlay.numbered(base.Future))
        overlay.replace(base, "id", overlay.number_of)
        overlay.replace(contract, "_next_number", overlay.counter("payloads"))
        wake_more(overlay, threading.Condition)
        pool = overlay.module("concurrent.futures.thread")
        overlay.replace(pool.ThreadPoolExecutor, "_counter", overlay.counter("pools", 0))
        # The set of its threads, which it joins in the set's order.
        overlay.replace(pool, "set", OrderedSet)
        logging = overlay.module("logging")
        # The first time that a logger is asked for a level it looks under a lock, and keeps it: so
        # it would be in the first run of a process only.
        logging.root.manager._clear_cache()
        # What is logged, and who listens, is to change no run.
        overlay.make_interludes(logging.Logger, "makeRecord", "handle")
        overlay.hush(logging._lock)
        overlay.when_loaded("tempfile", functools.partial(_ask_again, overlay))


def _ask_again(overlay: Overlay, tempfile: Any) -> None:
    """Let ``tempfile`` find out in each run what it finds out once, under a lock."""
    overlay.replace(tempfile, "_name_sequence", None)
    if tempfile.tempdir is None:
        overlay.replace(tempfile, "tempdir", None)
