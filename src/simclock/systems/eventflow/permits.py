"""Permission for events: how often one was denied, and when it is asked for again."""

from __future__ import annotations

import inspect
import logging
import random
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.retry import RetryPolicy, check_number
from simclock.systems.eventflow.executions import EventStatus
from simclock.systems.eventflow.failures import AccessError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from simclock.systems.eventflow.events import Event
    from simclock.systems.eventflow.queueing import Line

logger: logging.Logger = logging.getLogger(__package__)

# Of the refresh time of the capacity: how long the first denied event waits, and any one at most.
FIRST, LONGEST = 1 / 100, 1 / 10


class Denials:
    """How often each event was denied, for the last so many events.

    Args:
        refresh_time: Seconds; what the waits are parts of.
        most: Of how many events it keeps the count. If there are more, what
            is known of those that were denied first is forgotten.
    """

    def __init__(self, refresh_time: float, most: int) -> None:
        self._most = most
        self._policy = RetryPolicy(0, refresh_time * FIRST, 2.0, refresh_time * LONGEST)
        self._counts: OrderedDict[UUID, int] = OrderedDict()
        # It is there to be passed: the policy draws nothing, as it has no jitter.
        self._random = random.Random(0)

    def __len__(self) -> int:
        return len(self._counts)

    def judge(self, event_id: UUID, answer: Any) -> float:
        """Return how many seconds an event waits after *answer*: 0.0 if it is permitted.

        Raises:
            ValueError: The answer is a number that is not one of seconds.
        """
        seconds = float(answer) if _is_number(answer) else None
        if seconds is not None:
            check_number("the seconds that request_permission returned", seconds)
        if answer and seconds is None:
            self.forget(event_id)
            return 0.0
        count = self._add(event_id)
        return seconds or self._policy.delay_of(count, self._random)

    def _add(self, event_id: UUID) -> int:
        count = self.count_of(event_id) + 1
        self._counts[event_id] = count
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count

    def count_of(self, event_id: UUID) -> int:
        """Return how often an event was denied, as far as that is known."""
        return self._counts.get(event_id, 0)

    def forget(self, event_id: UUID) -> None:
        """Forget an event, if it is known."""
        self._counts.pop(event_id, None)

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()


def _is_number(answer: Any) -> bool:
    return isinstance(answer, (int, float)) and not isinstance(answer, bool)


def _asked(permission: Callable[..., Awaitable[Any]], event: Event) -> Awaitable[Any]:
    """Return what has to be awaited for the answer.

    Raises:
        TypeError: The request is no mapping, or the question is no coroutine function.
    """
    request: Any = event.request
    if not isinstance(request, Mapping):
        raise TypeError(
            f"the request of {type(event).__name__} is no mapping: {request!r}\n"
            "have it return a dictionary: what request_permission is called with"
        )
    asked: Any = permission(**request)
    if not inspect.isawaitable(asked):
        raise TypeError(f"request_permission cannot be awaited: {asked!r}\nmake it `async def`")
    return asked


class Permits:
    """Asks whether events may start, and sends those that may not to wait, or away.

    Args:
        line: Where the events are.
        denials: How often each was denied.
        most: After how many denials an event is aborted; ``None``: never.
    """

    def __init__(self, line: Line, denials: Denials, most: int | None) -> None:
        self.denials = denials
        self._line = line
        self._most = most
        self._has_warned = False

    async def ask(self, event: Event, permission: Callable[..., Awaitable[Any]]) -> bool:
        """Return whether *permission* lets an event start that was taken from the line."""
        try:
            answer = await _asked(permission, event)
            self._warn_of(answer, permission)
            wait = self.denials.judge(event.id, answer)
        except Exception as error:
            logger.exception("the permission of an event could not be asked for: %s", event.id)
            event._refuse(EventStatus.FAILED, error)
            return False
        if wait:
            self._deny(event, wait)
        return not wait

    def _warn_of(self, answer: Any, permission: Callable[..., Awaitable[Any]]) -> None:
        """Warn of the first ``None``: it denies, and is what a forgotten ``return`` gives."""
        if answer is not None or self._has_warned:
            return
        name = getattr(permission, "__qualname__", repr(permission))
        warnings.warn(
            f"{name}() returned None, which denies the event\n"
            "return True to let it start, False or a number of seconds to have it wait",
            RuntimeWarning,
            stacklevel=2,
        )
        # Not before: where warnings are errors each such event fails with it.
        self._has_warned = True

    def _deny(self, event: Event, wait: float) -> None:
        count = self.denials.count_of(event.id)
        if self._most is None or count < self._most:
            self._line.send_apart(event.id, wait)
            return
        error = AccessError(
            f"permission was denied {count} times, which is max_denials",
            details={"denials": count},
        )
        event._refuse(EventStatus.ABORTED, error)
