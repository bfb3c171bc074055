"""Who is dead: whose record has not changed while somebody watched, by the watcher's own clock."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Liveness:
    """What one watcher knows of others, each of whom changes a version now and then.

    No instant of one machine is compared with one of another: wall clocks
    differ, and monotonic ones begin anywhere. Who is found to be dead may
    still be alive, if it was paused or cut off: what is its own has to be
    taken from it by compare-and-set. May be used by several threads.

    Args:
        dead_after: Seconds for which a version has to be seen unchanged.
        margin: How much the watcher's clock may be faster, as a fraction.
        clock: Seconds since any instant; never goes back.

    Raises:
        ValueError: A number has no meaning.
    """

    def __init__(
        self,
        dead_after: float,
        margin: float = 0.05,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not dead_after > 0 or not margin >= 0:
            raise ValueError(
                f"nobody can be watched: dead_after={dead_after!r}, margin={margin!r}\n"
                "give a positive number of seconds, and a margin of 0 or more"
            )
        self._silence = dead_after * (1 + margin)
        self._clock = clock
        self._lock = threading.Lock()
        # A version, for how long it was seen unchanged, and when it was seen last.
        self._seen: dict[Hashable, tuple[object, float, float]] = {}

    def observe(self, key: Hashable, version: object) -> None:
        """Note that *key* has this version; call it after the version was read, not before.

        What is between two observations counts for half of the silence at most:
        if the watcher was paused, so were those on its machine.
        """
        now = self._clock()
        with self._lock:
            known, unchanged, last = self._seen.get(key, (None, 0.0, now))
            unchanged += min(now - last, self._silence / 2)
            self._seen[key] = (version, unchanged if known == version else 0.0, now)

    def is_dead(self, key: Hashable) -> bool:
        """Return whether *key* had one version in all of its last observations, for long enough.

        Up to the last of them, not up to now: who has not looked for long knows nothing.
        """
        with self._lock:
            return key in self._seen and self._seen[key][1] >= self._silence

    def forget(self, key: Hashable) -> None:
        """Let *key* be one that was never seen."""
        with self._lock:
            self._seen.pop(key, None)
