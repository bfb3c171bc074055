"""A payload at work: what is run in its place, and how it is asked to end."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from simclock.flavours import awaited, name_of, stopped_by
from simclock.systems.services.interrupted import calls_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from simclock.flavours import Flavour, PayloadFuture
    from simclock.systems.services.units import ServiceUnit

# What the caller is part of: a payload, and the functions that it calls in threads of its
# library, which inherit its context.
_current: ContextVar[Work] = ContextVar("simclock_services_work")


class Work:
    """A payload and what becomes of it. All of it may be used from any thread.

    Args:
        payload: A payload of *flavour*, which is called once and just so.
        flavour: Its flavour.
        unit: Of the service whose payload it is, if it is of one.
        is_executed: Whether somebody waits for what it returns.

    Attributes:
        outer: What the caller is part of who waits for it, perhaps in another runner.
        thread: The one that runs a payload which is a plain function and was
            adopted, once it has begun.
        future: From the runner, while that has the payload.
        outcome: What the caller is to get who waits for a coroutine.
    """

    def __init__(
        self,
        payload: Callable[[], Any],
        flavour: Flavour,
        unit: ServiceUnit | None = None,
        *,
        is_executed: bool = False,
    ) -> None:
        self._payload = payload
        self.flavour = flavour
        self.unit = unit
        self.is_executed = is_executed
        self.name: str = f"{name_of(payload)} ({flavour.name})"
        self.outer: Any = current() if is_executed else None
        self.thread: threading.Thread | None = None
        self.future: PayloadFuture | None = None
        self.outcome: Future[Any] | None = None
        self._stop = threading.Event()

    @property
    def stop(self) -> threading.Event | None:
        """Return what tells a function to end; coroutines are cancelled and have none."""
        return None if self.flavour.is_async else self._stop

    @property
    def is_asked(self) -> bool:
        """Return whether it was asked to end."""
        return self._stop.is_set()

    def ask(self) -> None:
        """Ask the payload to end. It is asked again if this is called again."""
        self._stop.set()
        future = self.future  # once it has ended, there is none
        if future is not None:
            future.cancel()

    def payload(self) -> Callable[[], Any]:
        """Return what to give to a runner: the payload, which knows that it is this work."""

        async def coroutine() -> Any:
            # Never reset: the task has a context of its own, which ends with it.
            _current.set(self)
            return await awaited(self._payload)

        @calls_out
        def function() -> Any:
            if not self.is_executed:
                self.thread = threading.current_thread()
            before = _current.set(self)
            try:
                with stopped_by(self._stop):
                    return self._payload()
            finally:
                _current.reset(before)

        run = coroutine if self.flavour.is_async else function
        run.__qualname__ = name_of(self._payload)
        return run


def current() -> Work | None:
    """Return the work that the caller is part of."""
    return _current.get(None)


def waiting_for_caller() -> Iterator[Work]:
    """Yield all works that cannot end while the caller waits, the innermost first."""
    work = current()
    while work is not None:
        yield work
        work = work.outer


class StopToken:
    """Tells a payload whether it is to end. May be given to other threads."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def is_set(self) -> bool:
        """Return whether the payload was asked to end. It never changes back."""
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is asked, for *timeout* seconds at most; return whether it was."""
        return self._stop.wait(timeout)


def stop_token() -> StopToken:
    """Return what tells the calling payload to end, if it is a plain function.

    Nobody can end a thread; a service that runs in one does so by itself::

        while not stop_token().wait(interval):
            work()

    Raises:
        RuntimeError: The caller is no such payload.
    """
    work = current()
    if work is None or work.stop is None:
        who = "the caller is no payload of a runner" if work is None else f"{work.name} is async"
        raise RuntimeError(
            f"there is no stop token here: {who}\n"
            "ask for it in a payload that runs in a thread; coroutines are cancelled instead"
        )
    return StopToken(work.stop)
