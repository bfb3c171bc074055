"""What the threads of one program share: real sockets, pipes, locks and files."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import queue
import socket
import sqlite3
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

PAIRS = 3


class World:
    """A context manager: everything in it is made on entry and closed on exit."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.lock = threading.Lock()
        self.condition = threading.Condition()
        self.queue: queue.Queue[int] = queue.Queue(maxsize=2)
        self.event = threading.Event()
        self.semaphore = multiprocessing.get_context("fork").BoundedSemaphore(1)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ends: list[socket.socket] = []
        for _ in range(PAIRS - 1):
            client = socket.create_connection(self.listener.getsockname())
            self.ends += [client, self.listener.accept()[0]]
        self.ends += socket.socketpair()
        self.udp = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for each in self.udp:
            each.bind(("127.0.0.1", 0))
        self.reading, self.writing = os.pipe()
        self.file = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR)
        self.database = self.folder / "database"
        with sqlite3.connect(self.database) as connection:
            connection.execute("create table log (number integer)")
        connection.close()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in (self.listener, *self.ends, *self.udp):
            each.close()
        fcntl.flock(self.file, fcntl.LOCK_UN)
        for fd in (self.reading, self.writing, self.file):
            os.close(fd)
        self._folder.cleanup()
