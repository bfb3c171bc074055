"""A client: it looks for the leader, and asks again until it has an answer."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from kvstore.wire import call

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER = 1.0  # seconds
PAUSE = 0.1


class Client:
    """A user of a store.

    Args:
        name: No two clients have the same.
        nodes: The addresses of those of the store, by name.
    """

    def __init__(self, name: str, nodes: Mapping[str, str]) -> None:
        self._name = name
        self._nodes = nodes
        self._names = list(nodes)
        self._numbers = itertools.count(1)
        self._asked = 0

    async def add(self, key: str, add: int) -> None:
        """Add to the value of *key*, once; return when that is sure."""
        await self._ask(what="add", key=key, add=add)

    async def get(self, key: str) -> int:
        """Return the value of *key*."""
        answer = await self._ask(what="get", key=key)
        return int(answer["value"])

    async def _ask(self, **message: Any) -> dict[str, Any]:
        message["request"] = f"{self._name}-{next(self._numbers)}"
        while True:
            answer = await call(self._nodes[self._names[self._asked]], message, ANSWER)
            if "leader" not in answer and answer:
                return answer
            self._turn_to(answer.get("leader", ""))
            await asyncio.sleep(PAUSE)

    def _turn_to(self, leader: str) -> None:
        if leader in self._nodes:
            self._asked = self._names.index(leader)
        else:
            self._asked = (self._asked + 1) % len(self._names)
