"""Telling others what becomes of tasks."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger: logging.Logger = logging.getLogger(__package__)

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

    @property
    def has_subscribers(self) -> bool:
        """Whether there is somebody to be told."""
        return bool(self._subscribers)

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
        answers = [(each, _begun(each, event)) for each in self._subscribers]
        waited = [pair for pair in answers if inspect.isawaitable(pair[1])]
        if not waited:
            return
        # Each in a task of its own: if one is cancelled by what it awaits, that is not us.
        ends = await asyncio.gather(*(each for _, each in waited), return_exceptions=True)
        for (each, _), end in zip(waited, ends, strict=True):
            if isinstance(end, BaseException):
                _log(each, end)


def _begun(subscriber: Subscriber, event: Event) -> Any:
    try:
        return subscriber(event)
    except Exception as error:  # noqa: BLE001 - whatever it is, others are told
        _log(subscriber, error)
        return None


def _log(subscriber: Subscriber, error: BaseException) -> None:
    logger.error("a subscriber has failed: %r", subscriber, exc_info=error)


event_bus: EventBus = EventBus()
"""The bus that executors use unless they are given another one."""
