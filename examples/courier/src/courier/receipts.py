"""What has become of each delivery, for as long as anybody may ask."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from courier.model import Receipt


class Receipts:
    """A store of receipts that are kept for a while. Stands for a table in a database."""

    def __init__(self, keep: timedelta) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._receipts: list[Receipt] = []
        #: The sizes of the batches in which they came.
        self.batches: list[int] = []

    def write(self, batch: list[Receipt]) -> None:
        """Add a batch."""
        with self._lock:
            self._receipts += batch
            self.batches.append(len(batch))

    def all(self) -> list[Receipt]:
        """Return all receipts that are still kept, oldest first."""
        with self._lock:
            return list(self._receipts)

    def purge(self) -> int:
        """Forget what is too old; return how much that was."""
        oldest = datetime.now(timezone.utc) - self._keep
        with self._lock:
            kept = [receipt for receipt in self._receipts if receipt.at > oldest]
            dropped = len(self._receipts) - len(kept)
            self._receipts = kept
            return dropped
