"""Who runs what, here and now: identities of runners, and the current app, runner, invocation."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import uuid
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simclock.systems.runners.failures import InvocationInterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.identifiers import InvocationId


@dataclass(frozen=True)
class RunnerContext:
    """The identity of a runner, wherever that is.

    Attributes:
        runner_cls: The name of its class.
        runner_id: What owns invocations.
        parent_ctx: Who has started it, if that is a runner.
        pid: Its process.
        hostname: Its machine.
        thread_id: The thread that made it.
    """

    runner_cls: str
    runner_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parent_ctx: RunnerContext | None = None
    pid: int = field(default_factory=os.getpid)
    hostname: str = field(default_factory=socket.gethostname)
    thread_id: int = field(default_factory=threading.get_ident)

    @property
    def _root(self) -> RunnerContext:
        return self if self.parent_ctx is None else self.parent_ctx._root

    @property
    def root_runner_id(self) -> str:
        """The id of the first one in the line of parents."""
        return self._root.runner_id

    @property
    def root_runner_cls(self) -> str:
        """The class of the first one in the line of parents."""
        return self._root.runner_cls

    def new_child_context(self, runner_cls: str, runner_id: str | None = None) -> RunnerContext:
        """Return the identity of a runner that this one starts, made where it will run."""
        return RunnerContext(runner_cls, runner_id or str(uuid.uuid4()), parent_ctx=self)

    def to_json(self) -> str:
        """Return what `from_json` makes an equal one of."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RunnerContext:
        """Return what `to_json` has written.

        Raises:
            ValueError: It has not written this.
        """
        try:
            return cls._of(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(
                f"text is no runner's context: {text!r}\n  {error}\ngive what to_json() has written"
            ) from error

    @classmethod
    def _of(cls, data: Any) -> RunnerContext:
        if not isinstance(data, dict):
            raise TypeError(f"this is no object: {data!r}")
        parent = data.pop("parent_ctx", None)
        made = cls(parent_ctx=None if parent is None else cls._of(parent), **data)
        for name, kind in _KINDS.items():
            if type(getattr(made, name)) is not kind:
                raise TypeError(f"{name} is no {kind.__name__}")
        return made


_KINDS: dict[str, type] = {
    "runner_cls": str,
    "runner_id": str,
    "pid": int,
    "hostname": str,
    "thread_id": int,
}


class Waits(Protocol):
    """Decides how an invocation waits for others, as each runner does.

    Both may return at any time: who waits looks, and calls again.
    """

    def waiting_for_results(
        self,
        running_invocation_id: InvocationId | None,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block the running invocation for a while, or until a result is there."""

    async def async_waiting_for_results(
        self,
        running_invocation_id: InvocationId | None,
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Do the same for a coroutine."""


@dataclass(frozen=True)
class CurrentInvocation:
    """The invocation whose body asks.

    Attributes:
        id: What it is known by.
        app: The application that runs it, here.
        runner: Who owns it.
        waits: Decides how it waits for others.
        stop: Is set when the runner is stopped.
        retries: How often it was retried.
    """

    id: InvocationId
    app: Pynenc
    runner: RunnerContext
    waits: Waits
    stop: threading.Event
    retries: int = 0

    @property
    def should_stop(self) -> bool:
        """Whether the runner is stopped: a body that returns late is run again elsewhere."""
        return self.stop.is_set()

    def checkpoint(self) -> None:
        """Leave the body if it should stop; the invocation is run again from its beginning.

        Raises:
            InvocationInterrupted: It should; no ``Exception``, for the runner.
        """
        if self.should_stop:
            raise InvocationInterrupted(self.id)


class _Place(NamedTuple):
    """Where this code runs, of one application.

    Attributes:
        app: That application, as this machine has it.
        runner: Who runs things here.
        invocation: What it runs here; None: nothing, it is the runner's own loop.
    """

    app: Pynenc
    runner: Any
    invocation: CurrentInvocation | None


# By the application's id: there may be several in a process. Not a thread-local: coroutines of
# several invocations share a thread.
_places: ContextVar[Mapping[str, _Place] | None] = ContextVar("places", default=None)
_invocation: ContextVar[CurrentInvocation | None] = ContextVar("invocation", default=None)


@contextlib.contextmanager
def current(app: Pynenc, runner: Any) -> Iterator[None]:
    """In a block of this thread or asyncio task, have *runner* be the application's current one."""
    with _placed(_Place(app, runner, None)):
        yield


@contextlib.contextmanager
def running(invocation: CurrentInvocation) -> Iterator[None]:
    """In a block of this thread or asyncio task, have *invocation* be what is run."""
    token = _invocation.set(invocation)
    try:
        with _placed(_Place(invocation.app, invocation.waits, invocation)):
            yield
    finally:
        _invocation.reset(token)


@contextlib.contextmanager
def _placed(place: _Place) -> Iterator[None]:
    token = _places.set({**(_places.get() or {}), place.app.app_id: place})
    try:
        yield
    finally:
        _places.reset(token)


def current_runner(app_id: str) -> Any:
    """Return the current runner of an application, None if no runner runs this code."""
    place = _place(app_id)
    return None if place is None else place.runner


def current_app(app_id: str) -> Pynenc | None:
    """Return the application that runs this code, None if none of that id does."""
    place = _place(app_id)
    return None if place is None else place.app


def current_invocation(app_id: str | None = None) -> CurrentInvocation | None:
    """Return the invocation whose body this is, None outside; of any application without id."""
    if app_id is None:
        return _invocation.get()
    place = _place(app_id)
    return None if place is None else place.invocation


def _place(app_id: str) -> _Place | None:
    return (_places.get() or {}).get(app_id)
