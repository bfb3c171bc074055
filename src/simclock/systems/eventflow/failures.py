"""What goes wrong with events, each kind with its error."""

from __future__ import annotations

from typing import Any, ClassVar


class LionprideError(Exception):
    """What all errors of event processors are.

    Attributes:
        message: What has happened.
        details: The values that belong to it.
        retryable: Whether the same may succeed if it is tried again.
    """

    default_message: ClassVar[str] = "an event processor has failed"
    default_retryable: ClassVar[bool] = True

    def __init__(
        self,
        message: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        retryable: bool | None = None,
        cause: BaseException | None = None,
    ) -> None:
        self.message: str = self.default_message if message is None else message
        super().__init__(self.message)
        self.details: dict[str, Any] = dict(details or {})
        self.retryable: bool = self.default_retryable if retryable is None else retryable
        if cause is not None:
            # As `raise ... from cause` does.
            BaseException.__setattr__(self, "__cause__", cause)

    def __str__(self) -> str:
        # A `KeyError` would show its message quoted.
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """Return what it says as a dictionary; without details and cause if there are none."""
        data: dict[str, Any] = {
            "error": type(self).__name__,
            "message": self.message,
            "retryable": self.retryable,
        }
        if self.details:
            data["details"] = dict(self.details)
        if self.__cause__ is not None:
            data["cause"] = repr(self.__cause__)
        return data


class ValidationError(LionprideError):
    """A value is not what it must be."""

    default_message = "a value is not what it must be"
    default_retryable = False


class AccessError(LionprideError):
    """Something is not allowed."""

    default_message = "access is denied"
    default_retryable = False


class ConfigurationError(LionprideError):
    """Settings are missing, unknown or out of range."""

    default_message = "the configuration cannot be used"
    default_retryable = False


class NotFoundError(LionprideError, KeyError):
    """Nothing has this id, name or position."""

    default_message = "it is not there"
    default_retryable = False


class ExistsError(LionprideError):
    """There is one of that id or name already."""

    default_message = "it is there already"
    default_retryable = False


class OperationError(LionprideError):
    """Something cannot be done in this state."""

    default_message = "this cannot be done now"
    default_retryable = False


class ExecutionError(LionprideError):
    """An event has failed."""

    default_message = "the event has failed"


class LionConnectionError(LionprideError):
    """Another side cannot be reached."""

    default_message = "the connection has failed"


class LionTimeoutError(LionprideError):
    """Something has not ended in time."""

    default_message = "it has not ended in time"


class QueueFullError(LionprideError):
    """There is no room for an event."""

    default_message = "the queue is full"


class RestoredError(LionprideError):
    """An error that an event had when it was written down.

    It says what the original has said, and is written down as that one was.
    """

    default_message = "the event had failed"

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.written: dict[str, Any] | None = None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RestoredError:
        """Return the error that *data* tells of."""
        error = cls(str(data.get("message", "")), retryable=bool(data.get("retryable", True)))
        error.written = dict(data)
        return error

    def to_dict(self) -> dict[str, Any]:
        """Return what the original's was."""
        return super().to_dict() if self.written is None else dict(self.written)
