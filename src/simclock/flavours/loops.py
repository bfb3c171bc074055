"""What runners of event loops have in common: a thread, and payloads that are its tasks."""

from __future__ import annotations

import os
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

    A subclass has the loop: it implements the abstract methods, calls `began`
    when the loop runs, and `ended` when a task has.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        taken = [name for name in vars(cls) if name in _PRIVATE]
        if taken:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(taken)} of LoopRunner, which is private\n"
                "give it another name"
            )

    def __init__(self, flavour: Flavour) -> None:
        super().__init__(flavour)
        self._lock = threading.RLock()  # a signal may come while it is owned
        # Those that have not ended, in order of adoption.
        self._payloads: dict[PayloadFuture, None] = {}
        self._is_closed = False
        self._pid = os.getpid()
        # Done when the loop can take payloads, or could not be started.
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._main, name=f"{flavour.name} runner", daemon=True
        )
        self._thread.start()
        self._ready.result()

    # ------------------------------------------------------------- for a subclass

    @abstractmethod
    def run_loop(self) -> None:
        """Run the loop until `stop` was called and all payloads have ended."""

    @abstractmethod
    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function in the loop, in the order of these calls; from any thread.

        Raises:
            RuntimeError: The loop has ended.
        """

    @abstractmethod
    def spawn(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        """In the loop, start a task for a payload.

        Whatever becomes of it, also if it is cancelled before its first step:
        it says so to *future* and then calls `ended`.
        """

    @abstractmethod
    def cancel(self, future: PayloadFuture) -> None:
        """In the loop, cancel the task of a payload, unless that has ended."""

    @abstractmethod
    def stop(self) -> None:
        """In the loop, cancel all tasks, and let `run_loop` return when they have ended.

        Called again, cancel once more those that have not.
        """

    def began(self) -> None:
        """Take payloads from now on; to be called in the loop."""
        self._ready.set_result(None)

    def ended(self, future: PayloadFuture) -> None:
        """Forget a payload whose *future* is done; to be called in the loop."""
        with self._lock:
            self._payloads.pop(future, None)

    # ------------------------------------------------------------------ its thread

    def _main(self) -> None:
        try:
            self.run_loop()
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self._fail(error)
        else:
            self._fail(RuntimeError(f"the {self.flavour.name} loop has ended"))

    def _fail(self, error: BaseException) -> None:
        """Let nobody wait for a loop that is gone."""
        with self._lock:
            self._is_closed = True
            left = list(self._payloads)
            self._payloads.clear()
        if not self._ready.done():
            self._ready.set_exception(error)
        for future in left:
            if future.done():
                continue  # its task has ended, and the loop could not say so any more
            ended = RuntimeError(f"the {self.flavour.name} loop has ended: {error!r}")
            ended.__cause__ = error
            future.set_exception(ended)

    # ------------------------------------------------------------------ for callers

    def adopt(self, payload: Callable[[], Any]) -> PayloadFuture:
        """See `Runner.adopt`."""
        self.check(payload)
        future = PayloadFuture(name_of(payload), self._ask)
        with self._lock:
            # In a forked child its thread is not there.
            closed = self._is_closed or self._pid != os.getpid()
            if closed or not self._reached(self.spawn, payload, future):
                raise RuntimeError(
                    f"the runner of flavour {self.flavour.name!r} is closed\nstart another one"
                )
            self._payloads[future] = None
        return future

    def _ask(self, future: PayloadFuture) -> bool:
        with self._lock:
            return future in self._payloads and self._reached(self.cancel, future)

    def _reached(self, function: Callable[..., object], *args: Any) -> bool:
        """Call a function in the loop; return whether there still is one."""
        try:
            self.call_soon(function, *args)
        except RuntimeError:
            return False
        return True

    def is_inside(self) -> bool:
        """See `Runner.is_inside`."""
        return threading.current_thread() is self._thread

    def close(self, timeout: float | None = None) -> None:
        """See `Runner.close`."""
        with self._lock:
            self._is_closed = True
            self._reached(self.stop)
        if self.is_inside():
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            with self._lock:
                names = [future.name for future in self._payloads]
            names = names or ["tasks that they have started"]
            raise TimeoutError(
                f"payloads of flavour {self.flavour.name!r} have not ended {timeout:g} s after "
                f"they were cancelled: {', '.join(names)}\n"
                "let them end when they are cancelled, or wait longer"
            )


_PRIVATE = {
    name
    for name, value in vars(LoopRunner).items()
    if callable(value) and name.startswith("_") and not name.startswith("__")
}
