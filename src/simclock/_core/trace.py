"""What happened in a run, as typed records with a rolling digest.

Records hold no addresses, and no names but those of tasks: two runs of the same program under the
same schedule have equal records, on any day and in any process.
"""

from __future__ import annotations

import hashlib
import marshal
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Records that are hashed at once: one by one costs more than taking the step that is recorded.
BLOCK = 1024


class Record(NamedTuple):
    """One step of a run.

    Attributes:
        time_ns: Virtual monotonic instant.
        path: Path of the thread that it happened to.
        kind: One of ``start`` (thread started), ``park`` (began to wait),
            ``run`` (got the baton from another thread), ``end`` (thread ended), ``jump`` (clock
            moved), ``choice`` (at a checkpoint another thread goes on), ``deviation`` (a choice
            that is not about threads was not the canonical one), ``mark``
            (`Simulation.checkpoint`), ``step`` (an event loop lets a task go on),
            ``fail`` (an error was found).
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
        # Invariant: fewer than a block; the hash has seen all the others.
        self._fresh: list[tuple[int, str, str, str]] = []
        self._hash = hashlib.blake2b(digest_size=16)
        self._flushed = 0
        # Called at each step of a task, by `watch`.
        self._watcher: Callable[[], object] | None = None
        # Fresh records from which on `add` has more to do. So it asks no further question.
        self._enough = BLOCK

    def add(self, time_ns: int, path: str, kind: str, detail: str = "") -> None:
        """Append one record."""
        fresh = self._fresh
        fresh.append((time_ns, path, kind, detail))
        if len(fresh) >= self._enough:
            self._added(kind)

    def _added(self, kind: str) -> None:
        fresh = self._fresh
        if len(fresh) >= BLOCK:
            self._hash.update(_packed(fresh))
            self._kept.extend(fresh)
            self._flushed += len(fresh)
            fresh.clear()
        self._look(kind)

    def _look(self, kind: str) -> None:
        if self._watcher is not None and kind == "step":
            self._watcher()

    def watch(self, watcher: Callable[[], object] | None) -> None:
        """Have *watcher* called before each step of a task; None ends it."""
        self._watcher = watcher
        self._enough = BLOCK if watcher is None else 0

    @property
    def latest_ns(self) -> int:
        """The virtual instant of the last record; 0 if there is none."""
        last = self._fresh or self._kept
        return last[-1][0] if last else 0

    def __len__(self) -> int:
        """Return how many records the run has had."""
        return self._flushed + len(self._fresh)

    @property
    def records(self) -> tuple[Record, ...]:
        """The last `KEPT` records, oldest first."""
        kept = [*self._kept, *self._fresh][-self.KEPT :]
        return tuple(Record(*record) for record in kept)

    def __iter__(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield what the last records consist of, without making records of it."""
        yield from self._kept
        yield from self._fresh

    @property
    def digest(self) -> str:
        """A hexadecimal digest of every record of the run so far."""
        # On a copy: when somebody looks must not move the limits of the blocks.
        whole = self._hash.copy()
        whole.update(_packed(self._fresh))
        return whole.hexdigest()


# What sees each record, with a name for errors.
Observer = tuple[str, "Callable[[Record], Any]"]


class ObservedTrace(Trace):
    """A trace that shows each record to *observers* too, at once.

    A class of its own, so that a run without observers does not even ask. One
    that raises is dropped, and *fail* is called with the error.
    """

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        super().__init__()
        self.observers: list[Observer] = []
        self._fail = fail

    def add(self, time_ns: int, path: str, kind: str, detail: str = "") -> None:
        """Append one record and show it."""
        super().add(time_ns, path, kind, detail)
        record = Record(time_ns, path, kind, detail)
        errors: list[BaseException] = []
        for observer in self.observers.copy():
            name, see = observer
            try:
                see(record)
            except BaseException as error:  # noqa: BLE001 - fails the run below
                self.observers.remove(observer)
                ends = isinstance(error, (KeyboardInterrupt, SystemExit))
                errors.append(error if ends else _failed(name, record, error))
        # Afterwards: these add a record too, which nobody shall see before this one.
        super()._look(kind)
        for found in errors:
            self._fail(found)

    def _look(self, kind: str) -> None:
        """Do nothing yet: the record was not shown."""


def _failed(name: str, record: Record, cause: BaseException) -> PluginError:
    error = PluginError(
        f"trace observer {name} failed: {cause!r}\n  at {record}\nmend it, or unregister the plugin"
    )
    error.__cause__ = cause
    return error


def _packed(records: list[tuple[int, str, str, str]]) -> bytes:
    # Version 0 depends on the values alone; later ones also tell which of them are one object.
    return marshal.dumps(records, 0)
