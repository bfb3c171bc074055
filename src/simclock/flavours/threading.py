"""The flavour ``threading``: a thread for each payload."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.errors import Unwind
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


class _Work(NamedTuple):
    """A payload that has not ended: the thread in which it is, and what asks it to end.

    *is_own*: The thread is its own, not the one of who has called `execute`.
    """

    thread: threading.Thread
    stop: threading.Event
    is_own: bool


class ThreadRunner(Runner):
    """Runs each payload in a daemon thread of its own.

    To be cancelled, a payload asks `stop_requested` now and then.
    """

    def __init__(self, flavour: Flavour) -> None:
        super().__init__(flavour)
        self._lock = threading.RLock()  # a signal may come while it is owned
        self._is_closed = False
        # Those that have not ended.
        self._work: dict[PayloadFuture, _Work] = {}

    def adopt(self, payload: Callable[[], Any]) -> PayloadFuture:
        """See `Runner.adopt`."""
        future, stop = self._accept(payload)
        thread = threading.Thread(
            target=self._main, args=(payload, future, stop), name=future.name, daemon=True
        )
        with self._lock:
            self._check_open()
            thread.start()
            self._work[future] = _Work(thread, stop, is_own=True)
        return future

    def execute(self, payload: Callable[[], Any]) -> Any:
        """See `Runner.execute`; the payload is called in the calling thread."""
        future, stop = self._accept(payload)
        with self._lock:
            self._check_open()
            self._work[future] = _Work(threading.current_thread(), stop, is_own=False)
        self._main(payload, future, stop)
        try:
            return future.result()
        finally:
            del future

    def _accept(self, payload: Callable[[], Any]) -> tuple[PayloadFuture, threading.Event]:
        self.check(payload)
        stop = threading.Event()
        return PayloadFuture(name_of(payload), lambda _: _ask(stop)), stop

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the runner of flavour 'threading' is closed\nstart another one")

    def _main(
        self, payload: Callable[[], Any], future: PayloadFuture, stop: threading.Event
    ) -> None:
        try:
            with stopped_by(stop):
                value = payload()
        except Unwind:
            future.end_cancelled()
            raise
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            self._forget(future)
            del future  # it has the error, whose traceback has this frame

    def _forget(self, future: PayloadFuture) -> None:
        with self._lock:
            self._work.pop(future, None)

    def is_inside(self) -> bool:
        """See `Runner.is_inside`: each payload has its own thread."""
        return False

    def close(self, timeout: float | None = None) -> None:
        """See `Runner.close`."""
        me = threading.current_thread()
        with self._lock:
            self._is_closed = True
            for work in self._work.values():
                work.stop.set()
            left = {future: work for future, work in self._work.items() if work.thread is not me}
        _, unfinished = wait(left, timeout)
        for future, work in left.items():
            if work.is_own and future not in unfinished:
                work.thread.join()
        if unfinished:
            names = [future.name for future in left if future in unfinished]
            raise TimeoutError(
                f"payloads of flavour 'threading' have not ended {timeout:g} s after they were "
                f"asked to: {', '.join(names)}\n"
                "let them ask stop_requested() now and then, or wait longer"
            )


def _ask(stop: threading.Event) -> bool:
    stop.set()
    return True
