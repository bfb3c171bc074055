"""What goes wrong with tasks and runners, each kind with its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from simclock.systems._shared.stores.interfaces import StoreError

if TYPE_CHECKING:
    import enum
    from collections.abc import Collection

_Error = TypeVar("_Error", bound="PynencError")


class PynencError(Exception):
    """What all errors of task runners are."""

    def __reduce__(self) -> tuple[object, ...]:
        # Messages are made from arguments that `args` does not have; errors cross processes.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[_Error], args: tuple[object, ...], attributes: dict[str, object]
) -> _Error:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


def restore(name: str, text: str) -> PynencError:
    """Return the error of that name with this text; one of an unknown name is a `PynencError`."""
    kind = globals().get(name)
    if not isinstance(kind, type) or not issubclass(kind, PynencError):
        kind, text = PynencError, f"{name}: {text}"
    return _restored(kind, (text,), {})


class ConfigError(PynencError, ValueError):
    """A setting has no meaning."""


class RetryError(PynencError):
    """A task asks to be tried again."""


class SerializationError(PynencError):
    """An argument, result or error cannot be made a text, or a text cannot be read."""


class TaskError(PynencError):
    """What is wrong with a task."""


class TaskNotFoundError(TaskError, LookupError):
    """No task has this id here.

    Attributes:
        task_id: Its key.
    """

    def __init__(self, task_id: object, why: str = "its module has no such task") -> None:
        super().__init__(
            f"there is no task {task_id}: {why}\n"
            "decorate the function by the application's task(), in a module that can be imported"
        )
        self.task_id: str = str(task_id)


class InvalidTaskOptionsError(TaskError, ValueError):
    """An option of a task is unknown, or has no meaning."""


class TaskFailedError(TaskError):
    """A task has failed with an error that cannot be made here.

    Attributes:
        type_name: The name of the error's class.
        text: What it says.
        traceback_text: Where it was raised.
    """

    def __init__(self, type_name: str, text: str, traceback_text: str = "") -> None:
        super().__init__(
            f"the task has failed: {type_name}: {text}\nsee traceback_text of this error for where"
        )
        self.type_name = type_name
        self.text = text
        self.traceback_text = traceback_text


class RunnerError(PynencError):
    """What is wrong with a runner."""


class RunnerNotExecutableError(RunnerError):
    """A runner that only stands for a place outside was to run something."""


class RunnerAlreadyRunningError(RunnerError):
    """A runner that runs was started again."""


class StateBackendError(PynencError, StoreError):
    """What the state is kept in cannot be used. Its cause is the store's error.

    What was to be done may have been done: each operation can be repeated.
    """


class DamagedRecordError(StateBackendError):
    """What is kept of an invocation cannot be read: another version or program has written it."""


class ResultTimeoutError(PynencError, TimeoutError):
    """There was no result in time. The invocation goes on.

    Attributes:
        invocation_id: Whose.
        timeout: How many seconds were given.
    """

    def __init__(self, invocation_id: str, timeout: float) -> None:
        super().__init__(
            f"invocation {invocation_id} had no result within {timeout:g} s\n"
            "it goes on: wait again, or see its status"
        )
        self.invocation_id: str = invocation_id
        self.timeout = timeout


class InvocationError(PynencError):
    """What is wrong with an invocation.

    Attributes:
        invocation_id: Which; None if that is not known.
    """

    invocation_id: str | None = None


class InvocationNotFoundError(InvocationError, LookupError):
    """Nothing is known of an invocation: it never was, or was purged."""

    def __init__(self, invocation_id: str) -> None:
        super().__init__(
            f"there is no invocation {invocation_id}\n"
            "ask where it was registered, before it is purged"
        )
        self.invocation_id: str = invocation_id


class InvocationConcurrencyWithDifferentArgumentsError(InvocationError):
    """A call would reuse an invocation whose other arguments differ.

    Attributes:
        differing: The names of those arguments.
    """

    def __init__(self, invocation_id: str, differing: Collection[str]) -> None:
        names = ", ".join(sorted(differing))
        super().__init__(
            f"invocation {invocation_id} is registered with other arguments: {names}\n"
            "wait until it runs, or drop on_diff_non_key_args_raise to reuse it all the same"
        )
        self.invocation_id: str = invocation_id
        self.differing: frozenset[str] = frozenset(differing)


class ConcurrencyControlledError(InvocationError):
    """An invocation was not run, as another one of its kind was running."""

    def __init__(self, invocation_id: str) -> None:
        super().__init__(
            f"invocation {invocation_id} was not run: running_concurrency allows one at a time\n"
            "call the task again, or give it reroute_on_concurrency_control=True"
        )
        self.invocation_id: str = invocation_id


class PoisonedInvocationError(InvocationError):
    """An invocation lost those who ran it, too often.

    Attributes:
        recoveries: How often it was tried again because of that.
    """

    def __init__(self, invocation_id: str, recoveries: int) -> None:
        super().__init__(
            f"invocation {invocation_id} lost its runner {recoveries + 1} times\n"
            "see whether it makes them crash; max_recoveries of its task is how often it may"
        )
        self.invocation_id: str = invocation_id
        self.recoveries = recoveries


class InvocationStatusError(InvocationError):
    """A status could not be given."""


class InvocationStatusTransitionError(InvocationStatusError):
    """A status was to follow one that it cannot follow.

    Attributes:
        from_status: The status it had.
        to_status: The one it was to get.
        allowed: What can follow.
    """

    def __init__(
        self, from_status: enum.Enum, to_status: enum.Enum, allowed: Collection[enum.Enum]
    ) -> None:
        can = ", ".join(sorted(each.value for each in allowed)) or "nothing: it is final"
        super().__init__(f"{to_status.value} cannot follow {from_status.value}\nwhat can: {can}")
        self.from_status = from_status
        self.to_status = to_status
        self.allowed: frozenset[enum.Enum] = frozenset(allowed)


class InvocationStatusOwnershipError(InvocationStatusError):
    """A status was to be given by somebody who does not own the invocation.

    Attributes:
        from_status: The status it had.
        to_status: The one it was to get.
        current_owner: Who owns it; None: nobody.
        attempted_owner: Who has tried; None: nobody who could own it.
        reason: Why not.
    """

    def __init__(
        self,
        from_status: enum.Enum,
        to_status: enum.Enum,
        current_owner: str | None,
        attempted_owner: str | None,
        reason: str,
    ) -> None:
        super().__init__(
            f"{attempted_owner or 'nobody'} cannot make it {to_status.value}: {reason}\n"
            f"it is {from_status.value}, owned by {current_owner or 'nobody'}\n"
            "let its owner do so, or give up: others have taken it over"
        )
        self.from_status = from_status
        self.to_status = to_status
        self.current_owner = current_owner
        self.attempted_owner = attempted_owner
        self.reason = reason


class InvocationStatusRaceConditionError(InvocationStatusError):
    """Others changed an invocation each time that a status was to be given."""

    def __init__(self, invocation_id: str, tries: int) -> None:
        super().__init__(
            f"invocation {invocation_id} was changed by others, {tries} times in a row\n"
            "the change can be repeated"
        )
        self.invocation_id: str = invocation_id
        self.tries = tries


class InvocationInterrupted(BaseException):
    """A task's body is to end, as its runner stops: the invocation will be run again.

    No `Exception`: bodies are not to take it for an error of theirs.
    """
