"""What is delivered, to whom, and how it ended."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

_numbers = itertools.count(1)


def utcnow() -> datetime:
    """Return the time of day, aware, in UTC."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Endpoint:
    """A receiver of webhooks: where it is and what it can bear."""

    name: str
    url: str
    secret: bytes = b"secret"
    #: Deliveries per second, and how many may come at once.
    rate: float = 100.0
    burst: int = 10


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    kind: str
    payload: dict[str, Any]
    created: datetime = field(default_factory=utcnow)

    def body(self) -> bytes:
        """Return the event as it goes over the wire."""
        return json.dumps(
            {"kind": self.kind, "created": self.created.isoformat(), "payload": self.payload},
            sort_keys=True,
        ).encode()


@dataclass
class Delivery:
    """One event on its way to one endpoint."""

    event: Event
    endpoint: Endpoint
    attempts: int = 0
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(frozen=True)
class Receipt:
    """How a delivery ended."""

    number: int
    endpoint: str
    kind: str
    delivered: bool
    attempts: int
    reason: str
    at: datetime = field(default_factory=utcnow)
