"""What runners of event loops have in common: a thread, and payloads that are its tasks."""

from __future__ import annotations

import threading
from abc import abstractmethod
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from simclock.flavours.contract import PayloadFuture, Runner, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.flavours.contract import Flavour


class LoopRunner(Runner):
    """Runs payloads as tasks of one event loop, in a thread of its own.

    A subclass runs the loop and calls `_began` in it.
    """

    def __init__(self, flavour: Flavour) -> None:
        super().__init__(flavour)
        self._lock = threading.RLock()  # a signal may come while it is owned
        # Those that have not ended, in order of adoption.
        self._payloads: dict[PayloadFuture, None] = {}
        self._is_closed = False
        # Done when the loop can take payloads, or could not be started.
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._main, name=f"{flavour.name} runner", daemon=True
        )
        self._thread.start()
        self._ready.result()

    # ------------------------------------------------------------------- its loop

    @abstractmethod
    def _run(self) -> None:
        """Run the loop until `_stop` was called and all payloads have ended."""

    @abstractmethod
    def _soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function in the loop; from any thread. May raise RuntimeError at its end."""

    @abstractmethod
    def _spawn(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        """In the loop, start a task for a payload; it is to end with `_ended`."""

    @abstractmethod
    def _cancel(self, future: PayloadFuture) -> None:
        """In the loop, cancel the task of a payload, unless that has ended."""

    @abstractmethod
    def _stop(self) -> None:
        """In the loop, cancel all tasks, and let `_run` return when they have ended."""

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self._fail(error)
        else:
            self._fail(RuntimeError(f"the {self.flavour.name} loop has ended"))

    def _began(self) -> None:
        """Take payloads from now on; called in the loop."""
        self._ready.set_result(None)

    def _fail(self, error: BaseException) -> None:
        """Let nobody wait for a loop that is gone."""
        with self._lock:
            self._is_closed = True
            left = list(self._payloads)
            self._payloads.clear()
        if not self._ready.done():
            self._ready.set_exception(error)
        for future in left:
            future.set_exception(error)

    def _ended(self, future: PayloadFuture) -> None:
        with self._lock:
            self._payloads.pop(future, None)

    # ------------------------------------------------------------------ for callers

    def adopt(self, payload: Callable[[], Any]) -> PayloadFuture:
        """See `Runner.adopt`."""
        self.check(payload)
        future = PayloadFuture(name_of(payload), lambda: self._ask(future))
        with self._lock:
            if self._is_closed:
                raise RuntimeError(
                    f"the runner of flavour {self.flavour.name!r} is closed\nstart another one"
                )
            self._soon(self._spawn, payload, future)
            self._payloads[future] = None
        return future

    def _ask(self, future: PayloadFuture) -> bool:
        with self._lock:
            if future not in self._payloads:
                return False
            self._soon(self._cancel, future)
        return True

    def is_inside(self) -> bool:
        """See `Runner.is_inside`."""
        return threading.current_thread() is self._thread

    def close(self, timeout: float | None = None) -> None:
        """See `Runner.close`."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._soon(self._stop)
        if self.is_inside():
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            with self._lock:
                names = [future.name for future in self._payloads]
            raise TimeoutError(
                f"payloads of flavour {self.flavour.name!r} have not ended {timeout:g} s after "
                f"they were cancelled: {', '.join(names)}\n"
                "let them end when they are cancelled, or wait longer"
            )
