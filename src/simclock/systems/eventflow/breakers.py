"""A circuit breaker for calls of what may be down: after some failures it is left in peace."""

from __future__ import annotations

import inspect
import logging
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from simclock.systems._shared.limits import Breaker, BreakerState, CallEnd
from simclock.systems.eventflow.failures import LionConnectionError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__package__)

CircuitState = BreakerState


class CircuitBreakerOpenError(LionConnectionError):
    """A call was not made, because too many of those before it have failed.

    Attributes:
        retry_after: In how many seconds a call may be made again, if that is known.
    """

    default_message = "the circuit breaker is open"

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        details = dict(details or {})
        if retry_after is not None:
            details["retry_after"] = retry_after
        super().__init__(message, details=details)
        self.retry_after = retry_after


class CircuitBreaker:
    """Makes calls until *failure_threshold* in succession have failed; then none for a while.

    After *recovery_time* a few calls are made to see whether it works again. A
    call that ends with an excluded exception, or is cancelled, is neither a
    success nor a failure, and gives its place back. May be used from any thread.

    Args:
        failure_threshold: How many failures, with no success in between, open it.
        recovery_time: Seconds for which it is open.
        half_open_max_calls: How many calls are made at once to see whether it works.
        excluded_exceptions: Those that do not count.
        name: For errors and the log.

    Raises:
        ValueError: A number has no meaning.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_time: float = 30.0,
        half_open_max_calls: int = 1,
        excluded_exceptions: Iterable[type[Exception]] | None = None,
        name: str = "default",
    ) -> None:
        self._core = Breaker(failure_threshold, recovery_time, half_open_max_calls)
        self.failure_threshold = failure_threshold
        self.recovery_time = recovery_time
        self.half_open_max_calls = half_open_max_calls
        self.excluded_exceptions: set[type[Exception]] = set(excluded_exceptions or ())
        self.name = name
        self._lock = threading.Lock()
        self._counts = {"success_count": 0, "failure_count": 0, "rejected_count": 0}

    @property
    def state(self) -> CircuitState:
        """Whether calls are made: CLOSED all, OPEN none, HALF_OPEN a few."""
        return self._core.state

    @property
    def failure_count(self) -> int:
        """How many calls have failed since one has not."""
        return self._core.failures

    @property
    def metrics(self) -> dict[str, Any]:
        """Counts of calls, and the last changes of the state."""
        changes = [
            {"time": each.at, "from": each.before.value, "to": each.after.value}
            for each in self._core.changes
        ]
        return {**self._counts, "state_changes": changes}

    def to_dict(self) -> dict[str, Any]:
        """Return its settings, not what it has seen."""
        return {
            "failure_threshold": self.failure_threshold,
            "recovery_time": self.recovery_time,
            "half_open_max_calls": self.half_open_max_calls,
            "name": self.name,
        }

    async def execute(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Return what the call of *func* returns, or raise what it raises.

        Raises:
            CircuitBreakerOpenError: The call is not to be made now.
            TypeError: *func* is no function, or what it returns cannot be awaited.
        """
        _check_function(func)
        call = self._core.enter()
        if call is None:
            self._count("rejected_count")
            raise self._refusal()
        end = CallEnd.NEITHER
        try:
            result: T = await _awaitable(func, func(*args, **kwargs))
            end = CallEnd.SUCCESS
            self._count("success_count")
            return result
        except Exception as error:
            if not isinstance(error, tuple(self.excluded_exceptions)):
                end = CallEnd.FAILURE
                self._count("failure_count")
            raise
        finally:
            self._leave(call, end)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _leave(self, call: int, end: CallEnd) -> None:
        before = self._core.state
        self._core.leave(call, end)
        if self._core.state is not before:
            logger.info(
                "circuit breaker %r: %s, was %s", self.name, self._core.state.value, before.value
            )

    def _refusal(self) -> CircuitBreakerOpenError:
        # Of probes that are under way nobody knows when they end.
        after = self._core.wait_of() or None
        when = "a probe is under way" if after is None else f"call again in {after:.6g} s"
        return CircuitBreakerOpenError(
            f"the call was not made: circuit breaker {self.name!r} is {self.state.value}\n{when}",
            retry_after=after,
            details={"name": self.name, "state": self.state.value},
        )


def _check_function(func: Any) -> None:
    if callable(func):
        return
    if inspect.iscoroutine(func):
        func.close()  # or Python warns that it was never awaited, wherever that may be
    raise TypeError(
        f"execute() calls a function, and was given none: {func!r}\n"
        "give the function, and then its arguments: execute(fetch, url), not execute(fetch(url))"
    )


def _awaitable(func: Callable[..., Any], given: Any) -> Awaitable[Any]:
    if not inspect.isawaitable(given):
        name = getattr(func, "__qualname__", repr(func))
        raise TypeError(
            f"what {name}() returned cannot be awaited: {type(given).__name__}\n"
            "make it `async def`, or hand it to a thread"
        )
    return given
