"""Processes that call functions, one at a time each, and are replaced when they are lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems.taskqueue.access import ended
from simclock.systems.taskqueue.executors.shop import FIRST_BACK_OFF, LONGEST_BACK_OFF, ProcessLost
from simclock.systems.taskqueue.failures import text_of
from simclock.systems.taskqueue.progress import reporting

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

    from simclock.systems.taskqueue.progress import Reporter

# Seconds that a process has to end by itself, when nothing more is asked of it.
SETTLING = 1.0
# Seconds between two looks whether a process has ended, where no descriptor says so.
LOOKING = 1.0

logger: logging.Logger = logging.getLogger("simclock.systems.taskqueue")


class CallFailed(Exception):
    """The function has raised: the error's text, or its type's name; its traceback is the cause."""


class _Traceback(Exception):
    """The text of a traceback, for those who log the error."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Said(NamedTuple):
    """A message from a process: progress, as pickle has written it."""

    said: bytes


class _Unsaid(NamedTuple):
    """The same: progress that cannot be sent."""

    text: str


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


class _NotStarted(Exception):
    """The system has no process for us now."""


class Worker:
    """One process, which is started with the first call, and again after it was lost.

    Args:
        context: How to start it.
    """

    def __init__(self, context: BaseContext) -> None:
        self._context = context
        # Where to wait for it. Of its own: what never ends takes no place of others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="simclock-cpu")
        self._process: _Process | None = None
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

        If this is cancelled, the process is killed. If none can be started, as
        the system has too many, that is tried again until it is cancelled.

        Raises:
            CallFailed: The function has raised.
            ProcessLost: The process has ended meanwhile.
            NotSerialisable: What it has returned cannot be sent.
        """
        request = pickle.dumps((function, args, kwargs))
        back_off = FIRST_BACK_OFF
        while True:
            try:
                return _result(await self._in_thread(lambda: self._converse(request, report)))
            except _NotStarted as error:
                logger.warning("no process can be started, and it waits for one: %s", error)
            await asyncio.sleep(back_off)
            back_off = min(2 * back_off, LONGEST_BACK_OFF)

    async def _in_thread(self, converse: Callable[[], Any]) -> Any:
        future = asyncio.get_running_loop().run_in_executor(self._thread, converse)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            pause = 0.01
            # The thread may be starting the process just now: then it is killed a moment later.
            while not future.done():
                self.kill()
                with contextlib.suppress(asyncio.CancelledError):  # the first one is raised
                    await asyncio.wait({future}, timeout=pause)
                pause = min(2 * pause, 1.0)
            await ended(future)
            raise

    def _converse(self, request: bytes, report: Reporter | None) -> Any:
        process = self._started()
        try:
            process.send(request)
            while isinstance(answer := _loaded(process.receive()), (_Said, _Unsaid)):
                _pass_on(answer, report)
        except (EOFError, OSError) as error:
            self._end()
            raise ProcessLost from error
        except BaseException:
            # Such as that the loop is closed. What comes now must not answer the next call.
            self._end()
            raise
        return answer

    def _started(self) -> _Process:
        if self._is_killed or (self._process is not None and self._process.is_over):
            self._end()
        if self._process is None:
            try:
                self._process = _Process(self._context)
            except (EOFError, OSError) as error:
                raise _NotStarted(f"{type(error).__name__}: {text_of(error)}") from error
        return self._process

    def kill(self) -> None:
        """Kill the process, and with it the call that it is in."""
        self._is_killed = True
        # Read once: the thread may be taking it away.
        process = self._process
        if process is not None:
            process.kill()

    async def close(self) -> None:
        """End the process, if there is one. Not during a call."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        # At once: it does nothing else.
        self._thread.shutdown()

    def _end(self) -> None:
        process, self._process = self._process, None
        self._is_killed = False
        if process is not None:
            process.end()


class _Process:
    """A process that runs, and our end of the pipe to it.

    All but `kill` is for one thread.

    Raises:
        OSError: It cannot be started; EOFError: nor can what starts it.
    """

    def __init__(self, context: BaseContext) -> None:
        self._connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(theirs,), name="simclock-task-worker", daemon=True
        )
        try:
            self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            # Or we would not see the end of the process as the end of the pipe.
            theirs.close()
        # The ends of pipes that it has are not enough, nor is the sentinel, which is such an
        # end: a process that the function has forked has them, too, and may outlive it.
        self._pidfd, self._pause = _watched(self._process)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.exitcode is not None

    def send(self, message: bytes) -> None:
        """Send it a message."""
        self._connection.send_bytes(message)

    def receive(self) -> bytes:
        """Return its next message.

        Raises:
            EOFError: It has ended, and said no more; or OSError.
        """
        ends = [self._process.sentinel, *([] if self._pidfd is None else [self._pidfd])]
        while True:
            ready = connection.wait([self._connection, *ends], self._pause)
            # In this order: what it has said before its end is there by then.
            is_over = self.is_over or any(each in ready for each in ends)
            if self._connection.poll():
                return self._connection.recv_bytes()
            if is_over:
                raise EOFError("the process has ended")

    def kill(self) -> None:
        """Kill it; from any thread."""
        # Both are what a process raises that is closed, or is being closed, meanwhile.
        with contextlib.suppress(ValueError, AttributeError):
            self._process.kill()

    def end(self) -> None:
        """Wait for its end, which comes when nothing more is asked; else kill it."""
        self._connection.close()
        self._process.join(SETTLING)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()
        if self._pidfd is not None:
            os.close(self._pidfd)


def _watched(process: BaseProcess) -> tuple[int | None, float | None]:
    """Return what is ready to be read at the end of a process, and how often to look anyway."""
    try:
        return os.pidfd_open(process.pid or 0), None
    except ProcessLookupError:
        # It is simulated, and its sentinel says it; looking would be a timer each second.
        return None, None
    except (AttributeError, OSError):  # pragma: no cover - no Linux, or one that forbids it
        return None, LOOKING


def _loaded(message: bytes) -> Any:
    try:
        return pickle.loads(message)  # noqa: S301 - our child has written it
    except Exception as error:  # noqa: BLE001 - whatever objects raise
        return _Unsendable(f"{type(error).__name__}: {text_of(error)}")


def _pass_on(said: _Said | _Unsaid, report: Reporter | None) -> None:
    if isinstance(said, _Said):
        value = _loaded(said.said)
        if not isinstance(value, _Unsendable):
            if report is not None:
                report(*value)
            return
        said = _Unsaid(value.text)
    logger.warning("the progress of a task is not noted: %s", said.text)


def _result(answer: Any) -> Any:
    if isinstance(answer, _Returned):
        return answer.value
    if isinstance(answer, _Unsendable):
        raise NotSerialisable("its result", answer.text, "return what pickle takes")
    assert isinstance(answer, _Raised)
    raise CallFailed(answer.text) from _Traceback(answer.trace)


# ----------------------------------------------------------------------------- in the process


def _serve(parent: Connection) -> None:
    """Answer calls until nobody asks any more."""
    # Ctrl-C is for who has started us: he ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reporting.set(lambda value, note: parent.send(_said(value, note)))
    with parent, contextlib.suppress(EOFError, ConnectionError):
        while True:
            _answer(parent, _called(parent.recv_bytes()))


def _said(value: Any, note: str | None) -> _Said | _Unsaid:
    try:
        return _Said(pickle.dumps((value, note)))
    except Exception as error:  # noqa: BLE001 - whatever objects raise that are not for it
        return _Unsaid(f"{type(error).__name__}: {text_of(error)}")


def _called(request: bytes) -> Any:
    try:
        function, args, kwargs = pickle.loads(request)  # noqa: S301 - our parent has written it
        return _Returned(function(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - all of them are told, and end no process
        return _Raised(text_of(error), traceback.format_exc())


def _answer(parent: Connection, answer: Any) -> None:
    try:
        message = pickle.dumps(answer)
    except Exception as error:  # noqa: BLE001 - whatever objects raise that are not for it
        message = pickle.dumps(_Unsendable(f"{type(error).__name__}: {text_of(error)}"))
    parent.send_bytes(message)
