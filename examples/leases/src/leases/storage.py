"""What the workers share: a value that each reads, thinks about, and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leases.care import Care
from leases.wire import serve

if TYPE_CHECKING:
    Message = dict[str, Any]


class Storage:
    """Holds a value; `run` it on a machine of its own.

    Attributes:
        written: Each value that was written, with the token of who wrote it.
        refused: How often somebody came too late.
    """

    def __init__(self, care: Care | None = None) -> None:
        self._care = care or Care()
        self._newest = 0
        self.written: list[tuple[int, int]] = []
        self.refused = 0

    def run(self) -> None:
        """Serve for ever."""
        serve(self._handle)

    def _handle(self, message: Message) -> Message:
        token = message["token"]
        # Checked by reads as well: who reads is to find what no older owner changes any more.
        if self._care.fencing and token < self._newest:
            self.refused += 1
            return {}
        self._newest = max(self._newest, token)
        if message["what"] == "write":
            self.written.append((message["value"], token))
        return {"value": self.written[-1][0] if self.written else 0}
