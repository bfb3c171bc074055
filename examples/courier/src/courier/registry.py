"""Who wants to hear of what, and which shard of the service sends it to them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from courier.model import Endpoint


class Registry:
    """Subscriptions by kind of event. Stands for a database that takes its time."""

    def __init__(self, latency: float = 0.0) -> None:
        self._latency = latency
        self._lock = threading.Lock()
        self._wanted: dict[str, list[Endpoint]] = {}
        self.lookups = 0

    def subscribe(self, kind: str, endpoint: Endpoint) -> None:
        """Let *endpoint* have all events of a kind from now on."""
        with self._lock:
            self._wanted.setdefault(kind, []).append(endpoint)

    def lookup(self, kind: str) -> list[Endpoint]:
        """Return who wants events of a kind; slow."""
        time.sleep(self._latency)
        with self._lock:
            self.lookups += 1
            return list(self._wanted.get(kind, ()))


class Shard:
    """The endpoints that one instance serves. Moving one keeps both instances out meanwhile."""

    #: How long it takes to tell the other instance what is known of an endpoint.
    handover = 0.05

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.endpoints: set[str] = set()

    def locking_order(self, other: Shard) -> tuple[Shard, Shard]:
        """Return both in the order in which their locks are to be taken: everywhere the same."""
        first, second = sorted((self, other), key=lambda shard: shard.name)
        return first, second

    def move(self, endpoint: str, to: Shard) -> None:
        """Let *to* serve an endpoint of this one."""
        first, second = self.locking_order(to)
        with first.lock:
            time.sleep(self.handover)
            with second.lock:
                self.endpoints.remove(endpoint)
                to.endpoints.add(endpoint)
