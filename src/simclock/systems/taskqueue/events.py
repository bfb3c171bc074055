"""Telling others what becomes of tasks."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__package__)

Event = dict[str, Any]
Subscriber = Callable[[Event], "Awaitable[None] | None"]
"""What is told: a coroutine function, or a plain one that does not block."""


class EventBus:
    """Tells each event to all who have subscribed, at the same time.

    What one of them raises is logged, and neither the others nor who emits
    notice. Events of one task come in order, as each `emit` ends when all have
    taken theirs: a slow subscriber slows down the tasks.

    Subscribing is for any thread; each event is told in the loop of who emits it.
    """

    def __init__(self) -> None:
        # Invariant: never changed, only replaced: whoever iterates over it has the one he began.
        self._subscribers: tuple[Subscriber, ...] = ()

    def subscribe(self, fn: Subscriber) -> None:
        """Have *fn* called with each event, from the next one on."""
        if not callable(fn):
            raise TypeError(f"a subscriber cannot be called: {fn!r}\ngive a function of one event")
        self._subscribers = (*self._subscribers, fn)

    async def async_subscribe(self, fn: Subscriber) -> None:
        """Do what `subscribe` does; for programs that await it."""
        self.subscribe(fn)

    async def unsubscribe(self, fn: Subscriber) -> None:
        """Have *fn* not called any more. Nothing happens if it was not to be."""
        rest = list(self._subscribers)
        if fn in rest:
            rest.remove(fn)
        self._subscribers = tuple(rest)

    async def emit(self, event: Event) -> None:
        """Tell an event, and return when each subscriber has returned. It raises no errors.

        If this is cancelled, so are the subscribers.
        """
        subscribers = self._subscribers
        if len(subscribers) == 1:
            await _tell(subscribers[0], event)
        elif subscribers:
            await asyncio.gather(*(_tell(each, event) for each in subscribers))


async def _tell(subscriber: Subscriber, event: Event) -> None:
    try:
        answer = subscriber(event)
        if inspect.isawaitable(answer):
            await answer
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        logger.exception("a subscriber was cancelled by what it awaits: %r", subscriber)
    except Exception:
        logger.exception("a subscriber has failed: %r", subscriber)


def _is_cancelled() -> bool:
    """Return whether who emits was cancelled, as far as this Python can tell."""
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)  # from 3.11 on
    return cancelling is None or cancelling() > 0


event_bus = EventBus()
"""The bus that executors use unless they are given another one."""
