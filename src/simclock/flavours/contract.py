"""What a flavour is, for programs that run payloads and for who reports on its tasks.

Nothing of a simulator is imported here: a program uses it in production.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import logging
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from types import TracebackType

# Set in the thread of a payload that cannot be cancelled from outside.
_stop: ContextVar[threading.Event] = ContextVar("simclock_stop")
# By these futures hash, not by addresses: sets of them have the same order in each run. A
# simulation has its own.
_next_number = itertools.count(1).__next__
# So many tasks that wait at one place get a line each.
APART = 3


class Flavour(ABC):
    """A concurrency library.

    One object for the process, to be used by any thread.

    Attributes:
        name: Of the library's module, such as ``"trio"``.
        is_async: Whether its payloads are coroutine functions, and not plain
            functions that block a thread of their own.
    """

    name: str
    is_async: bool = True

    # ----------------------------------------------------------- for who runs payloads

    @abstractmethod
    def start(self) -> Runner:
        """Return a runner that is ready for payloads.

        Raises:
            ImportError: The library is not installed.
        """

    @abstractmethod
    def sleep(self, seconds: float) -> Awaitable[None] | None:
        """Sleep as a payload does; what an async flavour returns is to be awaited."""

    # ------------------------------------------------------- for code that runs in it

    @abstractmethod
    def is_running(self) -> bool:
        """Return whether the caller is a task of this flavour."""

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """Call *function* in another thread, with the caller's context variables; wait for it.

        It is waited for even if the calling task is cancelled meanwhile, while
        the other tasks go on. Not for flavours whose payloads are plain
        functions.
        """
        raise NotImplementedError(
            f"flavour {self.name!r} has no in_thread, which asettle() needs\n"
            "let its plugin call a function in a thread there, and await its end"
        )


class Runner(ABC):
    """Runs payloads of one flavour. All of it may be used from any thread.

    A context manager, which closes it; one that is not closed keeps its threads.
    """

    def __init__(self, flavour: Flavour) -> None:
        self.flavour = flavour

    @abstractmethod
    def adopt(self, payload: Callable[[], Any]) -> PayloadFuture:
        """Run *payload* in the background; return what becomes of it.

        Raises:
            TypeError: It is no payload of this flavour.
            RuntimeError: The runner is closed.
        """

    def execute(self, payload: Callable[[], Any]) -> Any:
        """Run *payload* to its end; return what it returns, or raise what it raises.

        Raises:
            TypeError: It is no payload of this flavour.
            RuntimeError: The runner is closed; or the caller is one of its own
                payloads, which would wait for itself.
        """
        if self.is_inside():
            raise RuntimeError(
                f"a payload of flavour {self.flavour.name!r} would wait for its own runner\n"
                "await it directly, or adopt it"
            )
        future = self.adopt(payload)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            del future  # it has the error, whose traceback has this frame

    @abstractmethod
    def is_inside(self) -> bool:
        """Return whether payloads cannot go on while the caller waits."""

    @abstractmethod
    def close(self, timeout: float | None = None) -> None:
        """Take no more payloads, cancel those that run, and wait until all have ended.

        Waits for at most *timeout* seconds. May be called again: who has not
        ended by then is cancelled once more. A payload that closes its own
        runner is not waited for.

        Raises:
            TimeoutError: Some have not ended; it names them.
        """

    def check(self, payload: Any) -> None:
        """Raise TypeError if *payload* is none of this flavour."""
        check_payload(self.flavour, payload)

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def check_payload(flavour: Flavour, payload: Any) -> None:
    """Raise TypeError if *payload* is none of a flavour, before there is a runner."""
    if inspect.iscoroutine(payload):
        payload.close()
    elif callable(payload):
        called = getattr(payload, "__call__", None)  # noqa: B004 - of an object
        is_async = any(map(inspect.iscoroutinefunction, (payload, called)))
        # A plain function may return an awaitable; a coroutine function does nothing else.
        if flavour.is_async or not is_async:
            return
    kind = "a coroutine function" if flavour.is_async else "a plain function"
    raise TypeError(
        f"this is no payload of flavour {flavour.name!r}: {payload!r}\n"
        f"give {kind} that takes no arguments, not yet called"
    )


async def awaited(payload: Callable[[], Any]) -> Any:
    """Call a payload of an async flavour and await it; for runners."""
    value = payload()
    if not inspect.isawaitable(value):
        raise TypeError(
            f"payload {name_of(payload)} returned {value!r}, which cannot be awaited\n"
            "give a coroutine function, or use the flavour 'threading'"
        )
    return await value


class PayloadFuture(Future[Any]):
    """What becomes of a payload: done when that has ended.

    Args:
        name: Of the payload, for reports.
        ask: Asks the payload to end; returns whether it can be asked.
    """

    def __init__(self, name: str, ask: Callable[[PayloadFuture], bool]) -> None:
        self._simclock_number = _next_number()
        super().__init__()
        self.name = name
        self._ask = ask

    def __hash__(self) -> int:
        return self._simclock_number

    def cancel(self) -> bool:
        """Ask the payload to end; return whether it can be asked.

        Unlike with a plain future it has not ended yet when this returns: it
        may clean up, and may even go on.
        """
        return not self.done() and self._ask(self)

    def add_done_callback(self, fn: Callable[[PayloadFuture], object]) -> None:
        """Call *fn* with this future when the payload has ended; what it raises is logged."""
        # Of one that is called now, the caller hears itself.
        super().add_done_callback(fn if self.done() else functools.partial(_guarded, fn))  # type: ignore[arg-type]

    def running(self) -> bool:
        """Return whether the payload has not ended."""
        return not self.done()

    def end_cancelled(self) -> None:
        """Note that the payload has ended because it was cancelled; for runners."""
        super().cancel()
        self.set_running_or_notify_cancel()


def _guarded(callback: Callable[[Any], object], future: Any) -> None:
    """Call a callback; not even an interrupt may reach the loop of all the payloads."""
    try:
        callback(future)
    except BaseException:
        logging.getLogger("concurrent.futures").exception("callback of %r failed", future.name)


def stop_requested(timeout: float = 0.0) -> bool:
    """Return whether the payload that calls this was asked to end; wait for that, *timeout* s.

    For payloads of flavours that nobody can cancel, such as ``threading``::

        while not flavours.stop_requested(interval):
            work()

    Outside of a payload nobody asks: this is a sleep.
    """
    stop = _stop.get(None)
    if stop is None:
        time.sleep(timeout)
        return False
    return stop.wait(timeout)


@contextlib.contextmanager
def stopped_by(stop: threading.Event) -> Iterator[None]:
    """Let `stop_requested` ask *stop* in a block; for runners."""
    before = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(before)


def name_of(payload: Any) -> str:
    """Return what to call a payload in reports, without addresses."""
    while isinstance(payload, functools.partial):
        payload = payload.func
    return str(getattr(payload, "__qualname__", None) or type(payload).__qualname__)


class WaitingTask(NamedTuple):
    """A task that has not ended.

    Attributes:
        name: As its library shows it, without addresses.
        site: Where it waits: file, line, and what it has called there.
        children: The tasks that it waits for, or that it has to wait for at its end.
    """

    name: str
    site: str
    children: Sequence[WaitingTask] = ()


def tree(tasks: Sequence[WaitingTask]) -> list[str]:
    """Return lines that show *tasks*, children below their parents; many alike in one line."""
    return list(_lines(tasks, ""))


def _lines(tasks: Sequence[WaitingTask], indent: str) -> Iterator[str]:
    alike: dict[str, list[WaitingTask]] = {}
    for task in tasks:
        # Who has children is alike to nobody.
        key = task.site if not task.children else f"{id(task)}"
        alike.setdefault(key, []).append(task)
    for group in alike.values():
        site, names = group[0].site, [task.name for task in group]
        if len(names) > APART:
            some = ", ".join(names[:APART])
            rest = len(names) - APART
            yield f"{indent}{len(names)} tasks wait at {site}: {some} and {rest} more"
            continue
        for task in group:
            yield f"{indent}task {task.name} waits at {site}"
            yield from _lines(task.children, indent + "  ")
