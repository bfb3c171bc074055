"""Remember for a while what is slow to find out."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class TTLCache(Generic[K, V]):
    """Values by key, loaded when first asked for and again when older than *ttl* seconds.

    However many threads ask for a key at once, it is loaded once, and the others wait for it.
    What a load raises is raised in all of them and not remembered.
    """

    def __init__(self, load: Callable[[K], V], ttl: float) -> None:
        self._load = load
        self._ttl = ttl
        self._lock = threading.Lock()
        self._values: dict[K, tuple[float, V]] = {}
        self._loading: dict[K, Future[V]] = {}

    def get(self, key: K, timeout: float | None = None) -> V:
        """Return the value; wait at most *timeout* seconds for another thread that loads it."""
        with self._lock:
            found = self._values.get(key)
            if found is not None and time.monotonic() < found[0]:
                return found[1]
            future = self._loading.get(key)
            mine = future is None
            if future is None:
                future = self._loading[key] = Future()
        if mine:
            self._fill(key, future)
        return future.result(timeout)

    def _fill(self, key: K, future: Future[V]) -> None:
        try:
            value = self._load(key)
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            with self._lock:
                self._values[key] = (time.monotonic() + self._ttl, value)
                del self._loading[key]
            future.set_result(value)

    def forget(self, key: K) -> None:
        """Load the value anew when it is next asked for."""
        with self._lock:
            self._values.pop(key, None)

    def purge(self) -> int:
        """Drop what is too old; return how much that was."""
        with self._lock:
            now = time.monotonic()
            old = [key for key, (until, _) in self._values.items() if until <= now]
            for key in old:
                del self._values[key]
            return len(old)

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)
