"""A simulated process as the kernel sees it: threads that live and die together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.threads import SimThread
    from simclock._core.waits import Alarm, Wait


class Group:
    """Threads of one simulated process.

    A thread belongs to the group of the one that started it, for ever.

    Attributes:
        name: What reports call it.
        number: Its pid: no two groups of a simulation have the same.
        parent: The pid of who started it.
        host: The machine that it runs on, a `simclock.Host`, or None for the one of the test.
        threads: Its threads that have not ended, by the serials of their batons.
        main: The first of them, once it has been started.
        skew_ns: What its monotonic clocks show more than the simulation's.
        awaited: Whether at the end of the simulation it gets time to end by itself, as threads do.
        paused: Whether it stands still.
        ended: Whether it has come to its end, however.
        stopped: Its threads that stand still, each with the wait that it is in, or None.
        doomed: Those for which its kill is put off: they own a lock that other processes use.
        pending: What its main thread has to call at its next wait or checkpoint, by number: its
            signals, each of which is there once, however often it has come.
        exitcode: What it ended with: 0 or more as it said, less than 0 by a signal; None before.
        at_end: What is to be called when it has ended, in the kernel.
        itimer: Its interval timer, once one was armed.
        context: What the boundary keeps for it.
    """

    def __init__(self, name: str, number: int, parent: int, host: Any, skew_ns: int) -> None:
        self.name = name
        self.number = number
        self.parent = parent
        self.host = host
        self.skew_ns = skew_ns
        self.threads: dict[int, SimThread] = {}
        self.main: SimThread | None = None
        self.awaited = self.paused = self.ended = False
        self.stopped: dict[SimThread, Wait | None] = {}
        self.doomed: set[SimThread] = set()
        self.pending: dict[int, Callable[[], None]] = {}
        self.exitcode: int | None = None
        self.at_end: list[Callable[[], None]] = []
        self.itimer: Alarm | None = None
        self.context: Any = None

    def enters(self, thread: SimThread) -> None:
        """Note that *thread*, which was just started, belongs to this."""
        self.main = self.main or thread
        self.threads[thread.baton.serial] = thread

    @property
    def state(self) -> str:
        """What it is doing: ``"running"``, ``"paused"`` or ``"ended"``."""
        if self.ended:
            return "ended"
        return "paused" if self.paused else "running"

    def __repr__(self) -> str:
        return f"<process {self.name!r} {self.number} {self.state}>"
