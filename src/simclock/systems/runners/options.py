"""How a task is run: its options, checked."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.retry import RetryPolicy, check_count
from simclock.systems.runners.failures import InvalidTaskOptionsError, RetryError

if TYPE_CHECKING:
    from collections.abc import Iterable


class ConcurrencyControlType(enum.Enum):
    """Which invocations keep each other from being registered, or run, at the same time."""

    DISABLED = "disabled"
    TASK = "task"  # all of the task
    ARGUMENTS = "arguments"  # those with equal arguments
    KEYS = "keys"  # those whose key arguments are equal


@dataclass(frozen=True)
class TaskOptions:
    """How a task is run.

    Attributes:
        parallel_batch_size: How many calls of `parallelize` are registered in one go; 0: each
            by itself.
        retry_for: The errors after which it is tried again; `RetryError` always is one.
        max_retries: How often it is tried after the first time.
        retry_delay: Seconds before the first retry; 0: at once.
        backoff: What the delay is multiplied by for each further one.
        max_delay: The longest delay, in seconds.
        jitter: Which part of the delay is random: 0.1 is up to 10 % more or less.
        max_recoveries: How often it is run again because its runner was lost, before it failed.
        running_concurrency: Which invocations are not run at the same time.
        registration_concurrency: Of which ones only one waits to be run.
        key_arguments: The names of the arguments that `KEYS` compares.
        on_diff_non_key_args_raise: Whether a call that differs from the one that waits, in
            other arguments, is an error; otherwise it is taken for that one.
        disable_cache_args: Names of arguments that are not to be cached, or ``"*"``. None are.
        reroute_on_concurrency_control: Whether an invocation that may not run now is run
            later, or is not run at all.
        triggers: What has the task run by itself: see `TriggerBuilder`.

    Raises:
        InvalidTaskOptionsError: One of them has no meaning.
    """

    parallel_batch_size: int = 100
    retry_for: tuple[type[BaseException], ...] = (RetryError,)
    max_retries: int = 0
    retry_delay: float = 0.0
    backoff: float = 1.0
    max_delay: float | None = None
    jitter: float = 0.0
    max_recoveries: int = 3
    running_concurrency: ConcurrencyControlType = ConcurrencyControlType.DISABLED
    registration_concurrency: ConcurrencyControlType = ConcurrencyControlType.DISABLED
    key_arguments: tuple[str, ...] = ()
    on_diff_non_key_args_raise: bool = False
    disable_cache_args: tuple[str, ...] = ()
    reroute_on_concurrency_control: bool = False
    triggers: Any = None

    def __post_init__(self) -> None:
        for name in ("retry_for", "key_arguments", "disable_cache_args"):
            object.__setattr__(self, name, _as_tuple(name, getattr(self, name)))
        try:
            check_count("parallel_batch_size", self.parallel_batch_size)
            check_count("max_recoveries", self.max_recoveries)
            _ = self.policy
        except ValueError as error:
            raise InvalidTaskOptionsError(str(error)) from None
        _check_errors(self.retry_for)
        for name in ("running_concurrency", "registration_concurrency"):
            self._check_concurrency(name)
        for name in ("on_diff_non_key_args_raise", "reroute_on_concurrency_control"):
            if not isinstance(getattr(self, name), bool):
                raise _meaningless(name, getattr(self, name), "give True or False")

    def _check_concurrency(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, ConcurrencyControlType):
            kinds = ", ".join(each.name for each in ConcurrencyControlType)
            raise _meaningless(name, value, f"give a ConcurrencyControlType: {kinds}")
        if value is ConcurrencyControlType.KEYS and not self.key_arguments:
            raise _meaningless(name, value, "give key_arguments=, the names that are compared")

    @property
    def policy(self) -> RetryPolicy:
        """How it is retried."""
        return RetryPolicy(
            self.max_retries, self.retry_delay, self.backoff, self.max_delay, self.jitter
        )

    def is_retriable(self, error: BaseException) -> bool:
        """Return whether the task is tried again after that error, if it may be."""
        return isinstance(error, (RetryError, *self.retry_for))

    def check_arguments(self, names: Iterable[str]) -> None:
        """Raise an `InvalidTaskOptionsError` if options name an argument that there is not."""
        known = set(names)
        for option in ("key_arguments", "disable_cache_args"):
            unknown = set(getattr(self, option)) - known - {"*"}
            if unknown:
                raise InvalidTaskOptionsError(
                    f"{option} names no argument of the task: {', '.join(sorted(unknown))}\n"
                    f"it has: {', '.join(sorted(known)) or 'none'}"
                )


NAMES = tuple(each.name for each in dataclasses.fields(TaskOptions))


def make_options(given: dict[str, Any]) -> TaskOptions:
    """Return options, those that are not given with their defaults.

    Raises:
        InvalidTaskOptionsError: There is none of that name, or one has no meaning.
    """
    if unknown := sorted(given.keys() - set(NAMES)):
        raise InvalidTaskOptionsError(
            f"tasks have no such options: {', '.join(unknown)}\nthey have: {', '.join(NAMES)}"
        )
    return TaskOptions(**given)


def _as_tuple(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, (tuple, list, set, frozenset)):
        raise _meaningless(name, value, "give a tuple")
    return tuple(value)


def _check_errors(errors: tuple[Any, ...]) -> None:
    for each in errors:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            raise _meaningless("retry_for", each, "give types of exceptions")


def _meaningless(name: str, value: object, remedy: str) -> InvalidTaskOptionsError:
    return InvalidTaskOptionsError(f"{name} has no meaning: {value!r}\n{remedy}")
