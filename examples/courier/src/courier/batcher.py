"""Many small writes as few larger ones."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from courier.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")
log = logging.getLogger(__name__)


class Batcher(Generic[T]):
    """Collects items and writes them once there are *size* or the oldest is *age* seconds old.

    Writing happens in a thread of its own. What a write raises is logged and counted: the batch is
    lost, the next one is not.
    """

    def __init__(self, write: Callable[[list[T]], None], size: int, age: float) -> None:
        self._write = write
        self._size = size
        self._age = age
        self._items: queue.Queue[list[T]] = queue.Queue()
        self._closing = threading.Event()
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="courier-batcher")
        self._thread.start()

    def add(self, item: T) -> None:
        """Add an item; it will be written within *age* seconds."""
        if self._closing.is_set():
            raise RuntimeError("the batcher is closed")
        self._items.put([item])

    def close(self) -> None:
        """Write what is left and end the thread. Idempotent."""
        if not self._closing.is_set():
            self._closing.set()
            self._items.put([])
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            batch = self._items.get()
            last = not batch
            due = Deadline.after(self._age)
            while not last and len(batch) < self._size:
                try:
                    more = self._items.get(timeout=due.remaining())
                except queue.Empty:
                    break
                last = not more
                batch += more
            if batch:
                self._flush(batch)

    def _flush(self, batch: list[T]) -> None:
        try:
            self._write(batch)
        except Exception:
            self.lost += len(batch)
            log.exception("a batch of %d is lost", len(batch))

    def __enter__(self) -> Batcher[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
