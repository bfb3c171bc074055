"""The flavour ``threading``: a thread for each payload."""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING, Any

from simclock.flavours.contract import Flavour, PayloadFuture, Runner, name_of, stopped_by

if TYPE_CHECKING:
    from collections.abc import Callable


class Threading(Flavour):
    """Plain threads."""

    name = "threading"
    is_async = False

    def start(self) -> ThreadRunner:
        """See `Flavour.start`."""
        return ThreadRunner(self)

    def sleep(self, seconds: float) -> None:
        """See `Flavour.sleep`."""
        time.sleep(seconds)

    def is_running(self) -> bool:
        """Return False: who runs in a plain thread only is no task of it."""
        return False


class ThreadRunner(Runner):
    """Runs each payload in a daemon thread of its own.

    To be cancelled, a payload asks `stop_requested` now and then.
    """

    def __init__(self, flavour: Flavour) -> None:
        super().__init__(flavour)
        self._lock = threading.RLock()  # a signal may come while it is owned
        self._is_closed = False
        self._stops: dict[PayloadFuture, threading.Event] = {}
        self._threads: dict[PayloadFuture, threading.Thread] = {}

    def adopt(self, payload: Callable[[], Any]) -> PayloadFuture:
        """See `Runner.adopt`."""
        self.check(payload)
        stop = threading.Event()
        future = PayloadFuture(name_of(payload), functools.partial(_ask, stop))
        thread = threading.Thread(
            target=self._main, args=(payload, future, stop), name=future.name, daemon=True
        )
        with self._lock:
            self._check_open()
            thread.start()
            self._stops[future], self._threads[future] = stop, thread
        return future

    def execute(self, payload: Callable[[], Any]) -> Any:
        """See `Runner.execute`; the payload is called in the calling thread."""
        self.check(payload)
        with self._lock:
            self._check_open()
        return payload()

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the runner of flavour 'threading' is closed\nstart another one")

    def _main(
        self, payload: Callable[[], Any], future: PayloadFuture, stop: threading.Event
    ) -> None:
        stopped_by(stop)
        try:
            value = payload()
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            with self._lock:
                del self._stops[future], self._threads[future]

    def is_inside(self) -> bool:
        """See `Runner.is_inside`: each payload has its own thread."""
        return False

    def close(self, timeout: float | None = None) -> None:
        """See `Runner.close`."""
        with self._lock:
            self._is_closed = True
            left = dict(self._threads)
            stops = list(self._stops.values())
        for stop in stops:
            stop.set()
        end = None if timeout is None else time.monotonic() + timeout
        for thread in left.values():
            if thread is not threading.current_thread():
                thread.join(None if end is None else max(0.0, end - time.monotonic()))
        names = [
            future.name
            for future, thread in left.items()
            if thread.is_alive() and thread is not threading.current_thread()
        ]
        if names:
            raise TimeoutError(
                f"payloads of flavour 'threading' have not ended {timeout:g} s after they were "
                f"asked to: {', '.join(names)}\n"
                "let them ask stop_requested() now and then, or wait longer"
            )


def _ask(stop: threading.Event) -> bool:
    stop.set()
    return True
