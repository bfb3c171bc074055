"""One of several instances is the leader, as long as it shows signs of life."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _now() -> datetime:
    return datetime.now(timezone.utc)


class LeaseStore:
    """Who has which lease, and until when by the wall clock. Stands for a table in a database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[str, tuple[str, datetime]] = {}

    def owner(self, name: str) -> str | None:
        """Return who has the lease now."""
        with self._lock:
            return self._owner(name)

    def _owner(self, name: str) -> str | None:
        owner, until = self._leases.get(name, (None, None))
        return owner if until is not None and _now() < until else None

    def expires(self, name: str) -> datetime | None:
        """Return when the lease ends or ended, None if nobody ever had it."""
        with self._lock:
            return self._leases[name][1] if name in self._leases else None

    def acquire(self, name: str, who: str, ttl: float) -> bool:
        """Get the lease, or renew it, for *ttl* seconds; return whether *who* has it now."""
        with self._lock:
            if self._owner(name) not in {None, who}:
                return False
            self._leases[name] = (who, _now() + timedelta(seconds=ttl))
            return True

    def renew(self, name: str, who: str, ttl: float) -> bool:
        """Renew a lease that has not run out; return whether that was so."""
        with self._lock:
            if self._owner(name) != who:
                return False
            self._leases[name] = (who, _now() + timedelta(seconds=ttl))
            return True

    def release(self, name: str, who: str) -> None:
        """Give the lease back, if *who* has it."""
        with self._lock:
            if self._owner(name) == who:
                del self._leases[name]


class Heartbeat:
    """Keeps a lease by renewing it three times within its life, on timers.

    *lost* is called once, in a timer's thread, when the lease was found to be gone.
    """

    def __init__(
        self,
        store: LeaseStore,
        name: str,
        who: str,
        ttl: float,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._name = name
        self._who = who
        self._ttl = ttl
        self._lost = lost
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._stopped = False
        self.beats = 0

    def start(self) -> bool:
        """Get the lease and keep it; return False if another has it."""
        if not self._store.acquire(self._name, self._who, self._ttl):
            return False
        self._arm()
        return True

    def _arm(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._timer = threading.Timer(self._ttl / 3, self._beat)
            self._timer.name = f"heartbeat-{self._who}"
            self._timer.start()

    def _beat(self) -> None:
        with self._lock:
            if self._stopped:
                return
            kept = self._store.renew(self._name, self._who, self._ttl)
            self.beats += kept
            self._stopped = not kept
        if kept:
            self._arm()
        else:
            self._lost()

    def stop(self, *, release: bool = True) -> None:
        """Stop beating and, unless told otherwise, give the lease back. Idempotent."""
        with self._lock:
            self._stopped = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
            if timer is not threading.current_thread():
                timer.join()
        if release:
            self._store.release(self._name, self._who)
