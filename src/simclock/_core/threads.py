"""A simulated thread as the kernel sees it."""

from __future__ import annotations

import enum
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import partial

    from simclock._core.groups import Group
    from simclock._core.interludes import Interlude
    from simclock._core.waits import Wait


class ThreadState(enum.Enum):
    """The states of a simulated thread."""

    RUNNABLE = "runnable"
    BLOCKED = "blocked"
    FINISHED = "finished"
    ABANDONED = "abandoned"
    KILLED = "killed"


class SimThread:
    """An OS thread whose every wait goes through the kernel.

    Attributes:
        path: Its place in the tree of starts: the third thread started by the
            thread that opened the simulation is ``0.3``. The same in each run.
        daemon: Whether a real process would end without waiting for it.
        baton: What the boundary hands over to give it its turn.
        ident: What ``threading.get_ident()`` returns in it.
    """

    __slots__ = (
        "__weakref__",
        "_named",
        "_named_once",
        "abandoned",
        "baton",
        "begins_at",
        "children",
        "daemon",
        "deadline_ns",
        "doomed",
        "error",
        "finished",
        "group",
        "handle",
        "ident",
        "interlude",
        "killed",
        "operation",
        "owed",
        "path",
        "pooled",
        "sentinel",
        "started",
        "step",
        "stretch",
        "subject",
        "unwinds",
        "wait",
    )

    def __init__(self, path: str, baton: Any, name: str, *, daemon: bool) -> None:
        self.path: str = path
        self.baton: Any = baton
        self.daemon: bool = daemon
        self.ident: int = 0
        self.children: int = 0
        # The simulated process that it belongs to, if any.
        self.group: Group | None = None
        # Whether its process was killed; and, while that is put off because this one owns a lock
        # that others use, what says whether it still does.
        self.killed: bool = False
        self.doomed: partial[bool] | None = None
        self.started: bool = False
        # What the run was used for when it was started, such as a test's id.
        self.stretch: str = ""
        self.finished: bool = False
        self.abandoned: bool = False
        self.pooled: bool = False
        self.wait: Wait | None = None
        # What it is about to do, for who chooses among threads, and the number of its object.
        self.operation: str = "begin"
        self.subject: int = 0
        # What it touches at its first checkpoint, while it has not come to that.
        self.begins_at: object = None
        # What it does just now that is no step of the run.
        self.interlude: Interlude | None = None
        # How many operations it has come to.
        self.step: int = 0
        # When the first timer of the event loop is due that takes a turn in it.
        self.deadline_ns: int | None = None
        # An error found by the kernel, to be raised at this thread's wait.
        self.error: BaseException | None = None
        self.unwinds: int = 0
        # Releases to come that release nothing, by lock: of locks that it could not have back.
        self.owed: dict[int, int] = {}
        # What a join waits for: a lock up to 3.12, a thread handle from 3.13 on.
        self.sentinel: Any = None
        self.handle: Any = None
        self._named: weakref.ref[Any] | None = None
        self._named_once = name

    def name_after(self, thread: Any) -> None:
        """Take the name from *thread*, a ``threading.Thread``, while it lives."""
        self._named = weakref.ref(thread)

    def keep_name(self) -> None:
        """Keep the name that it has now, whatever becomes of the ``threading.Thread``."""
        self._named_once = self.name

    @property
    def python_thread(self) -> Any:
        """The ``threading.Thread`` that it runs, if that lives, else None."""
        return self._named and self._named()

    @property
    def name(self) -> str:
        """The name of the ``threading.Thread``, or of the function that was started."""
        thread = self.python_thread
        return str(thread._name) if thread is not None else self._named_once

    @property
    def state(self) -> ThreadState:
        """What the thread is doing."""
        if self.abandoned:
            return ThreadState.ABANDONED
        if self.killed:
            return ThreadState.KILLED
        if self.finished:
            return ThreadState.FINISHED
        return ThreadState.RUNNABLE if self.wait is None else ThreadState.BLOCKED

    @property
    def waiting_for(self) -> str | None:
        """What it is parked on, or None if it is not parked."""
        wait = self.wait
        return None if wait is None else wait.reason

    def __repr__(self) -> str:
        return f"<SimThread {self.path} {self.name!r} {self.state.value}>"
