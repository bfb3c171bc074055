"""What all runners are: a loop that takes invocations and has them run, until it is stopped."""

from __future__ import annotations

import abc
import importlib
import logging
import time
from typing import TYPE_CHECKING, Any, ClassVar

from simclock.systems._shared.lifecycle import StopReport
from simclock.systems._shared.signals import on_signals
from simclock.systems.runners.beating import Beats
from simclock.systems.runners.context import RunnerContext, current
from simclock.systems.runners.diagnostics import Running, shutdown_report
from simclock.systems.runners.failures import (
    ConfigError,
    InvocationStatusError,
    RunnerNotExecutableError,
    StateBackendError,
)
from simclock.systems.runners.life import Life
from simclock.systems.runners.logged import tried
from simclock.systems.runners.pacing import Pacing
from simclock.systems.runners.waiting import ResultWait, in_own_thread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.config import RunnerConfig
    from simclock.systems.runners.identifiers import InvocationId
    from simclock.systems.runners.services import AtomicServices

logger: logging.Logger = logging.getLogger("simclock.systems.runners")


class BaseRunner(abc.ABC):
    """Takes invocations of an application, and has them run.

    `run` is its life; it may be called again afterwards. Nothing that one
    invocation does, and nothing that the store does, ends it: errors are
    logged, and what failed is tried again after a pause that grows.

    Args:
        app: The application. It becomes its runner.
        runner_cache: What a runner and its children may keep; of no meaning here.
        runner_context: Its identity; made if there is none.

    Attributes:
        app: The application.
        conf: Its settings.
        runner_cache: What was given, or an empty one.
        stop_report: How the last stop went; None: there was none.
    """

    # Where its settings are in the application's.
    section: ClassVar[str] = "runner"
    conf: RunnerConfig

    def __init__(
        self,
        app: Pynenc,
        runner_cache: dict[str, Any] | None = None,
        runner_context: RunnerContext | None = None,
    ) -> None:
        self.app = app
        self.conf = getattr(app.conf, self.section)
        self.runner_cache: dict[str, Any] = {} if runner_cache is None else runner_cache
        self.stop_report: StopReport | None = None
        self._context = runner_context or RunnerContext(type(self).__name__)
        self._life = Life(f"{type(self).__name__} {self._context.runner_id}")
        self._children: dict[str, RunnerContext] = {}
        self._services: AtomicServices | None = None
        self._pacing = self._new_pacing()
        # Whether this turn of the loop has begun to run something.
        self._has_begun = False
        app.runner = self

    @property
    def logger(self) -> logging.Logger:
        """What it logs to."""
        return logger

    @property
    def runner_context(self) -> RunnerContext:
        """Its identity."""
        return self._context

    @property
    def runner_id(self) -> str:
        """What owns the invocations that it runs."""
        return self._context.runner_id

    @property
    def running(self) -> bool:
        """Whether it takes invocations: it was started, and nobody has stopped it."""
        return self._life.is_running

    @staticmethod
    @abc.abstractmethod
    def mem_compatible() -> bool:
        """Return whether it can run what is kept in the memory of this process."""

    @property
    @abc.abstractmethod
    def max_parallel_slots(self) -> int:
        """How many invocations it runs at the same time, at most."""

    @abc.abstractmethod
    def get_active_child_runner_ids(self) -> list[str]:
        """Return the ids of those runners it has started whose processes live.

        They get heartbeats from here, beside their own. Without children: none.
        """

    def run(self) -> None:
        """Run until it is stopped, by `stop_runner_loop` or a signal (in the main thread).

        A stop that came before ends it at once. Handlers of signals are what
        they were when it returns.

        Raises:
            RunnerAlreadyRunningError: It runs.
            RunnerNotExecutableError: It cannot run what this application keeps in memory.
        """
        self._check()
        self._begin()
        has_failed = True
        try:
            with on_signals(self._life.note_signal, self._life.wake.ring), current(self.app, self):
                self._live()
            has_failed = False
        finally:
            self._life.end(failed=has_failed)

    def _check(self) -> None:
        if self.app.storage.is_shared_memory and not self.mem_compatible():
            raise RunnerNotExecutableError(
                f"{type(self).__name__} starts processes, and invocations are in the memory of "
                "this one\ngive storage_url=, such as sqlite:///runners.db, or use a ThreadRunner"
            )

    def _begin(self) -> None:
        self._life.begin()
        self.stop_report = None
        self._pacing = self._new_pacing()

    def _live(self) -> None:
        self.init_trigger_tasks_modules()
        services = self._atomic_services()
        bell = self.app.storage.bell
        interval = self.app.conf.orchestrator.heartbeat_interval
        bell.subscribe(self._life.wake.ring)
        try:
            with Beats(f"{type(self).__name__}-heartbeats", interval, self._beat):
                self._work()
        finally:
            bell.unsubscribe(self._life.wake.ring)
            if services is not None:
                services.close()
            tried("it cannot be noted that it has ended", self._take_leave)

    def _work(self) -> None:
        try:
            # First: a failure of the start is to be tidied up.
            self._on_start()
            if self._life.ready():
                logger.info("%s %s runs", self._context.runner_cls, self.runner_id)
                self._turn_until_stopped()
        finally:
            began = time.monotonic()
            abandoned = self._on_stop()
            self.stop_report = StopReport(time.monotonic() - began, tuple(abandoned))
            if abandoned:
                logger.warning("it is stopped, and these go on: %s", ", ".join(abandoned))

    def _turn_until_stopped(self) -> None:
        try:
            while self._goes_on():
                self._turn()
        except KeyboardInterrupt:
            self.stop_runner_loop()

    def _goes_on(self) -> bool:
        if self._life.signal is not None and self.running:
            self.stop_runner_loop(self._life.signal)
        return self.running

    def _turn(self) -> None:
        self._has_begun = False
        try:
            self._check_atomic_services()
            self.runner_loop_iteration()
            due = self._due() if self._pacing.asks else None
        except StateBackendError as error:
            logger.warning("the store cannot be used: %s; it is tried again", error)
            self._pacing.wait_after_failure(self._goes_on)
        except Exception:
            logger.exception("a turn has failed; it is tried again")
            self._pacing.wait_after_failure(self._goes_on)
        else:
            self._pacing.wait(has_begun=self._has_begun, due=due)

    def _new_pacing(self) -> Pacing:
        return Pacing(self._life.wake, self.conf.runner_loop_sleep_time_sec)

    def _due(self) -> float | None:
        """Return after how many seconds something waits no longer; None: nothing does by itself."""
        instant = self.app.storage.queue.next_instant(now := time.time())
        return None if instant is None else instant - now

    def _on_start(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Prepare for the loop; `_on_stop` is called whatever comes of it."""

    @abc.abstractmethod
    def runner_loop_iteration(self) -> None:
        """Take as many invocations as there are places for, and begin to run them."""

    def _on_stop(self) -> Sequence[str]:
        """End all that it runs, in bounded time; return the names of what would not end."""
        return ()

    def stop_runner_loop(self, signum: int | None = None, frame: FrameType | None = None) -> None:  # noqa: ARG002 - a handler of signals
        """Stop it, from any thread: it takes no more, and what it runs has some seconds to end.

        Does not wait: see `wait_until_stopped`. If it is not running yet, its
        next run ends at once; after its end nothing is done. Idempotent.

        Args:
            signum: The signal that asks for it.
            frame: What it has interrupted.
        """
        if self.running:
            self._log_shutdown(signum)
        if self._life.stop():
            self._on_stop_runner_loop()

    @abc.abstractmethod
    def _on_stop_runner_loop(self) -> None:
        """Is called when it is asked to stop, by whoever asks."""

    def _log_shutdown(self, signum: int | None) -> None:
        """Log why it stops, where it is, and what it runs."""
        logger.info("%s", shutdown_report(self._context, signum, self._running_now()))

    def _running_now(self) -> list[Running]:
        """Return what it runs at this moment, for logs."""
        return []

    def wait_until_stopped(self, timeout: float = 2.0) -> bool:
        """Block until `run` has ended, at most so many seconds; return whether it has.

        True at once if it never ran.
        """
        return self._life.wait_for_end(timeout)

    def _kill_and_reroute(
        self, invocation_id: Any, runner_ctx: RunnerContext | None = None
    ) -> None:
        """Make an invocation KILLED, and available to all again; if it is final, do nothing.

        Args:
            invocation_id: Which.
            runner_ctx: Who owns it, if that is not this runner but a child of it.
        """
        self._reroute(invocation_id, runner_ctx or self._context, orderly=True)

    def _reroute(
        self,
        invocation_id: InvocationId,
        context: RunnerContext,
        *,
        orderly: bool,
        routing: int | None = None,
    ) -> None:
        try:
            self.app.orchestrator.kill_and_reroute(
                invocation_id, context, orderly=orderly, routing=routing
            )
        except InvocationStatusError as error:
            logger.warning("%s is not rerouted: %s", invocation_id, error)
        except StateBackendError as error:
            logger.warning("%s is left to the recovery: %s", invocation_id, error)

    @abc.abstractmethod
    def _waiting_for_results(
        self,
        running_invocation_id: InvocationId,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block an invocation that it runs until one of the others is final."""

    def waiting_for_results(
        self,
        running_invocation_id: InvocationId | None,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block until one of the invocations is final, or its time is over.

        An invocation that waits is PAUSED, and leaves its place to others.

        Args:
            running_invocation_id: Who waits; None: somebody who is no invocation.
            result_invocation_ids: For whom.
            runner_args: ``{"timeout": seconds}``, or nothing.

        Raises:
            InvocationInterrupted: It is to end, as this runner stops.
        """
        if running_invocation_id is None:
            wait, timeout = self._wait_for(result_invocation_ids, runner_args)
            wait.wait(timeout)
        else:
            self._waiting_for_results(running_invocation_id, result_invocation_ids, runner_args)

    async def async_waiting_for_results(
        self,
        running_invocation_id: InvocationId | None,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Do what `waiting_for_results` does, for a coroutine."""
        wait, timeout = self._wait_for(result_invocation_ids, runner_args)
        args = {"timeout": timeout, "wait": wait}
        await in_own_thread(
            f"{type(self).__name__}-waits",
            lambda: self.waiting_for_results(running_invocation_id, result_invocation_ids, args),
            wait.give_up,
        )

    def _wait_for(
        self, ids: list[InvocationId], args: dict[str, Any] | None
    ) -> tuple[ResultWait, float | None]:
        """Return the wait that the arguments ask for, and for how long."""
        args = args or {}
        longest = self.conf.invocation_wait_results_sleep_time_sec
        return args.get("wait") or ResultWait(self.app, ids, longest), args.get("timeout")

    def init_trigger_tasks_modules(self) -> None:
        """Import the modules that have tasks with triggers, so that these are known.

        Raises:
            ConfigError: One cannot be imported.
        """
        for name in self.app.conf.trigger_task_modules:
            try:
                importlib.import_module(name)
            except ImportError as error:
                raise ConfigError(
                    f"trigger_task_modules has what cannot be imported: {name!r}\n  {error}\n"
                    "give names of modules, as this process can import them"
                ) from error

    def _check_atomic_services(self) -> None:
        """Do what a cluster does once, if it is this runner's turn; errors of it are logged."""
        services = self._atomic_services()
        if services is not None:
            tried("what a cluster does once has failed", services.check)

    def _atomic_services(self) -> AtomicServices | None:
        """Return what a cluster does once; None: the runner does it that has started this one.

        Raises:
            ConfigError: Its settings have no meaning.
        """
        if self._services is None and self._context.parent_ctx is None:
            from simclock.systems.runners.services import AtomicServices  # it needs us

            self._services = AtomicServices(self.app, self._context)
        return self._services

    def _register_new_child_runner_context(self, child_context: RunnerContext) -> None:
        """Know a child, and write its first heartbeat: before it owns anything."""
        self._children[child_context.runner_id] = child_context
        self.app.orchestrator.register_runner_heartbeats([child_context])

    def _forget_child_runner_context(self, child_context: RunnerContext) -> None:
        """Know a child no more: it has ended, and owns nothing."""
        self._children.pop(child_context.runner_id, None)
        tried(
            "it cannot be noted that a child has ended",
            lambda: self.app.orchestrator.forget_runner(child_context.runner_id),
        )

    def _report_child_runner_heartbeats(self) -> None:
        """Write a heartbeat for each child whose process lives."""
        children = [self._children.get(each) for each in self.get_active_child_runner_ids()]
        if known := [each for each in children if each is not None]:
            self.app.orchestrator.register_runner_heartbeats(known)

    def _beat(self) -> None:
        self.app.orchestrator.register_runner_heartbeats([self._context])
        self._report_child_runner_heartbeats()

    def _take_leave(self) -> None:
        self.app.orchestrator.forget_runner(self.runner_id)
