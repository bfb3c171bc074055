"""Heartbeats, from a thread of their own: nothing that a runner does keeps it from them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from simclock.systems.runners.logged import tried

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Beats:
    """In a ``with`` block, call *beat* now and then each *interval*, in a thread.

    An error of it is logged, and it is called again: a store that is away for
    a while must not make a live runner look dead for longer than that.

    Args:
        name: Of the thread.
        interval: Seconds.
        beat: What to call.
    """

    def __init__(self, name: str, interval: float, beat: Callable[[], object]) -> None:
        self._interval = interval
        self._beat = beat
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=name, daemon=True)

    def __enter__(self) -> None:
        # Here, not in the thread: who is to own something has a heartbeat before.
        self._once()
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        # A store that does not answer must not keep us: the thread is a daemon.
        self._thread.join(self._interval)

    def _go_on(self) -> None:
        while not self._is_over.wait(self._interval):
            self._once()

    def _once(self) -> None:
        tried("no heartbeat could be written; it is tried again", self._beat)
