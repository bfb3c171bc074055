"""Processes that call functions, one at a time each, and are replaced when they are lost."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import signal
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems.taskqueue.access import ended
from simclock.systems.taskqueue.executors.shop import ProcessLost
from simclock.systems.taskqueue.progress import reporting

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

    from simclock.systems.taskqueue.progress import Reporter

# Seconds that a process has to end by itself, when nothing more is asked of it.
SETTLING = 1.0


class CallFailed(Exception):
    """The function has raised: the error's text, or its type's name; its traceback is the cause."""


class _Traceback(Exception):
    """The text of a traceback, for those who log the error."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Said(NamedTuple):
    """A message from a process: progress."""

    value: Any
    note: str | None


class _Returned(NamedTuple):
    """The same: what the function has returned."""

    value: Any


class _Raised(NamedTuple):
    """The same: what it has raised."""

    text: str
    trace: str


class _Unsendable(NamedTuple):
    """The same: it has returned what cannot be sent."""

    text: str


class Worker:
    """One process, which is started with the first call, and again after it was lost.

    Args:
        context: How to start it.
        threads: Where to wait for it; each worker needs one of them.
    """

    def __init__(self, context: BaseContext, threads: Executor) -> None:
        self._context = context
        self._threads = threads
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        # It may have been idle by then.
        self._is_killed = False

    async def call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        report: Reporter | None,
    ) -> Any:
        """Return what the function returns, called in the process; one call at a time.

        If this is cancelled, the process is killed.

        Raises:
            CallFailed: The function has raised.
            ProcessLost: The process has ended meanwhile.
            NotSerialisable: What it has returned cannot be sent.
        """
        request = pickle.dumps((function, args, kwargs))
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._converse, request, report)
        try:
            return _result(await asyncio.shield(future))
        except asyncio.CancelledError:
            # The thread may be starting the process just now: then it is killed a moment later.
            while not future.done():
                self._kill()
                await asyncio.wait({future}, timeout=0.01)
            await ended(future)
            raise

    def _converse(self, request: bytes, report: Reporter | None) -> Any:
        connection = self._connected()
        try:
            connection.send_bytes(request)
            while isinstance(answer := connection.recv(), _Said):
                if report is not None:
                    report(*answer)
        except (EOFError, OSError) as error:
            self.end()
            raise ProcessLost from error
        return answer

    def _connected(self) -> Connection:
        is_over = self._process is not None and self._process.exitcode is not None
        if is_over or self._is_killed:
            self.end()
        if self._connection is None:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(  # type: ignore[attr-defined]
                target=_serve, args=(theirs,), name="simclock-task-worker", daemon=True
            )
            process.start()
            # Or we would not see the end of the process as the end of the pipe.
            theirs.close()
            self._process, self._connection = process, ours
        return self._connection

    def _kill(self) -> None:
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End the process, if there is one. It waits, and is for a thread."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        self._is_killed = False
        if connection is not None:
            connection.close()
        if process is not None:
            process.join(SETTLING)
            if process.exitcode is None:
                process.kill()
                process.join()
            process.close()


def _result(answer: Any) -> Any:
    if isinstance(answer, _Returned):
        return answer.value
    if isinstance(answer, _Unsendable):
        raise NotSerialisable("its result", answer.text, "return what pickle takes")
    assert isinstance(answer, _Raised)
    raise CallFailed(answer.text) from _Traceback(answer.trace)


# ----------------------------------------------------------------------------- in the process


def _serve(connection: Connection) -> None:
    """Answer calls until nobody asks any more."""
    # Ctrl-C is for who has started us: he ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reporting.set(lambda value, note: connection.send(_Said(value, note)))
    with connection, contextlib.suppress(EOFError, ConnectionError):
        while True:
            _answer(connection, _called(connection.recv_bytes()))


def _called(request: bytes) -> Any:
    try:
        function, args, kwargs = pickle.loads(request)  # noqa: S301 - our parent has written it
        return _Returned(function(*args, **kwargs))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - all of them are told
        return _Raised(str(error) or type(error).__name__, traceback.format_exc())


def _answer(connection: Connection, answer: Any) -> None:
    try:
        message = pickle.dumps(answer)
    except Exception as error:  # noqa: BLE001 - whatever objects raise that are not for it
        message = pickle.dumps(_Unsendable(f"{type(error).__name__}: {error}"))
    connection.send_bytes(message)
