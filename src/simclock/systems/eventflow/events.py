"""``Event``: something that is done once, and knows how that went."""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
import sys
import time
import types
import weakref
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, final

import anyio
from pydantic import Field, PrivateAttr

from simclock.systems.eventflow.elements import Element
from simclock.systems.eventflow.executions import EventStatus, Execution
from simclock.systems.eventflow.failures import LionprideError, LionTimeoutError, OperationError
from simclock.systems.eventflow.sentinels import Unset

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from typing_extensions import Self

Observer = Callable[["Event", EventStatus, EventStatus], None]

logger: logging.Logger = logging.getLogger(__package__)

ORIGIN_KEY = "original"
PROPERTIES = {"request", "response", "status"}


class Event(Element):
    """Something that is done once: `_invoke` of a subclass says what, typed fields with what.

    It is invoked in one event loop, asyncio's or trio's. Its status may be read and set from any
    thread.

    Attributes:
        execution: How its run went.
        timeout: The seconds that it may take; ``None`` for as many as it likes. Not written down.
        streaming: Whether it is done by `stream`, not by `_invoke`.
    """

    execution: Execution = Field(default_factory=Execution, frozen=True)
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False, exclude=True)
    streaming: bool = False

    # A tuple: most events have the same empty one.
    _observers: tuple[Observer, ...] = PrivateAttr(default=())
    # There once somebody waits for the end of a run.
    _ended: anyio.Event | None = PrivateAttr(default=None)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class that hides what others need of its events.

        Raises:
            TypeError: It has an ``invoke`` of its own, or a field where there is a property.
        """
        super().__pydantic_init_subclass__(**kwargs)
        _check_class(cls)

    async def _invoke(self) -> Any:
        """Do it, and return the response. For subclasses."""
        raise NotImplementedError(
            f"{type(self).__name__} does nothing\noverride its _invoke(), or stream() if it streams"
        )

    def stream(self) -> AsyncIterator[Any]:
        """Do it, and yield the response in pieces. For subclasses that stream."""
        raise NotImplementedError(
            f"{type(self).__name__} streams nothing\noverride its stream(): `async def` and `yield`"
        )

    @property
    def request(self) -> dict[str, Any]:
        """What the permission to run it depends on; nothing, unless a subclass says more."""
        return {}

    @property
    def response(self) -> Any:
        """What came of it: ``Unset`` until it is completed; a list of the pieces of a stream."""
        return self.execution.response

    @property
    def status(self) -> EventStatus:
        """The status, which may be set by its name too.

        A pending event may be skipped, aborted or cancelled: it is not invoked
        then.

        Raises:
            ValueError: When it is set: no status has this name.
            OperationError: When it is set: it cannot follow the one that it has.
        """
        return self.execution.status

    @status.setter
    def status(self, value: EventStatus | str) -> None:
        self.execution.status = EventStatus.of(value)

    @final
    async def invoke(self) -> None:
        """Do it, unless that was done or begun; return when it has ended.

        It is done once, however many ask for it. Errors are kept in
        `execution`, not raised, unless they are no ``Exception``, as a
        cancellation is not. A timeout of its own makes it cancelled, one that
        it raises itself makes it failed.
        """
        if self.execution._start():
            await self._run()
        elif self.status is EventStatus.PROCESSING and self.execution._is_begun:
            if self._ended is None:
                self._ended = anyio.Event()
            await self._ended.wait()

    async def _run(self) -> None:
        # Not when it is needed: a coroutine may be closed where no loop runs.
        cancelled = anyio.get_cancelled_exc_class()
        start = time.monotonic()
        try:
            with anyio.move_on_after(self.timeout) as scope:
                response = await self._outcome()
                self._end(start, EventStatus.COMPLETED, response=response)
                return
            if scope.cancelled_caught:
                self._end(start, EventStatus.CANCELLED, self._too_late())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept
            self._end(start, EventStatus.FAILED, error)
        except BaseException as error:
            ended = EventStatus.CANCELLED if _is_all(error, cancelled) else EventStatus.FAILED
            self._end(start, ended, error)
            raise
        finally:
            if self._ended is not None:
                self._ended.set()

    async def _outcome(self) -> Any:
        if self.streaming:
            pieces: Any = self.stream()
            if not hasattr(pieces, "__aiter__"):
                raise _not_awaited(self, "stream", pieces, "`async def` and `yield`")
            return [piece async for piece in pieces]
        response: Any = self._invoke()
        # The type first: it is right nearly always, and the other question costs more.
        if not isinstance(response, types.CoroutineType) and not inspect.isawaitable(response):
            raise _not_awaited(self, "_invoke", response, "`async def`, and no `yield` in it")
        return await response

    def _too_late(self) -> LionTimeoutError:
        return LionTimeoutError(
            f"the event has not ended within {self.timeout:g} s\ngive it a longer timeout",
            details={"timeout": self.timeout},
        )

    def _end(
        self, start: float, status: EventStatus, error: BaseException | None = None, **values: Any
    ) -> None:
        execution = self.execution
        values |= {"error": error, "retryable": error is not None and is_retryable(error)}
        # Its own code may have said how it ended: then that stands.
        told = execution.status is not EventStatus.PROCESSING
        for name, value in values.items():
            if not told or getattr(execution, name) is Unset:
                setattr(execution, name, value)
        execution.duration = time.monotonic() - start
        if not told:
            # Another thread may tell just now.
            with contextlib.suppress(OperationError):
                execution.status = status

    def as_fresh_event(self, copy_meta: bool = False) -> Self:
        """Return another one to do the same, pending, with an id of its own.

        Its metadata tell where it comes from, and what this one's do if
        *copy_meta*.
        """
        metadata = copy.deepcopy(self.metadata) if copy_meta else {}
        metadata[ORIGIN_KEY] = {"id": str(self.id), "created_at": self.created_at.isoformat()}
        values = {
            field.alias or name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if name not in {"id", "created_at", "metadata", "execution"}
        }
        return type(self)(metadata=metadata, **values)

    def _refuse(self, status: EventStatus, error: Exception) -> None:
        """Let a pending event end with *error* before it has begun; others stay as they are."""
        execution = self.execution
        if execution._claim():
            execution.error, execution.retryable = error, is_retryable(error)
            execution._set(EventStatus.PENDING, status)

    def _observe(self, observer: Observer) -> None:
        """Call *observer* with the event, the status before and the one after, at each change.

        It is called in the thread that changes it. What it raises is logged.
        """
        self._observers = (*self._observers, observer)
        self.execution._event = weakref.ref(self)

    def _forget(self, observer: Observer) -> None:
        """Call *observer* no more; nothing happens if it was not called."""
        self._observers = tuple(each for each in self._observers if each != observer)

    def _tell(self, before: EventStatus, after: EventStatus) -> None:
        for observer in self._observers:
            try:
                observer(self, before, after)
            except Exception:
                # It must not change how the event ends, nor leave it where nobody goes on with it.
                logger.exception("event %s is %s: who watched it failed", self.id, after.value)

    # Nobody who watches this one is copied, or watches the copy.

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__["execution"] = copy.copy(self.execution)
        copied._observers, copied._ended = (), None
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        memo[id(self._observers)], memo[id(self._ended)] = (), None
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        private = dict(state["__pydantic_private__"] or {})
        state["__pydantic_private__"] = {**private, "_observers": (), "_ended": None}
        return state


def _check_class(cls: type[Event]) -> None:
    if cls.invoke is not Event.invoke:
        raise TypeError(
            f"{cls.__name__} has an invoke() of its own\n"
            "call it _invoke(): invoke() calls that, and keeps what comes of it"
        )
    hidden = sorted(PROPERTIES & cls.model_fields.keys())
    if hidden:
        raise TypeError(
            f"{cls.__name__} has a field where events have a property: {', '.join(hidden)}\n"
            "call the field otherwise, and override the property if it is request"
        )


def _not_awaited(event: Event, name: str, given: Any, how: str) -> TypeError:
    if inspect.iscoroutine(given):
        given.close()  # or Python warns that it was never awaited, wherever that may be
    return TypeError(
        f"{type(event).__name__}.{name}() gave what cannot be waited for: {type(given).__name__}\n"
        f"make it {how}"
    )


def is_retryable(error: BaseException) -> bool:
    """Return whether what failed with *error* may succeed if it is tried again.

    An error of this package knows it; others are; a group is unless a member
    of this package is not.
    """
    if isinstance(error, LionprideError):
        return error.retryable
    if isinstance(error, BaseExceptionGroup):
        return all(is_retryable(each) for each in error.exceptions)
    return True


def _is_all(error: BaseException, cancelled: type[BaseException]) -> bool:
    """Return whether *error* is a cancellation, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_all(each, cancelled) for each in error.exceptions)
    # A coroutine that nobody resumes any more is closed.
    return isinstance(error, (cancelled, GeneratorExit))
