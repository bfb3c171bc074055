"""What happened in a run, as typed records with a rolling digest.

Records hold no names and no addresses: two runs of the same program under the
same schedule have equal records, on any day and in any process.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import NamedTuple


class Record(NamedTuple):
    """One step of a run.

    Attributes:
        time_ns: Virtual monotonic instant.
        path: Path of the thread that it happened to.
        kind: One of ``start`` (thread started), ``park`` (began to wait),
            ``run`` (got the baton from another thread), ``end`` (thread ended), ``jump`` (clock
            moved), ``choice`` (a choice point was answered), ``mark``
            (`Simulation.checkpoint`), ``fail`` (an error was found).
        detail: What is particular to the kind: wait reason and site, choice
            and label, name of the error.
    """

    time_ns: int
    path: str
    kind: str
    detail: str


class Trace:
    """The last records of a run and a digest of all of them.

    Memory is bounded: a run has no length that is known before, and a digest
    is enough to compare two.
    """

    KEPT = 100_000

    def __init__(self) -> None:
        self._kept: deque[tuple[int, str, str, str]] = deque(maxlen=self.KEPT)
        self._fresh: list[tuple[int, str, str, str]] = []
        self._hash = hashlib.blake2b(digest_size=16)
        self._flushed = 0

    def add(self, time_ns: int, path: str, kind: str, detail: str = "") -> None:
        """Append one record."""
        self._fresh.append((time_ns, path, kind, detail))
        if len(self._fresh) >= 1024:
            self._flush()

    def _flush(self) -> None:
        # In blocks: hashing each record by itself costs more than taking the step it records.
        for record in self._fresh:
            self._hash.update(repr(record).encode())
        self._kept.extend(self._fresh)
        self._flushed += len(self._fresh)
        self._fresh.clear()

    def __len__(self) -> int:
        """Return how many records the run has had."""
        return self._flushed + len(self._fresh)

    @property
    def records(self) -> tuple[Record, ...]:
        """The last `KEPT` records, oldest first."""
        self._flush()
        return tuple(Record(*record) for record in self._kept)

    @property
    def digest(self) -> str:
        """A hexadecimal digest of every record of the run so far."""
        self._flush()
        return self._hash.hexdigest()
