"""A server of stores: what one process keeps, for the processes of other machines."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import Undecodable, encode
from simclock.systems._shared.stores.interfaces import DamagedRecord, StoreError
from simclock.systems._shared.stores.wire import JOBS, RECORDS, Connection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from simclock.systems._shared.stores.interfaces import Jobs, Records

IDLE = 300.0  # seconds after which a connection is closed on which nothing is asked for
ANSWERING = 30.0  # seconds for which a client may take to read an answer

# Seconds, where no connection can be had: there may be no descriptor for it, or no thread; later
# there may.
_MOMENT = 0.05


class StoreServer:
    """Serves stores, each under a name, over TCP; a thread for each connection.

    It asks nobody who they are: for a network whose members are trusted. What
    clients send is data, of which nothing is executed. The stores are not
    closed with it.

    Args:
        jobs: Queues by name.
        records: Tables of records by name.
        host: The address to listen at; ``""`` for all of the machine's.
        port: 0: any that is free, which `port` then says.

    Raises:
        OSError: The address cannot be had.
    """

    def __init__(
        self,
        jobs: Mapping[str, Jobs],
        records: Mapping[str, Records],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._stores: dict[str, tuple[Any, Mapping[str, Any]]] = {
            **{f"jobs {name}": (store, JOBS) for name, store in jobs.items()},
            **{f"records {name}": (store, RECORDS) for name, store in records.items()},
        }
        self._listener = socket.create_server((host, port), backlog=64)
        self.host: str = host
        self.port: int = self._listener.getsockname()[1]
        self._listener.setblocking(False)
        # What `close` says to the thread that waits for connections.
        self._ears, self._voice = socket.socketpair()
        self._serving = threading.Lock()  # while a thread runs `run`
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What clients on this machine take."""
        return f"served://{self.host or '127.0.0.1'}:{self.port}"

    def run(self) -> None:
        """Serve until another thread calls `close`; if it is interrupted, all is closed."""
        try:
            with self._serving, selectors.DefaultSelector() as selector:
                self._run(selector)
        except BaseException:
            self._end()
            raise

    def _run(self, selector: selectors.BaseSelector) -> None:
        for each in (self._listener, self._ears):
            selector.register(each, selectors.EVENT_READ)
        while True:
            if any(key.fileobj is self._ears for key, _ in selector.select()):
                return
            self._accept()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
            sock.setblocking(True)
            self._begin(Connection(sock))
        except BlockingIOError:
            pass  # it has gone again
        except (OSError, RuntimeError):  # a thread could not be started, either
            time.sleep(_MOMENT)

    def start(self) -> StoreServer:
        """Serve in a thread of its own; return the server."""
        self._thread = threading.Thread(
            target=self.run, name=f"store server {self.port}", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop, and end all connections. Idempotent."""
        with contextlib.suppress(OSError):  # it was closed before
            self._voice.send(b"x")
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        # What it waits for may only be closed when it waits no more.
        with self._serving:
            self._end()

    def _end(self) -> None:
        for each in (self._listener, self._ears, self._voice):
            each.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.close()

    def __enter__(self) -> StoreServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def answer(self, request: Any) -> Any:
        """Return what is sent for a request: what it is, and the value or a text."""
        try:
            store, name, arguments, options = request
            kept, operations = self._stores[store]
            operation = operations[name]
        except (LookupError, TypeError, ValueError):
            return ["StoreError", f"this server has no such thing: {request!r:.200}"]
        try:
            return ["value", operation(kept, *arguments, **options)]
        except DamagedRecord as error:
            return ["DamagedRecord", [str(error), error.version]]
        except StoreError as error:
            return ["StoreError", str(error)]
        except ValueError as error:
            return ["ValueError", str(error)]
        except Exception as error:  # noqa: BLE001 - the client has to know, and others are served
            return ["StoreError", f"the server failed: {type(error).__name__}: {error}"]

    def _begin(self, connection: Connection) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            threading.Thread(
                target=self._serve,
                args=(connection,),
                name=f"store connection {self.port}",
                daemon=True,
            ).start()
        except RuntimeError:
            self._forget(connection)
            raise

    def _serve(self, connection: Connection) -> None:
        """Answer what comes on a connection, until it ends."""
        try:
            # A client that has gone, was cut off, or is none.
            with contextlib.suppress(OSError, Undecodable, UnicodeDecodeError):
                while True:
                    request = connection.receive(IDLE)
                    connection.send(encode(self.answer(request)), ANSWERING)
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._open.discard(connection)
