"""Invocations, as who has called a task sees them."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.calls import Call, LazyCall
from simclock.systems.runners.results import async_wait_for_finals, value_of, wait_for_finals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.arguments import Arguments
    from simclock.systems.runners.identifiers import InvocationId
    from simclock.systems.runners.statuses import InvocationStatus
    from simclock.systems.runners.stored import StoredInvocation
    from simclock.systems.runners.tasks import Task


class DistributedInvocation:
    """A call of a task that some runner runs.

    Args:
        app: The application.
        invocation_id: Which one.
        call: What was called; None: what is kept of it.

    Attributes:
        app: The application.
        invocation_id: What it is known by.
    """

    def __init__(self, app: Pynenc, invocation_id: InvocationId, call: Call | None = None) -> None:
        self.app = app
        self.invocation_id = invocation_id
        self._call = call
        self._status: InvocationStatus | None = None
        self._seen = 0.0

    @cached_property
    def call(self) -> Call:
        """What was called."""
        if self._call is not None:
            return self._call
        stored = self._stored()
        return LazyCall(self.app.get_task(stored.task), stored)

    @property
    def task(self) -> Task:
        """The task."""
        return self.call.task

    @property
    def arguments(self) -> Arguments:
        """Its arguments."""
        return self.call.arguments

    @property
    def status(self) -> InvocationStatus:
        """Where it is, or was a moment ago: see ``cached_status_time`` of the configuration.

        Raises:
            InvocationNotFoundError: It was purged.
        """
        if self._status is None or not (self._status.is_final or self._is_fresh()):
            self._status = self.app.orchestrator.status(self.invocation_id).status
            self._seen = time.monotonic()
        return self._status

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._seen < self.app.conf.cached_status_time

    @property
    def num_retries(self) -> int:
        """How often it was tried again because it failed."""
        return self._stored().retries

    @property
    def parent_invocation_id(self) -> InvocationId | None:
        """Which invocation has called it; None: none has."""
        return self._stored().parent

    def _stored(self) -> StoredInvocation:
        stored: StoredInvocation = self.app.orchestrator.get(self.invocation_id)
        return stored

    @property
    def result(self) -> Any:
        """What it returns, as soon as it has; what it has raised is raised: see `get_result`."""
        return self.get_result()

    def get_result(self, timeout: float | None = None) -> Any:
        """Wait until it is final; return what it has returned, or raise what it has raised.

        Raises:
            ResultTimeoutError: It was not final after that many seconds.
            ConcurrencyControlledError: It was not run.
            TaskFailedError: It has failed, with an error that cannot be made here.
            InvocationNotFoundError: It was purged.
        """
        [stored] = wait_for_finals(self.app, [self.invocation_id], timeout)
        return value_of(self.app, stored)

    async def async_result(self, timeout: float | None = None) -> Any:
        """Do what `get_result` does, without blocking the event loop."""
        [stored] = await async_wait_for_finals(self.app, [self.invocation_id], timeout)
        return value_of(self.app, stored)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DistributedInvocation):
            return NotImplemented
        return self.invocation_id == other.invocation_id

    def __hash__(self) -> int:
        return hash(self.invocation_id)

    def __reduce__(self) -> tuple[Any, ...]:
        return DistributedInvocation, (self.app, self.invocation_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.invocation_id})"


class ReusedInvocation(DistributedInvocation):
    """One that was there already: ``registration_concurrency`` of the task allows no other.

    Args:
        app: The application.
        invocation_id: Which one.
        diff_arg: The arguments of the new call that it does not have; None: it has all.

    Attributes:
        diff_arg: The same.
    """

    def __init__(
        self, app: Pynenc, invocation_id: InvocationId, diff_arg: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(app, invocation_id)
        self.diff_arg = diff_arg


class DistributedInvocationGroup:
    """The invocations of many calls of one task.

    Args:
        app: The application.
        invocations: The invocations, in the order of the calls.

    Attributes:
        app: The application.
        invocations: The invocations.
    """

    def __init__(self, app: Pynenc, invocations: Iterable[DistributedInvocation]) -> None:
        self.app = app
        self.invocations: list[Any] = list(invocations)

    def __len__(self) -> int:
        return len(self.invocations)

    def __iter__(self) -> Iterator[DistributedInvocation]:
        return iter(self.invocations)

    @property
    def results(self) -> Iterator[Any]:
        """What they return, each as soon as it has; what one has raised is raised."""
        return self.get_results()

    def get_results(self, timeout: float | None = None) -> Iterator[Any]:
        """Yield what they return, in the order of their ends, as far as that can be seen.

        Args:
            timeout: Seconds that all may take together.

        Raises:
            ResultTimeoutError: One was not final by then.
        """
        waiting, end = self._ids(), _end_of(timeout)
        while waiting:
            for stored in wait_for_finals(self.app, waiting, _left(end)):
                # A reused one is in the group several times, and has as many results.
                for _ in range(_removed(waiting, stored.id)):
                    yield value_of(self.app, stored)

    async def async_results(self, timeout: float | None = None) -> AsyncIterator[Any]:
        """Do what `get_results` does, without blocking the event loop."""
        waiting, end = self._ids(), _end_of(timeout)
        while waiting:
            for stored in await async_wait_for_finals(self.app, waiting, _left(end)):
                for _ in range(_removed(waiting, stored.id)):
                    yield value_of(self.app, stored)

    def _ids(self) -> list[InvocationId]:
        return [each.invocation_id for each in self.invocations]


def _removed(waiting: list[InvocationId], invocation_id: InvocationId) -> int:
    """Remove an id wherever it is; return how often it was there."""
    before = len(waiting)
    waiting[:] = [each for each in waiting if each != invocation_id]
    return before - len(waiting)


def _end_of(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(end: float | None) -> float | None:
    return None if end is None else end - time.monotonic()
