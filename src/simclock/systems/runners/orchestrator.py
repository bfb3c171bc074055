"""Who may run what: invocations are registered, taken, run, given back and ended here."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from simclock.systems._shared.retry import check_number
from simclock.systems.runners.changes import Changes
from simclock.systems.runners.failures import InvocationConcurrencyWithDifferentArgumentsError
from simclock.systems.runners.heartbeats import Heartbeats
from simclock.systems.runners.identifiers import InvocationId
from simclock.systems.runners.queries import Queries
from simclock.systems.runners.slots import Registrations, RunningSlots
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.steps import (
    check_fence,
    given_back,
    registered,
    step,
    was_taken_already,
)
from simclock.systems.runners.taking import Taking

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from simclock.systems.runners.context import RunnerContext
    from simclock.systems.runners.hints import Hints
    from simclock.systems.runners.identifiers import CallId, TaskId
    from simclock.systems.runners.options import TaskOptions
    from simclock.systems.runners.settings import OrchestratorSettings
    from simclock.systems.runners.storage import Storage
    from simclock.systems.runners.stored import StoredError, StoredInvocation

_S = InvocationStatus


class Routed(NamedTuple):
    """What came of a call.

    Attributes:
        id: The invocation.
        is_reused: Whether it was there already.
        differing: The arguments of the call that the invocation has otherwise, if there are any.
    """

    id: InvocationId
    is_reused: bool = False
    differing: Mapping[str, str] | None = None


class Orchestrator(Queries):
    """The one place where invocations are changed. It may be used from any thread.

    Each change is one compare-and-set, of a record that has everything: status,
    owner, history, result. What is done beside it, a hint in the queue, is done
    again by the `Recovery` if it is missing.

    Whatever changes an invocation takes the id, and the runner that says so. As
    *routing* it takes what the `StoredInvocation` had that the runner was given:
    whoever has lost the invocation since is refused, though the same runner may
    have it again, and a change that is repeated as its answer was lost is done once.

    All of it raises a `StateBackendError` when the storage cannot be used: the
    change may have been made, and can be repeated.

    Args:
        storage: Where everything is.
        settings: The numbers.
        options_of: Returns the options of a task, or raises a `PynencError` if it does not
            know it.

    Attributes:
        changes: How invocations are changed.
        ledger: The records of invocations.
        hints: The queue.
        slots: What may run only once.
        registrations: What may be registered only once.
        heartbeats: Who is alive.
        settings: The numbers.
        on_change: Each is called with the invocation after each change that this process
            has made. Its errors are logged.
    """

    def __init__(
        self,
        storage: Storage,
        settings: OrchestratorSettings,
        options_of: Callable[[TaskId], TaskOptions],
    ) -> None:
        self._storage = storage
        self._random = random.Random()
        self._options_of = options_of
        self.settings = settings
        self.changes: Changes = Changes(storage, settings, options_of)
        self.on_change: list[Callable[[StoredInvocation], object]] = self.changes.on_change
        super().__init__(self.changes.ledger)
        self.hints: Hints = self.changes.hints
        self.slots: RunningSlots = RunningSlots(storage.slots, self.ledger)
        self.registrations: Registrations = Registrations(
            storage.slots, self.ledger, self.changes.created
        )
        self.heartbeats: Heartbeats = Heartbeats(
            storage.runners,
            interval=settings.heartbeat_interval,
            dead_after=settings.runner_considered_dead_after,
        )
        self._taking = Taking(self.changes, self.slots)
        self.on_change.append(self._taking.tell_next)

    # Registering.

    def route_call(
        self,
        task: TaskId,
        call_id: CallId,
        arguments: Mapping[str, str],
        *,
        parent: InvocationId | None = None,
        invocation_id: InvocationId | None = None,
        delay: float = 0.0,
    ) -> Routed:
        """Register an invocation, or find the one that the options of the task have it reuse.

        Args:
            task: Of what.
            call_id: The task with its arguments.
            arguments: With what.
            parent: Which invocation calls.
            invocation_id: The new id; one that is there already is registered no more.
            delay: Seconds before a runner may take it.

        Raises:
            InvocationConcurrencyWithDifferentArgumentsError: It would reuse one whose other
                arguments differ, which the options forbid.
        """
        check_number("delay", delay)
        if invocation_id is not None and (known := self.ledger.find(invocation_id)) is not None:
            if known.status is _S.REGISTERED:
                self.hints.push(known)  # which may be what has failed
            return Routed(invocation_id, is_reused=True)
        options = self._options_of(task)
        new_id = invocation_id or InvocationId.new()
        new = registered(new_id, task, call_id, arguments, parent=parent, delay=delay)
        found = self.registrations.register(new, options)
        if found.id == new_id:
            return Routed(new_id)
        differing = {
            name: text for name, text in arguments.items() if found.arguments.get(name) != text
        }
        if differing and options.on_diff_non_key_args_raise:
            raise InvocationConcurrencyWithDifferentArgumentsError(found.id, differing)
        return Routed(found.id, is_reused=True, differing=differing or None)

    def route_calls(
        self,
        calls: Iterable[tuple[TaskId, CallId, Mapping[str, str]]],
        *,
        parent: InvocationId | None = None,
    ) -> list[InvocationId]:
        """Register invocations; return their ids, in the order of the calls.

        Args:
            calls: What `route_call` takes, of each.
            parent: Which invocation calls.
        """
        return [self.route_call(*call, parent=parent).id for call in calls]

    # Running.

    def get_invocations_to_run(
        self, count: int, runner: RunnerContext
    ) -> Iterator[StoredInvocation]:
        """Yield invocations that are pending now, and the runner's; at most *count*.

        Each is taken when it is asked for. There may be more, even if there
        were fewer than *count*.
        """
        return self._taking.take(count, runner)

    def start(
        self, invocation_id: InvocationId, runner: RunnerContext, *, routing: int | None = None
    ) -> StoredInvocation:
        """Say that the body is begun: from now on this is an execution."""
        return self.changes.change(
            invocation_id,
            _S.RUNNING,
            runner,
            routing=routing,
            fields_of=lambda now: {"executions": now.executions + 1},
        )

    def succeed(
        self,
        invocation_id: InvocationId,
        runner: RunnerContext,
        result: str,
        *,
        routing: int | None = None,
    ) -> StoredInvocation:
        """Say what the body has returned."""
        return self.changes.change(
            invocation_id,
            _S.SUCCESS,
            runner,
            routing=routing,
            fields_of=lambda _: {"result": result},
        )

    def fail(
        self,
        invocation_id: InvocationId,
        runner: RunnerContext,
        error: StoredError,
        *,
        routing: int | None = None,
    ) -> StoredInvocation:
        """Say what the body, or its preparation, has failed with, for good."""
        return self.changes.change(
            invocation_id,
            _S.FAILED,
            runner,
            routing=routing,
            fields_of=lambda _: {"error": error},
            note=error.text,
        )

    def retry(
        self,
        invocation_id: InvocationId,
        runner: RunnerContext,
        error: StoredError,
        *,
        routing: int | None = None,
    ) -> bool:
        """Have it run again, after the delay of its task; return False if it was too often.

        Then nothing is changed.
        """

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            if was_taken_already(now, _S.RETRY, runner.runner_id, routing):
                return [now]
            check_fence(now, _S.RETRY, runner.runner_id, routing)
            policy = self.changes.options_of(now.task).policy
            count = now.retries + 1
            if count > policy.max_retries:
                return []
            delay = policy.delay_of(count, self._random)
            fields = {"retries": count, "delay": delay}
            return [step(now, _S.RETRY, runner.runner_id, note=error.text, **fields)]

        return bool(self.changes.apply(invocation_id, decide))

    def pause(
        self,
        invocation_id: InvocationId,
        runner: RunnerContext,
        waits_for: Collection[InvocationId],
        *,
        routing: int | None = None,
    ) -> StoredInvocation:
        """Say that the body waits for others: these are run before all else."""
        waited = tuple(waits_for)
        paused = self.changes.change(
            invocation_id,
            _S.PAUSED,
            runner,
            routing=routing,
            fields_of=lambda _: {"waits_for": waited},
        )
        for each in waited:
            awaited = self.ledger.find(each)
            if awaited is not None and awaited.status.is_available:
                self.hints.push_awaited(awaited)
        return paused

    def resume(
        self, invocation_id: InvocationId, runner: RunnerContext, *, routing: int | None = None
    ) -> StoredInvocation:
        """Say that the body waits no longer."""
        return self.changes.change(
            invocation_id,
            _S.RESUMED,
            runner,
            routing=routing,
            fields_of=lambda _: {"waits_for": ()},
        )

    def kill_and_reroute(
        self,
        invocation_id: InvocationId,
        runner: RunnerContext,
        *,
        orderly: bool,
        routing: int | None = None,
    ) -> bool:
        """Give it back, to be run again; return False if it is final already.

        Args:
            invocation_id: Which.
            runner: Its owner.
            orderly: Whether it was stopped. Otherwise it counts as a loss of who ran it, and it
                fails with a `PoisonedInvocationError` when there were more than its task allows.
            routing: See the class.
        """

        def decide(now: StoredInvocation) -> list[StoredInvocation]:
            if now.status.is_final:
                return []
            if was_taken_already(now, _S.REROUTED, runner.runner_id, routing):
                return [now]
            check_fence(now, _S.KILLED, runner.runner_id, routing)
            killed = step(now, _S.KILLED, runner.runner_id)
            most = None if orderly else self.changes.options_of(now.task).max_recoveries
            return [killed, given_back(killed, runner.runner_id, most=most)]

        return bool(self.changes.apply(invocation_id, decide))

    # Runners.

    def register_runner_heartbeats(self, contexts: Sequence[RunnerContext]) -> None:
        """Say that these runners are alive, unless that was said just now."""
        self.heartbeats.beat(contexts)

    def forget_runner(self, runner_id: str) -> None:
        """Say that a runner has ended."""
        self.heartbeats.forget(runner_id)

    def active_runners(self) -> list[RunnerContext]:
        """Return those that tell that they are alive, as far as this process knows."""
        return self.heartbeats.active()

    # All.

    def purge(self) -> None:
        """Remove everything; what runs is refused when it ends."""
        self._storage.clear()
