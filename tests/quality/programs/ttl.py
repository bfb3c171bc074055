"""An entry of a cache expires between the question whether it is there and its use.

Fails: the question comes 50 ms before the entry expires, the use after these 50 ms.
"""

from __future__ import annotations

import threading
import time

TTL = 1.0
LOOK = 0.95


def bug():
    """Ask, then get."""

    def look(cache):
        if cache.has("key"):
            time.sleep(0)
            return cache.get("key")
        return None

    _run(look)


def fixed():
    """Get, and be prepared."""

    def look(cache):
        try:
            return cache.get("key")
        except KeyError:
            return None

    _run(look)


class Cache:
    """Entries for `TTL` seconds."""

    def __init__(self):
        self._entries = {}

    def set(self, key, value):
        self._entries[key] = (value, time.monotonic() + TTL)

    def has(self, key):
        _, expires = self._entries.get(key, (None, 0.0))
        return time.monotonic() < expires

    def get(self, key):
        value, expires = self._entries[key]
        if time.monotonic() >= expires:
            raise KeyError(key)
        return value

    def purge(self):
        for key in list(self._entries):
            if not self.has(key):
                del self._entries[key]


def _run(look):
    cache = Cache()
    cache.set("key", "value")
    purging = threading.Timer(TTL, cache.purge)
    purging.start()
    time.sleep(LOOK)
    try:
        assert look(cache) in ("value", None)
    finally:
        purging.join()
