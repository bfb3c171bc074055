"""Keys in the order of their ranks, of which any can be taken out."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Any, Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Span(NamedTuple):
    """What a `Ranking` has up to a rank, and what comes after it.

    Attributes:
        within: How many keys have that rank or a lower one.
        following: The lowest rank above it; None if there is none.
    """

    within: int
    following: Any


class Ranking(Generic[Key]):
    """Keys with ranks, lowest first: a heap whose entries can be taken out from anywhere.

    Equal ranks are in the order of their keys, which no caller wants: for
    first in, first out, a rank ends with a number that counts up. Each key is
    there once. To be used by one thread at a time.
    """

    def __init__(self) -> None:
        self._ranks: dict[Key, Any] = {}
        # Invariant: has each item of `_ranks`, and perhaps stale ones, which are skipped: to take
        # an entry out of the middle of a heap takes a search through all of it.
        self._heap: list[tuple[Any, Key]] = []

    def __len__(self) -> int:
        return len(self._ranks)

    def __contains__(self, key: Key) -> bool:
        return key in self._ranks

    def add(self, key: Key, rank: Any) -> None:
        """Add *key*, or give it another rank."""
        self._ranks[key] = rank
        heapq.heappush(self._heap, (rank, key))
        # A key whose rank changes again and again, as a claim's, leaves a stale entry each time.
        if len(self._heap) > 2 * len(self._ranks) + 8:
            self._heap = [(each, name) for name, each in self._ranks.items()]
            heapq.heapify(self._heap)

    def discard(self, key: Key) -> bool:
        """Take *key* out; return whether it was there."""
        return self._ranks.pop(key, None) is not None

    def pop(self) -> Key | None:
        """Take the first key out and return it; None if there is none."""
        while self._heap:
            rank, key = heapq.heappop(self._heap)
            if self._ranks.get(key) == rank:
                del self._ranks[key]
                return key
        return None

    def pop_until(self, limit: Any) -> list[Key]:
        """Take out all keys whose ranks are *limit* or lower, and return them in order."""
        found = []
        while self._heap and self._heap[0][0] <= limit:
            rank, key = heapq.heappop(self._heap)
            if self._ranks.get(key) == rank:
                del self._ranks[key]
                found.append(key)
        return found

    def span(self, limit: Any) -> Span:
        """Return how many ranks are *limit* or lower, and the first one above it."""
        found: set[Key] = set()
        following = None
        # No entry of a heap is lower than the one above it: what is below one that is too high is
        # not looked at, unless that one is stale.
        ahead = [0]
        while ahead:
            place = ahead.pop()
            if place >= len(self._heap):
                continue
            rank, key = self._heap[place]
            is_stale = self._ranks.get(key) != rank
            if not is_stale and rank <= limit:
                # A set: a key that came back to a rank that it had has two entries.
                found.add(key)
            elif not is_stale:
                following = rank if following is None else min(following, rank)
            if is_stale or rank <= limit:
                ahead += (2 * place + 1, 2 * place + 2)
        return Span(len(found), following)
