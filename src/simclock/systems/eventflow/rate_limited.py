"""A processor whose events take tokens: so many requests, and so much in them, in a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from simclock.systems._shared.retry import check_number
from simclock.systems.eventflow.buckets import TokenBucket
from simclock.systems.eventflow.events import Event
from simclock.systems.eventflow.executor import Executor
from simclock.systems.eventflow.processor import Processor

if TYPE_CHECKING:
    from simclock.systems.eventflow.piles import Pile


class RateLimitedProcessor(Processor):
    """Starts an event when there is a token for it in one bucket, and some for its size in another.

    An event says its size by ``required_tokens`` in its `Event.request`. It
    takes all of its tokens, or none; until they are there, others are started
    for which there are enough. Who waits for tokens waits until they come by the
    clock, also if others give theirs back, or fill the bucket.

    Args:
        request_bucket: One token of it for each event; ``None``: any number of events.
        token_bucket: ``required_tokens`` of it for each event; ``None``: they do not count.
        replenishment_interval: Kept for programs that give it. Buckets are
            refilled by the clock, all the time, and by nothing else.

    Raises:
        TypeError: A bucket is none.
    """

    event_type: ClassVar[type[Event]] = Event

    def __init__(  # noqa: PLR0917 - as it always was
        self,
        queue_capacity: int,
        capacity_refresh_time: float,
        pile: Pile[Any] | None = None,
        executor: Executor | None = None,
        request_bucket: TokenBucket | None = None,
        token_bucket: TokenBucket | None = None,
        replenishment_interval: float = 60.0,
        **settings: Any,
    ) -> None:
        check_number("replenishment_interval", replenishment_interval, zero=False)
        _check_bucket("request_bucket", request_bucket)
        _check_bucket("token_bucket", token_bucket)
        super().__init__(queue_capacity, capacity_refresh_time, pile, executor, **settings)
        self.request_bucket = request_bucket
        self.token_bucket = token_bucket
        self.replenishment_interval = replenishment_interval

    async def request_permission(
        self, required_tokens: int | None = None, **request: Any
    ) -> bool | float:
        """Take the tokens; or return how many seconds it takes until they are there.

        Raises:
            ValueError: There are never so many tokens.
        """
        del request
        if self.request_bucket is not None and not await self.request_bucket.try_acquire():
            return self.request_bucket.wait_of() or False
        if self.token_bucket is None or not required_tokens:
            return True
        taken = False
        try:
            taken = await self.token_bucket.try_acquire(required_tokens)
        finally:
            if not taken and self.request_bucket is not None:
                await self.request_bucket.release()
        return taken or self.token_bucket.wait_of(required_tokens) or False

    def _until_next(self) -> float:
        # Nobody is asked for in vain: there may be thousands, and a request costs each the same.
        until = super()._until_next()
        if self.request_bucket is None or until == math.inf:
            return until
        return max(until, self.request_bucket.wait_of())

    def to_dict(self) -> dict[str, Any]:
        """Return its settings, not what it has to do."""
        buckets = {"request_bucket": self.request_bucket, "token_bucket": self.token_bucket}
        return {
            "queue_capacity": self.queue_capacity,
            "capacity_refresh_time": self.capacity_refresh_time,
            "replenishment_interval": self.replenishment_interval,
            "concurrency_limit": self.concurrency_limit,
            "max_queue_size": self.max_queue_size,
            "max_denial_tracking": self.max_denial_tracking,
            **{name: None if each is None else each.to_dict() for name, each in buckets.items()},
        }


def _check_bucket(name: str, bucket: Any) -> None:
    if bucket is not None and not isinstance(bucket, TokenBucket):
        raise TypeError(
            f"{name} is no TokenBucket: {bucket!r}\n"
            "give TokenBucket(RateLimitConfig(capacity, refill_rate)), or None"
        )


class RateLimitedExecutor(Executor):
    """Keeps events, and runs them as fast as their tokens come."""

    processor_type: ClassVar[type[Processor]] = RateLimitedProcessor

    def __init__(
        self,
        processor_config: dict[str, Any] | None = None,
        strict_event_type: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(processor_config, strict_event_type, name or "rate_limited_executor")
