"""What the processes of runners do: run one invocation, or be a runner with some threads."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.beating import Beats
from simclock.systems.runners.bodies import Body, current_body
from simclock.systems.runners.context import current
from simclock.systems.runners.dummy import DummyRunner
from simclock.systems.runners.inprocess import InProcessRunner
from simclock.systems.runners.workers import BACK, GRANTED, INTERRUPT, LEFT, STOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.identifiers import InvocationId
    from simclock.systems.runners.stored import StoredInvocation

# Seconds that a body has to leave which was interrupted, before its process ends.
SETTLING = 1.0


def run_one(
    parent: Connection, app: Pynenc, context: RunnerContext, stored: StoredInvocation
) -> None:
    """Run one invocation, and end."""
    terminations: queue.SimpleQueue[int] = queue.SimpleQueue()
    # The parent ends us; a terminal interrupts that, too. No SIG_IGN: what the task starts would
    # inherit it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: terminations.put(number))
    with contextlib.closing(app):
        OneTaskWorker(app, _here(context), parent, terminations).run_one(stored)


def run_threads(
    parent: Connection, app: Pynenc, context: RunnerContext, threads: int, section: str
) -> None:
    """Be a runner with so many threads, until the parent says so, or has ended."""
    with contextlib.closing(app):
        ThreadWorker(app, _here(context), parent, threads, section).run()


def _here(context: RunnerContext) -> RunnerContext:
    """Return the identity that the parent has made, with what it could not know."""
    return dataclasses.replace(
        context, pid=os.getpid(), hostname=socket.gethostname(), thread_id=threading.get_ident()
    )


class ParentGate:
    """The place of a body that the parent counts. Messages may get lost with the parent."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent
        self._saying = threading.Lock()
        self._granted: Callable[[], object] | None = None

    def leave(self) -> None:
        """Give the place free."""
        self.say(LEFT)

    def come_back(self, granted: Callable[[], object]) -> None:
        """Ask for a place; *granted* is called when the parent says so."""
        self._granted = granted
        self.say(BACK)

    def withdraw(self, granted: Callable[[], object]) -> None:  # noqa: ARG002 - there is one
        """Ask no more: the process is about to end, and its place is free then."""
        self._granted = None

    def grant(self) -> None:
        """Pass on what the parent says."""
        granted = self._granted
        if granted is not None:
            granted()

    def say(self, message: Any) -> None:
        """Send the parent a message."""
        with self._saying, contextlib.suppress(OSError):
            self._parent.send(message)


class OneTaskWorker(DummyRunner):
    """Stands for a runner in a process that runs one invocation.

    Args:
        app: The application, as this process has it.
        context: Its identity.
        parent: The pipe to its parent.
        terminations: What comes out asks it to end by itself, as the end of the parent does.
    """

    section = "process_runner"

    def __init__(
        self,
        app: Pynenc,
        context: RunnerContext,
        parent: Connection,
        terminations: queue.SimpleQueue[int],
    ) -> None:
        super().__init__(app, None, context)
        self._terminations = terminations
        self._parent = parent
        self._gate = ParentGate(parent)

    def run_one(self, stored: StoredInvocation) -> None:
        """Run it, as its owner, in this thread."""
        body = Body(self.app, stored, self.runner_context, self._gate)
        for ear in (self._listen, self._hear_termination):
            threading.Thread(
                target=ear, args=(body,), name=f"{type(self).__name__}-ear", daemon=True
            ).start()
        interval = self.app.conf.orchestrator.heartbeat_interval
        # Its own: the parent's are of no use when that is dead, or stands still.
        with (
            Beats(f"{type(self).__name__}-heartbeats", interval, self._beat),
            current(self.app, self),
        ):
            body.run(self)

    def _listen(self, body: Body) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._obey(self._parent.recv(), body)
        self._end_alone(body)

    def _hear_termination(self, body: Body) -> None:
        self._terminations.get()
        self._end_alone(body)

    def _obey(self, message: str, body: Body) -> None:
        if message == STOP:
            body.stop.set()
        elif message == INTERRUPT:
            body.interrupt()
        elif message == GRANTED:
            self._gate.grant()

    def _end_alone(self, body: Body) -> None:
        """End the process in bounded time: the parent is gone, or somebody else wants that.

        As multiprocessing does when the interpreter of a parent ends that has not stopped.
        """
        body.stop.set()
        if not body.ended.wait(self.conf.stop_grace):
            body.interrupt()
            if not body.ended.wait(SETTLING):
                self._kill_and_reroute(body.stored.id)
                os._exit(1)

    def _waiting_for_results(
        self,
        running_invocation_id: InvocationId,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        body = current_body.get()
        if body is None:
            super()._waiting_for_results(running_invocation_id, result_invocation_ids, runner_args)
        else:
            body.wait(*self._wait_for(result_invocation_ids, runner_args))


class ThreadWorker(InProcessRunner):
    """A runner with threads, in a process that another runner has started.

    Args:
        app: The application, as this process has it.
        context: Its identity.
        parent: The pipe to its parent.
        threads: How many invocations it runs at the same time.
        section: Where the parent's settings are, which are its own.
    """

    def __init__(
        self, app: Pynenc, context: RunnerContext, parent: Connection, threads: int, section: str
    ) -> None:
        self._threads = threads
        super().__init__(app, None, context)
        self.conf: Any = getattr(app.conf, section)
        self._parent = parent
        self._gate = ParentGate(parent)
        self._load = 0

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations run at the same time, at most."""
        return self._threads

    def _on_start(self) -> None:
        super()._on_start()
        threading.Thread(
            target=self._listen, name=f"{type(self).__name__}-ear", daemon=True
        ).start()

    def _start_body(self, body: Body, ended: Callable[[], None]) -> None:
        self._run_in_thread(body, ended)

    def _listen(self) -> None:
        """Stop when the parent says so, whatever it says, or has ended."""
        with contextlib.suppress(EOFError, OSError):
            self._parent.recv()
        self.stop_runner_loop()

    def runner_loop_iteration(self) -> None:
        """Take what there are threads for, and tell the parent how many are busy."""
        super().runner_loop_iteration()
        load = len(self._bodies)
        if load != self._load:
            self._load = load
            self._gate.say(load)
