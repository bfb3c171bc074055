"""What a node has on its disk: a file to which lines are added."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Entry(NamedTuple):
    """A change of the store.

    Attributes:
        epoch: Of the leader that has taken it.
        request: Who asked for it: the same in each attempt of a client. Empty for nobody.
        key: What is changed.
        add: By how much.
    """

    epoch: int
    request: str
    key: str
    add: int


class Journal:
    """The epoch and the entries of a node, as they were when it was last switched off.

    Args:
        path: The file. Lines are only ever added to it: one that was not written to its end by a
            crash is the last, and does not count.
        flush: Whether what is written is on the disk when `keep` returns.
    """

    def __init__(self, path: Path, *, flush: bool = True) -> None:
        self.epoch = 0
        self.entries: list[Entry] = []
        self._flush = flush
        if path.exists():
            for line in path.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    self._apply(*json.loads(line))
        self._file = path.open("a")

    def keep(self, epoch: int, kept: int, more: list[Entry]) -> None:
        """Set the epoch, and let *more* follow the first *kept* entries."""
        self._apply(epoch, kept, more)
        self._file.write(json.dumps([epoch, kept, more]) + "\n")
        if self._flush:
            self._file.flush()
            os.fsync(self._file.fileno())

    def _apply(self, epoch: int, kept: int, more: list[Entry]) -> None:
        self.epoch = epoch
        self.entries[kept:] = [Entry(*each) for each in more]
