"""The daemon: one runtime for payloads of all flavours."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, Protocol

from simclock.flavours import check_payload, get, running
from simclock.systems._shared.lifecycle import Lifecycle, State, StopReport
from simclock.systems._shared.signals import on_signals
from simclock.systems.services import units
from simclock.systems.services.failures import BackgroundFailure, NotRunning
from simclock.systems.services.interrupted import interrupts_a_call
from simclock.systems.services.run import Run
from simclock.systems.services.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from simclock.flavours import Runner
    from simclock.systems.services.units import ServiceUnit

    class _Adopt(Protocol):
        def __call__(
            self,
            payload: Callable[..., Any],
            *args: Any,
            flavour: str | ModuleType,
            **kwargs: Any,
        ) -> None: ...

    class _Execute(Protocol):
        def __call__(
            self,
            payload: Callable[..., Any],
            *args: Any,
            flavour: str | ModuleType,
            **kwargs: Any,
        ) -> Any: ...


# Seconds. Python's waits know no time that is much longer.
LONGEST_GRACE = 1e9
# What to write instead, by the flavour in whose loop somebody has called `accept`.
_IN_A_THREAD = {
    "asyncio": "await asyncio.to_thread(runner.accept)",
    "trio": "await trio.to_thread.run_sync(runner.accept)",
}
# The configurations that are being read: by the command, which accepts afterwards.
_configurations: list[str] = []


class ServiceRunner:
    """Runs services and other payloads until it is shut down, or one of them fails.

    Coroutines of one flavour take turns in one thread; functions have a thread
    each; different flavours run in parallel. All of it may be used from any
    thread, from payloads and from handlers of signals. May run again after its
    end. Several may run at once; a service is run by one of them, the one that
    accepted first.

    Args:
        accept_delay: How often, in seconds, COBalD looks for new services. They
            are started at once here: it is taken and changes nothing.
        grace: Seconds that payloads have to end after they were asked, before
            they are asked again and soon abandoned.

    Attributes:
        running: Set while it accepts.

    Raises:
        ValueError: *grace* is no number of seconds from 0 to 1e9.
    """

    def __init__(self, accept_delay: float = 1.0, *, grace: float = 10.0) -> None:
        del accept_delay
        self.running: threading.Event = threading.Event()
        self.grace = grace
        self._lock = threading.RLock()  # a signal may come while it is owned
        self._lifecycle = Lifecycle("the runner")
        # What was adopted before the run in which it is to run.
        self._queue: collections.deque[Work] = collections.deque()
        # Of the last `accept`, or the one that goes on.
        self._run: Run | None = None
        # Runners of async flavours that would not stop.
        self._left: dict[str, Runner] = {}

    def __repr__(self) -> str:
        """Return it with its state, and the payloads that have not ended, also abandoned ones."""
        works = self._works()
        flavours = ", ".join(sorted({work.flavour.name for work in works}))
        payloads = "1 payload" if len(works) == 1 else f"{len(works)} payloads"
        return f"<ServiceRunner: {self.state.value}, {payloads}{flavours and f' of {flavours}'}>"

    def _works(self) -> list[Work]:
        run = self._run
        # A copy, for others may change it meanwhile.
        return [*self._queue.copy(), *(run.works() if run is not None else ())]

    @property
    def grace(self) -> float:
        """The grace period in seconds; one that is set holds for the stops that begin later."""
        return self._grace

    @grace.setter
    def grace(self, seconds: float) -> None:
        check_grace(seconds)
        self._grace = seconds

    @property
    def state(self) -> State:
        """Return the state of this moment: FAILED if the last run has."""
        return self._lifecycle.state

    @property
    def report(self) -> StopReport | None:
        """Return how the last run ended, and who would not; None before that."""
        run = self._run
        return run.report if run is not None and run.ended.is_set() else None

    # ------------------------------------------------------------------- payloads

    def adopt(
        self,
        payload: Callable[..., Any],
        *args: Any,
        flavour: str | ModuleType,
        **kwargs: Any,
    ) -> None:
        """Run *payload* in the background, with the arguments; do not wait.

        Nobody gets what it returns or raises: anything but None terminates the
        daemon. Before the first `accept`, and while one starts, it is kept for
        that; what a run that is stopped early did not come to is kept for the
        next one.

        Raises:
            LookupError: There is no such flavour.
            TypeError: It is no payload of that.
            NotRunning: The runner is stopping, or has stopped.
            RuntimeError: Coroutines of that flavour which an earlier run has
                abandoned still run.
        """
        work = _work(payload, args, kwargs, flavour)
        with self._lock:
            if self.state in {State.NEW, State.STARTING}:
                self._queue.append(work)
                return
            run = self._running_run()
        run.take(work)

    def execute(
        self,
        payload: Callable[..., Any],
        *args: Any,
        flavour: str | ModuleType,
        **kwargs: Any,
    ) -> Any:
        """Run *payload* with the arguments, wait for its end, and return or raise what it does.

        A function is called in the calling thread.

        Raises:
            LookupError: There is no such flavour.
            TypeError: It is no payload of that.
            NotRunning: The runner does not accept, or has ended the payload.
            RuntimeError: The caller is a coroutine that the payload would have
                to wait for; or coroutines of the flavour which an earlier run
                has abandoned still run.
        """
        work = _work(payload, args, kwargs, flavour, is_executed=True)
        return self._running_run().execute(work)

    def _running_run(self) -> Run:
        with self._lock:
            if self._run is None or self.state in {State.NEW, State.STARTING}:
                raise NotRunning(
                    f"the runner is {self.state.value}: it runs nothing yet\n"
                    "call accept(), in another thread if need be, and wait for runner.running"
                )
            return self._run

    # --------------------------------------------------------------------- its life

    def accept(self) -> None:
        """Run all services and what is adopted, until `shutdown` or a failure.

        In the main thread SIGINT and SIGTERM end it, too: the first in the
        orderly way, a second one without the rest of the grace period.

        Returns when all payloads have ended. Those that would not are named in
        a warning and in `report`; they go on in daemon threads.

        Raises:
            BackgroundFailure: Payloads have failed: with all their errors.
            RuntimeError: The runner accepts already; or the caller's thread
                runs a loop, which would stand still; or the command line reads
                a configuration.
        """
        _refuse_in_a_configuration()
        _refuse_to_block_a_loop()
        run = Run(self._lifecycle, self._lock, self._left)
        # First: until the handlers are ours, SIGINT raises KeyboardInterrupt wherever we are.
        with on_signals(run.on_signal, run.wake):
            try:
                with self._lock:
                    self._lifecycle.start()
                    self._run = run
                self._accept(run)
            finally:
                self._end(run)
        if failures := run.hand_over_failures():
            names = ", ".join(name for name, _ in failures)
            raise BackgroundFailure(
                f"background tasks failed: {names}", [error for _, error in failures]
            )

    def _accept(self, run: Run) -> None:
        try:
            with self._lock:
                is_ready = self._lifecycle.ready()
                if is_ready:
                    self.running.set()
            if is_ready:
                self._start_what_waits(run)
                units.join(self)
                run.wait_for_stop()
        finally:
            units.leave(self)
            run.ask_to_stop()
            run.stop(self._grace)

    def _start_what_waits(self, run: Run) -> None:
        while self._queue:
            work = self._queue.popleft()
            try:
                run.take(work)
            except NotRunning:
                self._queue.appendleft(work)
                break
            except Exception as error:  # noqa: BLE001 - nobody else is there to be told
                run.failed(work.name, error)

    def _end(self, run: Run) -> None:
        with self._lock:
            if self._run is not run:
                return  # it has not begun: another one goes on
            self.running.clear()
            self._lifecycle.end(failed=bool(run.failures))
            run.end()

    def shutdown(self) -> StopReport | None:
        """End `accept`, and wait until it has ended. Idempotent.

        Before the first `accept` it is remembered: that one returns at once.
        After the end of one it changes nothing.

        Returns:
            How the stop went. None if there is nothing to wait for; and for
            callers on whom the end itself waits, which are not made to wait:
            payloads, and handlers of signals that interrupt the thread that
            accepts, or a call of a runner, a service's unit or ``logging``.
        """
        if interrupts_a_call(self.running):
            return self._shut_down_without_locks()
        with self._lock:
            run = self._run
            if not self._lifecycle.stop() or run is None:
                return self.report
            run.ask_to_stop()
            if run.is_inside():
                return None
        run.ended.wait()
        return run.report

    def _shut_down_without_locks(self) -> StopReport | None:
        """Ask for the end in a handler whose thread may own what others wait for.

        It may own the lock of the units, say, for which the owner of ours waits.
        The lifecycle's is none of these: who owns it waits for nothing.
        """
        if not self._lifecycle.stop():
            return self.report
        # Not read before: it is of the run that was asked, unless that one is only about to
        # start, which looks by itself.
        if (run := self._run) is not None:
            run.note_stop()
        return None

    def waiting(self) -> list[str]:
        """Return the names of payloads that it keeps for its next `accept`; for the command."""
        return [work.name for work in self._queue]

    # ------------------------------------------------------------------ for services

    def start_unit(self, unit: ServiceUnit, payload: Callable[[], Any]) -> None:
        """Run the payload of *unit* in the background; for `ServiceUnit.start`.

        Raises:
            NotRunning: The runner does not accept.
        """
        self._running_run().take(Work(payload, get(unit.flavour), unit))

    def unit_failed(self, unit: ServiceUnit, error: Exception) -> None:
        """Terminate because *unit* could not be started; for `ServiceUnit.offer`."""
        assert self._run is not None, "it is offered services while it accepts"
        self._run.failed(repr(unit), error)


def check_grace(grace: object) -> None:
    """Raise ValueError unless it is a grace period."""
    if not isinstance(grace, (int, float)) or not 0 <= grace <= LONGEST_GRACE:
        raise ValueError(
            f"grace must be a number of seconds from 0 to 1e9: {grace!r}\ngive seconds such as 10.0"
        )


@contextlib.contextmanager
def configuring(file: str) -> Iterator[None]:
    """In a block, in which *file* is read, let nobody accept; for the command line."""
    _configurations.append(file)
    try:
        yield
    finally:
        _configurations.remove(file)


def _refuse_in_a_configuration() -> None:
    if _configurations:
        raise RuntimeError(
            f"accept() was called while a configuration is read: {_configurations[-1]}\n"
            "leave it out, for the command accepts by itself; or call it only if\n"
            '__name__ == "__main__", which a configuration is not'
        )


def _refuse_to_block_a_loop() -> None:
    name = _loop_here()
    if name is not None:
        instead = _IN_A_THREAD.get(name, "threading.Thread(target=runner.accept).start()")
        raise RuntimeError(
            f"accept() would block the loop of {name!r} that runs in its thread: "
            f"{threading.current_thread().name!r}\n"
            f"call it in another thread: {instead}"
        )


def _loop_here() -> str | None:
    """Return the flavour whose loop runs in the calling thread."""
    if (flavour := running()) is not None:
        return flavour.name
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return "asyncio"  # a callback, which is part of no task
    return None


def _work(
    payload: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    flavour: str | ModuleType,
    *,
    is_executed: bool = False,
) -> Work:
    kind = get(flavour)
    if not kind.is_async and inspect.iscoroutinefunction(payload):
        raise TypeError(
            f"this is no payload of flavour {kind.name!r} but a coroutine function: {payload!r}\n"
            "give flavour= the library that it awaits, such as asyncio or trio"
        )
    bound = functools.partial(payload, *args, **kwargs) if args or kwargs else payload
    check_payload(kind, bound)
    return Work(bound, kind, is_executed=is_executed)


runtime: ServiceRunner = ServiceRunner()
# The same, of the process' own runner.
accept: Callable[[], None] = runtime.accept
adopt: _Adopt = runtime.adopt
execute: _Execute = runtime.execute
shutdown: Callable[[], StopReport | None] = runtime.shutdown
