"""How the run of an event went: its status, and what came of it."""

from __future__ import annotations

import copy
import enum
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic_core import core_schema

from simclock.systems._shared.statuses import StatusError, Transitions
from simclock.systems.eventflow.failures import OperationError, RestoredError
from simclock.systems.eventflow.sentinels import Unset, UnsetType
from simclock.systems.eventflow.writing import written_error, written_value

if TYPE_CHECKING:
    import weakref

    from pydantic import GetCoreSchemaHandler

    from simclock.systems.eventflow.events import Event

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

MULTIPLE = "multiple errors"
# In the order of the constructor.
_VALUES = ("duration", "response", "error", "retryable")


class EventStatus(str, enum.Enum):
    """What an event is in: seven states, of which five are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    ABORTED = "aborted"

    @classmethod
    def of(cls, value: EventStatus | str) -> EventStatus:
        """Return the status that *value* is or names.

        Raises:
            ValueError: It names none.
        """
        try:
            return cls(value)
        except ValueError:
            names = ", ".join(each.value for each in cls)
            raise ValueError(f"no status has this name: {value!r}\ngive one of: {names}") from None


_S = EventStatus
TRANSITIONS = Transitions(
    {
        _S.PENDING: (_S.PROCESSING, _S.FAILED, _S.CANCELLED, _S.SKIPPED, _S.ABORTED),
        _S.PROCESSING: (_S.COMPLETED, _S.FAILED, _S.CANCELLED),
        _S.COMPLETED: (),
        _S.FAILED: (),
        _S.CANCELLED: (),
        _S.SKIPPED: (),
        _S.ABORTED: (),
    }
)


class Execution:
    """How the run of an event went.

    Attributes:
        duration: Its seconds, by the monotonic clock.
        response: What it returned.
        error: What it failed with, or ``None``.
        retryable: Whether the same may succeed if it is tried again.
    """

    __slots__ = ("_event", "_is_begun", "_pending", "_status", *_VALUES)

    def __init__(
        self,
        status: EventStatus | str = EventStatus.PENDING,
        duration: float | UnsetType | None = Unset,
        response: Any = Unset,
        error: BaseException | UnsetType | None = Unset,
        retryable: bool | UnsetType | None = Unset,
    ) -> None:
        self._status = EventStatus.of(status)
        # Invariant: it is set as long as nobody has moved the status away from PENDING.
        if self._status is EventStatus.PENDING:
            self._pending = True
        # Whether somebody runs it: not what it is a copy of, nor whoever sets a status by hand.
        self._is_begun = False
        self._event: weakref.ref[Event] | None = None
        self.duration: float | UnsetType | None = duration
        self.response: Any = response
        self.error: BaseException | UnsetType | None = error
        self.retryable: bool | UnsetType | None = retryable

    @property
    def status(self) -> EventStatus:
        """The status. What it cannot be now is refused; what it is already changes nothing."""
        return self._status

    @status.setter
    def status(self, value: EventStatus | str) -> None:
        self._move(EventStatus.of(value))

    def _move(self, after: EventStatus) -> None:
        before = self._status
        if after is before:
            return
        try:
            TRANSITIONS.check(before, after)
        except StatusError as error:
            raise _refused(before, after, str(error)) from None
        if before is EventStatus.PENDING and not self._claim():
            raise _refused(before, after, "another thread has just moved it: see its status")
        self._set(before, after)

    def _start(self) -> bool:
        """Return whether PENDING has become PROCESSING; for one caller at most, of any threads."""
        if not self._claim():
            return False
        self._is_begun = True
        self._set(EventStatus.PENDING, EventStatus.PROCESSING)
        return True

    def _claim(self) -> bool:
        # To delete an attribute succeeds in one thread only, and takes no lock.
        try:
            del self._pending
        except AttributeError:
            return False
        return True

    def _set(self, before: EventStatus, after: EventStatus) -> None:
        self._status = after
        event = self._event and self._event()
        if event:
            event._tell(before, after)

    def add_error(self, error: BaseException) -> None:
        """Keep *error*: the first as it is, with others in a group."""
        known = self.error
        if known is None or isinstance(known, UnsetType):
            self.error = error
            return
        # Only one that was made here is opened: another may say more than its members.
        before = known.exceptions if _is_ours(known) else (known,)
        self.error = BaseExceptionGroup(MULTIPLE, [*before, error])

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dictionary that JSON can have: ``None`` for what is unset."""
        return {
            "status": self._status.value,
            "duration": None if self.duration is Unset else self.duration,
            "response": written_value(self.response),
            "error": None if isinstance(self.error, UnsetType) else written_error(self.error),
            "retryable": None if self.retryable is Unset else self.retryable,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Execution:
        """Make one from what `to_dict` returned.

        What was unset and what was ``None`` are told apart by the status; an
        error becomes a `RestoredError`.

        Raises:
            ValueError: The status is unknown, or there are keys that are not of an execution.
        """
        unknown = data.keys() - {"status", *_VALUES}
        if unknown:
            raise ValueError(f"an execution has no: {', '.join(sorted(unknown))}")
        status = EventStatus.of(data.get("status", EventStatus.PENDING))
        completed = status is EventStatus.COMPLETED
        values = {
            name: Unset if value is None and not completed else value
            for name, value in data.items()
            if name != "status"
        }
        error: Any = values.get("error")
        if isinstance(error, dict):
            values["error"] = RestoredError.from_dict(error)
        return cls(status, **values)

    def __deepcopy__(self, memo: dict[int, Any]) -> Execution:
        # Errors of users cannot always be made again: they are not copied.
        if isinstance(self.error, BaseException):
            memo[id(self.error)] = self.error
        values = [copy.deepcopy(getattr(self, name), memo) for name in _VALUES]
        return Execution(self._status, *values)

    def __repr__(self) -> str:
        rest = ", ".join(f"{name}={getattr(self, name)!r}" for name in _VALUES)
        return f"Execution(status={self._status.value}, {rest})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is nobody's: who watches the event does not watch the copy's.
        return Execution, (self._status, *(getattr(self, name) for name in _VALUES))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _execution_of,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict),
        )


def _execution_of(value: Any) -> Execution:
    if isinstance(value, Execution):
        return value
    if isinstance(value, dict):
        return Execution.from_dict(value)
    raise ValueError(
        f"this is no execution: {value!r}\ngive an Execution, or what its to_dict() is"
    )


def _refused(before: EventStatus, after: EventStatus, why: str) -> OperationError:
    return OperationError(why, details={"before": before.value, "after": after.value})


def _is_ours(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup) and error.message == MULTIPLE
