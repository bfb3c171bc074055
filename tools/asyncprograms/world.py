"""What the tasks and threads of one run share, and the log that they write."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

SOME = 2  # of each kind
PARTIES = 2

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Fault(Exception):
    """Raised where a program is to break."""


class Line(NamedTuple):
    """When, who, and what."""

    time: float
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.time:g} {self.name}: {self.what}"


class World:
    """Made before the loop, which is told by `attach`."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.new_loop = new_loop
        self.start = 0.0
        self.elapsed = 0.0
        self.log: list[Line] = []
        # What happens when something is let go of: not in an order that anybody promises.
        self.whenever: list[str] = []
        self.ended = True
        self.tasks: list[asyncio.Future[Any]] = []
        self.handles: list[asyncio.Handle] = []
        self.threads: list[threading.Thread] = []
        self.locks = [asyncio.Lock() for _ in range(SOME)]
        self.semaphores = [asyncio.Semaphore(PARTIES), asyncio.BoundedSemaphore(1)]
        self.events = [asyncio.Event() for _ in range(SOME)]
        self.conditions = [asyncio.Condition() for _ in range(SOME)]
        self.queues: list[asyncio.Queue[int]] = [
            asyncio.Queue(1),
            asyncio.PriorityQueue(),
            asyncio.LifoQueue(PARTIES),
        ]
        self.futures: list[asyncio.Future[str]] = []
        self.barriers: list[Any] = []
        if sys.version_info >= (3, 11):
            self.barriers = [asyncio.Barrier(PARTIES) for _ in range(SOME)]
        self.thread_queue: queue.Queue[int] = queue.Queue(1)
        self.number = 0
        self._folder: TemporaryDirectory[str] | None = None
        self._ends: list[socket.socket] = []
        # What answers now, by its kind, and all that did.
        self.servers: dict[str, asyncio.AbstractServer] = {}
        self.opened: list[asyncio.AbstractServer] = []
        self._callbacks = 0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, on *loop*."""
        self.loop = loop
        self.start = loop.time()
        self.futures += [loop.create_future() for _ in range(SOME)]
        self.ended = False

    def say(self, name: str, what: str) -> None:
        """Note that *what* happened to *name* now."""
        if self.ended:
            self.whenever.append(f"{name}: {what}")
        else:
            self.log.append(Line(self.loop.time() - self.start, name, what))

    def register(self, task: asyncio.Future[Any]) -> None:
        """Let *task* be found by its number."""
        if task not in self.tasks:
            self.tasks.append(task)

    def task(self, number: int) -> asyncio.Future[Any]:
        """Return some task."""
        if not self.tasks:
            raise ValueError("there is no task")
        return self.tasks[number % len(self.tasks)]

    def count(self) -> int:
        """Return the next number."""
        self.number += 1
        return self.number

    def callback(self, name: str, what: str) -> Callable[..., None]:
        """Return a function that notes its call and its context."""
        self._callbacks += 1
        label = f"{name}/{what}{self._callbacks}"

        def call(*args: object) -> None:
            told = [describe(arg) for arg in args]
            self.say(label, " ".join(["called", VARIABLE.get(), *told]))

        return call

    # ------------------------------------------------------------------- sockets

    @property
    def folder(self) -> Path:
        """A folder for sockets that are files."""
        if self._folder is None:
            self._folder = TemporaryDirectory()
        return Path(self._folder.name)

    @property
    def ends(self) -> list[socket.socket]:
        """Two pairs of connected sockets that do not block."""
        if not self._ends:
            for _ in range(SOME):
                self._ends += socket.socketpair()
            for end in self._ends:
                end.setblocking(False)
        return self._ends

    def let_go(self) -> None:
        """Keep nothing that the program made."""
        for each in (self.tasks, self.handles, self.futures, self.conditions, self.queues):
            each.clear()
        for others in (self.locks, self.semaphores, self.events, self.barriers, self.opened):
            others.clear()
        self.servers.clear()
        del self.loop

    def close(self) -> None:
        """Close what is left, once the loop is closed."""
        for thread in self.threads:
            thread.join()
        for end in self._ends:
            end.close()
        if self._folder is not None:
            self._folder.cleanup()


def describe(result: object) -> str:
    """Return *result* without what differs from run to run: addresses and lines."""
    if isinstance(result, asyncio.Future):
        return outcome(result)
    if isinstance(result, BaseException):
        inner = getattr(result, "exceptions", ())
        # Addresses, also those of sockets.
        text = str(result).partition("<")[0].partition("('127.0.0.1'")[0]
        return f"{type(result).__name__}({text}{', '.join(map(describe, inner))})"
    return repr(result)


def outcome(future: asyncio.Future[Any]) -> str:
    """Return what came of *future*."""
    if not future.done():
        return "pending"
    if future.cancelled():
        return "cancelled"
    error = future.exception()
    return describe(future.result()) if error is None else f"raised {describe(error)}"
