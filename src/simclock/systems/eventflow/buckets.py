"""Tokens that coroutines wait for: how often something may be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel

from simclock.systems._shared import limits
from simclock.systems._shared.retry import check_count, check_number
from simclock.systems.eventflow.bells import Bell


@dataclass(frozen=True)
class RateLimitConfig:
    """What a `TokenBucket` is like.

    Attributes:
        capacity: How many tokens it holds.
        refill_rate: How many come back in a second.
        initial_tokens: How many it has at first; if not given, it is full.

    Raises:
        ValueError: One of them has no meaning.
    """

    capacity: int
    refill_rate: float
    initial_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.initial_tokens is None:
            object.__setattr__(self, "initial_tokens", self.capacity)
        limits.Tokens(self.capacity, self.refill_rate, self.initial_tokens)


class TokenBucket:
    """Tokens that come back at a constant rate, by the clock: nothing runs in the background.

    Those who wait get theirs in the order in which they came, and nobody
    passes them: a large request does not wait for ever behind small ones. They
    are to be of one event loop.

    Args:
        config: What it is like.
    """

    def __init__(self, config: RateLimitConfig) -> None:
        self.capacity: int = config.capacity
        self.refill_rate: float = config.refill_rate
        self._core = limits.Tokens(config.capacity, config.refill_rate, config.initial_tokens)
        # Who waits, in order, and for how many.
        self._line: dict[anyio.Event, int] = {}
        self._bell = Bell()

    @property
    def tokens(self) -> float:
        """How many there are now."""
        return self._core.tokens

    async def acquire(self, tokens: int = 1, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as it always was
        """Take so many tokens as soon as it is one's turn and they are there; return ``True``.

        Args:
            tokens: How many.
            timeout: Seconds to wait at most; ``None``: as long as it takes. If
                it is known beforehand to be too short, ``False`` comes at once.

        Raises:
            ValueError: The bucket never has so many, or *timeout* is no number.
        """
        self._check(tokens)
        if timeout is not None:
            check_number("timeout", timeout)
        await anyio.lowlevel.checkpoint()
        if await self.try_acquire(tokens):
            return True
        if timeout is not None and self.wait_of(tokens) > timeout:
            return False
        return await self._wait(tokens, timeout)

    async def _wait(self, tokens: int, longest: float | None) -> bool:
        turn = anyio.Event()
        self._line[turn] = tokens
        try:
            with anyio.move_on_after(longest):
                if self._first() is not turn:
                    await turn.wait()
                while not self._core.try_take(tokens):
                    await self._bell.wait(self._core.wait_of(tokens))
                return True
            # They may have come in the instant in which the time was over.
            return self._first() is turn and self._core.try_take(tokens)
        finally:
            del self._line[turn]
            if self._line:
                self._first().set()

    def _first(self) -> anyio.Event:
        return next(iter(self._line))

    async def try_acquire(self, tokens: int = 1) -> bool:
        """Take so many tokens, without waiting; return whether they were there, and nobody waits.

        Raises:
            ValueError: The bucket never has so many.
        """
        self._check(tokens)
        return not self._line and self._core.try_take(tokens)

    def wait_of(self, tokens: int = 1) -> float:
        """Return how many seconds it takes until there are so many for who comes now."""
        self._check(tokens)
        return self._core.wait_of(sum(self._line.values()) + tokens)

    async def release(self, tokens: int = 1) -> None:
        """Give tokens back that were taken in vain.

        Raises:
            ValueError: *tokens* is no number of them.
        """
        check_count("tokens", tokens, least=1)
        self._core.give_back(tokens)
        self._bell.ring()

    async def reset(self) -> None:
        """Make it full."""
        self._core.fill()
        self._bell.ring()

    def to_dict(self) -> dict[str, Any]:
        """Return its settings, not what it has."""
        return {"capacity": self.capacity, "refill_rate": self.refill_rate}

    def _check(self, tokens: int) -> None:
        check_count("tokens", tokens, least=1)
        if tokens > self.capacity:
            raise ValueError(
                f"the bucket never has so many tokens: {tokens} of {self.capacity}\n"
                "ask for fewer, or make a larger one"
            )
